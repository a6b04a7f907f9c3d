"""The console: its pages as rows of the table of routes, and the page of what went wrong."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from trimtab.console.endpoint import NOBODY, Endpoint, Query, Visitor, visitor_of
from trimtab.console.gate import Gate, form_of
from trimtab.console.look import THEME, THEMES, View, nav_of, ranges_of, render, theme_of, zone_of
from trimtab.console.page import EVERYWHERE, Action, Asked, Built, Download, Page, address, section
from trimtab.console.parts import Parts
from trimtab.console.problems import Problem, json_answer, problem_of
from trimtab.console.statics import Statics
from trimtab.console.tables import Table
from trimtab.console.window import window_of
from trimtab.errors import CallError, InvalidRequest, StoreError

log = logging.getLogger("trimtab.control")

FORMATS: Final = ("html", "json", "csv")
EARLY_S: Final = 0.1
"""After this time the top of a page is sent while its figures are still reckoned."""
MAIN: Final = '<main id="main"'
"""Where the part of a page begins that its figures are in."""
AGAIN: Final = "trimtab_again"
"""The cookie that says for a moment that a page was asked for once more already."""
YEAR_S: Final = 365 * 86_400


@dataclass(frozen=True)
class Console:
    """The pages and what they are made of. `secure` says that it is reached by TLS."""

    pages: Sequence[Page[Any]]
    actions: Sequence[Action]
    parts: Parts
    statics: Statics
    gate: Gate
    secure: bool
    downloads: Sequence[Download] = ()

    def table(self) -> tuple[Endpoint, ...]:
        """The rows of the table of routes; pages are for the network only."""
        return (
            *(self._page(page) for page in self.pages),
            *(self._action(action) for action in self.actions),
            *(self._download(download) for download in self.downloads),
            Endpoint("POST", "/look", "viewer", self._look, "chooses the theme", page=True, socket=False, media=""),
            self.statics.endpoint(),
        )

    def problem(self, request: Request, problem: Problem) -> Response:
        """The page of what went wrong; whoever must sign in first is led there."""
        if problem.status == 401 and request.method == "GET":
            if request.headers.get("sec-fetch-site") in ("cross-site", "same-site") and AGAIN not in request.cookies:
                return _once_more(request)
            asked_for = address(request.url.path, dict(request.query_params))
            return RedirectResponse(f"/signin?next={quote(asked_for, safe='')}", 303)
        view = self.view(request, _TITLES.get(problem.status, "That did not work"))
        return HTMLResponse(render("problem", view, {"problem": problem}), problem.status)

    def view(self, request: Request, title: str, asked: Asked | None = None) -> View:
        """The layout of one page."""
        visitor = self._visitor(request)
        known = visitor is not NOBODY
        if asked is None and known:
            asked = self._plain(request, visitor)
        return View(
            title=title,
            environment=self.parts.policy().environment,
            theme=theme_of(request),
            zone=zone_of(request),
            now_ns=self.parts.clock.wall_ns(),
            statics=self.statics,
            visitor=visitor if known else None,
            asked=asked,
            nav=nav_of(self.pages, asked) if asked is not None else (),
            ranges=ranges_of(asked) if asked is not None else (),
            can_leave=bool(visitor.session),
        )

    def asked(self, request: Request, known: Sequence[Query]) -> Asked:
        """What a request wants to see. Raises `InvalidRequest`."""
        given, now_ns, zone = dict(request.query_params), self.parts.clock.wall_ns(), zone_of(request)
        single = {query.name for query in known if not query.many}
        many = {query.name for query in known if query.many}
        return Asked(
            visitor=visitor_of(request),
            window=window_of(given, now_ns, zone),
            zone=zone,
            now_ns=now_ns,
            place=request.url.path,
            path=dict(request.path_params),
            query={name: value for name, value in given.items() if name in single},
            lists={name: tuple(filter(None, request.query_params.getlist(name))) for name in many if name in given},
            places=self.places,
        )

    @property
    def places(self) -> frozenset[str]:
        """The first steps of the addresses of all pages."""
        return frozenset(section(page.path) for page in self.pages)

    def _plain(self, request: Request, visitor: Visitor) -> Asked:
        """What is asked where the address need not be a page's: the range if there is one, nothing else."""
        given, now_ns, zone = dict(request.query_params), self.parts.clock.wall_ns(), zone_of(request)
        try:
            window = window_of(given, now_ns, zone)
        except CallError:
            window = window_of({}, now_ns, zone)
        path = {name: str(value) for name, value in request.path_params.items()}
        return Asked(visitor, window, zone, now_ns, request.url.path, path, places=self.places)

    def _visitor(self, request: Request) -> Visitor:
        """Whoever looks, also at a page that needs no key or is not there."""
        visitor = visitor_of(request)
        if visitor is NOBODY:
            try:
                visitor = self.gate.visitor(request) or NOBODY
            except (CallError, StoreError):
                return NOBODY
        return visitor

    def _page(self, page: Page[Any]) -> Endpoint:
        async def show(request: Request) -> Response:
            asked = self.asked(request, (*page.query, Query("sort", "")))
            form = request.query_params.get("format", "html")
            if form not in FORMATS:
                raise InvalidRequest(detail=f"?format={form[:40]} is none of {', '.join(FORMATS)}")
            building: asyncio.Task[Built[Any]] = asyncio.ensure_future(page.build(asked, self.parts))
            if form == "html" and page.nav and not (await asyncio.wait({building}, timeout=EARLY_S))[0]:
                return StreamingResponse(self._in_parts(request, page, asked, building), media_type="text/html")
            built = await building
            if form == "html":
                return HTMLResponse(self._html(request, page, asked, built))
            return _file(page, form, request.query_params.get("table", ""), built, _tables(request, built))

        show.__doc__ = page.says
        return Endpoint(
            "GET",
            page.path,
            page.least,
            show,
            page.says,
            whole=page.whole,
            page=True,
            socket=False,
            answers=page.data,
            media="text/html",
            query=(*page.query, *EVERYWHERE),
        )

    def _html(self, request: Request, page: Page[Any], asked: Asked, built: Built[Any]) -> str:
        view = self.view(request, built.title or page.title, asked)
        charts = {one.name: one for one in built.charts}
        content = {"data": built.data, "tables": _tables(request, built), "charts": charts, "asked": asked}
        return render(page.name, view, {**built.extra, **content})

    async def _in_parts(
        self, request: Request, page: Page[Any], asked: Asked, building: asyncio.Task[Built[Any]]
    ) -> AsyncIterator[str]:
        """The top of a page, then the rest when it is there; what goes wrong meanwhile stands in its place."""
        view = self.view(request, page.title, asked)
        yield render("base", view, {}).partition(MAIN)[0]
        try:
            whole = self._html(request, page, asked, await building)
        except Exception as failure:
            problem, _ = problem_of(failure)
            if problem.status == 500:
                log.exception("page_failed", extra={"fields": {"path": request.url.path}})
            whole = render("problem", view, {"problem": problem})
        yield "".join(whole.partition(MAIN)[1:])

    def _action(self, action: Action) -> Endpoint:
        async def act(request: Request) -> Response:
            asked = self._plain(request, visitor_of(request))
            return RedirectResponse(own_place(await action.do(asked, self.parts, await form_of(request))), 303)

        act.__doc__ = action.says
        return Endpoint(
            "POST",
            action.path,
            action.least,
            act,
            action.says,
            acts=True,
            whole=action.whole,
            page=True,
            socket=False,
            media="",
            query=(),
        )

    def _download(self, download: Download) -> Endpoint:
        async def send(request: Request) -> Response:
            found = await download.get(self._plain(request, visitor_of(request)), self.parts)
            headers = {"content-disposition": f'attachment; filename="{file_name(found.name)}"'}
            return Response(found.content, media_type="text/plain; charset=utf-8", headers=headers)

        send.__doc__ = download.says
        return Endpoint(
            "GET",
            download.path,
            download.least,
            send,
            download.says,
            whole=download.whole,
            page=True,
            socket=False,
            media="text/plain",
            query=(),
        )

    async def _look(self, request: Request) -> Response:
        form = await form_of(request)
        theme = form.get("theme", "")
        answer = RedirectResponse(own_place(form.get("next", "")), 303)
        if theme in THEMES:
            answer.set_cookie(THEME, theme, max_age=YEAR_S, path="/", secure=self.secure, samesite="strict")
        else:
            answer.delete_cookie(THEME, path="/")
        return answer


