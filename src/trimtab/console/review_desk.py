"""What the pages of reviews ask for and do: handed in by control, so that this room need not know the processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from trimtab.evals.agreeing import SetAgreement
from trimtab.journal.asks import Review
from trimtab.journal.deciding import Said
from trimtab.journal.proposals import Background


class Held(Struct, frozen=True):
    """A check of runs held against what people said of them: runs of which both say something, and how often it fails
    those that people find right (`false_alarms` of `right`) and passes those that they do not (`missed` of `wrong`).
    """

    check: str
    runs: int
    right: int
    false_alarms: int
    wrong: int
    missed: int


class ReviewShown(Struct, frozen=True):
    """A review as whoever decides sees it: what is proposed as text, what is known about it, and what took its place.

    `changed` says in words what is not any more as it was when it was asked, empty where nothing is known to be.
    """

    review: Review
    proposed: str
    background: Background
    edited: str = ""
    changed: str = ""


class SampledAgreement(Struct, frozen=True):
    """How well people agree who looked at the same runs by themselves, and how checks stand against them."""

    reviewers: SetAgreement
    checks: tuple[Held, ...]


class ReviewDesk(Protocol):
    """Reviews of a journal. Every operation raises `JournalRefusal`, and `JournalUnavailable`."""

    async def waiting(self) -> Mapping[str, int]:
        """How many wait, by task."""

    async def find(self, task: str, visitor: str, *, waiting: bool, run: str = "") -> tuple[Review, ...]:
        """Those that wait, the oldest first; and unless only these are meant, the latest that were decided.

        Of samples, what others said is not among them before all who were asked have said something.
        """

    async def shown(self, review: str) -> ReviewShown:
        """One of them with what it is about."""

    async def decide(self, review: str, said: Said) -> Review:
        """Writes a decision; the review as it stands then."""

    async def agreement(self, task: str) -> SampledAgreement:
        """How well those agree who looked at sampled runs."""
