"""A step: its intent before it, its result after it, or what is recorded for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Begin, Begun, Claim, Entries, Lease, Load, Loaded, Read, Reconcile, Renew, Told
from trimtab.journal.difference import first_difference
from trimtab.journal.entries import Body, Intent, Reconciled, Result, Started, Tried, body_of
from trimtab.journal.refusals import ANOTHER, BodyUnknown, Divergence, JournalRefusal
from trimtab.runs import flow, values
from trimtab.runs.declared import MOST_ATTEMPTS, Happened, NeverHappened
from trimtab.runs.faults import Leaving, OutcomeUnknown, Parked, Rejected, again, told
from trimtab.runs.lines import Line
from trimtab.runs.session import Act, Place, Session, content_of, inside, line_here, moved_on

FIRST_REST_S: Final = 0.1
LONGEST_REST_S: Final = 5.0
FIRST_LOOK_S: Final = 0.02
WRITTEN_S: Final = 1.0
"""How long a gateway may take to write a call of which its client has heard nothing."""
STALE: Final = 3
"""The part of a lease after which an answer of the journal is too old to act on."""

Call = Callable[[Begun], Awaitable[Any]]
Found = Happened[Any] | NeverHappened | None


@dataclass(frozen=True)
class Tries:
    """How often a step is tried, after which exceptions, and who can tell what became of one.

    `before` are the tries of earlier steps that this one mends.
    """

    attempts: int = 1
    retry: tuple[type[Exception], ...] = (Exception,)
    reconcile: Callable[[], Awaitable[Found]] | None = None
    before: tuple[Tried, ...] = ()


ONCE: Final = Tries()


async def take(place: Place, act: Act, call: Call, tries: Tries = ONCE) -> bytes:
    """What the step gives, as JSON: recorded, or by taking it. A `write` that was begun ends before it is cancelled.

    Raises what it raised, then or now, and `Leaving` where the run cannot go on here.
    """
    session = place.session
    line = line_here(place, act)
    await heard(session, line)
    question = session.begin(act, line)
    asked_s = session.runtime.clock.monotonic()
    try:
        begun = await _begun(session, act, question, line)
        if session.replays and begun.found != "recorded":
            await know_before(session)
            if begun.seq in session.folded.given_up:
                await flow.never()
            detail = "nothing is recorded for it there"
            raise session.leave(Divergence(run=session.replays, seq=begun.seq, label=act.label, detail=detail))
        if begun.found == "unknown":
            begun = await _looked_up(session, act, question, begun, tries)
        if begun.result is not None:
            return await _recorded(session, act, begun.result)
        if act.effect == "write":
            await _still_held(session, asked_s)
        doing = _taken(place, line, act, question, begun, call, tries)
        return await flow.settled(doing) if act.effect == "write" else await doing
    finally:
        moved_on(place, line)


async def load(session: Session, body: Body | None) -> bytes:
    """The bytes of a body that an entry names; `null` for none."""
    if body is None:
        return b"null"
    if body.inline is not None:
        return body.inline.encode()
    loaded = await flow.ask_for(session, Load(session.run, body.digest))
    return loaded.content if isinstance(loaded, Loaded) else b"null"


async def kept(session: Session, body: Body | None) -> bytes | None:
    """The same, None for bytes that are not kept; raises `Leaving`."""
    if body is None or body.inline is not None:
        return await load(session, body)
    try:
        loaded = await flow.settled(flow.ask(session.runtime, Load(session.run, body.digest)))
    except BodyUnknown:
        return None
    except (JournalRefusal, JournalUnavailable) as refusal:
        raise session.leave(refusal) from refusal
    return loaded.content if isinstance(loaded, Loaded) else None


async def catch_up(session: Session) -> None:
    """Reads what the run's log says by now; each entry counts once, however many branches read at the same time."""
    while True:
        told = await flow.ask_for(session, Read(session.run, session.folded.until + 1))
        assert isinstance(told, Entries)  # noqa: S101 - what a `Read` is told
        with session.guard:
            for logged in told.entries:
                if logged.seq > session.folded.until:
                    session.folded.take(logged.seq, logged.entry)
        if not told.entries or session.folded.until >= told.last:
            return


async def know_before(session: Session) -> None:
    """Reads what earlier drivers of this run wrote, once."""
    if session.folded.until < session.head:
        await catch_up(session)


async def written(session: Session, line: Line) -> int:
    """The place of the call that was made last on a line and has no answer, as soon as it is written. That of the step
    before it where it is not, as the gateway has not got it.
    """
    waited_s = 0.0
    while True:
        await catch_up(session)
        if (line.name, line.last) in session.folded.next or waited_s >= WRITTEN_S:
            return session.folded.next.get((line.name, line.last), line.last)
        await flow.rest(session, FIRST_LOOK_S)
        waited_s += FIRST_LOOK_S


