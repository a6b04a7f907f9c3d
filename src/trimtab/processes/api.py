"""What control answers to programs: calls, figures, status and keys, as rows of the table of routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trimtab.access.keys import Key, Role
from trimtab.clock import Clock
from trimtab.console.call_query import SEARCH, call_search
from trimtab.console.endpoint import Endpoint, Query, tasks_of, visitor_of
from trimtab.console.problems import json_answer, json_given
from trimtab.errors import InvalidRequest
from trimtab.gateway.board_view import BoardView
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.identity import Figures
from trimtab.processes.keeper_watch import KeeperView, no_keeper
from trimtab.processes.metrics import Metrics
from trimtab.processes.rollout_desk import RolloutShown, no_rollout
from trimtab.processes.seen import Seen, read_seen
from trimtab.processes.status import Status, read_status
from trimtab.record.events import Settled
from trimtab.reports.prompts import PromptReports, prompt_reports
from trimtab.reports.report import Report, Scope, compile_report
from trimtab.reports.window import since_ns
from trimtab.signals.engine.view import EngineView
from trimtab.store.search import CallPage
from trimtab.store.telemetry import CallDetail, ReportQuery

DEFAULT_WINDOW: Final = "24h"
TASK: Final = Query("task", "a task; may be given again", many=True)
MODEL: Final = Query("model", "a model by its name in the project")
SINCE: Final = Query("since", "an age (30m, 1h, 7d) or a time (2026-11-01T10:30)")
BY: Final = tuple(Query(f"by_{what}", f"true tells {what}s apart", bool) for what in ("model", "prompt", "lock"))


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
    identity: Callable[[], Figures] = Figures
    engines: Callable[[], Sequence[EngineView]] = tuple
    rollout: Callable[[], RolloutShown | None] = no_rollout
    keeper: Callable[[], KeeperView | None] = no_keeper


def api_endpoints(sources: Sources) -> tuple[Endpoint, ...]:
    """The rows of the table."""
    api = Api(sources)
    return (*_of_the_host(api), *_of_calls(api), *_of_keys(api))


def _of_the_host(api: Api) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", "/health", "anyone", api.health, "that control runs", answers=Health, query=()),
        Endpoint(
            "GET", "/metrics", "viewer", api.metrics, "metrics for Prometheus", whole=True, media="text/plain", query=()
        ),
        Endpoint(
            "GET",
            "/api/status",
            "viewer",
            api.status,
            "processes, workers, replicas, breakers, telemetry",
            whole=True,
            answers=Status,
            query=(),
        ),
    )


def _of_calls(api: Api) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/api/calls",
            "viewer",
            api.calls,
            "calls by what they are and by what was said, a page at a time",
            answers=CallPage,
            query=SEARCH,
        ),
        Endpoint(
            "GET", "/api/calls/{call}", "viewer", api.call, "one call with its attempts", answers=CallDetail, query=()
        ),
        Endpoint(
            "GET",
            "/api/calls/{call}/bodies",
            "viewer",
            api.bodies,
            "request and response, as far as they were kept",
            answers=CallBodies,
            query=(),
        ),
        Endpoint(
            "GET",
            "/api/report",
            "viewer",
            api.report,
            "figures of each task",
            answers=Report,
            query=(TASK, MODEL, SINCE, *BY),
        ),
        Endpoint(
            "GET",
            "/api/prompts",
            "viewer",
            api.prompts,
            "figures by version of the tasks' prompts",
            answers=PromptReports,
            query=(TASK, MODEL, SINCE),
        ),
        Endpoint(
            "GET",
            "/api/seen",
            "owner",
            api.seen,
            "what of a window of calls a lock can be held against",
            answers=Seen,
            query=(TASK, SINCE),
        ),
    )


def _of_keys(api: Api) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", "/api/keys", "admin", api.list_keys, "all keys", whole=True, answers=Keys, query=()),
        Endpoint(
            "POST",
            "/api/keys",
            "admin",
            api.new_key,
            "makes a key; the one answer with its secret",
            acts=True,
            whole=True,
            answers=MadeKey,
            status=201,
            body=NewKey,
            query=(),
        ),
        Endpoint(
            "DELETE",
            "/api/keys/{name}",
            "admin",
            api.revoke_key,
            "revokes the live keys of a name or id",
            acts=True,
            whole=True,
            answers=RevokedKeys,
            query=(),
        ),
    )


class Api:
    """The handlers; each answers JSON, but /metrics."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources

    async def health(self, request: Request) -> Response:
        """That control runs; tells nothing."""
        return json_answer({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """All metrics for Prometheus."""
        body, content_type = self._from.metrics.scrape(request.headers.get("accept", ""))
        return Response(body, media_type=None, headers={"content-type": content_type})

    async def status(self, request: Request) -> Response:
        """Processes, workers, replicas and breakers, and how far telemetry is behind."""
        source = self._from
        at_ns = source.clock.wall_ns()
        desk = source.desk
        tested, engines = source.identity().tested, tuple(source.engines())
        status = read_status(
            at_ns, source.environment, source.run, source.board, desk.state, desk.dead, tested, engines
        )
        return json_answer(msgspec.structs.replace(status, rollout=source.rollout(), keeper=source.keeper()))

    async def calls(self, request: Request) -> Response:
        """A page of the calls that are wanted, as `console/call_query` reads them."""
        wanted = call_search(request.query_params, tasks_of(request), self._from.clock.wall_ns())
        return json_answer(await self._from.desk.ask(lambda stores: stores.telemetry.search(wanted)))

    async def call(self, request: Request) -> Response:
        """One call with its attempts."""
        name = request.path_params["call"]
        detail = await self._from.desk.ask(lambda stores: stores.telemetry.call(name))
        if detail is None or not visitor_of(request).sees(detail.call.admitted.task):
            raise _no_call(name)
        return json_answer(detail)

    async def bodies(self, request: Request) -> Response:
        """What was said in one call, as far as its task's redaction kept it."""
        name = request.path_params["call"]
        sees = visitor_of(request).sees
        found = await self._from.desk.ask(lambda stores: _bodies(stores, name, sees))
        if found is None:
            raise _no_call(name)
        return json_answer(found)

    async def report(self, request: Request) -> Response:
        """The figures of each task: ?task=&model=&since=, and apart ?by_model=, by_prompt= or by_lock=true."""
        asked = request.query_params
        scope = Scope(
            since_ns=self._since(asked.get("since", DEFAULT_WINDOW)),
            until_ns=self._from.clock.wall_ns(),
            tasks=tasks_of(request),
            model=asked.get("model", ""),
            by_model=asked.get("by_model", "false") == "true",
            by_prompt=asked.get("by_prompt", "false") == "true",
            by_lock=asked.get("by_lock", "false") == "true",
        )
        tasks = self._from.snapshot().tasks
        return json_answer(await self._from.desk.ask(lambda stores: compile_report(stores.telemetry, scope, tasks)))

    async def prompts(self, request: Request) -> Response:
        """The figures of each version of the tasks' prompts: ?task=&model=&since=; without `since`, all there are."""
        asked = request.query_params
        since = self._since(asked["since"]) if "since" in asked else 0
        scope = Scope(since, self._from.clock.wall_ns(), tasks_of(request), asked.get("model", ""))
        return json_answer(await self._from.desk.ask(lambda stores: prompt_reports(stores.telemetry, scope)))

    async def seen(self, request: Request) -> Response:
        """What of a window of calls a lock can be held against: ?task=&since=."""
        asked = request.query_params
        now_ns = self._from.clock.wall_ns()
        query = ReportQuery(self._since(asked.get("since", DEFAULT_WINDOW)), now_ns, tasks_of(request))
        return json_answer(await self._from.desk.ask(lambda stores: read_seen(stores, query)))

    async def list_keys(self, request: Request) -> Response:
        """All keys, without their secrets."""
        return json_answer({"keys": self._from.keys.list()})

    async def new_key(self, request: Request) -> Response:
        """Makes a key; the one answer that holds its secret."""
        wanted = _decoded(await request.body())
        key, secret = self._from.keys.new(wanted.name, wanted.tasks, wanted.role)
        return json_answer({"key": key, "secret": secret}, 201)

    async def revoke_key(self, request: Request) -> Response:
        """Revokes the live keys of a name, or the one of an id."""
        return json_answer({"revoked": self._from.keys.revoke(request.path_params["name"])})

    def _since(self, text: str) -> int:
        try:
            return since_ns(text, self._from.clock.wall_ns())
        except ValueError as wrong:
            raise InvalidRequest(detail=str(wrong)) from wrong


class Health(msgspec.Struct, frozen=True):
    """That control runs; tells nothing more."""

    status: str


class CallBodies(msgspec.Struct, frozen=True):
    """What was said in one call, as text; None where it was not kept."""

    request: str | None
    response: str | None


class Keys(msgspec.Struct, frozen=True):
    """All keys, revoked ones too."""

    keys: tuple[Key, ...]


class MadeKey(msgspec.Struct, frozen=True):
    """A new key with its secret, which is told only here."""

    key: Key
    secret: str


class RevokedKeys(msgspec.Struct, frozen=True):
    """The keys that were live until now."""

    revoked: tuple[Key, ...]


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that asks for a key."""

    name: str
    tasks: tuple[str, ...] = ()
    role: Role = "client"


def _decoded(body: bytes) -> NewKey:
    return json_given(body, NewKey, "a key to make")


def _no_call(name: str) -> HTTPException:
    return HTTPException(404, f"there is no call {name[:80]} here; `trimtab calls tail` lists the latest")


def _bodies(stores: Stores, name: str, sees: Callable[[str], bool]) -> dict[str, str | None] | None:
    detail = stores.telemetry.call(name)
    return kept_bodies(stores, detail.call) if detail is not None and sees(detail.call.admitted.task) else None


def kept_bodies(stores: Stores, call: Settled) -> dict[str, str | None]:
    """The request and the response of a call as text; None where they were not kept."""
    digests = {"request": call.admitted.request_body, "response": call.response_body}
    found = {part: stores.bodies.read(digest) if stores.bodies and digest else None for part, digest in digests.items()}
    return {part: body.decode("utf-8", "replace") if body is not None else None for part, body in found.items()}
