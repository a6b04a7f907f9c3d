"""Headers by which calls through the gateway become steps of a run, for clients that are not ours."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from trimtab.journal.requests import canonical
from trimtab.runs import stepping
from trimtab.runs.declared import Request
from trimtab.runs.faults import Leaving
from trimtab.runs.lines import Line
from trimtab.runs.session import Act, Place, Session, here, line_here, moved_on

SEQ_HEADER: Final = "x-trimtab-seq"
_LINE: Final = "trimtab.line"
PORTS: Final = {"http": 80, "https": 443}


def headers() -> dict[str, str]:
    """The headers of one call through the gateway that is to be a step of this run; none outside a run.

    Each call needs its own; they are for one call after the other. Raises `Leaving` once the run is left.
    """
    place = here()
    if place is None:
        return {}
    line, _ = line_of(place, b"")
    if place.session.left is None:
        line.taken += 1
    found = step_headers(place.session, line.inside(), place.label)
    moved_on(place, line)
    return found


def step_headers(session: Session, line: Line, label: str) -> dict[str, str]:
    """The headers of the next call on a line, which it counts; raises `Leaving` once the run is left."""
    if session.left is not None:
        raise Leaving(session.left)
    line.taken += 1
    named = {"x-trimtab-branch": line.name, "x-trimtab-after": str(line.last)}
    if session.replays not in ("", session.run):
        named["x-trimtab-replay"] = session.replays
    else:
        named |= {"x-trimtab-run": session.run, "x-trimtab-lease": str(session.epoch)}
    return named | {"x-trimtab-step": label} if label else named


class Stamps:
    """Hooks of an httpx client, by which its calls to the gateway become steps of the run that makes them:

        httpx.AsyncClient(event_hooks=trimtab.stamps.hooks)
        httpx.Client(event_hooks=trimtab.stamps.blocking_hooks)

    Requests to anybody else, and those outside a run, are left as they are.
    """

    @property
    def hooks(self) -> dict[str, list[Any]]:
        """For clients that await."""
        return {"request": [self._stamp_soon], "response": [self._read_soon]}

    @property
    def blocking_hooks(self) -> dict[str, list[Any]]:
        """For clients that do not."""
        return {"request": [self.stamp], "response": [self.read]}

    def stamp(self, request: Any) -> None:
        """Gives a request its headers; raises `Leaving` once the run is left."""
        place = _place_of(request)
        if place is None:
            return
        line, digest = line_of(place, _content(request))
        if line.unheard != digest:
            from trimtab.runs.blocking.stepping import heard  # noqa: PLC0415 - that package is made of this one

            heard(place.session, line)
        _bear(request, place, line, digest)

    def read(self, response: Any) -> None:
        """Learns from an answer which step it was."""
        line = response.request.extensions.get(_LINE)
        if line is None:
            return
        line.unheard = ""
        seq = response.headers.get(SEQ_HEADER, "")
        if seq.isdigit():
            line.last = int(seq)

    async def _stamp_soon(self, request: Any) -> None:
        place = _place_of(request)
        if place is None:
            return
        line, digest = line_of(place, _content(request))
        if line.unheard != digest:
            await stepping.heard(place.session, line)
        _bear(request, place, line, digest)

    async def _read_soon(self, response: Any) -> None:
        self.read(response)


stamps = Stamps()


def line_of(place: Place, content: bytes) -> tuple[Line, str]:
    """The line a call lies on, and the digest of its request; that names a line which begins with it, so what is
    volatile is left out.
    """
    digest = canonical("model", "", content, place.session.runtime.volatile).digest
    return line_here(place, Act("model", place.label, Request("", content, digest))), digest


def _place_of(request: Any) -> Place | None:
    """The place of a request to the gateway; None for another one, and outside a run."""
    place = here()
    if place is None or not _is_gateway(str(request.url), place.session.runtime.models.url):
        return None
    return place


def _bear(request: Any, place: Place, line: Line, digest: str) -> None:
    request.headers.update(step_headers(place.session, line, place.label))
    request.extensions[_LINE] = line
    line.unheard = digest
    moved_on(place, line)


def _content(request: Any) -> bytes:
    try:
        content = request.content
    except RuntimeError:
        return b""
    return content if isinstance(content, bytes) else b""


def _is_gateway(url: str, gateway: str) -> bool:
    return bool(gateway) and _origin(url) == _origin(gateway)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)
