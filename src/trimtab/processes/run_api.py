"""The routes of runs: a viewer sees them; an operator orders, forks and takes them up again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar, get_args

from msgspec import Struct
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trimtab.clock import Clock
from trimtab.console.endpoint import Endpoint, Query, Visitor, visitor_of
from trimtab.console.problems import json_answer, json_given
from trimtab.console.run_desk import Branch, Compared, Redriven, RunDesk, Wanted
from trimtab.errors import InvalidRequest
from trimtab.ids import IdSource
from trimtab.journal.asks import Find, RunRow
from trimtab.journal.entries import Body, Order, Reconciliation, RunState
from trimtab.journal.steps import Log, Step
from trimtab.processes.run_acts import MOST_AT_ONCE
from trimtab.reports.window import since_ns

T = TypeVar("T")
Search = Callable[[Find], Awaitable[Sequence[RunRow]]]
MOST_BODY: Final = 4 << 20
STATES: Final[tuple[RunState, ...]] = get_args(RunState)
NAMES: Final = ("task", "parent", "fork_of", "conversation", "end_user", "through", "before")
LIST: Final = (
    Query("task", "a task"),
    Query("state", f"one of {', '.join(STATES)}"),
    Query("parent", "the run that began it"),
    Query("fork_of", "the run it was forked off"),
    Query("conversation", "a conversation"),
    Query("end_user", "an end user"),
    Query("through", "sdk, gateway or background: what it is made of"),
    Query("since", "an age (30m, 1h, 7d) or a time"),
    Query("before", "the last run of the page before"),
    Query("limit", f"how many at most, 1 to {MOST_AT_ONCE}", int),
)
AT: Final = (Query("at", "a step's place in the log; unless given, the last of a model before the run failed", int),)


class Runs(Struct, frozen=True):
    """Runs, the latest first."""

    runs: tuple[RunRow, ...]


class RunShown(Struct, frozen=True):
    """A run with its log as steps."""

    run: RunRow
    log: Log


class StepShown(Struct, frozen=True):
    """A step with its bodies as text; None where they are not kept, or have over 4 MiB."""

    run: str
    step: Step
    asked: str | None
    answered: str | None


class Ordering(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an order: for `run`, for the runs of `task`, or for `all`."""

    order: Order
    run: str = ""
    task: str = ""
    all: bool = False
    reason: str = ""


class Reached(Struct, frozen=True):
    """The runs that an order reached."""

    runs: tuple[str, ...]


class NewFork(Struct, frozen=True, forbid_unknown_fields=True):
    """The body that asks for a fork before the step at `at` (0: behind the last). `answer` is that step's, instead of
    taking it again; `overrides` says what is changed besides.
    """

    at: int = 0
    id: str = ""
    answer: str | None = None
    overrides: dict[str, str] = {}


class Finding(Struct, frozen=True, forbid_unknown_fields=True):
    """The body that says what became of the step at `of`."""

    of: int
    found: Reconciliation
    reason: str = ""
    output: str | None = None


def run_endpoints(desk: RunDesk, clock: Clock) -> tuple[Endpoint, ...]:
    """The rows of the table of routes; the row that takes any run comes last."""
    return (*_listing(desk, clock), *_acting(desk, clock), *_looking(desk))


def _listing(desk: RunDesk, clock: Clock) -> tuple[Endpoint, ...]:
    async def listed(request: Request) -> Response:
        """Runs: ?task=&state=&parent=&fork_of=&conversation=&end_user=&through=&since=&before=&limit=."""
        return json_answer(Runs(await _found(desk.find, request, clock)))

    async def dead(request: Request) -> Response:
        """Runs that failed or are parked, and were not forked since; the same parameters."""
        return json_answer(Runs(await _found(desk.dead, request, clock)))

    async def compared(request: Request) -> Response:
        """Two runs side by side: ?left=&right=."""
        found = await desk.compared(request.query_params.get("left", ""), request.query_params.get("right", ""))
        for row in (found.left, found.right):
            _check(visitor_of(request), row)
        return json_answer(found)

    pair = (Query("left", "a run"), Query("right", "another run"))
    return (
        Endpoint("GET", "/api/runs", "viewer", listed, "runs, the latest first", answers=Runs, query=LIST),
        Endpoint(
            "GET", "/api/runs/dead", "viewer", dead, "runs that wait for a person's help", answers=Runs, query=LIST
        ),
        Endpoint(
            "GET",
            "/api/runs/compare",
            "viewer",
            compared,
            "two runs side by side, and the first difference that matters",
            answers=Compared,
            query=pair,
        ),
    )


