"""A run from its beginning, or from where an earlier driver left it, to its end here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final

from msgspec.structs import replace

from trimtab.errors import JournalUnavailable, ReplayDivergence, ReviewPending, RunStopped, TrimtabError
from trimtab.journal.asks import Begun, Claim, Entries, Find, Lease, Load, Loaded, Nothing, Open, Read, Runs
from trimtab.journal.difference import first_difference
from trimtab.journal.entries import ENDED, Body, Ended, Started, body_of
from trimtab.journal.refusals import Ambiguous, Divergence, Halted, LeaseHeld, LeaseLost, RunEnded, RunExists
from trimtab.runs import flow, values
from trimtab.runs.declared import Declared, Facts
from trimtab.runs.faults import Parked, RunFailed, Suspended, again, told
from trimtab.runs.runtime import Runtime, current
from trimtab.runs.session import Act, Place, Session, at, content_of, here, labelled
from trimtab.runs.stepping import take

GONE_ON: Final = (
    Halted, LeaseHeld, LeaseLost, Divergence, Ambiguous, JournalUnavailable, Suspended, Parked, RunStopped,
    ReplayDivergence, ReviewPending,
)  # fmt: skip
"""Why a driver leaves a run that can go on later."""
FINAL: Final = {"stop": "stopped", "cancel": "cancelled"}

Call = Callable[[], Awaitable[Any]]


async def call_run(declared: Declared, facts: Facts, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Runs it, within another run as a sub-run, and gives what it returns."""
    place = here()
    call = lambda: flow.called(declared.function, arguments, named)  # noqa: E731
    if place is not None:
        return declared.read_output(await _sub_run(place, declared, facts, arguments, named))
    runtime = current()
    content = declared.request(declared.given(arguments, named), declared.name).content
    return declared.read_output(await begin(runtime, declared, facts, content, call))


async def begin(
    runtime: Runtime, declared: Declared, facts: Facts, content: bytes, call: Call, patience_s: float | None = None
) -> bytes:
    """Begins a run, or takes it up, and drives it; gives its output as JSON. One that has ended gives what it gave."""
    run = run_of(runtime, declared, facts)
    owner = f"driver-{runtime.new_id()}"
    started = start_of(runtime, declared, facts, content)
    ask = Open(run, started, owner, runtime.lease_s, content_of(started.input, content))
    try:
        lease = await flow.settled(flow.ask(runtime, ask))
    except RunEnded:
        return await output_of(runtime, run)
    except RunExists as other:
        if not runtime.replays:
            raise
        raise await _begun_otherwise(runtime, run, declared, content, other) from other
    except BaseException as failure:
        if not flow.stopped(failure):
            raise
        lease, call = await flow.ask(runtime, ask), _cut(failure)
    assert isinstance(lease, Lease)  # noqa: S101 - what an `Open` is told
    session = session_of(runtime, lease, owner, patience_s)
    session.checks = declared.checks
    return await drive(session, call)


async def _begun_otherwise(
    runtime: Runtime, run: str, declared: Declared, content: bytes, other: RunExists
) -> Divergence:
    """What a program that is replayed begins otherwise than it did."""
    first = await flow.ask(runtime, Read(run, 1, 1))
    assert isinstance(first, Entries)  # noqa: S101 - what a `Read` is told
    started = first.entries[0].entry
    assert isinstance(started, Started)  # noqa: S101 - what begins each log
    found = first_difference(await bytes_of(runtime, run, started.input), content)
    detail = found.told() if found is not None else str(other.facts["detail"])
    return Divergence(run=run, seq=1, label=declared.name, detail=detail)


def _cut(failure: BaseException) -> Call:
    """What is called of a run that was given up as it began: it ends so, and is left to no worker."""

    async def call() -> Any:
        raise failure

    return call


