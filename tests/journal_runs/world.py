"""A journal of runs and the clock it lives by, asked as drivers, gateways and persons ask it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trimtab.journal.asks import (
    Ask,
    AskReview,
    Begin,
    Begun,
    Claim,
    Decide,
    Direct,
    Directed,
    Entries,
    Find,
    FindReviews,
    Finish,
    Lease,
    Note,
    Nothing,
    Open,
    Read,
    Reconcile,
    Refused,
    Release,
    Renew,
    Review,
    Reviews,
    RunRow,
    Runs,
    Sweep,
    Swept,
    Tell,
    Told,
    Written,
)
from trimtab.journal.entries import (
    Arrived,
    Asked,
    Body,
    Decided,
    Ended,
    Entry,
    Order,
    Reconciled,
    Reconciliation,
    Result,
    Started,
    State,
    body_of,
)
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import Database
from trimtab.journal.runs.store import RunStore
from trimtab.journal.runs.verify import verify_run
from trimtab.testing import JumpingClock


class World:
    """One store; `again` opens the same database anew."""

    def __init__(self, opened: Callable[[], Database]) -> None:
        self.clock = JumpingClock()
        self.bodies = MemoryBodies()
        self._opened = opened
        self.database = opened()
        self.store = RunStore(self.database, self.bodies, self.clock)

    def again(self) -> None:
        """The writer restarts."""
        self.store.close()
        self.database = self._opened()
        self.store = RunStore(self.database, self.bodies, self.clock)

    def ask(self, ask: Ask) -> Told:
        """One ask as a commit of its own."""
        (told,) = self.store.do([ask])
        return told

    def told(self, ask: Ask, kind: type[Any]) -> Any:
        """What it tells, which must be of this kind."""
        told = self.ask(ask)
        assert isinstance(told, kind), told
        return told

    def refused(self, ask: Ask) -> str:
        """The name of the refusal."""
        told = self.ask(ask)
        assert isinstance(told, Refused), told
        return told.error

    def open(self, run: str = "r", owner: str = "d1", task: str = "t", ttl_s: float = 30.0, **facts: Any) -> Lease:
        """A run begins, with a driver."""
        return self.told(Open(run, Started(self.now, task, **facts), owner, ttl_s), Lease)  # type: ignore[no-any-return]

    def calls(self, run: str = "g", task: str = "t", **facts: Any) -> Lease:
        """A run of calls alone begins."""
        return self.told(Open(run, Started(self.now, task, through="gateway", **facts)), Lease)  # type: ignore[no-any-return]

    def claim(self, owner: str, run: str = "", *tasks: str) -> Lease:
        """A driver takes a run over."""
        return self.told(Claim(owner, run, tasks), Lease)  # type: ignore[no-any-return]

    def nothing(self, *tasks: str) -> None:
        """There is nothing to claim."""
        self.told(Claim("idle", tasks=tasks), Nothing)

    def begin(self, label: str = "look", request: str = "aa", **facts: Any) -> Begun:
        """A step of run `r` under lease 1 begins on branch `main`, unless told otherwise."""
        return self.told(beginning(label, request, **facts), Begun)  # type: ignore[no-any-return]

    def finish(self, of: int, output: bytes | None = b"done", run: str = "r", epoch: int = 1, **facts: Any) -> Written:
        """Its result."""
        return self.told(finishing(of, output, run, epoch, self.now, **facts), Written)  # type: ignore[no-any-return]

    def step(self, label: str = "look", request: str = "aa", output: bytes = b"done", **facts: Any) -> int:
        """A step that begins and ends; its seq."""
        begun = self.begin(label, request, **facts)
        assert begun.found == "go"
        self.finish(begun.seq, output, facts.get("run", "r"), facts.get("epoch", 1))
        return begun.seq

    def release(self, run: str = "r", epoch: int = 1, wake_ns: int | None = None) -> None:
        """The driver gives the run back."""
        self.told(Release(run, epoch, wake_ns), Written)

    def renew(self, run: str = "r", epoch: int = 1) -> Lease:
        """The driver keeps it."""
        return self.told(Renew(run, epoch), Lease)  # type: ignore[no-any-return]

    def end(self, run: str = "r", epoch: int = 1, state: Any = "completed") -> None:
        """The run ends."""
        self.told(Note(run, epoch, Ended(self.now, state)), Written)

    def set(self, name: str, value: bytes, run: str = "r", epoch: int = 1) -> Written:
        """A value of the run changes."""
        return self.told(Note(run, epoch, State(self.now, name, body_of(value))), Written)  # type: ignore[no-any-return]

    def tell(self, id: str, run: str = "r", name: str = "paid") -> Written:
        """An event comes."""
        return self.told(Tell(run, Arrived(self.now, name, id)), Written)  # type: ignore[no-any-return]

    def review(self, of: int, binds: str = "B1", run: str = "r", epoch: int = 1, **facts: Any) -> Review:
        """A person is asked."""
        sampled = facts.pop("sampled", False)
        asked = Asked(self.now, "", of, binds, sampled=sampled)
        return self.told(AskReview(run, epoch, asked, body_of(b'{"amount":5}'), **facts), Reviews).reviews[0]  # type: ignore[no-any-return]

    def decide(
        self, review: str, verdict: Any = "approved", binds: str = "B1", by: str = "ann", now: str = "", **facts: Any
    ) -> Told:
        """A person says something; `now` is the binding of what they put in its place."""
        return self.ask(Decide(Decided(self.now, review, verdict, by, binds=now, **facts), binds))

    def reconcile(self, of: int, found: Reconciliation, run: str = "r", output: bytes | None = None) -> Told:
        """Somebody says what became of an effect."""
        body = None if output is None else body_of(output)
        return self.ask(Reconcile(run, Reconciled(self.now, of, found, "ann", output=body)))

    def order(self, order: Order, run: str = "", task: str = "") -> tuple[str, ...]:
        """Somebody gives an order."""
        return self.told(Direct(order, "ann", run, task), Directed).runs  # type: ignore[no-any-return]

    def sweep(self) -> Swept:
        """What time brings."""
        return self.told(Sweep(), Swept)  # type: ignore[no-any-return]

    def entries(self, run: str = "r") -> list[Entry]:
        """The log."""
        return [one.entry for one in self.told(Read(run), Entries).entries]

    def kinds(self, run: str = "r") -> list[str]:
        """The log by the kinds of its entries."""
        return [type(one).__name__ for one in self.entries(run)]

    def row(self, run: str = "r") -> RunRow:
        """The run as lists show it."""
        return self.told(Find(run=run), Runs).runs[0]  # type: ignore[no-any-return]

    def found(self, **facts: Any) -> list[str]:
        """Runs by what they are."""
        return [row.run for row in self.told(Find(**facts), Runs).runs]

    def reviews(self, **facts: Any) -> list[str]:
        """Reviews by what they are."""
        return [one.review for one in self.told(FindReviews(**facts), Reviews).reviews]

    def whole(self, *runs: str) -> None:
        """The logs of these runs are whole."""
        for run in runs or ("r",):
            assert verify_run(self.database, run) is None

    @property
    def now(self) -> int:
        """The time, in ns."""
        return self.clock.wall_ns()


def beginning(label: str = "look", request: str = "aa", **facts: Any) -> Begin:
    """The ask for a step: of run `r` under lease 1 on branch `main`, unless told otherwise."""
    run, epoch = facts.pop("run", "r"), facts.pop("epoch", 1)
    step = facts.pop("step", "tool")
    return Begin(run, epoch, step, label, request, **{"branch": "main", **facts})


def finishing(of: int, output: bytes | None, run: str, epoch: int, now_ns: int, **facts: Any) -> Finish:
    """The ask for a result."""
    body: Body | None = None if output is None else body_of(output)
    outcome = facts.pop("outcome", "ok")
    content = output if output is not None and body is not None and body.inline is None else b""
    return Finish(run, epoch, Result(now_ns, of, outcome, body, **facts), content)
