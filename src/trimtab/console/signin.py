"""Signing in with a key, and out again."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from trimtab.access.sessions import LASTS_S
from trimtab.console.console import Console, own_place
from trimtab.console.endpoint import Endpoint, Handler, Least, Method, Query, Visitor, visitor_of
from trimtab.console.gate import KeyGate, form_of
from trimtab.console.look import render
from trimtab.errors import CallError, Forbidden

MAX_FORM: Final = 16 << 10
"""Bytes of what the page sends; anybody may send it."""
HINTS: Final = {
    401: "No live key has this secret. Make one with `trimtab key new NAME --role viewer`.",
    403: "This key is for calls. Make one to look with by `trimtab key new NAME --role viewer`.",
}


def signin_endpoints(console: Console, gate: KeyGate) -> tuple[Endpoint, ...]:
    """The page where a key is entered, what it sends, and signing out."""
    door = Door(console, gate)
    where = (Query("next", "where to go on to"),)
    enter, leave = "the page where a key is entered", "ends the session"
    return (
        _row("GET", "/signin", "anyone", door.enter, enter, "text/html", where),
        _row("POST", "/signin", "anyone", door.sign_in, "begins a session for a key"),
        _row("POST", "/signout", "viewer", door.sign_out, leave),
    )


class Door:
    """The handlers."""

    def __init__(self, console: Console, gate: KeyGate) -> None:
        self._console = console
        self._gate = gate

    async def enter(self, request: Request) -> Response:
        """The page where a key is entered."""
        return self._form(request, request.query_params.get("next", "/"))

    async def sign_in(self, request: Request) -> Response:
        """Begins a session for the key that was entered."""
        form = await form_of(request, MAX_FORM)
        place = own_place(form.get("next", ""))
        try:
            key = self._gate.key(request, form.get("key", "").strip())
            if not Visitor.of(key).may("viewer"):
                raise Forbidden(key=key.name, what="the console")
        except CallError as failure:
            return self._form(request, place, failure.status, HINTS.get(failure.status, str(failure)))
        answer = RedirectResponse(place, 303)
        token, secure = self._gate.sign_in(key), self._console.secure
        answer.set_cookie(
            self._gate.cookie, token, max_age=LASTS_S, path="/", secure=secure, httponly=True, samesite="strict"
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Ends the session."""
        self._gate.sign_out(visitor_of(request).session)
        answer = RedirectResponse("/signin", 303)
        answer.delete_cookie(self._gate.cookie, path="/", secure=self._console.secure, httponly=True, samesite="strict")
        return answer

    def _form(self, request: Request, place: str, status: int = 200, wrong: str = "") -> Response:
        content = {"next": own_place(place), "wrong": wrong}
        return HTMLResponse(render("signin", self._console.view(request, "Sign in"), content), status)


def _row(
    method: Method,
    path: str,
    least: Least,
    handle: Handler,
    says: str,
    media: str = "",
    query: tuple[Query, ...] = (),
) -> Endpoint:
    return Endpoint(method, path, least, handle, says, page=True, socket=False, media=media, query=query)
