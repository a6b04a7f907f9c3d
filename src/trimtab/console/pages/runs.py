"""Which runs were there, which go on, and which wait for somebody?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, get_args
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace
from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.endpoint import Query
from trimtab.console.marks import Kind, mark
from trimtab.console.page import Asked, Built, Page, known_tasks
from trimtab.console.parts import Parts
from trimtab.console.run_desk import RunDesk
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown
from trimtab.errors import InvalidRequest
from trimtab.journal.asks import Find, RunRow
from trimtab.journal.entries import RunState

PLACE: Final = "/runs"
AT_ONCE: Final = 50
STATES: Final[tuple[RunState, ...]] = get_args(RunState)
LIVE: Final[tuple[RunState, ...]] = ("running", "waiting", "paused", "parked")
KINDS: Final[dict[str, Kind]] = {
    "running": "idle",
    "waiting": "idle",
    "paused": "warn",
    "parked": "ask",
    "completed": "good",
    "failed": "bad",
    "stopped": "warn",
    "cancelled": "warn",
}
NAMES: Final = ("conversation", "end_user", "parent", "fork_of")
NONE: Final = Markup(
    "No run began in this range. A client makes one by sending the header <code>x-trimtab-run</code> with its calls, a "
    "program with <code>@trimtab.run</code>."
)
NONE_LIKE_IT: Final = "No run in this range is like that. Take a filter out, or a longer range."


class Runs(Struct, frozen=True):
    """Runs that began in [since, until), in ns since 1970, the latest first, and those of any time that have not ended.
    `after` is the run from which the next page goes on.
    """

    since_ns: int
    until_ns: int
    runs: tuple[RunRow, ...]
    live: tuple[RunRow, ...]
    after: str


async def build(asked: Asked, parts: Parts) -> Built[Runs]:
    """The page."""
    desk, wanted = desk_of(parts), find_of(asked)
    rows = await found(asked, desk, wanted)
    is_narrowed = any(asked.query.get(name) for name in ("task", "state", *NAMES))
    is_first = not wanted.before and not asked.query.get("state")
    live = await found(asked, desk, replace(wanted, states=LIVE, since_ns=0, until_ns=0)) if is_first else ()
    live = tuple(sorted(live, key=lambda row: (row.state != "parked", row.state != "paused")))
    after = rows[-1].run if len(rows) == wanted.limit else ""
    data = Runs(wanted.since_ns, wanted.until_ns, rows, live, after)
    tables = (
        table_of(asked, "going_on", "Not ended", live, "Every run has ended."),
        table_of(asked, "runs", "Runs", rows, NONE_LIKE_IT if is_narrowed else NONE),
    )
    extra = {
        "chosen": {name: asked.query.get(name, "") for name in ("task", "state", *NAMES)},
        "tasks": known_tasks(parts.policy(), asked.visitor),
        "states": STATES,
        "next": asked.here(before=after, sort=None) if after else "",
        "first": asked.here(before=None) if wanted.before else "",
    }
    return Built(data, tables, extra=extra)


def desk_of(parts: Parts) -> RunDesk:
    """The journal of runs; raises a 404 where this console has none."""
    if parts.runs is None:
        raise HTTPException(404, "this console has no journal of runs; start it with `trimtab up`")
    return parts.runs


def find_of(asked: Asked) -> Find:
    """What the address asks for."""
    query = asked.query
    state = query.get("state", "")
    if state and state not in STATES:
        raise InvalidRequest(detail=f"?state={state[:40]} is none of {', '.join(STATES)}")
    names = {name: query.get(name, "") for name in ("task", "before", *NAMES)}
    states = (state,) if state else ()
    window = asked.window
    return Find(**names, states=states, since_ns=window.since_ns, until_ns=window.until_ns, limit=AT_ONCE)


async def found(asked: Asked, desk: RunDesk, wanted: Find) -> tuple[RunRow, ...]:
    """A page of the runs that the visitor may see; of several tasks, the latest of all."""
    tasks = asked.visitor.within((wanted.task,) if wanted.task else ())
    if len(tasks) <= 1:
        return await desk.find(replace(wanted, task=tasks[0] if tasks else ""))
    rows = [row for task in tasks for row in await desk.find(replace(wanted, task=task))]
    return tuple(sorted(rows, key=lambda row: (row.started_ns, row.run), reverse=True)[: wanted.limit])


def run_place(asked: Asked, run: str, **query: str | int | None) -> str:
    """The address of a run's page."""
    return asked.to(f"{PLACE}/{quote(run, safe='/', errors='replace')}", **query)


def state_mark(state: str) -> Markup:
    """How a run stands."""
    return mark(KINDS.get(state, "warn"), state)


def table_of(asked: Asked, name: str, caption: str, rows: Sequence[RunRow], empty: str | Markup) -> Table[RunRow]:
    """Runs, one in a line."""

    def opens(row: RunRow) -> str:
        return run_place(asked, row.run)

    columns: tuple[Column[RunRow], ...] = (
        Column("run", "run", lambda row: row.run, lambda row: shown(short(row.run, 40)), href=opens),
        Column("state", "state", lambda row: row.state, lambda row: state_mark(row.state)),
        Column("why", "why", why, lambda row: shown(short(why(row), 60))),
        Column(
            "task",
            "task",
            lambda row: row.task,
            lambda row: shown(short(row.task, 30)),
            href=lambda row: asked.task(row.task) if row.task else None,
        ),
        Column(
            "started",
            "started",
            lambda row: written.stamp(row.started_ns),
            lambda row: written.when(row.started_ns, asked.zone, asked.now_ns),
        ),
        Column("took", "took", took_s, lambda row: written.duration(took_s(row)), numeric=True),
        Column("steps", "steps", lambda row: row.steps, lambda row: written.exact(row.steps), numeric=True),
        Column(
            "cost", "cost", lambda row: row.cost_pusd / 1e12, lambda row: written.money(row.cost_pusd), numeric=True
        ),
        Column(
            "fork_of",
            "fork of",
            lambda row: row.fork_of,
            lambda row: shown(short(row.fork_of, 24)),
            href=lambda row: run_place(asked, row.fork_of) if row.fork_of else None,
        ),
    )
    return Table(name, caption, tuple(dataclasses.replace(one, sortable=False) for one in columns), rows, empty, opens)


def why(row: RunRow) -> str:
    """What a run waits for, or failed with."""
    return row.error or (f"waits for {row.waits_for}" if row.waits_for else "")


def took_s(row: RunRow) -> float | None:
    """From its start to its end; None while it goes on."""
    return (row.ended_ns - row.started_ns) / 1e9 if row.ended_ns is not None else None


PAGE: Final = Page(
    "runs",
    PLACE,
    "Runs",
    "runs that began in a range, and those that have not ended",
    Runs,
    build,
    "Runs",
    "r",
    (
        Query("task", "only this task"),
        Query("state", f"only in this state: {', '.join(STATES)}"),
        Query("conversation", "only of this conversation"),
        Query("end_user", "only of this end user"),
        Query("parent", "only runs that this one began"),
        Query("fork_of", "only forks of this one"),
        Query("before", "the last run of the page before"),
    ),
)
