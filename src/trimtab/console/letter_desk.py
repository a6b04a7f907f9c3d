"""What the pages of dead letters ask for and do, and letters that are re-driven one after another."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.errors import TrimtabError
from trimtab.journal.dead_letters import DeadLetter, Letters

MOST_AT_ONCE: Final = 20
"""Letters that one form may re-drive or drop."""
MOST_RUNS: Final = 100
"""Runs that are remembered; beyond that the oldest goes."""


class Shown(Protocol):
    """One letter with the request it would send; where there is none, `missing` says why."""

    @property
    def letter(self) -> DeadLetter:
        """The letter."""

    @property
    def request(self) -> str | None:
        """The whole request as text."""

    @property
    def missing(self) -> str:
        """Why there is none."""


class Redriven(Protocol):
    """What became of a letter."""

    @property
    def ok(self) -> bool:
        """Whether it is dealt with."""

    @property
    def call(self) -> str:
        """The id of the call it was sent as."""

    @property
    def detail(self) -> str:
        """What went wrong, or what was done."""

    @property
    def events(self) -> int:
        """Of records, how many were read."""


class LetterDesk(Protocol):
    """The dead letters of this host. Every operation raises `StoreError`, and `CallError` for what cannot be done."""

    async def list(self, wanted: Letters) -> Sequence[DeadLetter]:
        """The letters asked for, newest first."""

    async def show(self, letter: str) -> Shown | None:
        """One letter with its request; None if there is none of that id."""

    async def drop(self, ids: tuple[str, ...]) -> Sequence[str]:
        """Takes letters out; the ids of those that were there."""

    async def redrive(self, letter_id: str) -> Redriven | None:
        """Re-drives a letter; None if there is none of that id."""


class Outcome(Struct, frozen=True):
    """What became of one letter of a run; `call` is the one it was sent as, if it was."""

    letter: str
    task: str
    ok: bool
    call: str = ""
    detail: str = ""
    events: int = 0


class Run(Struct, frozen=True):
    """Letters that somebody re-drives, one after another. `waiting` are those whose turn has not come to its end;
    `ended_ns` is 0 while there are any.
    """

    id: str
    by: str
    began_ns: int
    waiting: tuple[str, ...]
    done: tuple[Outcome, ...] = ()
    ended_ns: int = 0


class Redrives:
    """Re-drives letters in the background; the last hundred runs are remembered until this process ends. `changed` is
    called whenever one more is dealt with.
    """

    def __init__(self, letters: LetterDesk, clock: Clock, changed: Callable[[], None] = lambda: None) -> None:
        self._letters = letters
        self._clock = clock
        self._changed = changed
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._keys: dict[str, str] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._made = 0

    def __repr__(self) -> str:
        return f"Redrives({len(self._runs)} remembered, {len(self._under_way)} under way)"

    def begin(self, letters: Sequence[DeadLetter], by: str, key: str = "") -> Run:
        """Begins with these letters, in this order, for the key of a name and an id."""
        self._made += 1
        now_ns = self._clock.wall_ns()
        run = Run(f"{now_ns // 1_000_000:x}-{self._made}", by, now_ns, tuple(one.id for one in letters))
        self._runs[run.id], self._keys[run.id] = run, key
        while len(self._runs) > MOST_RUNS:
            del self._keys[self._runs.popitem(last=False)[0]]
        work = asyncio.ensure_future(self._work(run.id, letters))
        self._under_way[run.id] = work
        work.add_done_callback(lambda _: self._under_way.pop(run.id, None))
        return run

    def get(self, run: str) -> Run | None:
        """A run as it stands; None for one that is not remembered."""
        return self._runs.get(run)

    def is_of(self, run: str, key: str) -> bool:
        """Whether the key of this id began a run; nobody has the empty id."""
        return bool(key) and self._keys.get(run) == key

    async def settled(self, run: str, seconds: float | None = None) -> None:
        """Waits until a run is through, so long at most."""
        work = self._under_way.get(run)
        if work is not None:
            await asyncio.wait([work], timeout=seconds)

    def close(self) -> None:
        """Begins nothing more; what was sent ends with the gateway."""
        for work in list(self._under_way.values()):
            work.cancel()

    async def _work(self, run: str, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self._note(run, await self._redriven(letter))
            self._changed()

    async def _redriven(self, letter: DeadLetter) -> Outcome:
        try:
            found = await self._letters.redrive(letter.id)
        except TrimtabError as failure:
            return Outcome(letter.id, letter.task, False, detail=str(failure))
        if found is None:
            return Outcome(letter.id, letter.task, False, detail="it is not there any more")
        return Outcome(letter.id, letter.task, found.ok, found.call, found.detail, found.events)

    def _note(self, run: str, outcome: Outcome) -> None:
        before = self._runs.get(run)
        if before is None:
            return
        waiting = before.waiting[1:]
        ended_ns = 0 if waiting else self._clock.wall_ns()
        self._runs[run] = replace(before, waiting=waiting, done=(*before.done, outcome), ended_ns=ended_ns)
