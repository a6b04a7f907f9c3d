"""What the pages of runs ask for and do, in the words of the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from trimtab.journal.alignment import Alignment
from trimtab.journal.asks import Find, RunRow
from trimtab.journal.entries import Body, Order, Reconciliation
from trimtab.journal.steps import Log


class Otherwise(Struct, frozen=True):
    """A fact of two runs that differs."""

    fact: str
    left: str
    right: str


class Compared(Struct, frozen=True):
    """Two runs side by side. `otherwise` names what they were begun with that differs, `overrides` what the right one,
    as a fork, was asked to do otherwise.
    """

    left: RunRow
    right: RunRow
    otherwise: tuple[Otherwise, ...]
    overrides: dict[str, str]
    alignment: Alignment


class Branch(Struct, frozen=True):
    """A run with those that it began, and those that were forked off it."""

    row: RunRow
    children: tuple[Branch, ...] = ()
    forks: tuple[RunRow, ...] = ()


class Wanted(Struct, frozen=True):
    """A fork: of `run`, before the step at `at` (0 is after its last step), with an id of its own.

    `answer` is given as the answer of that step instead of taking it again; `overrides` says what is changed besides.
    """

    run: str
    id: str
    at: int = 0
    answer: bytes | None = None
    overrides: dict[str, str] = {}


class Redriven(Struct, frozen=True):
    """What became of a run that failed: `fork` is the run that goes on in its place."""

    run: str
    ok: bool
    fork: str = ""
    detail: str = ""


class RunDesk(Protocol):
    """The journal of runs, for pages and the API.

    Every operation raises `StoreError` while the journal cannot be read, `JournalUnavailable` while it cannot be
    written, a 404 where there is no such run, and `InvalidRequest` with why the journal refuses.
    """

    async def find(self, wanted: Find) -> tuple[RunRow, ...]:
        """Runs, the latest first."""

    async def log(self, run: str) -> tuple[RunRow, Log]:
        """A run with its log."""

    async def bodies(self, run: str, named: Sequence[Body]) -> Mapping[str, bytes | None]:
        """The bytes of bodies by their digests; None where they are not kept."""

    async def compared(self, left: str, right: str) -> Compared:
        """Two runs side by side."""

    async def tree(self, run: str) -> Branch:
        """A run with the runs that it began."""

    async def order(self, order: Order, by: str, reason: str, *, run: str = "", task: str = "") -> tuple[str, ...]:
        """Gives an order; the runs that it reached."""

    async def fork(self, wanted: Wanted) -> RunRow:
        """Makes a fork."""

    async def reconcile(
        self, run: str, of: int, found: Reconciliation, by: str, reason: str, output: bytes | None
    ) -> RunRow:
        """Says what became of a step whose outcome was unknown."""

    async def dead(self, wanted: Find) -> tuple[RunRow, ...]:
        """Runs that failed or are parked, and were not forked since."""

    async def redrive(self, run: str) -> Redriven:
        """Takes up a run that failed in a fork."""

    async def case(self, run: str, at: int) -> str:
        """A step as a case, a line of JSON."""

    async def export(self, run: str) -> bytes:
        """A run whole, as lines of JSON."""