async def replay_run(runtime: Runtime, run: str, declared: Declared, call: Callable[[Started], Call]) -> bytes:
    """Calls a run's function over what is recorded of it, as a run of its own; gives its output as JSON.

    Raises `Divergence` or `ReplayDivergence` at the first step for which nothing is recorded.
    """
    first = await flow.ask(runtime, Read(run, 1, 1))
    assert isinstance(first, Entries)  # noqa: S101 - what a `Read` is told
    started, last = first.entries[0].entry, await flow.ask(runtime, Read(run, first.last, 1))
    assert isinstance(started, Started)  # noqa: S101 - what begins each log
    assert isinstance(last, Entries)  # noqa: S101 - what a `Read` is told
    until = first.last if isinstance(last.entries[0].entry, Ended) else first.last + 1
    owner = f"driver-{runtime.new_id()}"
    facts = replace(
        started, at_ns=runtime.clock.wall_ns(), key="", parent="", parent_seq=0, fork_of=run, fork_seq=until
    )
    lease = await flow.ask(runtime, Open(runtime.new_id(), facts, owner, runtime.lease_s))
    assert isinstance(lease, Lease)  # noqa: S101 - what an `Open` is told
    session = session_of(runtime, lease, owner, None)
    session.replays, session.checks = run, declared.checks
    return await drive(session, call(started))


async def claimed(runtime: Runtime, tasks: tuple[str, ...], patience_s: float | None) -> Session | None:
    """A run of these tasks that can go on and that nobody drives; None where there is none."""
    owner = f"driver-{runtime.new_id()}"
    lease = await flow.ask(runtime, Claim(owner, tasks=tasks, ttl_s=runtime.lease_s))
    if isinstance(lease, Nothing):
        return None
    assert isinstance(lease, Lease)  # noqa: S101 - what a `Claim` is told
    return session_of(runtime, lease, owner, patience_s)


def session_of(runtime: Runtime, lease: Lease, owner: str, patience_s: float | None) -> Session:
    """The run of a lease that was just given, whose last entry is the lease's own."""
    before = lease.head if lease.epoch > 1 or lease.head > 2 else 0
    return Session(runtime, lease.run, lease.epoch, owner, before, patience_s, runtime.replays)


def run_of(runtime: Runtime, declared: Declared, facts: Facts) -> str:
    """The id of a run: that of the one replayed here, its own, the one that follows from its key, or a fresh one."""
    if runtime.replays and not facts.parent:
        return runtime.replays
    if facts.run:
        return facts.run
    if not facts.key:
        return runtime.new_id()
    return sha256(f"trimtab/run\0{declared.facts['task']}\0{declared.name}\0{facts.key}".encode()).hexdigest()[:32]


def start_of(runtime: Runtime, declared: Declared, facts: Facts, content: bytes) -> Started:
    """The first entry of a run."""
    return Started(
        runtime.clock.wall_ns(),
        declared.facts["task"],
        declared.name,
        input=body_of(content),
        lock=runtime.lock,
        key=facts.key,
        parent=facts.parent,
        parent_seq=facts.parent_seq,
        conversation=facts.conversation,
        end_user=facts.end_user,
        retention=facts.retention,
    )


async def drive(session: Session, call: Call) -> bytes:
    """Calls a run's function and ends the run as that ends; gives its output as JSON.

    Raises what the function raises, and why the run was left where it goes on later.
    """
    outer = here()
    async with session.runtime:
        flow.hold(session)
        try:
            with session.part_of(outer.session if outer else None), at(Place(session, session.lines.root())):
                content = values.encode(await call())
            await _complete(session, content)
        except BaseException as failure:  # noqa: BLE001 - a cancellation ends a run too
            try:
                await flow.let_go(session)
            finally:
                why = await _left(session, failure, outer)
            raise why from failure.__cause__
        await flow.let_go(session)
        return content


async def output_of(runtime: Runtime, run: str) -> bytes:
    """What an ended run gave, as JSON; raises what it raised, or `RunFailed`."""
    first = await flow.ask(runtime, Read(run, 1, 1))
    assert isinstance(first, Entries)  # noqa: S101 - what a `Read` is told
    last = await flow.ask(runtime, Read(run, first.last, 1))
    assert isinstance(last, Entries)  # noqa: S101 - what a `Read` is told
    entry = last.entries[0].entry
    if not isinstance(entry, Ended):
        entry = await _end_of(runtime, run, first.last)
    if entry.state == "completed":
        return await bytes_of(runtime, run, entry.output)
    if entry.state == "failed":
        raise again(entry.error, entry.detail, run=run, label=run)
    raise RunFailed(run=run, state=entry.state, error=entry.error, detail=entry.detail)


