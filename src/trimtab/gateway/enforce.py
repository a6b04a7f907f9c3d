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


class Target:
    """A replica as requests are written for it."""

    __slots__ = ("_base", "_fixed", "model", "origin", "served_name")

    def __init__(self, model: Model, url: str) -> None:
        self.model = model
        self.served_name = model.served_name
        self.origin = Origin.parse(url, ca=model.ca, proxy=model.proxy)
        self._base = self.origin.base_path.encode()
        self._fixed = f" HTTP/1.1\r\nhost: {self.origin.authority}\r\nuser-agent: trimtab\r\nx-request-id: ".encode()

    def head(self, exchange: Exchange, body_bytes: int, left_s: float | None, read_secret: ReadSecret) -> bytes:
        """The request's head, ready to be written."""
        request, admitted = exchange.request, exchange.admitted
        get = request.headers.get
        lines = [
            b"%b %b%b%b%b"
            % (
                request.method.encode(),
                self.origin.base_path.encode(),
                request.target,
                self._fixed,
                exchange.call.encode(),
            ),
            b"content-length: %d" % body_bytes,
        ]
        for name in FORWARDED:
            value = get(name)
            if value is not None:
                lines.append(b"%b: %b" % (name, value))
        if self.model.api_key is not None:
            lines.append(b"authorization: Bearer " + read_secret(self.model.api_key).encode("latin-1"))
        if left_s is not None:
            lines.append(b"x-trimtab-deadline-ms: %d" % max(1, int(left_s * 1000)))
        if admitted is not None and admitted.trace_id:
            lines.append(f"traceparent: 00-{admitted.trace_id}-{exchange.call[16:]}-01".encode())
        lines.append(b"\r\n")
        return b"\r\n".join(lines)


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
