"""What a run waits for: time, events, a person; and what it keeps beside its steps, states and checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Literal, TypeVar, overload

import msgspec

from trimtab.journal.asks import AskReview, Begun, Entries, Read, Reviews
from trimtab.journal.bindings import binding, edited_binding
from trimtab.journal.entries import Asked, Checked, Decided, Intent, ReviewVerdict, State, body_of
from trimtab.journal.proposals import Background, context_of
from trimtab.runs import flow, values
from trimtab.runs.declared import Request, Reviewed
from trimtab.runs.faults import CheckFailed, Rejected, Suspended
from trimtab.runs.session import Act, Place, Session, content_of, labelled, line_here, required
from trimtab.runs.stepping import FIRST_LOOK_S, catch_up, know_before, load, take

LONGEST_LOOK_S: Final = 1.0

T = TypeVar("T")


async def sleep(seconds: float) -> None:
    """Waits; a run that is taken up again waits until the same time."""
    place = required("sleep(...)")
    session = place.session

    async def wait(begun: Begun) -> None:
        began_ns = await _written_ns(session, begun) if begun.again else session.now_ns()
        due_ns = began_ns + round(seconds * 1e9)
        while (left_s := (due_ns - session.now_ns()) / 1e9) > 0:
            look_s = left_s if session.patience_s is None else min(left_s, LONGEST_LOOK_S)
            await _patiently(session, "time", look_s, left_s, due_ns)

    label = labelled(place, "sleep")
    await take(place, Act("timer", label, Request.of("timer", "sleep", label, {"seconds": seconds})), wait)


@overload
async def event(name: str) -> Any: ...


@overload
async def event(name: str, kind: type[T]) -> T: ...


async def event(name: str, kind: Any = Any) -> Any:
    """The value of the next event of that name that `tell` sent to this run, made into that type."""
    place = required("event(...)")
    session = place.session
    read = values.decoder(kind)

    async def wait(begun: Begun) -> Any:
        arrived = session.folded.arrived[name]
        await _until(session, f"event {name}", lambda: len(arrived) > begun.occurrence)
        return msgspec.json.decode(await load(session, arrived[begun.occurrence]))

    return read(await take(place, Act("event", name, Request.of("event", name, name, {"event": name})), wait))


async def review(
    value: T,
    reason: str,
    *,
    roles: Sequence[str] = (),
    expires_s: float | None = None,
    otherwise: Literal["approved", "rejected"] = "rejected",
) -> T:
    """Waits for a person, who approves of the value, makes another of it, or rejects it; gives what then holds.

    What they make of it has the same type. Raises `Rejected`.
    """
    place = required("review(...)")
    label = labelled(place, "review")
    proposed = Request.of("step", "review", label, {"value": value, "reason": reason})
    rule = Reviewed(reason=reason, roles=tuple(roles), expires_s=expires_s, otherwise=otherwise)
    binds = binding("review", reason, values.to_plain(value), place.session.runtime.lock)
    said = await ask_person(place, label, "review", proposed, values.encode(value), binds, rule)
    if said["verdict"] == "edited":
        made: T = values.decoder(type(value))(values.encode(said["edited"]))
        return made
    return value


async def ask_person(
    place: Place,
    label: str,
    tool: str,
    request: Request,
    proposed: bytes,
    binds: str,
    rule: Reviewed,
    background: Background | None = None,
) -> dict[str, Any]:
    """What a person said: `verdict`, `binds`, and `edited` where they made something else of it. Raises `Rejected`."""
    session = place.session

    async def wait(begun: Begun) -> dict[str, Any]:
        body = body_of(proposed)
        asked = await flow.ask_for(
            session,
            AskReview(
                session.run,
                session.epoch,
                Asked(session.now_ns(), "", begun.seq, binds, str(rule.reason)),
                body,
                context_of(background) if background is not None else None,
                content=content_of(body, proposed),
                roles=rule.roles,
                expires_ns=_later(session, rule.expires_s),
                otherwise=rule.otherwise,
                escalates_ns=_later(session, rule.escalate_s),
                escalates_to=rule.escalate_to,
            ),
        )
        assert isinstance(asked, Reviews)  # noqa: S101 - what an `AskReview` is told
        identity = asked.reviews[0].review
        decided = session.folded.decided
        await _until(session, f"review {identity}", lambda: identity in decided)
        return await _said(session, decided[identity], binds)

    act = Act("step", label, request, tool=tool, binds=binds)
    said: dict[str, Any] = msgspec.json.decode(await take(place, act, wait))
    if said["verdict"] not in ("approved", "edited"):
        reason = said["reason"] or f"it was {said['verdict']}"
        raise Rejected(by=said["by"], label=tool, run=session.run, reason=reason)
    return said


async def check(name: str, passed: bool, detail: str = "", *, action: Literal["fail", "flag"] = "fail") -> None:
    """Keeps a verdict on the step before; raises `CheckFailed` for one that did not pass, unless it only flags.

    In a run that is taken up again, or replayed, the recorded verdict holds.
    """
    place = required("check(...)")
    session = place.session
    line = line_here(place, Act("check", name, Request(name, b"", name)))
    await know_before(session)
    of = line.last or place.step
    with session.guard:
        number = session.checked_so_far[of, name]
        session.checked_so_far[of, name] += 1
    earlier = session.folded.verdicts[of, name]
    if number < len(earlier):
        entry = earlier[number]
    else:
        entry = Checked(session.now_ns(), of, name, passed, detail[:1000], "" if passed else action)
        if of:
            await flow.ask_for(session, session.note(entry))
    if entry.action == "fail":
        raise CheckFailed(check=name, run=session.run, detail=entry.detail or "it did not pass")


class StateOf(Generic[T]):
    """A named value of whichever run this is used in."""

    def __init__(self, name: str, kind: Any, start: T) -> None:
        self.name = name
        self._kind = kind
        self._start = values.encode(start)

    def get(self) -> T:
        """The value as this execution has set it last, or what it starts with; raises `NoRun`."""
        place = required(f"state {self.name!r}")
        value: T = values.decoder(self._kind)(place.session.values.get(self.name, self._start))
        return value

    async def set(self, value: T) -> None:
        """Keeps another value; raises `NoRun`, and `NotData`."""
        session = required(f"state {self.name!r}").session
        content = Request.of("step", self.name, self.name, value).content
        number = session.set_so_far[self.name]
        session.set_so_far[self.name] += 1
        session.values[self.name] = content
        await know_before(session)
        before = session.folded.states[self.name]
        body = body_of(content)
        if number < len(before) and before[number] == body.digest:
            return
        note = session.note(State(session.now_ns(), self.name, body), content_of(body, content))
        await flow.ask_for(session, note)

    def __repr__(self) -> str:
        return f"StateOf({self.name!r})"


def state(name: str, kind: type[T], start: T) -> StateOf[T]:
    """A named value of runs, of that type, which is `start` until it is set."""
    return StateOf(name, kind, start)


async def _until(session: Session, waits_for: str, came: Callable[[], bool]) -> None:
    waited_s, look_s = 0.0, FIRST_LOOK_S
    while True:
        await catch_up(session)
        if came():
            return
        await _patiently(session, waits_for, look_s, waited_s, None)
        waited_s += look_s
        look_s = min(look_s * 1.5, LONGEST_LOOK_S)


async def _patiently(session: Session, waits_for: str, seconds: float, waits_s: float, wake_ns: int | None) -> None:
    """Rests for so long, or gives the run back where it waits long enough and nothing else of it goes on."""
    patience_s = session.patience_s
    with session.resting():
        if patience_s is not None and waits_s >= patience_s and session.idle(patience_s):
            session.wake(wake_ns)
            raise session.leave(Suspended(run=session.run, waits_for=waits_for))
        await flow.rest(session, seconds)


async def _written_ns(session: Session, begun: Begun) -> int:
    told = await flow.ask_for(session, Read(session.run, begun.seq, 1))
    if isinstance(told, Entries) and told.entries and isinstance(told.entries[0].entry, Intent):
        return told.entries[0].entry.at_ns
    return session.now_ns()


async def _said(session: Session, decided: Decided, binds: str) -> dict[str, Any]:
    verdict: ReviewVerdict = decided.verdict
    said: dict[str, Any] = {"verdict": verdict, "by": decided.by, "reason": decided.reason}
    said |= {"asked": binds, "binds": binds}
    if verdict == "edited":
        said["edited"] = edited = msgspec.json.decode(await load(session, decided.edited))
        said["binds"] = decided.binds
        if decided.binds != edited_binding(binds, edited):
            said |= {"verdict": "rejected", "reason": "the decision is bound to other arguments than it gives"}
    return said


def _later(session: Session, seconds: float | None) -> int | None:
    return None if seconds is None else session.now_ns() + round(seconds * 1e9)
