"""The route that tells of replicas."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from trimtab.clock import Clock
from trimtab.console.endpoint import Endpoint, Query
from trimtab.console.problems import json_answer
from trimtab.errors import InvalidRequest, StoreError
from trimtab.processes.desk import Desk
from trimtab.processes.replicas import ReplicaSources, read_gaps, replicas
from trimtab.reports.window import span_s
from trimtab.signals.engine.gap import Gap
from trimtab.signals.engine.standing import ReplicaStanding

USUAL: Final = "1h"
SHORTEST_S: Final = 60
LONGEST_S: Final = 7 * 86_400
WINDOW: Final = Query("window", "over how long engines and calls are compared, from 1m to 7d; 1h unless told")


class Replicas(Struct, frozen=True):
    """Every replica; `detail` says why nothing is compared where telemetry does not answer."""

    replicas: tuple[ReplicaStanding, ...]
    detail: str = ""


async def read_replicas(desk: Desk, clock: Clock, sources: ReplicaSources, window: str = USUAL) -> Replicas:
    """Every replica as it stands, compared over a window; raises `InvalidRequest` for one that cannot be understood."""
    try:
        window_s = span_s(window)
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong
    if not SHORTEST_S <= window_s <= LONGEST_S:
        raise InvalidRequest(detail=f"?window={window} is not from 1m to 7d")
    gaps: tuple[Gap, ...] = ()
    detail = ""
    try:
        gaps = await desk.ask(lambda stores: read_gaps(stores.telemetry, clock.wall_ns(), window_s))
    except (StoreError, ValueError) as failure:
        detail = str(failure)
    return Replicas(replicas(sources, gaps), detail)


def replica_endpoints(desk: Desk, clock: Clock, sources: ReplicaSources) -> tuple[Endpoint, ...]:
    """The rows of the table of routes."""

    async def answer(request: Request) -> Response:
        """Every replica as it stands: ?window=."""
        return json_answer(await read_replicas(desk, clock, sources, request.query_params.get("window", USUAL)))

    says = "replicas: breakers, load, what engines say of themselves, how that differs from calls, identity"
    return (Endpoint("GET", "/api/replicas", "viewer", answer, says, whole=True, answers=Replicas, query=(WINDOW,)),)