async def ended(runtime: Runtime, run: str) -> bool:
    """Whether it has; raises `RunUnknown`."""
    found = await flow.ask(runtime, Find(run=run))
    return isinstance(found, Runs) and found.runs[0].state in ENDED


async def _end_of(runtime: Runtime, run: str, last: int) -> Ended:
    """The end of a run that something was written behind, as the result of a step that was under way."""
    for seq in range(last, 0, -1):
        told_of = await flow.ask(runtime, Read(run, seq, 1))
        if isinstance(told_of, Entries) and told_of.entries and isinstance(told_of.entries[0].entry, Ended):
            return told_of.entries[0].entry
    raise RunFailed(run=run, state="has not ended", error="", detail="")


async def bytes_of(runtime: Runtime, run: str, body: Body | None) -> bytes:
    """The bytes of a body that an entry of a run names; `null` for none."""
    if body is None:
        return b"null"
    if body.inline is not None:
        return body.inline.encode()
    loaded = await flow.ask(runtime, Load(run, body.digest))
    return loaded.content if isinstance(loaded, Loaded) else b"null"


async def _sub_run(
    place: Place, declared: Declared, facts: Facts, arguments: tuple[Any, ...], named: dict[str, Any]
) -> bytes:
    """A sub-run is one step of the outer run, whose key is its id; so it is taken up with the outer one."""
    outer = place.session
    label = labelled(place, declared.name)
    request = declared.request(declared.given(arguments, named), label)

    async def call(begun: Begun) -> Any:
        inner = Facts(begun.key, facts.key, facts.conversation, facts.end_user, facts.retention, outer.run, begun.seq)
        doing = lambda: flow.called(declared.function, arguments, named)  # noqa: E731
        try:
            with outer.resting():
                content = await begin(outer.runtime, declared, inner, request.content, doing, outer.patience_s)
        except Halted as halted:
            if halted.facts.get("order") in FINAL and outer.left is None:
                raise RunFailed(run=begun.key, state=FINAL[str(halted.facts["order"])], error="", detail="") from halted
            raise outer.leave(halted) from halted
        except GONE_ON as why:
            raise outer.leave(why) from why
        return values.decoder()(content)

    return await take(place, Act("child", label, request, "idempotent"), call)


async def _complete(session: Session, content: bytes) -> None:
    session.end()
    body = body_of(content)
    ended = Ended(session.now_ns(), "completed", body)
    await flow.ask_for(session, session.note(ended, content_of(body, content)))


async def _left(session: Session, failure: BaseException, outer: Place | None) -> BaseException:
    """Ends a run as its function ended, or gives it back; gives what is to be raised."""
    why = session.left
    if why is None and flow.stopped(failure) and outer is not None and outer.session.left is not None:
        why = outer.session.left
        session.leave(why)
    if why is not None:
        await _give_back(session, why)
        return failure if flow.stopped(failure) and outer is not None and outer.session.left is not None else why
    if flow.stopped(failure):
        await _end(session, Ended(session.now_ns(), "cancelled", error="cancelled", detail="by its own program"))
    elif isinstance(failure, Exception):
        error, detail = told(failure)
        await _end(session, Ended(session.now_ns(), "failed", error=error, detail=detail))
    else:
        await _give_back(session, RunFailed(run=session.run, state="was interrupted", error="", detail=""))
    return failure


async def _give_back(session: Session, why: TrimtabError) -> None:
    order = str(why.facts.get("order", "")) if isinstance(why, Halted) else ""
    if order in FINAL:
        detail = f"{why.facts.get('by')}: {why.facts.get('reason')}"
        await _end(session, Ended(session.now_ns(), FINAL[order], error="run_stopped", detail=detail))  # type: ignore[arg-type]
    elif not (isinstance(why, (LeaseLost, RunEnded)) and why.facts.get("run") == session.run):
        try:
            await flow.settled(flow.ask(session.runtime, session.release()))
        except TrimtabError:
            return  # the lease runs out by itself


async def _end(session: Session, entry: Ended) -> None:
    try:
        await flow.settled(flow.ask(session.runtime, session.note(entry)))
    except TrimtabError:
        return  # somebody else ended it, or holds it: its log says so
