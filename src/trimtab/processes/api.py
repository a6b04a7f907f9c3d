"""What control answers over HTTP, on two listeners: TCP, where every route but /health wants a key, and the unix socket
in the data directory, which only its owner can open and which also manages keys and shows bodies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trimtab.access.keys import Key, Role
from trimtab.clock import Clock
from trimtab.errors import CallError, Forbidden, InvalidRequest, KeyNameInvalid, KeyUnknown, StoreError, Unauthorized
from trimtab.gateway.board_view import BoardView
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.identity import Figures
from trimtab.processes.metrics import Metrics
from trimtab.processes.seen import read_seen
from trimtab.processes.status import read_status
from trimtab.record.events import Settled
from trimtab.reports.prompts import prompt_reports
from trimtab.reports.report import Scope, compile_report
from trimtab.reports.window import since_ns
from trimtab.store.telemetry import CallFilter, ReportQuery

MAX_LIMIT = 1000
DEFAULT_WINDOW = "24h"
BEARER = "bearer "

Handler = Callable[[Request], Awaitable[Response]]


class KeyFinder(Protocol):
    """The live keys of the gateway's clients."""

    def refresh(self) -> bool:
        """Reads the keys again if they have changed."""

    def find(self, secret: bytes) -> Key | None:
        """The live key with this secret."""


class KeyKeeper(Protocol):
    """Who makes, lists and revokes keys."""

    def new(self, name: str, tasks: tuple[str, ...] = (), role: Role = "client") -> tuple[Key, str]:
        """Makes a key; returns it with its secret, which is told only here."""

    def list(self) -> tuple[Key, ...]:
        """All keys, revoked ones too."""

    def revoke(self, name_or_id: str) -> tuple[Key, ...]:
        """Revokes the live keys of that name or id."""


@dataclass(frozen=True)
class Sources:
    """Where the answers come from."""

    clock: Clock
    environment: str
    run: Path
    desk: Desk
    metrics: Metrics
    snapshot: Callable[[], Snapshot]
    board: Callable[[], BoardView | None]
    keys: KeyKeeper
    key_finder: KeyFinder
    identity: Callable[[], Figures] = Figures


def tcp_app(sources: Sources, *, is_open: bool, hosts: tuple[str, ...]) -> Starlette:
    """The app for the network. `is_open` (the demo on loopback) asks for no key; then only `hosts` may be called, so
    that no page in a browser reaches it under another name.
    """
    api = Api(sources)
    guard = (lambda handler: handler) if is_open else _Guard(sources.key_finder).wrap
    routes = [Route("/health", api.health)]
    routes += [Route(path, guard(handler)) for path, handler in api.readable().items()]
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))] if is_open else []
    return Starlette(routes=routes, middleware=middleware, exception_handlers=ERRORS)


def socket_app(sources: Sources, more: Sequence[Route] = ()) -> Starlette:
    """The app for the unix socket of the data directory's owner, with `more` routes that only the owner may use."""
    api = Api(sources)
    routes = [Route("/health", api.health)]
    routes += [Route(path, handler) for path, handler in api.readable().items()]
    routes += [
        Route("/api/calls/{call}/bodies", api.bodies),
        Route("/api/seen", api.seen),
        Route("/api/keys", api.list_keys, methods=["GET"]),
        Route("/api/keys", api.new_key, methods=["POST"]),
        Route("/api/keys/{name}", api.revoke_key, methods=["DELETE"]),
        *more,
    ]
    return Starlette(routes=routes, exception_handlers=ERRORS)