def _looking(desk: RunDesk) -> tuple[Endpoint, ...]:
    async def shown(request: Request) -> Response:
        """One run with its log."""
        return json_answer(RunShown(*await _seen(desk, request)))

    async def step(request: Request) -> Response:
        """One step with its bodies."""
        row, log = await _seen(desk, request)
        found = log.step(request.path_params["seq"])
        if found is None:
            raise HTTPException(404, f"run {row.run} has no step there; /api/runs/{row.run} lists them")
        output = found.result.output if found.result is not None else None
        named = [one for one in (found.intent.input, output) if one is not None and one.size <= MOST_BODY]
        kept = await desk.bodies(row.run, named)
        return json_answer(StepShown(row.run, found, _text(kept, found.intent.input), _text(kept, output)))

    async def tree(request: Request) -> Response:
        """A run with those that it began."""
        row, _ = await _seen(desk, request)
        return json_answer(_narrowed(await desk.tree(row.run), visitor_of(request)))

    async def case(request: Request) -> Response:
        """A step as a case."""
        row, _ = await _seen(desk, request)
        at = request.query_params.get("at", "0")
        if not (at.isascii() and at.isdecimal() and len(at) < 12):
            raise InvalidRequest(detail=f"?at={at[:40]} is no place in a log")
        line = await desk.case(row.run, int(at))
        return Response(line + "\n", media_type="application/jsonl")

    path = "/api/runs/{run:path}"
    return (
        Endpoint(
            "GET", f"{path}/steps/{{seq:int}}", "viewer", step, "one step with its bodies", answers=StepShown, query=()
        ),
        Endpoint("GET", f"{path}/tree", "viewer", tree, "a run with those that it began", answers=Branch, query=()),
        Endpoint(
            "GET",
            f"{path}/case",
            "viewer",
            case,
            "a step of a run as a case, a line of JSON",
            media="application/jsonl",
            query=AT,
        ),
        Endpoint("GET", path, "viewer", shown, "one run with its steps", answers=RunShown, query=()),
    )


def _acting(desk: RunDesk, clock: Clock) -> tuple[Endpoint, ...]:
    async def order(request: Request) -> Response:
        """Gives an order to a run, to the runs of a task, or to all."""
        asked, visitor = await _body(request, Ordering), visitor_of(request)
        if sum((bool(asked.run), bool(asked.task), asked.all)) != 1:
            raise InvalidRequest(detail='name one of "run" and "task", or say "all": true')
        if asked.run:
            await _row(desk, visitor, asked.run)
        else:
            visitor.within((asked.task,) if asked.task else ())
            if asked.all and visitor.tasks:
                raise InvalidRequest(detail='this key is for some tasks; name one with "task"')
        reached = await desk.order(asked.order, visitor.name, asked.reason, run=asked.run, task=asked.task)
        return json_answer(Reached(reached))

    return (
        Endpoint(
            "POST",
            "/api/runs/order",
            "operator",
            order,
            "pauses, resumes, stops or cancels runs",
            acts=True,
            answers=Reached,
            body=Ordering,
            query=(),
        ),
        *_acting_on_one(desk, clock),
    )