def own_place(text: str) -> str:
    """A place on our own pages: whatever could lead elsewhere is the overview instead."""
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and "\\" not in text and text.isprintable()
    return text if is_own else "/"


def file_name(text: str) -> str:
    """A name for a file, of letters, digits and what cannot mislead."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".")[:120] or "file"


def _tables(request: Request, built: Built[Any]) -> dict[str, Table[Any]]:
    """The tables by name, as they are to be sorted."""
    sort = request.query_params.get("sort", "")
    return {table.name: table.sorted_as(sort) for table in built.tables}


def _file(page: Page[Any], form: str, name: str, built: Built[Any], tables: Mapping[str, Table[Any]]) -> Response:
    """A page's data as JSON, or one of its tables as JSON or CSV."""
    if form == "json" and not name:
        return json_answer(built.data)
    if not tables:
        raise HTTPException(404, f"{page.title} has no table; ask for ?format=json")
    table = tables.get(name) if name else next(iter(tables.values()))
    if table is None:
        raise InvalidRequest(detail=f"?table={name[:80]} is none of {', '.join(tables)}")
    if form == "json":
        return json_answer(table.records())
    headers = {"content-disposition": f'attachment; filename="{page.name}-{table.name}.csv"'}
    return Response(table.csv(), media_type="text/csv; charset=utf-8", headers=headers)


def _once_more(request: Request) -> Response:
    """A page that asks for the same address again: the cookie of a session does not come with a click on another
    site's link, but with the click of a page of ours.
    """
    place = address(request.url.path, dict(request.query_params))
    answer = HTMLResponse(render("once_more", None, {"place": place}))  # type: ignore[arg-type]
    answer.set_cookie(AGAIN, "1", max_age=5, path="/", httponly=True, samesite="lax")
    return answer


_TITLES: Final = {
    400: "That cannot be asked",
    401: "Sign in first",
    403: "Not with this key",
    404: "Not here",
    405: "Not this way",
    413: "Too much at once",
    429: "Too many tries",
    500: "Control failed",
    503: "Not at the moment",
}
