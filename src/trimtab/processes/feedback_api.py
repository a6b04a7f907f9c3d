"""The route by which judgements come: on the disk before they are acknowledged, whether telemetry is up or not."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from trimtab.clock import Clock
from trimtab.console.endpoint import Endpoint, Visitor, visitor_of
from trimtab.console.problems import json_answer
from trimtab.errors import InvalidRequest, JudgedUnknown, StoreError, TooManyJudgements
from trimtab.ids import IdSource
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.feedback import Given, Judge, Judgement, Judging, find_call, understood
from trimtab.record.events import Event, Score, Settled
from trimtab.record.redact import Redaction, preview_of
from trimtab.signals.scores import score_id

ANSWER_S: Final = 3.0
"""How long telemetry may take to tell the call; later than that it joins by itself."""
LOOKS: Final = 4
LOOK_S: Final = 0.75
"""How often, and how long apart, it is looked for a call whose record may just be coming in."""
YOUNG_NS: Final = 3_600_000_000_000
AHEAD_NS: Final = 60_000_000_000
SEARCHED_NS: Final = 30 * 86_400_000_000_000
"""How far back it is looked for a run, a conversation or an answer's id."""
PER_S: Final = 50.0
AT_ONCE: Final = 100.0
MOST_KEYS: Final = 1000


class Recorder(Protocol):
    """Where judgements are written."""

    def record(self, *events: Event) -> None:
        """Writes events; they are on the disk on return. Raises `StoreError`."""


class BodyKeeper(Protocol):
    """Where corrected answers are kept."""

    def keep(self, content: bytes) -> str:
        """Keeps a body; its digest, hexadecimal. It is on the disk on return. Raises `StoreError`."""


@dataclass(frozen=True)
class FeedbackParts:
    """What judgements are taken in with; `pause` waits for so many seconds."""

    recorder: Recorder
    bodies: BodyKeeper
    ids: IdSource
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


class Taken(Struct, frozen=True):
    """A judgement that was taken in: its id, and the call it was found to be about, empty where that is not stored yet.

    `correction` tells what was kept of a corrected answer.
    """

    id: str
    call: str
    joined: bool
    correction: Redaction | None = None


