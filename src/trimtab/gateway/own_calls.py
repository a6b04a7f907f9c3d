"""Calls that the gateway makes itself, on behalf of one that is waiting for them: admitted, settled and paid like any.

An own call is a whole chat completion to one model. It stands under the run, the conversation and the key of the call
it is made for, which is its parent, and under that call's deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from trimtab.errors import CallError
from trimtab.gateway.attempts import Attempts
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.failures import from_fault
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.request import Request
from trimtab.gateway.serving import Parts, Serving
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.guard.deadlines import Clocks
from trimtab.guard.timers import Timers
from trimtab.policy.snapshot import TaskPolicy

SURFACE: Final = ChatCompletions()
GOOD: Final = 200
SHARE: Final = 0.5
"""Of the time that is left to the call it is made for, which needs the rest for its own answer."""


class Nowhere:
    """The connection of an answer that no client reads."""

    keep = False
    date_line = b""

    def write(self, data: bytes) -> None:
        """Nothing: who asked reads the answer itself."""

    def answered(self, keep: bool) -> None:
        """Nothing."""

    def cut(self, hard: bool) -> None:
        """Nothing."""


class KeptAnswer(Answer):
    """An answer that is kept for who asked: its status and body."""

    __slots__ = ("body", "status")

    def __init__(self) -> None:
        super().__init__(Nowhere(), "POST", "1.1")
        self.status, self.body = 0, b""

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once."""
        self.status, self.body = status, body
        super().whole(status, headers, body)


class Answered(NamedTuple):
    """How an own call ended: its id, and its body if it was answered well, else empty."""

    call: str
    body: bytes


Told = Callable[[Answered], None]
End = Callable[[Exchange, CallError | None], None]
Loop = asyncio.AbstractEventLoop


class OwnCalls:
    """Makes own calls; `end` is the exit of every call, and `opened` counts those that will go through it."""

    def __init__(self, parts: Parts, loop: Loop, timers: Timers, opened: Callable[[], None], end: End) -> None:
        self._parts = parts
        self._loop = loop
        self._timers = timers
        self._opened = opened
        self._end = end

    def __repr__(self) -> str:
        return "OwnCalls()"

    def ask(self, outer: Exchange, serving: Serving, task: TaskPolicy, body: bytes, told: Told) -> Attempts | None:
        """Asks for a chat completion under `task`, on behalf of `outer`; `told` is called once, when it has ended.

        What comes back can `leave`, which is told too. None if the call could not even begin, which has been told.
        """
        parts = self._parts
        at_ns, now_s = parts.clock.wall_ns(), parts.clock.monotonic()
        request = Request("POST", SURFACE.path.encode(), SURFACE.path, _headers(outer), body, now_s, "", "1.1")
        answer = KeptAnswer()
        call = parts.ids.new(at_ns)
        inner = Exchange(request, answer, serving.snapshot, call, at_ns, now_s, key=outer.key, surface=SURFACE)
        inner.task, inner.clocks = task, _clocks(outer, task, now_s)
        self._opened()
        attempts = Attempts(inner, serving, parts, self._loop, self._timers, partial(self._over, told))
        try:
            inner.asked = SURFACE.read(body)
            refs = parts.bodies.request(body, inner.asked.messages, task.redaction)
            event = serving.admission.admitted(inner, refs)
            parts.recorder.admit(event)
        except Exception as fault:  # noqa: BLE001  it is the end of this call, and not of the outer one
            self._over(told, inner, from_fault(call, fault))
            return None
        inner.admitted = event
        attempts.begin()
        return attempts

    def _over(self, told: Told, inner: Exchange, failure: CallError | None) -> None:
        self._end(inner, failure)
        answer = inner.answer
        good = failure is None and isinstance(answer, KeptAnswer) and answer.status == GOOD
        told(Answered(inner.call, answer.body if good and isinstance(answer, KeptAnswer) else b""))


def _headers(outer: Exchange) -> Headers:
    """What the call it is made for was sent with, as far as it says what belongs together; it is the parent."""
    fields = Headers({b"content-type": b"application/json", b"x-trimtab-parent": outer.call.encode()})
    fields[b"x-trimtab-run"] = outer.run.encode("latin-1")
    for name in (b"x-trimtab-conversation", b"x-trimtab-user", b"traceparent"):
        value = outer.request.headers.get(name)
        if value is not None:
            fields[name] = value
    return fields


def _clocks(outer: Exchange, task: TaskPolicy, now_s: float) -> Clocks:
    """It may take as long as a first token may, and half of the time that the outer call has left."""
    left_s, limits = outer.clocks.left_s(now_s), task.deadline
    total_s = limits.first_token_s if left_s is None else min(limits.first_token_s, left_s * SHARE)
    return Clocks(
        now_s,
        streamed=False,
        connect_s=limits.connect_s,
        first_token_s=limits.first_token_s,
        gap_s=limits.gap_s,
        total_s=total_s,
    )
