"""The whole table of routes, and the two apps made of it: one for the network, one for the unix socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from trimtab import __version__
from trimtab.console.console import Console
from trimtab.console.endpoint import Endpoint
from trimtab.console.gate import Gate, KeyGate, KeysUnreadable, OwnerGate
from trimtab.console.live import Live
from trimtab.console.openapi import PATH, openapi
from trimtab.console.parts import Parts
from trimtab.console.problems import json_answer
from trimtab.console.review_link import link_endpoints
from trimtab.console.serving import on_network, on_socket, serving
from trimtab.console.signin import signin_endpoints
from trimtab.console.site import ACTIONS, DOWNLOADS, PAGES
from trimtab.console.statics import statics
from trimtab.errors import CallError


@dataclass(frozen=True)
class Site:
    """All routes, and what the apps of them need. `hosts`, if any, are the only names the network may call it by."""

    table: tuple[Endpoint, ...]
    console: Console
    gate: Gate
    hosts: tuple[str, ...] = ()

    @property
    def network(self) -> ASGIApp:
        """The app for `[control] listen`."""
        return serving(on_network(self.table), self.gate, shown=self.console.problem, hosts=self.hosts)

    @property
    def socket(self) -> ASGIApp:
        """The app for the unix socket of the data directory's owner."""
        return serving(on_socket(self.table), OwnerGate())


def site(
    api: Sequence[Endpoint], parts: Parts, gate: Gate, live: Live, *, secure: bool = False, hosts: tuple[str, ...] = ()
) -> Site:
    """Joins the routes of programs with the pages."""
    console = Console(PAGES, ACTIONS, parts, statics(), gate, secure, DOWNLOADS)

    cookie = gate.cookie if isinstance(gate, KeyGate) else ""

    async def described(request: Request) -> Response:
        """All of this, as OpenAPI 3.1."""
        return json_answer(openapi(table, __version__, cookie))

    table = (
        *api,
        Endpoint("GET", PATH, "viewer", described, "all routes, as OpenAPI 3.1", query=()),
        live.endpoint(lambda request: _may_still(gate, request)),
        *(signin_endpoints(console, gate) if isinstance(gate, KeyGate) else ()),
        *(link_endpoints(console, parts.links) if parts.links is not None else ()),
        *console.table(),
    )
    return Site(table, console, gate, hosts)


def _may_still(gate: Gate, request: Request) -> bool:
    """Whether whoever listens would be let in again now."""
    try:
        visitor = gate.visitor(request)
    except KeysUnreadable:
        return True
    except CallError:
        return False
    return visitor is not None and visitor.may("viewer")