class Api:
    """The routes; each answers JSON, but /metrics."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources

    def readable(self) -> dict[str, Handler]:
        """The routes that only read, by path."""
        return {
            "/metrics": self.metrics,
            "/api/status": self.status,
            "/api/calls": self.calls,
            "/api/calls/{call}": self.call,
            "/api/report": self.report,
            "/api/prompts": self.prompts,
        }

    async def health(self, request: Request) -> Response:
        """That control runs; tells nothing."""
        return _json({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """All metrics for Prometheus."""
        _whole_host(request)
        body, content_type = self._from.metrics.scrape(request.headers.get("accept", ""))
        return Response(body, media_type=None, headers={"content-type": content_type})

    async def status(self, request: Request) -> Response:
        """Processes, workers, replicas and breakers, and how far telemetry is behind."""
        _whole_host(request)
        source = self._from
        at_ns = source.clock.wall_ns()
        desk = source.desk
        tested = source.identity().tested
        return _json(read_status(at_ns, source.environment, source.run, source.board, desk.state, desk.dead, tested))

    async def calls(self, request: Request) -> Response:
        """The calls that ended last: ?task=&model=&outcome=&since=&lock=&limit=."""
        asked = _asked(request, {"task", "model", "outcome", "since", "lock", "limit"})
        wanted = CallFilter(
            tasks=_tasks(request),
            model=asked.get("model", ""),
            outcome=asked.get("outcome", ""),
            since_ns=self._since(asked["since"]) if "since" in asked else 0,
            limit=_limit(asked.get("limit", "50")),
            locks=tuple(request.query_params.getlist("lock")),
        )
        return _json({"calls": await self._from.desk.ask(lambda stores: stores.telemetry.tail(wanted))})

    async def call(self, request: Request) -> Response:
        """One call with its attempts."""
        _asked(request, set())
        name = request.path_params["call"]
        detail = await self._from.desk.ask(lambda stores: stores.telemetry.call(name))
        allowed = _allowed(request)
        if detail is None or (allowed and detail.call.admitted.task not in allowed):
            raise HTTPException(404, f"there is no call {name} here; `trimtab calls tail` lists the latest")
        return _json(detail)

    async def bodies(self, request: Request) -> Response:
        """What was said in one call, as far as its task's redaction kept it."""
        name = request.path_params["call"]
        found = await self._from.desk.ask(lambda stores: _bodies(stores, name))
        if found is None:
            raise HTTPException(404, f"there is no call {name} here; `trimtab calls tail` lists the latest")
        return _json(found)

    async def report(self, request: Request) -> Response:
        """The figures of each task: ?task=&model=&since=, and apart ?by_model=, by_prompt= or by_lock=true."""
        asked = _asked(request, {"task", "model", "since", "by_model", "by_prompt", "by_lock"})
        scope = Scope(
            since_ns=self._since(asked.get("since", DEFAULT_WINDOW)),
            until_ns=self._from.clock.wall_ns(),
            tasks=_tasks(request),
            model=asked.get("model", ""),
            by_model=asked.get("by_model", "false") == "true",
            by_prompt=asked.get("by_prompt", "false") == "true",
            by_lock=asked.get("by_lock", "false") == "true",
        )
        tasks = self._from.snapshot().tasks
        return _json(await self._from.desk.ask(lambda stores: compile_report(stores.telemetry, scope, tasks)))

    async def prompts(self, request: Request) -> Response:
        """The figures of each version of the tasks' prompts: ?task=&model=&since=; without `since`, all there are."""
        asked = _asked(request, {"task", "model", "since"})
        since = self._since(asked["since"]) if "since" in asked else 0
        scope = Scope(since, self._from.clock.wall_ns(), _tasks(request), asked.get("model", ""))
        return _json(await self._from.desk.ask(lambda stores: prompt_reports(stores.telemetry, scope)))

    async def seen(self, request: Request) -> Response:
        """What of a window of calls a lock can be held against: ?task=&since=."""
        asked = _asked(request, {"task", "since"})
        now_ns = self._from.clock.wall_ns()
        query = ReportQuery(self._since(asked.get("since", DEFAULT_WINDOW)), now_ns, _tasks(request))
        return _json(await self._from.desk.ask(lambda stores: read_seen(stores, query)))

    async def list_keys(self, request: Request) -> Response:
        """All keys, without their secrets."""
        return _json({"keys": self._from.keys.list()})

    async def new_key(self, request: Request) -> Response:
        """Makes a key; the one answer that holds its secret."""
        wanted = _decoded(await request.body())
        key, secret = self._from.keys.new(wanted.name, wanted.tasks, wanted.role)
        return _json({"key": key, "secret": secret}, 201)

    async def revoke_key(self, request: Request) -> Response:
        """Revokes the live keys of a name, or the one of an id."""
        return _json({"revoked": self._from.keys.revoke(request.path_params["name"])})

    def _since(self, text: str) -> int:
        try:
            return since_ns(text, self._from.clock.wall_ns())
        except ValueError as wrong:
            raise InvalidRequest(detail=str(wrong)) from wrong


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that asks for a key."""

    name: str
    tasks: tuple[str, ...] = ()
    role: Role = "client"


class _Guard:
    """Lets a request through that bears a live key, and notes the tasks that key may see."""

    def __init__(self, keys: KeyFinder) -> None:
        self._keys = keys

    def wrap(self, handler: Handler) -> Handler:
        """The handler behind the guard."""

        async def guarded(request: Request) -> Response:
            sent = request.headers.get("authorization", "")
            self._keys.refresh()
            is_bearer = sent[: len(BEARER)].lower() == BEARER
            key = self._keys.find(sent[len(BEARER) :].strip().encode()) if is_bearer else None
            if key is None:
                raise Unauthorized
            request.state.key = key
            return await handler(request)

        return guarded


def _key(request: Request) -> Key | None:
    key: Key | None = getattr(request.state, "key", None)
    return key


def _allowed(request: Request) -> tuple[str, ...]:
    """The tasks the request's key may see; empty for all."""
    key = _key(request)
    return key.tasks if key is not None else ()


