"""Signing in with a key, and out again."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from trimtab.access.sessions import LASTS_S
from trimtab.console.console import Console, own_place
from trimtab.console.endpoint import Endpoint, Query, Visitor, visitor_of
from trimtab.console.gate import KeyGate, form_of
from trimtab.console.look import render
from trimtab.errors import CallError, Forbidden

HINTS: Final = {
    401: "No live key has this secret. Make one with `trimtab key new NAME --role viewer`.",
    403: "This key is for calls. Make one to look with by `trimtab key new NAME --role viewer`.",
}


def signin_endpoints(console: Console, gate: KeyGate) -> tuple[Endpoint, ...]:
    """The page where a key is entered, what it sends, and signing out."""

    async def enter(request: Request) -> Response:
        """The page where a key is entered."""
        return _form(request, request.query_params.get("next", "/"))

    async def sign_in(request: Request) -> Response:
        """Begins a session for the key that was entered."""
        form = await form_of(request)
        place = own_place(form.get("next", ""))
        try:
            key = gate.key(request, form.get("key", "").strip())
            if not Visitor.of(key).may("viewer"):
                raise Forbidden(key=key.name, what="the console")
        except CallError as failure:
            return _form(request, place, failure.status, HINTS.get(failure.status, str(failure)))
        answer = RedirectResponse(place, 303)
        answer.set_cookie(
            gate.cookie,
            gate.sign_in(key),
            max_age=LASTS_S,
            path="/",
            secure=console.secure,
            httponly=True,
            samesite="strict",
        )
        return answer

    async def sign_out(request: Request) -> Response:
        """Ends the session."""
        gate.sign_out(visitor_of(request).session)
        answer = RedirectResponse("/signin", 303)
        answer.delete_cookie(gate.cookie, path="/", secure=console.secure, httponly=True, samesite="strict")
        return answer

    def _form(request: Request, place: str, status: int = 200, wrong: str = "") -> Response:
        content = {"next": own_place(place), "wrong": wrong}
        return HTMLResponse(render("signin", console.view(request, "Sign in"), content), status)

    where = (Query("next", "where to go on to"),)
    return (
        Endpoint(
            "GET",
            "/signin",
            "anyone",
            enter,
            "the page where a key is entered",
            page=True,
            socket=False,
            media="text/html",
            query=where,
        ),
        Endpoint(
            "POST",
            "/signin",
            "anyone",
            sign_in,
            "begins a session for a key",
            page=True,
            socket=False,
            media="",
            query=(),
        ),
        Endpoint(
            "POST",
            "/signout",
            "viewer",
            sign_out,
            "ends the session",
            page=True,
            socket=False,
            media="",
            query=(),
        ),
    )
