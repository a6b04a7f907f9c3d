"""Runs in process: the real journal in a folder of its own, models that answer from a table, crashes on demand."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec

from trimtab.clock import Clock, SystemClock
from trimtab.errors import JournalUnavailable
from trimtab.ids import IdSource
from trimtab.journal.asks import (
    LEASE_S,
    Ask,
    Begin,
    Begun,
    Decide,
    Direct,
    Entries,
    Find,
    FindReviews,
    Read,
    Renew,
    Reviews,
    Runs,
    Sweep,
    Told,
)
from trimtab.journal.bindings import edited_binding
from trimtab.journal.client import Hears, LocalKeeper
from trimtab.journal.entries import Decided, Entry, Intent, Order, body_of
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.runs import values
from trimtab.runs.faults import ModelFailed
from trimtab.runs.models import Asked, Models
from trimtab.runs.runtime import Checks, Rules, Runtime

Answering = str | Mapping[str, Any] | Exception | Callable[[Asked], Any]
MOST_RUNS: Final = 1000
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder in it is made for its owner alone
"""Where a machine has files in memory."""


class ScriptedModels:
    """Models that answer from a table by the task's name.

    An answer is a text, data (given as JSON text), a whole chat completion, an exception, or a function of what was
    asked that gives one of these. `asked` keeps what was.
    """

    journaled = False
    url = ""

    def __init__(self, answers: Mapping[str, Answering]) -> None:
        self.asked: list[Asked] = []
        self._answers = dict(answers)

    def __repr__(self) -> str:
        return f"ScriptedModels({', '.join(sorted(self._answers))})"

    async def ask(self, asked: Asked, headers: Mapping[str, str]) -> tuple[bytes, int]:
        """The answer of the table."""
        return self.ask_blocking(asked, headers)

    def ask_blocking(self, asked: Asked, headers: Mapping[str, str]) -> tuple[bytes, int]:
        """The answer of the table."""
        self.asked.append(asked)
        if asked.task not in self._answers:
            detail = f"the table has no answer for it; add {asked.task!r} to models"
            raise ModelFailed(task=asked.task, code="unknown_task", status=404, detail=detail)
        answer = self._answers[asked.task]
        given = answer(asked) if callable(answer) else answer
        if isinstance(given, Exception):
            raise given
        return values.encode(_completion(given)), 0

    async def close(self) -> None:
        """There is nothing to close."""


class LocalRuns:
    """A journal of its own for what is called inside:

        with LocalRuns(models={"triage": "refund"}) as runs:
            asyncio.run(answer("Lost!"))
            assert runs.steps() == ["triage", "refund"]

    `runtime` is what runs are connected to.
    """

    def __init__(
        self,
        models: Mapping[str, Answering] | None = None,
        *,
        clock: Clock | None = None,
        lock: str = "",
        lease_s: float = LEASE_S,
        directory: Path | None = None,
        reviews: Rules | None = None,
        checks: Checks | None = None,
    ) -> None:
        self._reviews = reviews or {}
        self._checks = checks or {}
        self.models = ScriptedModels(models or {})
        self._models: Models = self.models
        self._clock = _Shifted(clock or SystemClock())
        self._lock = lock
        self._lease_s = lease_s
        memory = MEMORY if MEMORY.is_dir() else None
        self._folder = None if directory else tempfile.TemporaryDirectory(prefix="trimtab-runs-", dir=memory)
        self._path = (directory or Path(self._folder.name if self._folder else ".")) / "journal.db"
        self._store = RunStore(open_runs(self._path), MemoryBodies(), self._clock)
        self._keeper = UnsteadyKeeper(LocalKeeper(self._store))
        self._ids = IdSource()
        self.runtime = self._connected()

    def __repr__(self) -> str:
        return f"LocalRuns({self._path}, {self.models!r})"

    def __enter__(self) -> Self:
        self.runtime.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.runtime.__exit__(kind, error, trace)
        self.runtime.close()
        self._store.close()
        if self._folder is not None:
            self._folder.cleanup()

    def runs(self) -> list[str]:
        """The ids of all runs, in the order they began."""
        told = self.do(Find(limit=MOST_RUNS))
        return [row.run for row in reversed(told.runs)] if isinstance(told, Runs) else []

    def log(self, run: str = "") -> list[Entry]:
        """The entries of a run, of the first one unless it is named."""
        run = run or self.runs()[0]
        entries: list[Entry] = []
        while True:
            told = self.do(Read(run, len(entries) + 1))
            assert isinstance(told, Entries)  # noqa: S101 - what a `Read` is told
            entries += [logged.entry for logged in told.entries]
            if len(entries) >= told.last:
                return entries

    def steps(self, run: str = "") -> list[str]:
        """The labels of a run's steps, in the order they were begun."""
        return [entry.label for entry in self.log(run) if isinstance(entry, Intent)]

    def state(self, run: str = "") -> str:
        """What became of a run so far."""
        told = self.do(Find(run=run or self.runs()[0]))
        return told.runs[0].state if isinstance(told, Runs) else ""

    def given(self, run: str) -> frozenset[int]:
        """The seqs of a run's steps whose recorded result was given here."""
        return frozenset(seq for name, seq in self._keeper.given if name == run)

    def waiting(self) -> int:
        """How many reviews wait."""
        told = self.do(FindReviews())
        return len(told.reviews) if isinstance(told, Reviews) else 0

    def decide(
        self,
        verdict: Literal["approved", "edited", "rejected"],
        edited: object = None,
        *,
        by: str = "a tester",
        reason: str = "",
    ) -> None:
        """Decides the review that has waited longest; `edited` takes the place of what was proposed."""
        told = self.do(FindReviews())
        assert isinstance(told, Reviews)  # noqa: S101 - what a `FindReviews` is told
        one = told.reviews[0]
        decided = Decided(self._clock.wall_ns(), one.review, verdict, by, reason)
        if verdict == "edited":
            content = values.encode(edited)
            binds = edited_binding(one.binds, content)
            decided = msgspec.structs.replace(decided, edited=body_of(content), binds=binds)
            self.do(Decide(decided, one.binds, content if len(content) > 1024 else b""))
        else:
            self.do(Decide(decided, one.binds))

    def order(self, order: Order, run: str = "", by: str = "a tester") -> None:
        """Pauses, resumes, stops or cancels a run, or all."""
        self.do(Direct(order, by, run))

    def lose(self, after: int, *, answered: bool = False) -> None:
        """After so many more asks the journal is out of reach, as for a driver that crashed there.

        `answered` False has the last of them done without an answer to it.
        """
        self._keeper.lose(after, answered=answered)

    def again(self, lock: str | None = None) -> None:
        """What drove runs is gone, the journal is there, and leases have run out; as under another lock, if told."""
        self.runtime.__exit__(None, None, None)
        self.runtime.close()
        self._keeper.find()
        self._clock.shift(self._lease_s + 1)
        if lock is not None:
            self._lock = lock
        self.runtime = self._connected()
        self.runtime.__enter__()

    def through(self, models: Models) -> None:
        """Has models asked of somebody else than the table; to be said before it is entered."""
        self._models = models
        self.runtime = self._connected()

    def advance(self, seconds: float) -> None:
        """Lets the time of the journal pass."""
        self._clock.shift(seconds)

    def sweep(self) -> None:
        """Does what keeper does once a second: what is due, what has run out."""
        self.do(Sweep())

    def do(self, ask: Ask) -> Told:
        """Asks the journal itself."""
        return self._keeper.inner.blocking.do(ask)

    def _connected(self) -> Runtime:
        def keeper(hears: Hears | None) -> UnsteadyKeeper:
            if hears is not None:
                self._keeper.inner.blocking.hears[:] = [hears]
            return self._keeper

        return Runtime(
            keeper=keeper,
            blocking=self._keeper.blocking,
            models=self._models,
            clock=self._clock,
            ids=self._ids,
            lock=self._lock,
            lease_s=self._lease_s,
            reviews=lambda: self._reviews,
            checks=lambda: self._checks,
        )


