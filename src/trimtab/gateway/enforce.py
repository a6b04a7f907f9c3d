"""What goes to a replica: the spliced body and the request's head, policy put in, the client's credentials left out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from trimtab.declare.project import Model, Secret
from trimtab.declare.prompts import render
from trimtab.errors import InvalidRequest
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.surfaces.surface import Edits
from trimtab.gateway.upstreams.origin import Origin

ReadSecret = Callable[[Secret], str]
FORWARDED = (b"content-type", b"accept")
MAX_STARTS = 16


class Target:
    """A replica as requests are written for it."""

    __slots__ = ("_behind", "_starts", "model", "origin", "served_name")

    def __init__(self, model: Model, url: str) -> None:
        self.model = model
        self.served_name = model.served_name
        self.origin = Origin.parse(url, ca=model.ca, proxy=model.proxy)
        self._behind = f" HTTP/1.1\r\nhost: {self.origin.authority}\r\nuser-agent: trimtab\r\nx-request-id: ".encode()
        self._starts: dict[tuple[str, bytes], bytes] = {}

    def head(self, exchange: Exchange, body_bytes: int, left_s: float | None, read_secret: ReadSecret) -> bytes:
        """The request's head, ready to be written."""
        request, admitted = exchange.request, exchange.admitted
        start = self._starts.get((request.method, request.target)) or self._start(request.method, request.target)
        head = b"%b%b\r\ncontent-length: %d\r\n" % (start, exchange.call.encode(), body_bytes)
        get = request.headers.get
        for name in FORWARDED:
            value = get(name)
            if value is not None:
                head += b"%b: %b\r\n" % (name, value)
        if self.model.api_key is not None:
            head += b"authorization: Bearer %b\r\n" % read_secret(self.model.api_key).encode("latin-1")
        if left_s is not None:
            head += b"x-trimtab-deadline-ms: %d\r\n" % max(1, int(left_s * 1000))
        if admitted is not None and admitted.trace_id:
            head += f"traceparent: 00-{admitted.trace_id}-{exchange.call[16:]}-01\r\n".encode()
        return head + b"\r\n"

    def _start(self, method: str, target: bytes) -> bytes:
        """The head up to the request's id; remembered while targets are few, as those of the surfaces are."""
        start = b"%b %b%b%b" % (method.encode(), self.origin.base_path.encode(), target, self._behind)
        if len(self._starts) < MAX_STARTS:
            self._starts[method, target] = start
        return start


def render_prompt(exchange: Exchange) -> tuple[bytes, ...]:
    """The task's prompt rendered with the call's inputs, one JSON message each; empty without inputs.

    Raises `InvalidRequest` for inputs that the prompt does not take or a task that has no prompt.
    """
    inputs = exchange.asked.inputs
    if inputs is None:
        return ()
    prompt = exchange.task.prompt
    if prompt is None:
        raise InvalidRequest(
            detail=f"task {exchange.task.name} has no prompt, so `trimtab.inputs` has no use; leave it out"
        )
    return tuple(msgspec.json.encode(message) for message in render(prompt, inputs))


def body_for(exchange: Exchange, target: Target) -> bytes:
    """The body for this replica's model."""
    edits = Edits(model=target.served_name, sampling=exchange.task.sampling, prompt=exchange.prompt)
    return exchange.surface.splice(exchange.asked, edits)
