"""A run that is driven here: where its steps lie, what is asked of the journal for them, and whether it goes on."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from msgspec import structs

from trimtab.declare.checking import Check
from trimtab.errors import TrimtabError
from trimtab.journal.asks import Begin, Begun, Finish, Lease, Note, Release
from trimtab.journal.entries import (
    ENDED,
    Arrived,
    Body,
    Checked,
    Decided,
    Effect,
    Entry,
    Intent,
    Order,
    Outcome,
    Reconciled,
    Result,
    State,
    StepKind,
    Tried,
    body_of,
)
from trimtab.journal.refusals import Halted, LeaseLost, RunEnded
from trimtab.runs.declared import Request
from trimtab.runs.faults import Leaving, NoRun
from trimtab.runs.lines import Line, Lines
from trimtab.runs.runtime import Runtime


@dataclass(frozen=True)
class Act:
    """A step that is about to be taken."""

    kind: StepKind
    label: str
    request: Request
    effect: Effect = "read"
    key: str = ""
    tool: str = ""
    binds: str = ""


@dataclass(frozen=True)
class Place:
    """Where code runs: in which run, on which line, after how many of its steps, within which step and its key, and
    under which label.
    """

    session: Session
    line: Line
    taken: int = 0
    step: int = 0
    key: str = ""
    label: str = ""


_here: ContextVar[Place | None] = ContextVar("trimtab_place", default=None)


OF_CHECKS: Final = "check "
"""How labels of steps begin that checks take."""


@dataclass
class Acted:
    """A step in the log: what it was given, and what it gave once it `is_done`."""

    kind: StepKind
    label: str
    tool: str
    input: Body | None
    output: Body | None = None
    is_done: bool = False


class Folded:
    """What a run's log says, in order: events and states by name, decisions by review, and steps by their places.

    `verdicts` are those on a step by a check's name; `followed` are the steps after which the program took another one,
    `next` which that is on a branch, `given_up` those that the program left without an answer.
    """

    def __init__(self) -> None:
        self.until = 0
        self.arrived: dict[str, list[Body | None]] = defaultdict(list)
        self.states: dict[str, list[str]] = defaultdict(list)
        self.verdicts: dict[tuple[int, str], list[Checked]] = defaultdict(list)
        self.followed: set[int] = set()
        self.next: dict[tuple[str, int], int] = {}
        self.given_up: set[int] = set()
        self.acts: dict[int, Acted] = {}
        self.decided: dict[str, Decided] = {}

    def take(self, seq: int, entry: Entry) -> None:
        """The next entry."""
        match entry:
            case Arrived():
                self.arrived[entry.name].append(entry.value)
            case State():
                self.states[entry.name].append(entry.value.digest)
            case Checked():
                self.verdicts[entry.of, entry.check].append(entry)
            case Intent():
                self.acts[seq] = Acted(entry.step, entry.label, entry.tool, entry.input)
                self.next[entry.branch, entry.after] = seq
                if not entry.label.startswith(OF_CHECKS):
                    self.followed.add(entry.after)
            case Result() if entry.outcome == "ok" and entry.of in self.acts:
                self.acts[entry.of].output, self.acts[entry.of].is_done = entry.output, True
                self.given_up.discard(entry.of)
            case Result() if entry.outcome == "cancelled":
                self.given_up.add(entry.of)
            case Reconciled() if entry.found == "happened" and entry.of in self.acts:
                self.acts[entry.of].output, self.acts[entry.of].is_done = entry.output, True
            case Decided():
                self.decided[entry.review] = entry
        self.until = seq


@dataclass
class Session:
    """One run and its lease. `left` says why the driver leaves it, once it does; no step is taken after that. While it
    is `ending` its end may be written already, though nobody has answered.

    `busy` counts steps that are being taken, those of sub-runs too and those that only wait apart; `stirred_s` is when
    there was one the last time. `patience_s` is how long the run may wait here before it is given back, until `wake_ns`
    if it waits for a time; None is for ever. `folded` is read from the log when it is first needed, at least to `head`,
    which is what earlier drivers wrote; `values` are the run's states as far as this execution has set them. `checks`
    are those of the run's function, and `instead` has the answers that stand after checks, by the place of their step.
    `replays` names the run of which only recorded answers are given: another one, or this one where it is a copy.
    `inner` are its sub-runs that are driven here, which are left when it is.
    `changed` has what steps under way are taken with as their fork asks, and what they could not be, with why.
    """

    runtime: Runtime
    run: str
    epoch: int
    owner: str
    head: int = 0
    patience_s: float | None = None
    replays: str = ""
    outer: Session | None = None
    inner: dict[str, Session] = field(default_factory=dict)
    left: TrimtabError | None = None
    ending: bool = False
    busy: int = 0
    stirred_s: float = 0.0
    lines: Lines = field(default_factory=Lines)
    folded: Folded = field(default_factory=Folded)
    values: dict[str, Any] = field(default_factory=dict)
    set_so_far: Counter[str] = field(default_factory=Counter)
    checked_so_far: Counter[tuple[int, str]] = field(default_factory=Counter)
    checks: tuple[Check, ...] = ()
    instead: dict[int, Any] = field(default_factory=dict)
    changed: dict[int, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)
    guard: threading.RLock = field(default_factory=threading.RLock)
    gone: threading.Event = field(default_factory=threading.Event)
    wake_ns: int | None = None
    task: asyncio.Task[Any] | None = None
    for_task: str | None = None
    cancelled: bool = False
    loop: asyncio.AbstractEventLoop | None = None

    def idle(self, for_s: float) -> bool:
        """Whether all that is going on waits, in the run that it is a part of too; of branches, whether none has taken
        a step for so long.
        """
        since_s = self.runtime.clock.monotonic() - for_s
        return all(one.busy == 0 and (one.stirred_s <= since_s or not one.lines.parted) for one in self._whole())

    def wake(self, at_ns: int | None) -> None:
        """It goes on then, with the run that it is a part of, by which whoever has that function takes it up."""
        for one in self._whole():
            one.wake_ns = at_ns

    def _whole(self) -> Iterator[Session]:
        """This run, and those that it is a part of."""
        one: Session | None = self
        while one is not None:
            yield one
            one = one.outer

    def _count(self, more: int, *, stirs: bool) -> None:
        for one in self._whole():
            with one.guard:
                one.busy += more
                one.stirred_s = self.runtime.clock.monotonic() if stirs else one.stirred_s

    def leave(self, why: TrimtabError) -> Leaving:
        """From here on the run is left; gives what is to be raised."""
        with self.guard:
            if self.left is None:
                self.left = why
                self.gone.set()
            left, inner = self.left, list(self.inner.values())
        for session in inner:
            session.leave(left)
        return Leaving(left)

    @contextmanager
    def part_of(self, outer: Session | None) -> Iterator[None]:
        """Meanwhile it is a sub-run of that run, if of any."""
        self.outer = outer
        if outer is None:
            yield
            return
        with outer.guard:
            outer.inner[self.run] = self
            left = outer.left
        if left is not None:
            self.leave(left)
        try:
            yield
        finally:
            with outer.guard:
                outer.inner.pop(self.run, None)

    def halt(self, why: TrimtabError) -> None:
        """Leaves the run from another thread, and cancels what runs."""
        self.leave(why)
        if self.loop is not None and self.task is not None:
            try:
                self.loop.call_soon_threadsafe(self._cancel)
            except RuntimeError:
                return  # the loop is closed, so that nothing runs any more

    def _cancel(self) -> None:
        if self.task is not None and not self.cancelled:
            self.cancelled = True
            self.task.cancel()

    def renewed(self, lease: Lease) -> None:
        """What came of renewing the lease: an order or an end that somebody else gave is followed."""
        if lease.order is not None:
            self.ordered(lease.order, "somebody", "")
        elif lease.state in ENDED:
            if not self.ending:
                self.halt(RunEnded(run=self.run, state=lease.state))
        elif lease.epoch != self.epoch:
            self.halt(LeaseLost(run=self.run, epoch=self.epoch, current=lease.epoch))

    def heard(self, order: Order, by: str, reason: str) -> None:
        """An order was given to it."""
        if order != "resume":
            self.ordered(order, by, reason)

    def ordered(self, order: str, by: str, reason: str) -> None:
        """Somebody paused, stopped or cancelled it; too late while its end is being written."""
        with self.guard:
            if not self.ending:
                self.halt(Halted(run=self.run, order=order, by=by, reason=reason or "no reason given"))

    def end(self) -> None:
        """From here on its end is written; raises `Leaving` where the run is left."""
        with self.guard:
            if self.left is not None:
                raise Leaving(self.left)
            self.ending = True

    def now_ns(self) -> int:
        """The time of entries."""
        return self.runtime.clock.wall_ns()

    def begin(self, act: Act, line: Line) -> Begin:
        """The ask for a step on that line, which counts it; raises `Leaving` once the run is left."""
        if self.left is not None:
            raise Leaving(self.left)
        line.taken += 1
        body = body_of(act.request.content)
        return Begin(
            run=self.run,
            epoch=self.epoch,
            step=act.kind,
            label=act.label,
            request=act.request.digest,
            input=body,
            content=content_of(body, act.request.content),
            branch=line.name,
            after=line.last,
            effect=act.effect,
            key=act.key or self._made_key(act, line),
            tool=act.tool,
            binds=act.binds,
            lock=self.runtime.lock,
        )

    def _made_key(self, act: Act, line: Line) -> str:
        if act.effect != "idempotent":
            return ""
        return sha256(f"{self.run}\0{line.name}\0{line.taken}".encode()).hexdigest()[:32]

    def finish(
        self, of: int, outcome: Outcome, content: bytes | None, began_s: float, tried: Sequence[Tried] = (), **told: str
    ) -> Finish:
        """The ask for a result."""
        body = None if content is None else body_of(content)
        took_s = round(self.runtime.clock.monotonic() - began_s, 6)
        result = Result(self.now_ns(), of, outcome, body, took_s=took_s, tried=tuple(tried), **told)  # type: ignore[arg-type]
        if of in self.changed:
            overrides, passed_over = self.changed.pop(of)
            result = structs.replace(result, overrides=overrides, passed_over=passed_over)
        return Finish(self.run, self.epoch, result, content_of(body, content))

    def note(self, entry: Any, content: bytes = b"") -> Note:
        """The ask for an entry that is no effect."""
        return Note(self.run, self.epoch, entry, content)

    def release(self) -> Release:
        """The ask to give the lease back."""
        return Release(self.run, self.epoch, self.wake_ns)

    @contextmanager
    def working(self) -> Iterator[None]:
        """A step is being taken meanwhile."""
        self._count(1, stirs=True)
        try:
            yield
        finally:
            self._count(-1, stirs=True)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """A step that is being taken only waits meanwhile."""
        self._count(-1, stirs=False)
        try:
            yield
        finally:
            self._count(1, stirs=False)


def content_of(body: Body | None, content: bytes | None) -> bytes:
    """The bytes that go beside a body: those of one that is not inline."""
    return content if content is not None and body is not None and body.inline is None else b""


def here() -> Place | None:
    """The place of whoever calls this; None outside a run."""
    return _here.get()


def required(what: str) -> Place:
    """The place of whoever calls this; raises `NoRun`."""
    place = _here.get()
    if place is None:
        raise NoRun(what=what)
    return place


def labelled(place: Place, name: str) -> str:
    """What a step of that name is called here."""
    return f"{name}/{place.label}" if place.label else name


def is_of(step: str, label: str) -> bool:
    """Whether a step of that label is called so, by itself or within `label(...)`."""
    return label == step or label.partition("/")[0] == step


def line_here(place: Place, act: Act) -> Line:
    """The line of whoever begins that step."""
    return place.session.lines.here(place.line, place.taken, act.label, act.request.digest)


def moved_on(place: Place, line: Line) -> None:
    """Tells tasks that are made after a step that they are."""
    _here.set(replace(place, line=line, taken=line.taken))


def branches(place: Place | None, count: int) -> list[Line | None]:
    """Lines for so many branches that begin here together, which counts as a step; none outside a run."""
    if place is None:
        return [None] * count
    line = line_here(place, Act("step", "together", Request("together", b"", str(count))))
    line.taken += 1
    place.session.lines.parted = True
    moved_on(place, line)
    return [line.branch(number) for number in range(count)]


@contextmanager
def at(place: Place | None) -> Iterator[None]:
    """Code inside runs at that place."""
    token = _here.set(place)
    try:
        yield
    finally:
        _here.reset(token)


@contextmanager
def inside(place: Place, line: Line, begun: Begun, *, lasts: bool) -> Iterator[None]:
    """Code inside runs within the step that is being taken on a line; one that `lasts` ends before it is cancelled."""
    inner = line.inside(lasts=lasts)
    place.session.lines.put(inner)
    try:
        with at(Place(place.session, inner, 0, begun.seq, begun.key)):
            yield
    finally:
        place.session.lines.put(line)


@contextmanager
def label(name: str) -> Iterator[None]:
    """Steps that are taken inside bear this name too, which tells apart those that would ask for the same."""
    before = required("label(...)")
    _here.set(replace(before, label=name))
    try:
        yield
    finally:
        _here.set(replace(_here.get() or before, label=before.label))


def idempotency_key() -> str:
    """The key of the step that runs, to be sent to whoever does the work; raises `NoRun` outside of one."""
    place = required("idempotency_key()")
    if not place.key:
        raise NoRun(what="a key, which only an idempotent tool has,")
    return place.key


def run_id() -> str:
    """The id of the run that this is part of; raises `NoRun`."""
    return required("run_id()").session.run