class UnsteadyKeeper:
    """A journal that can be out of reach; `blocking` is its face for threads.

    `asks` counts what it was asked; `given` are the steps, by run and seq, whose recorded result it gave.
    """

    def __init__(self, inner: LocalKeeper) -> None:
        self.inner = inner
        self.blocking = UnsteadyThreads(self)
        self.asks = 0
        self.given = set[tuple[str, int]]()
        self._left: int | None = None
        self._answered = False
        self._guard = threading.Lock()

    async def do(self, ask: Ask) -> Told:
        """Asks, if it is there."""
        return self.ask(ask)

    def ask(self, ask: Ask) -> Told:
        """Asks, if it is there."""
        with self._guard:
            gone = self._left is not None and self._left <= 0
            counts = not isinstance(ask, Renew)
            self.asks += counts
            if self._left is not None and not gone:
                self._left -= counts
            last = counts and self._left == 0 and not gone
        if gone:
            raise JournalUnavailable(detail="it was made to be out of reach")
        if isinstance(ask, Read):
            self.inner.blocking.do(Sweep())
        told = self.inner.blocking.do(ask)
        if isinstance(ask, Begin) and isinstance(told, Begun) and told.result is not None:
            self.given.add((ask.run, told.seq))
        if last and not self._answered:
            raise JournalUnavailable(detail="it was made to be out of reach")
        return told

    def lose(self, after: int, *, answered: bool) -> None:
        """After so many more asks it is out of reach; the last of them is done, `answered` or not."""
        self._left, self._answered = after, answered

    def find(self) -> None:
        """It is in reach again."""
        self._left = None

    async def watch(self, runs: Callable[[], Iterable[str]]) -> None:
        """Orders are heard without it."""
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """Nothing is held."""


class UnsteadyThreads:
    """The same for threads."""

    def __init__(self, unsteady: UnsteadyKeeper) -> None:
        self._unsteady = unsteady

    def do(self, ask: Ask) -> Told:
        """Asks, if it is there."""
        return self._unsteady.ask(ask)

    def close(self) -> None:
        """Nothing is held."""


class _Shifted:
    """A clock and some time more."""

    def __init__(self, inner: Clock) -> None:
        self._inner = inner
        self._more_s = 0.0

    def shift(self, seconds: float) -> None:
        self._more_s += seconds

    def monotonic(self) -> float:
        return self._inner.monotonic() + self._more_s

    def wall_ns(self) -> int:
        return self._inner.wall_ns() + round(self._more_s * 1e9)


def _completion(given: Any) -> Mapping[str, Any]:
    if isinstance(given, Mapping) and "choices" in given:
        return given
    text = given if isinstance(given, str) else values.encode(given).decode()
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"object": "chat.completion", "choices": [choice]}
