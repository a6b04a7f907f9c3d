"""The page that a signed link opens: one review, and a form that asks to confirm. Opening it decides nothing."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from trimtab.console.console import Console
from trimtab.console.endpoint import Endpoint
from trimtab.console.gate import form_of
from trimtab.console.look import render
from trimtab.console.review_desk import LinkDesk, Linked, LinkRefused
from trimtab.journal.deciding import Choice
from trimtab.journal.refusals import JournalRefusal

MAX_FORM: Final = 16 << 10
CHOICES: Final[tuple[Choice, ...]] = ("approve", "reject")
HEADERS: Final = {"x-robots-tag": "noindex, nofollow"}
NOT_FOUND: Final = 404


def link_endpoints(console: Console, desk: LinkDesk) -> tuple[Endpoint, ...]:
    """What a link opens, and what its form sends; who may do so the link itself says."""
    door = LinkDoor(console, desk)
    path, says = "/decide/{token}", "the review that a signed link is for; the link is the right to decide it"
    return (
        Endpoint("GET", path, "anyone", door.look, says, page=True, socket=False, media="text/html", query=()),
        Endpoint("POST", path, "anyone", door.decide, "decides that review, once", page=True, socket=False, query=()),
    )


class LinkDoor:
    """The handlers."""

    def __init__(self, console: Console, desk: LinkDesk) -> None:
        self._console = console
        self._desk = desk

    async def look(self, request: Request) -> Response:
        """The review with its form, or what was decided."""
        try:
            link = await self._desk.opened(request.path_params["token"])
        except LinkRefused as refused:
            return self._page(request, None, NOT_FOUND, str(refused))
        return self._page(request, link)

    async def decide(self, request: Request) -> Response:
        """Decides, and shows what was decided."""
        form, token = await form_of(request, MAX_FORM), request.path_params["token"]
        choice = next((one for one in CHOICES if one == form.get("choice")), None)
        try:
            if choice is None:
                return self._page(request, await self._desk.opened(token), 400, "Choose to approve or to reject.")
            await self._desk.decide(token, choice, form.get("reason", ""), form.get("form", ""))
        except LinkRefused as refused:
            return self._page(request, None, NOT_FOUND, str(refused))
        except JournalRefusal as refused:
            return self._page(request, await self._desk.opened(token), 400, str(refused))
        return RedirectResponse(request.url.path, 303, HEADERS)

    def _page(self, request: Request, link: Linked | None, status: int = 200, wrong: str = "") -> Response:
        content = {"link": link, "wrong": wrong}
        view = self._console.view(request, "Review")
        return HTMLResponse(render("review_link", view, content), status, HEADERS)
