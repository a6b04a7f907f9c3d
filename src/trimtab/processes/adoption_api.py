"""The routes of undeclared calls and of what is proposed of them, and what their pages ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trimtab.advice.adoption import CannotPropose
from trimtab.advice.seen import ClusterDetail, Proposal, UndeclaredShown
from trimtab.clock import Clock
from trimtab.console.endpoint import Endpoint, Query
from trimtab.console.problems import json_answer
from trimtab.declare.values import NAME as TASK_NAME
from trimtab.errors import CallError, InvalidRequest
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.adoption import NoCluster, Undeclareds
from trimtab.processes.desk import Desk
from trimtab.reports.window import since_ns
from trimtab.store.windows import whole_hours

DEFAULT_WINDOW: Final = "7d"
SINCE: Final = Query("since", f"an age (30m, 1h, 7d) or a time (2026-11-01T10:30); {DEFAULT_WINDOW} unless given")
NAME: Final = Query("name", "what the task is to be called")
T = TypeVar("T")


class NotProposed(CallError):
    """{detail}."""

    code = "invalid_request"
    status = 409


@dataclass(frozen=True)
class Adopting:
    """Asks the desk of undeclared calls, under the policy in force."""

    desk: Desk
    policy: Callable[[], Snapshot]

    async def list(self, since_ns: int, until_ns: int) -> UndeclaredShown:
        """The clusters of the whole hours that [since, until) touches. Raises `StoreError`."""
        return await self._ask(since_ns, until_ns, lambda found: found.list())

    async def detail(self, cluster: str, since_ns: int, until_ns: int) -> ClusterDetail:
        """One cluster with its proposal. Raises `StoreError`, and `HTTPException` (404) for one that there is not."""
        return await self._ask(since_ns, until_ns, lambda found: found.detail(cluster))

    async def proposal(self, cluster: str, name: str, since_ns: int, until_ns: int) -> Proposal:
        """What is proposed of a cluster. Raises besides `NotProposed` where nothing can be."""
        try:
            return await self._ask(since_ns, until_ns, lambda found: found.proposal(cluster, name))
        except CannotPropose as refused:
            raise NotProposed(detail=refused.facts["detail"]) from refused

    async def _ask(self, since_ns: int, until_ns: int, question: Callable[[Undeclareds], T]) -> T:
        policy, window = self.policy(), whole_hours(since_ns, until_ns)
        try:
            return await self.desk.ask(lambda stores: question(Undeclareds(stores, policy, *window)))
        except NoCluster as missing:
            raise HTTPException(404, str(missing)) from missing


def adoption_endpoints(adopting: Adopting, clock: Clock) -> tuple[Endpoint, ...]:
    """The rows of the table of routes."""

    def window(request: Request) -> tuple[int, int]:
        now_ns = clock.wall_ns()
        try:
            return since_ns(request.query_params.get("since", "") or DEFAULT_WINDOW, now_ns), now_ns
        except ValueError as wrong:
            raise InvalidRequest(detail=str(wrong)) from wrong

    async def clusters(request: Request) -> Response:
        """Calls that belong to no task, by system prompt and tools: ?since=."""
        return json_answer(await adopting.list(*window(request)))

    async def proposal(request: Request) -> Response:
        """The task that such calls could be: ?since=&name=."""
        name = request.query_params.get("name", "")
        if name and not TASK_NAME.fullmatch(name):
            detail = f"?name={name[:40]} names no task; give 1 to 64 of the characters a-z 0-9 . _ -"
            raise InvalidRequest(detail=detail)
        return json_answer(await adopting.proposal(request.path_params["cluster"], name, *window(request)))

    return (
        Endpoint(
            "GET",
            "/api/undeclared",
            "viewer",
            clusters,
            "calls that belong to no task, by system prompt and tools",
            whole=True,
            answers=UndeclaredShown,
            query=(SINCE,),
        ),
        Endpoint(
            "GET",
            "/api/undeclared/{cluster}/proposal",
            "viewer",
            proposal,
            "the task that such calls could be",
            whole=True,
            answers=Proposal,
            query=(SINCE, NAME),
        ),
    )
