"""Who keeps labels: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.holding import held
from trimtab.clock import SystemClock
from trimtab.console.label_desk import Added, SetDetail, SetShown
from trimtab.database.migrate import open_state
from trimtab.errors import InvalidRequest, TrimtabError
from trimtab.journal.labels import Labelling, LabelStore, Row
from trimtab.processes.label_api import Labelled, NewRows, NewSet, Said, Sets
from trimtab.processes.label_book import LabelBook

T = TypeVar("T")
OWNER = "(owner)"


class LabelRefused(TrimtabError):
    """{detail}"""


class LabelOffice(Protocol):
    """What can be done with labels; every operation raises `TrimtabError` when it fails."""

    def sets(self) -> tuple[SetShown, ...]:
        """The sets, by name."""

    def make(self, wanted: NewSet) -> Labelling:
        """A new set."""

    def add(self, name: str, wanted: NewRows) -> Added:
        """Puts rows into a set."""

    def detail(self, name: str, reviewer: str) -> SetDetail:
        """A set as one reviewer sees it."""

    def put(self, name: str, said: Said) -> Row:
        """Keeps what a reviewer says of a row."""

    def labelled(self, name: str) -> Sequence[dict[str, Any]]:
        """The rows that have all their labels."""


@contextmanager
def label_office(root: Path) -> Iterator[LabelOffice]:
    """Whoever keeps the labels of the project in `root`.

    Raises `DeclarationError` for a project that cannot be read, `ControlUnreachable` when something runs there but
    does not answer, and `StoreError`.
    """
    with held(root) as (places, project):
        if project is None:
            yield AskedOffice(ControlClient(places.control_socket))
            return
        with closing(open_state(places.state)) as state:
            yield OwnOffice(LabelBook(LabelStore(state), places.root, root, SystemClock()))


class OwnOffice:
    """This process does it."""

    def __init__(self, book: LabelBook) -> None:
        self._book = book

    def sets(self) -> tuple[SetShown, ...]:
        """The sets, by name."""
        return self._book.sets(OWNER)

    def make(self, wanted: NewSet) -> Labelling:
        """A new set."""
        with _refusing():
            return self._book.make(Labelling(**msgspec.structs.asdict(wanted)), OWNER)

    def add(self, name: str, wanted: NewRows) -> Added:
        """Puts rows into a set."""
        with _refusing():
            rows, source = list(wanted.rows), wanted.source
            if wanted.evaluation:
                labelling = self._book.get(name)
                evaluation = self._book.evaluation(wanted.evaluation)
                rows = self._book.answers(labelling, evaluation, wanted.count, wanted.seed)
                source = f"evaluation {evaluation}"
            return self._book.add(name, rows, source)

    def detail(self, name: str, reviewer: str) -> SetDetail:
        """A set as one reviewer sees it."""
        with _refusing():
            return self._book.detail(name, reviewer)

    def put(self, name: str, said: Said) -> Row:
        """Keeps what a reviewer says of a row."""
        with _refusing():
            return self._book.put(name, said.item, said.key, said.note, said.reviewer, said.reviewer)

    def labelled(self, name: str) -> Sequence[dict[str, Any]]:
        """The rows that have all their labels."""
        with _refusing():
            return self._book.labelled(name)


class AskedOffice:
    """Control does it."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    def sets(self) -> tuple[SetShown, ...]:
        """The sets, by name."""
        return self._asked(Sets, "GET", "/api/labels").sets

    def make(self, wanted: NewSet) -> Labelling:
        """A new set."""
        return self._asked(Labelling, "POST", "/api/labels", wanted)

    def add(self, name: str, wanted: NewRows) -> Added:
        """Puts rows into a set."""
        return self._asked(Added, "POST", f"{_place(name)}/rows", wanted)

    def detail(self, name: str, reviewer: str) -> SetDetail:
        """A set as one reviewer sees it."""
        return self._asked(SetDetail, "GET", f"{_place(name)}?{urlencode({'reviewer': reviewer})}")

    def put(self, name: str, said: Said) -> Row:
        """Keeps what a reviewer says of a row."""
        return self._asked(Row, "POST", f"{_place(name)}/given", said)

    def labelled(self, name: str) -> Sequence[dict[str, Any]]:
        """The rows that have all their labels."""
        return self._asked(Labelled, "GET", f"{_place(name)}/labelled").rows

    def _asked(self, kind: type[T], method: str, place: str, body: object = None) -> T:
        status, answer = self._control.ask(method, place, msgspec.json.encode(body) if body is not None else b"")
        if status >= 300:
            raise LabelRefused(detail=refusal(answer).message)
        return msgspec.json.decode(answer, type=kind)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except InvalidRequest as wrong:
        raise LabelRefused(detail=str(wrong.facts["detail"])) from None


def _place(name: str) -> str:
    return f"/api/labels/{quote(name, safe='')}"
