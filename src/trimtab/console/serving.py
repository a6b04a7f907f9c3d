"""The app made of a table of routes: each behind the gate, all with the same headers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trimtab.console.endpoint import Endpoint, checked, visitor_of
from trimtab.console.gate import Gate, admit
from trimtab.console.problems import PAGE, Shown, handlers
from trimtab.errors import BodyTooLarge

log = logging.getLogger("trimtab.control")

MAX_BODY: Final = 4 << 20
"""Bytes of a request's body; a longer one is refused with 413."""
BODY_S: Final = 30.0
"""How long a body may take to come in; after that the request is refused with 408."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""On every answer that does not say otherwise.

`same-origin`, not `no-referrer`: with the latter a browser sends `Origin: null` with our own forms too, and then they
could not be told from those of other sites. No other site gets a referrer under either.
"""


def serving(table: Sequence[Endpoint], gate: Gate, *, shown: Shown | None = None, hosts: Sequence[str] = ()) -> ASGIApp:
    """The app that serves a table. `hosts`, if any, are the only names it answers under."""
    limits = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))] if hosts else []
    app = Starlette(
        routes=[guarded(endpoint, gate) for endpoint in table],
        middleware=[*limits, Middleware(BoundedBody)],
        exception_handlers=handlers(shown),
    )
    app.router.redirect_slashes = False  # a redirect would go out before the gate
    return SameHeaders(app)


def guarded(endpoint: Endpoint, gate: Gate) -> Route:
    """The route of one endpoint: who asks, what is asked, then the answer."""

    async def handle(request: Request) -> Response:
        request.scope[PAGE] = endpoint.page and _wants_html(request)
        visitor = await admit(gate, endpoint, request)
        if visitor is not None:
            request.state.visitor = visitor
        if endpoint.query is not None:
            checked(request, endpoint.query)
        answer = await endpoint.handle(request)
        if endpoint.acts:
            _note(endpoint, request, answer.status_code)
        return answer

    return Route(endpoint.path, handle, methods=[endpoint.method], name=f"{endpoint.method} {endpoint.path}")


def _note(endpoint: Endpoint, request: Request, status: int) -> None:
    """Who changed something is in the log."""
    visitor = visitor_of(request)
    facts = {"key": visitor.name, "role": visitor.role, "method": endpoint.method, "path": request.url.path}
    log.info("acted", extra={"fields": {**facts, "status": status}})


def on_socket(table: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Those of a table that the unix socket serves: for programs, so that errors are JSON."""
    return tuple(replace(endpoint, page=False) for endpoint in table if endpoint.socket)


def on_network(table: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Those of a table that the network may reach."""
    return tuple(endpoint for endpoint in table if endpoint.least != "owner")


def _wants_html(request: Request) -> bool:
    """Whether a person is there to see a page: programs bear a key, or ask for another format."""
    return "authorization" not in request.headers and request.query_params.get("format", "html") == "html"


class SameHeaders:
    """Puts `HEADERS` on every answer, those of failures nobody thought of too: it is around all else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending)


class BoundedBody:
    """Raises `BodyTooLarge` in whoever reads more of a body than `MAX_BODY`, and `HTTPException` (408) in whoever waits
    longer for it than `body_s`.
    """

    body_s = BODY_S

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on."""
        read, is_whole = 0, False
        until_s = asyncio.get_running_loop().time() + self.body_s

        async def receiving() -> Message:
            nonlocal read, is_whole
            try:
                async with asyncio.timeout_at(None if is_whole else until_s):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the body took longer than {self.body_s:g} s; send it again") from None
            read += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if read > MAX_BODY:
                raise BodyTooLarge(limit=MAX_BODY)
            return message

        await self._app(scope, receiving, send)
