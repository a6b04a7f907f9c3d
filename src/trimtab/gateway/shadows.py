"""Calls that were answered are asked once more, of a candidate, for nobody: a shadow's answer is recorded and dropped.

A copy begins when its call has been settled, so that it delays nobody, and goes the whole path of a call but for its
client: there is no socket behind it. Nothing here runs tools. What a server would do beyond answering (keep a
response, run tools of its own) is never asked for twice, nor is anything in answer to a tool that writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw, Struct

from trimtab.errors import CallError
from trimtab.gateway import enforce
from trimtab.gateway.attempts import Attempts
from trimtab.gateway.checks import checks_for
from trimtab.gateway.context.in_context import InContext
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.failures import from_fault
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.request import Request
from trimtab.gateway.own_calls import Nowhere, OwnCalls
from trimtab.gateway.serving import Parts
from trimtab.gateway.surfaces.surface import NOT_JSON
from trimtab.gateway.tool_results import ABSENT, MAX_RESULTS, tool_results
from trimtab.guard.timers import Timers
from trimtab.record.purposes import SHADOW

if TYPE_CHECKING:
    from trimtab.gateway.candidate import Candidate

MOST_AT_ONCE: Final = 16
MOST_BYTES: Final = 32 << 20
"""Of the requests of copies that are under way, on one worker."""
CALLERS_OWN: Final = frozenset({b"authorization", b"x-api-key", b"cookie", b"x-trimtab-deadline-ms"})
RESPONSES: Final = "responses"
SURFACES: Final = frozenset({"chat_completions", "completions", "messages", RESPONSES, "embeddings"})
PLAIN_TOOLS: Final = frozenset({"function", "custom"})
"""Tools that the client runs itself; others are run by the model's server."""
READS: Final = "read"
End = Callable[[Exchange, CallError | None], None]


class Beyond(Struct, frozen=True):
    """What a request asks its server to do beyond an answer, and its tools; the rest is not read."""

    background: Any = None
    store: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    mcp_servers: Any = None
    container: Any = None
    web_search_options: Any = None
    prompt: Raw = ABSENT
    tools: tuple[dict[str, Any], ...] | None = None

    def is_asked(self, surface: str) -> bool:
        """Whether the server is to do any of it. Responses are kept unless it is told not to, and a prompt that it
        keeps may have tools of its own.
        """
        asked = (self.background, self.store, self.previous_response_id, self.conversation, self.mcp_servers)
        if any((*asked, self.container, self.web_search_options)):
            return True
        return surface == RESPONSES and (self.store is not False or bytes(self.prompt) not in (b"", b"null"))


_beyond = msgspec.json.Decoder(Beyond)


@dataclass(frozen=True)
class Paths:
    """What the pipeline lends to copies: `opened` counts a call in, and `end` is the exit of every call."""

    parts: Parts
    loop: asyncio.AbstractEventLoop
    timers: Timers
    own_calls: OwnCalls
    opened: Callable[[], None]
    end: End


class Shadows:
    """The copies of one worker."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._open = 0
        self._bytes = 0

    def copy(self, outer: Exchange, candidate: Candidate) -> None:
        """Asks the candidate what `outer` asked, if nothing speaks against it; dropped and counted at the bound.

        Raises `CallError` where the candidate cannot take the call at all.
        """
        if not may_be_copied(outer):
            return
        size = len(outer.request.body)
        if self._open >= MOST_AT_ONCE or self._bytes + size > MOST_BYTES:
            candidate.exposure.dropped()
            return
        parts, serving = self._paths.parts, candidate.serving
        at_ns, now_s = parts.clock.wall_ns(), parts.clock.monotonic()
        came = outer.request
        request = Request(came.method, came.target, came.path, _headers(outer), came.body, now_s, "", "1.1")
        inner = Exchange(
            request, Answer(Nowhere(), "POST", "1.1"), serving.snapshot, parts.ids.new(at_ns), at_ns, now_s
        )
        inner.surface, inner.key, inner.purpose = outer.surface, outer.key, SHADOW
        inner.asked = inner.surface.read(request.body)
        serving.admission.resolve(inner, None)
        inner.prompt = enforce.render_prompt(inner)
        inner.checks = checks_for(serving.contract(inner.task.name), inner.surface, inner.asked)
        self._open += 1
        self._bytes += size
        self._paths.opened()
        candidate.exposure.copied()
        self._begin(inner, candidate, partial(self._over, size))

    def _begin(self, inner: Exchange, candidate: Candidate, end: End) -> None:
        paths, serving = self._paths, candidate.serving
        parts = paths.parts
        attempts = Attempts(inner, serving, parts, paths.loop, paths.timers, end)
        call: Attempts | InContext = attempts
        window, history = serving.windows.get(inner.task.name), inner.surface.history
        try:
            if window is not None and history is not None:
                call = InContext(attempts, window, history, serving, parts, paths.own_calls, end)
            refs = parts.bodies.request(inner.request.body, inner.asked.messages, inner.task.redaction)
            event = serving.admission.admitted(inner, refs)
            parts.recorder.admit(event)
        except Exception as fault:  # noqa: BLE001  it is the end of the copy, and of nothing else
            end(inner, from_fault(inner.call, fault))
            return
        inner.admitted = event
        call.begin()

    def _over(self, size: int, inner: Exchange, failure: CallError | None) -> None:
        self._open -= 1
        self._bytes -= size
        self._paths.end(inner, failure)

    def __repr__(self) -> str:
        return f"Shadows({self._open} open, {self._bytes} bytes)"


def may_be_copied(exchange: Exchange) -> bool:
    """Whether a call can be asked again without anything happening but an answer."""
    surface = exchange.surface.name
    if surface not in SURFACES:
        return False
    try:
        beyond = _beyond.decode(exchange.request.body)
    except NOT_JSON:
        return False
    if beyond.is_asked(surface) or not all(one.get("type", "custom") in PLAIN_TOOLS for one in beyond.tools or ()):
        return False
    effects = {tool.name: tool.effect for tool in exchange.task.tools}
    came = tool_results(surface, exchange.came or exchange.asked, shapes=False)
    return len(came) < MAX_RESULTS and all(effects.get(one.tool, "write") == READS for one in came)


def _headers(outer: Exchange) -> Headers:
    """Those of the call that is copied, without who its client is; it is the parent, under the same task."""
    fields = Headers({name: value for name, value in outer.request.headers.items() if name not in CALLERS_OWN})
    fields[b"x-trimtab-task"] = outer.task.name.encode("latin-1", "replace")
    fields[b"x-trimtab-run"] = outer.run.encode("latin-1", "replace")
    fields[b"x-trimtab-parent"] = outer.call.encode()
    return fields
