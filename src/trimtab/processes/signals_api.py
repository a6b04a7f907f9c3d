"""The routes that tell signals: their figures, and what each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from trimtab.clock import Clock
from trimtab.console.endpoint import Endpoint, Query, tasks_of, visitor_of
from trimtab.console.problems import json_answer
from trimtab.errors import InvalidRequest
from trimtab.policy.snapshot import TaskPolicy
from trimtab.processes.desk import Desk
from trimtab.processes.gauges import of_tasks
from trimtab.reports.window import since_ns, span_s
from trimtab.signals.figure import Gauge
from trimtab.signals.figures import FigureQuery
from trimtab.signals.telling import Catalogue, Told, catalogue, told
from trimtab.store.slices import DIMENSIONS, Dimension

DEFAULT_WINDOW: Final = "24h"
QUERY: Final = (
    Query("task", "a task; may be given again", many=True),
    Query("signal", "a signal by name; may be given again; all unless given", many=True),
    Query("by", f"what tells calls apart: {', '.join(DIMENSIONS)}"),
    Query("only", "one value of what tells calls apart"),
    Query("since", "an age (30m, 1h, 7d) or a time (2026-11-01T10:30); 24h unless given"),
    Query("until", "the same; now unless given"),
    Query("step", "cuts the window into steps of whole minutes (5m, 1h, 1d)"),
)


def signal_endpoints(
    desk: Desk, clock: Clock, policies: Callable[[], Mapping[str, TaskPolicy]], gauges: Callable[[], Sequence[Gauge]]
) -> tuple[Endpoint, ...]:
    """The rows of the table; `gauges` gives what host and engines said last."""

    async def figures(request: Request) -> Response:
        """Figures of signals, and how objectives stand."""
        tasks = policies()
        query = query_of(request.query_params.get, tuple(request.query_params.getlist("signal")), clock.wall_ns())
        query = wanted(query, tasks_of(request))
        # A key for some tasks sees nothing of replicas: these serve others too.
        seen = [one for one in gauges() if one.task or not visitor_of(request).tasks]
        mine = of_tasks(seen, tasks, query.tasks) if query.tasks else tuple(seen)
        try:
            found = await desk.ask(lambda stores: told(stores.telemetry, query, tasks, mine))
        except ValueError as wrong:
            raise InvalidRequest(detail=str(wrong)) from wrong
        return json_answer(found)

    async def names(request: Request) -> Response:
        """What each signal is."""
        return json_answer(catalogue())

    return (
        Endpoint(
            "GET", "/api/signals", "viewer", figures, "figures of signals, and objectives", answers=Told, query=QUERY
        ),
        Endpoint("GET", "/api/signals/catalogue", "viewer", names, "what each signal is", answers=Catalogue, query=()),
    )


def wanted(query: FigureQuery, tasks: tuple[str, ...]) -> FigureQuery:
    """The query for these tasks; empty is every task."""
    return FigureQuery(
        query.since_ns, query.until_ns, tasks, query.signals, query.by, query.only, query.step_s, query.before
    )


def query_of(asked: Callable[[str, str], str], signals: tuple[str, ...], now_ns: int) -> FigureQuery:
    """What is asked for by the parameters of the route; raises `InvalidRequest` for one that cannot be."""
    try:
        since = since_ns(asked("since", "") or DEFAULT_WINDOW, now_ns)
        until = since_ns(asked("until", ""), now_ns) if asked("until", "") else now_ns
        step = span_s(asked("step", "")) if asked("step", "") else 0
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong
    if until <= since:
        raise InvalidRequest(detail="the window ends before it begins; give an earlier ?since= or a later ?until=")
    if step % 60:
        raise InvalidRequest(detail=f"?step={step}s is not a whole number of minutes; write 1m, 5m or 1h")
    return FigureQuery(since, until, (), signals, dimension(asked("by", "")), asked("only", ""), step)


def dimension(text: str) -> Dimension:
    """What tells calls apart, the task alone unless told; raises `InvalidRequest`."""
    found = next((one for one in DIMENSIONS if one == (text or "task")), None)
    if found is None:
        raise InvalidRequest(detail=f"?by={text[:40]} tells nothing apart; use one of {', '.join(DIMENSIONS)}")
    return found