def _acting_on_one(desk: RunDesk, clock: Clock) -> tuple[Endpoint, ...]:
    async def fork(request: Request) -> Response:
        """Makes a fork."""
        row, _ = await _seen(desk, request)
        asked, now_ns = await _body(request, NewFork), clock.wall_ns()
        answer = asked.answer.encode() if asked.answer is not None else None
        wanted = Wanted(row.run, asked.id or IdSource().new(now_ns), asked.at, answer, asked.overrides)
        return json_answer(await desk.fork(wanted), 201)

    async def redrive(request: Request) -> Response:
        """Takes up a run that failed, in a fork."""
        row, _ = await _seen(desk, request)
        return json_answer(await desk.redrive(row.run))

    async def reconcile(request: Request) -> Response:
        """Says what became of a step whose outcome was unknown."""
        row, _ = await _seen(desk, request)
        asked = await _body(request, Finding)
        output = asked.output.encode() if asked.output is not None else None
        by = visitor_of(request).name
        return json_answer(await desk.reconcile(row.run, asked.of, asked.found, by, asked.reason, output))

    path = "/api/runs/{run:path}"
    return (
        Endpoint(
            "POST",
            f"{path}/fork",
            "operator",
            fork,
            "makes a fork of a run",
            acts=True,
            answers=RunRow,
            status=201,
            body=NewFork,
            query=(),
        ),
        Endpoint(
            "POST",
            f"{path}/redrive",
            "operator",
            redrive,
            "takes up a run that failed, in a fork",
            acts=True,
            answers=Redriven,
            query=(),
        ),
        Endpoint(
            "POST",
            f"{path}/reconcile",
            "operator",
            reconcile,
            "says what became of a step whose outcome was unknown",
            acts=True,
            answers=RunRow,
            body=Finding,
            query=(),
        ),
    )


async def _found(search: Search, request: Request, clock: Clock) -> tuple[RunRow, ...]:
    """A page of the runs that the visitor may see."""
    asked, visitor = dict(request.query_params), visitor_of(request)
    limit, state = asked.get("limit", "50"), asked.get("state", "")
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 6 and 0 < int(limit) <= MOST_AT_ONCE):
        raise InvalidRequest(detail=f"?limit={limit[:40]} is not a number from 1 to {MOST_AT_ONCE}")
    if state and state not in STATES:
        raise InvalidRequest(detail=f"?state={state[:40]} is none of {', '.join(STATES)}")
    try:
        from_ns = since_ns(asked["since"], clock.wall_ns()) if asked.get("since") else 0
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong
    names = {name: asked.get(name, "") for name in NAMES}
    wanted = replace(Find(states=(state,) if state else (), since_ns=from_ns, limit=int(limit)), **names)
    tasks = visitor.within((wanted.task,) if wanted.task else ())
    rows = [row for task in (tasks or ("",)) for row in await search(replace(wanted, task=task))]
    rows.sort(key=lambda row: (row.started_ns, row.run), reverse=True)
    return tuple(rows[: wanted.limit])


async def _seen(desk: RunDesk, request: Request) -> tuple[RunRow, Log]:
    """A run that the visitor may see, with its log."""
    row, log = await desk.log(request.path_params["run"])
    _check(visitor_of(request), row)
    return row, log


async def _row(desk: RunDesk, visitor: Visitor, run: str) -> RunRow:
    (row,) = await desk.find(Find(run=run))
    _check(visitor, row)
    return row


def _check(visitor: Visitor, row: RunRow) -> None:
    if not visitor.sees(row.task):
        raise HTTPException(404, f"there is no run {row.run} here, or it is of a task this key does not see")


def _narrowed(branch: Branch, visitor: Visitor) -> Branch:
    """The branch without runs of tasks that the visitor may not see."""
    children = tuple(_narrowed(one, visitor) for one in branch.children if visitor.sees(one.row.task))
    return Branch(branch.row, children, tuple(one for one in branch.forks if visitor.sees(one.task)))


def _text(kept: Mapping[str, bytes | None], body: Body | None) -> str | None:
    found = kept.get(body.digest) if body is not None else None
    return found.decode("utf-8", "replace") if found is not None else None


async def _body(request: Request, kind: type[T]) -> T:
    return json_given(await request.body(), kind, f"a {kind.__name__}")