async def heard(session: Session, line: Line) -> None:
    """Learns from the log which step a client's call was that it has heard nothing of; the next one comes after it."""
    if line.unheard:
        line.last = await written(session, line)
        line.unheard = ""


async def task_of(session: Session) -> str:
    """The task that a run belongs to."""
    if session.for_task is None:
        told = await flow.ask_for(session, Read(session.run, 1, 1))
        assert isinstance(told, Entries)  # noqa: S101 - what a `Read` is told
        first = told.entries[0].entry
        session.for_task = first.task if isinstance(first, Started) else ""
    return session.for_task


async def _begun(session: Session, act: Act, question: Begin, line: Line) -> Begun:
    """What there is of a step, which is the line's latest from then on, also where its caller gives up meanwhile."""
    try:
        begun = await _asked(session, act, question)
    except BaseException as failure:
        if flow.stopped(failure) and session.left is None:
            there = await flow.ask_for(session, question)
            assert isinstance(there, Begun)  # noqa: S101 - what a `Begin` is told
            line.last = there.seq
            if there.found == "go":
                await _give_up(session, act, there, session.runtime.clock.monotonic())
        raise
    assert isinstance(begun, Begun)  # noqa: S101 - what a `Begin` is told
    line.last = begun.seq
    return begun


async def _asked(session: Session, act: Act, question: Begin) -> Told:
    """What the journal tells of a step; a request that is not the recorded one is told with how it differs."""
    try:
        return await flow.settled(flow.ask(session.runtime, question))
    except Divergence as other:
        detail = await _difference(session, act, other) or other.facts["detail"]
        raise session.leave(Divergence(**{**other.facts, "detail": detail})) from other
    except (JournalRefusal, JournalUnavailable) as refusal:
        raise session.leave(refusal) from refusal


async def _difference(session: Session, act: Act, other: Divergence) -> str:
    """In words, how a step's request differs from the recorded one; empty where nobody can tell."""
    if other.facts["detail"] != ANOTHER:
        return ""
    try:
        there = await flow.settled(flow.ask(session.runtime, Read(session.run, int(str(other.facts["seq"])), 1)))
        intent = there.entries[0].entry if isinstance(there, Entries) else None
        if not isinstance(intent, Intent) or intent.input is None:
            return ""
        recorded = intent.input.inline
        if recorded is None:
            loaded = await flow.settled(flow.ask(session.runtime, Load(session.run, intent.input.digest)))
            recorded = loaded.content.decode() if isinstance(loaded, Loaded) else ""
    except (JournalRefusal, JournalUnavailable):
        return ""
    found = first_difference(recorded.encode(), act.request.content)
    return found.told() if found is not None else ""


async def _still_held(session: Session, asked_s: float) -> None:
    """Makes sure of the lease where so much time has passed since a step was asked for that the process must have stood
    still: somebody else may have taken the run over, and what must not be repeated may be done. Raises `Leaving`.
    """
    lease_s = session.runtime.lease_s
    if session.runtime.clock.monotonic() - asked_s > lease_s / STALE:
        await flow.ask_for(session, Renew(session.run, session.epoch, lease_s))


async def _recorded(session: Session, act: Act, result: Result) -> bytes:
    if result.outcome == "ok":
        return await load(session, result.output)
    if result.outcome == "cancelled":
        await flow.never()
    if result.outcome == "refused":
        raise Rejected(by="A check", label=act.label, run=session.run, reason=result.detail or result.error)
    raise again(result.error, result.detail, run=session.run, label=act.label)


async def _taken(place: Place, line: Line, act: Act, question: Begin, begun: Begun, call: Call, tries: Tries) -> bytes:
    session = place.session
    began_s = session.runtime.clock.monotonic()
    tried: list[Tried] = []
    while True:
        try:
            await _pause(session, tried)
            with session.working(), inside(place, line, begun, lasts=act.effect == "write"):
                content = values.encode(await call(begun))
            break
        except Exception as failure:
            unsure = isinstance(failure, OutcomeUnknown)
            found = await _looked(session, act, begun, began_s, tries) if unsure else None
            if isinstance(found, Happened):
                content = values.encode(found.output)
                break
            if unsure and act.effect == "write" and (found is None or len(tried) >= MOST_ATTEMPTS):
                raise await _park(session, act, question, begun) from failure
            if not _repeats(tries, failure, tried):
                made = await _fail(session, act, begun, tried, began_s, failure)
                if type(made) is type(failure):
                    raise
                raise made from failure
            tried.append(_failed(session, "unknown" if unsure else type(failure).__name__, tried, began_s))
        except BaseException as failure:
            if flow.stopped(failure) and session.left is None:
                await _give_up(session, act, begun, began_s)
            raise
    ledger = _all(session, tried, "ok", began_s)
    if tries.before:
        ledger = (*tries.before, replace(_failed(session, "ok", tried, began_s), layer="repair"))
    await flow.ask_for(session, session.finish(begun.seq, "ok", content, began_s, ledger))
    return content


