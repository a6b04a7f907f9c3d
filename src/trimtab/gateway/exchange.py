"""The one mutable struct of a call's path: born at the request, filled step by step, settled once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from trimtab.gateway.surfaces.surface import Asked, Facts, Surface

if TYPE_CHECKING:
    from trimtab.gateway.http.answer import Answer
    from trimtab.gateway.http.request import Request
    from trimtab.gateway.routing import Choice
    from trimtab.guard.deadlines import Clocks, Expiry
    from trimtab.policy.snapshot import Snapshot, TaskPolicy
    from trimtab.record.capture import Capture
    from trimtab.record.events import Admitted, Attempt


class UnderWay(Protocol):
    """The answer of an attempt, while it may still come."""

    @property
    def done(self) -> bool:
        """Whether it has ended."""


class Exchange:
    """A call between its client and the replicas that were asked for it.

    Times ending in `_s` are monotonic seconds; `began_s` is when the request's last byte was read.
    """

    __slots__ = (
        "admitted",
        "answer",
        "asked",
        "at_ns",
        "attempts",
        "began_s",
        "call",
        "capture",
        "choice",
        "clocks",
        "detail",
        "expiry",
        "facts",
        "first_s",
        "head_sent",
        "key",
        "last_s",
        "outcome",
        "prompt",
        "relay",
        "request",
        "response_bytes",
        "run",
        "runner",
        "shortened",
        "snapshot",
        "status",
        "surface",
        "task",
        "tried",
        "upstream_status",
    )

    def __init__(
        self,
        request: Request,
        answer: Answer,
        runner: asyncio.Task[object],
        snapshot: Snapshot,
        call: str,
        at_ns: int,
    ) -> None:
        self.request = request
        self.answer = answer
        self.runner = runner
        self.snapshot = snapshot
        self.call = call
        self.at_ns = at_ns
        self.began_s = request.received_at
        self.run = ""
        self.key = ""
        self.surface: Surface
        self.asked: Asked
        self.task: TaskPolicy
        self.prompt: tuple[bytes, ...] = ()
        self.clocks: Clocks
        self.expiry: Expiry | None = None
        self.shortened = False
        self.admitted: Admitted | None = None
        self.attempts: list[Attempt] = []
        self.tried: list[Choice] = []
        self.choice: Choice | None = None
        self.relay: UnderWay | None = None
        self.capture: Capture | None = None
        self.facts: Facts | None = None
        self.detail = ""
        self.outcome = ""
        self.status = 0
        self.upstream_status = 0
        self.head_sent = False
        self.response_bytes = 0
        self.first_s: float | None = None
        self.last_s: float | None = None

    def leave(self) -> None:
        """The client has gone: the call's task ends."""
        self.runner.cancel()

    def expire(self, expiry: Expiry) -> None:
        """A deadline has run out: the call's task is cancelled, unless the answer came in the same turn of the loop."""
        if self.relay is None or not self.relay.done:
            self.expiry = expiry
            self.runner.cancel()

    def content_at(self, now_s: float) -> None:
        """A content-bearing event has been written to the client at `now_s`."""
        self.last_s = now_s
        if self.first_s is None:
            self.first_s = now_s

    def __repr__(self) -> str:
        state = self.outcome or ("streaming" if self.head_sent else "open")
        return f"Exchange({self.call} {state}, {len(self.attempts)} attempts)"