class Rates:
    """How many judgements each key sent of late; a key may send 50 a second, and 100 at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"Rates({len(self._held)} keys)"

    def take(self, key: str) -> None:
        """Counts one; raises `TooManyJudgements` for one too many."""
        now_s = self._clock.monotonic()
        left, at_s = self._held.pop(key, (AT_ONCE, now_s))
        left = min(AT_ONCE, left + (now_s - at_s) * PER_S)
        self._held[key] = (max(0.0, left - 1), now_s)
        if len(self._held) > MOST_KEYS:
            self._held.popitem(last=False)
        if left < 1:
            self._held[key] = (left, now_s)
            raise TooManyJudgements(key=key, limit=round(PER_S), retry_after_s=1.0)


def feedback_endpoints(desk: Desk, clock: Clock, parts: FeedbackParts) -> tuple[Endpoint, ...]:
    """The row of the table of routes."""
    return Taking(desk, clock, parts).endpoints()


class Taking:
    """Takes judgements in, from programs and from forms of the console."""

    def __init__(self, desk: Desk, clock: Clock, parts: FeedbackParts) -> None:
        self._desk = desk
        self._clock = clock
        self._parts = parts
        self._rates = Rates(clock)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The row of the table of routes."""
        return (
            Endpoint(
                "POST",
                "/api/feedback",
                "client",
                self.feedback,
                "takes a judgement on a call, a run or a conversation",
                acts=True,
                answers=Taken,
                status=202,
                body=Given,
                query=(),
            ),
        )

    async def feedback(self, request: Request) -> Response:
        """Takes one judgement; 202 once it is on the disk."""
        visitor = visitor_of(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest(detail="a judgement is JSON; send it with content-type: application/json")
        return json_answer(await self.take(visitor, await request.body()), 202)

    async def take(self, visitor: Visitor, body: bytes) -> Taken:
        """Takes one judgement of somebody's, as JSON; it is on the disk on return."""
        self._rates.take(visitor.name)
        return await self._take(understood(body), visitor)

    async def _take(self, judgement: Judgement, visitor: Visitor) -> Taken:
        now_ns = self._clock.wall_ns()
        score = Score(
            id=score_id("given", visitor.name, judgement.id) if judgement.id else self._parts.ids.new(now_ns),
            at_ns=now_ns,
            name=judgement.name,
            source=judgement.source,
            call=judgement.call,
            run=judgement.run,
            conversation=judgement.conversation,
            value=judgement.value,
            label=judgement.label,
            explanation=judgement.comment,
            by=visitor.name,
        )
        call = await self._find(judgement, Judge(visitor.tasks, visitor.name), now_ns)
        if call is None:
            if judgement.correction is not None or visitor.tasks:
                raise StoreError(store="telemetry", detail=f"{judgement.subject} is not stored yet; send it again then")
            await asyncio.to_thread(self._parts.recorder.record, score)
            return Taken(score.id, "", joined=False)
        return await self._join(replace(score, at_ns=self._clock.wall_ns()), call, judgement)

    async def _join(self, score: Score, call: Settled, judgement: Judgement) -> Taken:
        correction, kept = judgement.correction, None
        if correction is not None:
            kept = await self._desk.ask(lambda stores: _judging(stores).redaction(call))
            score = replace(score, correction=await asyncio.to_thread(self._keep, correction, kept, call))
        scores = await self._desk.ask(lambda stores: _judging(stores).scores(score, call, correction))
        await asyncio.to_thread(self._parts.recorder.record, *scores)
        return Taken(score.id, call.admitted.call, joined=True, correction=kept)

    def _keep(self, correction: bytes, redaction: Redaction, call: Settled) -> str:
        if redaction == "full":
            return self._parts.bodies.keep(correction)
        if redaction == "preview":
            return self._parts.bodies.keep(preview_of(correction))
        if redaction == "digest":
            return sha256(correction).hexdigest()
        what = f"task {call.admitted.task} keeps no bodies (redaction none), so no corrected answer either"
        raise InvalidRequest(detail=f"{what}; leave `correct` out, or send a score or a label")

    async def _find(self, judgement: Judgement, judge: Judge, now_ns: int) -> Settled | None:
        """The call; None where it cannot be told yet. Raises `JudgedUnknown` where there is none, and where there is
        one that this judge may not judge, after looking as long.
        """
        for look in range(LOOKS):
            if look:
                await self._parts.pause(LOOK_S)
            try:
                async with asyncio.timeout(ANSWER_S):
                    found = await self._desk.ask(lambda stores: _found(stores, judgement, judge, now_ns))
            except (StoreError, TimeoutError):
                return None
            if found is not None:
                return found
            if is_young(judgement.call, now_ns):
                return None
        if self._desk.lag.size_bytes:
            return None
        raise JudgedUnknown(subject=judgement.subject)


def is_young(call: str, now_ns: int) -> bool:
    """Whether a text is an id of ours (RFC 9562, version 7) that was made within the last hour."""
    if len(call) != 32 or call[12] != "7":
        return False
    try:
        made_ns = int(call[:12], 16) * 1_000_000
        int(call, 16)
    except ValueError:
        return False
    return now_ns - YOUNG_NS <= made_ns <= now_ns + AHEAD_NS


def _found(stores: Stores, judgement: Judgement, judge: Judge, now_ns: int) -> Settled | None:
    return find_call(stores.telemetry, judgement, now_ns + AHEAD_NS, max(0, now_ns - SEARCHED_NS), judge)


def _judging(stores: Stores) -> Judging:
    if stores.judging is None:
        raise StoreError(store="telemetry", detail="it was opened without what takes judgements in")
    return stores.judging
