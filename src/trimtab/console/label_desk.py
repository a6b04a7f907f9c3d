"""What the pages of labels ask for and do: handed in by control, so that this room need not know the processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from trimtab.evals.agreeing import SetAgreement
from trimtab.journal.labels import Label, LabelItem, Labelling, Row


class SetShown(Struct, frozen=True):
    """A set, and how far it is: `labelled` rows have as many labels as it asks for, `mine` are those of who asks."""

    labelling: Labelling
    rows: int
    labelled: int
    mine: int
    disputed: int


class Disputed(Struct, frozen=True):
    """A row on which its reviewers disagree, with what each said."""

    item: LabelItem
    labels: tuple[Label, ...]


class SetDetail(Struct, frozen=True):
    """A set as one reviewer sees it: the row that waits for them, how well all agree, and what is disputed."""

    shown: SetShown
    next: LabelItem | None
    agreement: SetAgreement
    disputed: tuple[Disputed, ...]


class Added(Struct, frozen=True):
    """How many rows were put in, and how many the set had already."""

    added: int
    known: int


class LabelDesk(Protocol):
    """Answers that people label. Every operation raises `StoreError`, and `InvalidRequest` for what cannot be."""

    def find(self, name: str) -> Labelling | None:
        """A set by its name; None where there is none."""

    def sets(self, reviewer: str) -> tuple[SetShown, ...]:
        """All sets, by name."""

    def waiting(self) -> Mapping[str, int]:
        """How many rows wait for labels, by task."""

    def make(self, wanted: Labelling, by: str) -> Labelling:
        """A new set."""

    def answers(self, labelling: Labelling, evaluation: str, count: int, seed: int = 0) -> list[dict[str, Any]]:
        """Answers of an evaluation as rows of a set, drawn at random; it may be asked from another thread."""

    def add(self, name: str, rows: Sequence[dict[str, Any]], source: str) -> Added:
        """Puts rows into a set, each once."""

    def detail(self, name: str, reviewer: str) -> SetDetail:
        """A set as one reviewer sees it."""

    def put(self, name: str, item: str, key: str, note: str, reviewer: str, who: str) -> Row:
        """Keeps what somebody says of a row by the key of the answer; returns the row as they may see it now."""

    def labelled(self, name: str) -> tuple[dict[str, Any], ...]:
        """The rows that have all their labels, as a data set of labels has them."""