def _failed(session: Session, cause: str, tried: list[Tried], began_s: float) -> Tried:
    """How the latest try ended. It began when the one before it was over, rests among it."""
    took_s = session.runtime.clock.monotonic() - began_s - sum(one.took_s or 0.0 for one in tried)
    return Tried("tool", cause, session.now_ns(), took_s=round(took_s, 6))


def _all(session: Session, tried: list[Tried], cause: str, began_s: float) -> tuple[Tried, ...]:
    """The ledger with its last try; empty where there was but one."""
    return (*tried, _failed(session, cause, tried, began_s)) if tried else ()


def _repeats(tries: Tries, failure: Exception, tried: list[Tried]) -> bool:
    """Whether a step that failed is taken again; one of unknown outcome is, where it may be, as after a crash."""
    if isinstance(failure, OutcomeUnknown):
        return len(tried) < MOST_ATTEMPTS
    return len(tried) + 1 < tries.attempts and isinstance(failure, tries.retry)


async def _fail(
    session: Session, act: Act, begun: Begun, tried: list[Tried], began_s: float, failure: Exception
) -> Exception:
    """Writes what a step raised as its result; gives it as whoever reads that result makes it again."""
    error, detail = told(failure)
    ledger = _all(session, tried, error, began_s)
    await flow.ask_for(session, session.finish(begun.seq, "error", None, began_s, ledger, error=error, detail=detail))
    return again(error, detail, run=session.run, label=act.label)


async def _pause(session: Session, tried: list[Tried]) -> None:
    """Rests before another try, the longer the more there were."""
    if tried:
        seconds = min(FIRST_REST_S * 2 ** (len(tried) - 1), LONGEST_REST_S)
        await flow.rest(session, seconds * session.runtime.seeds.uniform(0.75, 1.0))


async def _give_up(session: Session, act: Act, begun: Begun, began_s: float) -> None:
    """The program itself cancelled a step; that is its result."""
    detail = f"{act.label} was cancelled"
    await flow.ask_for(session, session.finish(begun.seq, "cancelled", None, began_s, detail=detail))


async def _look(tries: Tries) -> Found:
    return None if tries.reconcile is None else await tries.reconcile()


async def _looked(session: Session, act: Act, begun: Begun, began_s: float, tries: Tries) -> Found:
    """What is known of an effect of this driver's own; its program may give up the step meanwhile, unless it writes."""
    try:
        return await _look(tries)
    except BaseException as failure:
        if flow.stopped(failure) and session.left is None and act.effect != "write":
            await _give_up(session, act, begun, began_s)
        raise


async def _looked_up(session: Session, act: Act, question: Begin, begun: Begun, tries: Tries) -> Begun:
    """What is to be done about an effect of an earlier driver whose outcome is unknown."""
    found = await _look(tries)
    if found is None:
        raise session.leave(Parked(run=session.run, label=act.label, seq=begun.seq))
    if isinstance(found, Happened):
        content = values.encode(found.output)
        body = body_of(content)
        entry = Reconciled(session.now_ns(), begun.seq, "happened", "its reconcile function", output=body)
        await flow.ask_for(session, Reconcile(session.run, entry, content_of(body, content)))
    else:
        entry = Reconciled(session.now_ns(), begun.seq, "did_not_happen", "its reconcile function")
        await flow.ask_for(session, Reconcile(session.run, entry))
    settled = await flow.ask_for(session, question)
    assert isinstance(settled, Begun)  # noqa: S101 - what a `Begin` is told
    if settled.found == "unknown":
        raise session.leave(Parked(run=session.run, label=act.label, seq=begun.seq))
    return settled


async def _park(session: Session, act: Act, question: Begin, begun: Begun) -> BaseException:
    """Has a run parked for an effect that its own driver does not know the outcome of.

    The journal takes an effect for unknown that an earlier driver left open; so this one becomes an earlier one.
    """
    leases = session.runtime.leases
    leases.let_go(session)
    leaving = session.leave(Parked(run=session.run, label=act.label, seq=begun.seq))  # no branch takes a step meanwhile
    try:
        await flow.settled(flow.ask(session.runtime, session.release()))
        claim = Claim(session.owner, session.run, ttl_s=session.runtime.lease_s)
        lease = await flow.settled(flow.ask(session.runtime, claim))
        assert isinstance(lease, Lease)  # noqa: S101 - what a `Claim` of a run is told
        session.epoch = lease.epoch
        leases.hold(session)
        await flow.settled(flow.ask(session.runtime, replace(question, epoch=lease.epoch)))
    except (JournalRefusal, JournalUnavailable) as refusal:
        session.left = refusal
        return Leaving(refusal)
    return leaving