def _whole_host(request: Request) -> None:
    if _allowed(request):
        raise Forbidden(key=_key_name(request), what="figures of the whole host")


def _key_name(request: Request) -> str:
    key = _key(request)
    return key.name if key is not None else "(none)"


def _tasks(request: Request) -> tuple[str, ...]:
    """The tasks asked for, within those the key may see."""
    asked, allowed = tuple(request.query_params.getlist("task")), _allowed(request)
    if allowed and not set(asked) <= set(allowed):
        raise Forbidden(key=_key_name(request), what=f"task {', '.join(sorted(set(asked) - set(allowed)))}")
    return asked or allowed


def _asked(request: Request, known: set[str]) -> dict[str, str]:
    """The query's parameters; one that is not known is a mistake."""
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise InvalidRequest(detail=f"?{unknown[0]}= is not known here; use {', '.join(sorted(known)) or 'none'}")
    return dict(request.query_params)


def _limit(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MAX_LIMIT:
        raise InvalidRequest(detail=f"?limit={text} is not a number from 1 to {MAX_LIMIT}")
    return int(text)


def _decoded(body: bytes) -> NewKey:
    try:
        return msgspec.json.decode(body, type=NewKey)
    except msgspec.DecodeError as wrong:
        raise InvalidRequest(detail=f"the body is not a key to make: {wrong}") from wrong


def _bodies(stores: Stores, name: str) -> dict[str, str | None] | None:
    detail = stores.telemetry.call(name)
    return kept_bodies(stores, detail.call) if detail is not None else None


def kept_bodies(stores: Stores, call: Settled) -> dict[str, str | None]:
    """The request and the response of a call as text; None where they were not kept."""
    digests = {"request": call.admitted.request_body, "response": call.response_body}
    found = {part: stores.bodies.read(digest) if stores.bodies and digest else None for part, digest in digests.items()}
    return {part: body.decode("utf-8", "replace") if body is not None else None for part, body in found.items()}


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    answer = _json({"error": {"code": code, "message": message}}, status)
    answer.headers.update(headers or {})
    return answer


async def _call_error(request: Request, error: Exception) -> Response:
    failure = cast(CallError, error)
    headers = {"www-authenticate": "Bearer"} if isinstance(failure, Unauthorized) else {}
    return _error(failure.status, failure.code, str(failure), headers)


async def _store_error(request: Request, error: Exception) -> Response:
    return _error(503, "telemetry_unavailable", str(error), {"retry-after": "5"})


async def _http_error(request: Request, error: Exception) -> Response:
    failure = cast(HTTPException, error)
    code = {404: "not_found", 405: "method_not_allowed"}.get(failure.status_code, "invalid_request")
    return _error(failure.status_code, code, str(failure.detail), dict(failure.headers or {}))


async def _key_error(request: Request, error: Exception) -> Response:
    unknown = isinstance(error, KeyUnknown)
    return _error(404 if unknown else 400, "not_found" if unknown else "invalid_request", str(error))


async def _internal(request: Request, error: Exception) -> Response:
    return _error(500, "internal", "control failed on this request; its log says why")


ERRORS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    CallError: _call_error,
    StoreError: _store_error,
    HTTPException: _http_error,
    KeyUnknown: _key_error,
    KeyNameInvalid: _key_error,
    Exception: _internal,
}
