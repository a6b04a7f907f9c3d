"""What calls cost, told apart by task, model, key, owner, version or person, and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.charts import Chart, Line, meter
from trimtab.console.endpoint import Query
from trimtab.console.page import Asked, Built, Page
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Column, Table
from trimtab.console.text import short
from trimtab.console.window import Window
from trimtab.errors import InvalidRequest
from trimtab.store.scores import ScoreQuery
from trimtab.store.spend import OTHER, Spend, SpendDimension, SpendQuery
from trimtab.store.windows import whole_hours

HOUR_S: Final = 3600
HOUR_NS: Final = HOUR_S * 1_000_000_000
MOST_STEPS: Final = 120
LINES: Final = 6
"""Values that have a line of their own in the chart."""
TOP: Final = 50
PUSD_PER_USD: Final = 1e12
TOKENS: Final = ("input", "cache_read", "cache_write", "output", "reasoning")
COMPLETION: Final = "completion"
VIEWS: Final[Mapping[SpendDimension, str]] = {
    "task": "by task",
    "model": "by model",
    "key": "by key",
    "owner": "by owner",
    "prompt": "by prompt",
    "lock": "by lock",
    "conversation": "by conversation",
    "end_user": "by end user",
}
FILTERS: Final = frozenset({"task", "model", "key", "prompt", "lock", "conversation", "end_user"})
"""What calls can be narrowed by."""
NONE: Final = Markup("No call ended in this range. Take a longer one, or look at <code>trimtab status</code>.")


class CostLine(Struct, frozen=True):
    """What the calls of one value used and cost. Money in picodollars; `completed` is how many were completed, None
    where that is not told.
    """

    value: str
    calls: int
    tokens: Mapping[str, int]
    exact_pusd: int
    estimated_pusd: int
    unknown_calls: int
    completed: int | None = None

    @property
    def pusd(self) -> int:
        """What is known of the cost."""
        return self.exact_pusd + self.estimated_pusd

    @property
    def cached(self) -> float | None:
        """The share of input tokens that came out of a cache."""
        whole = sum(self.tokens.get(name, 0) for name in ("input", "cache_read", "cache_write"))
        return self.tokens.get("cache_read", 0) / whole if whole else None


class Costs(Struct, frozen=True):
    """Costs over [since, until), whole hours in ns since 1970, by one thing; the sum stands in `whole`."""

    since_ns: int
    until_ns: int
    by: SpendDimension
    whole: CostLine
    lines: tuple[CostLine, ...]


@dataclass(frozen=True)
class Found:
    """What the stores told."""

    rows: Sequence[Spend]
    steps: Sequence[Spend]
    completed: Mapping[str, int]


async def build(asked: Asked, parts: Parts) -> Built[Costs]:
    """The page."""
    by = view_of(asked.query.get("by", "task"))
    window = hours_of(asked.window)
    found = await parts.asker.figures(("costs", window, asked.tasks, by), partial(find, window, asked.tasks, by))
    lines = [line_of(row, found.completed) for row in found.rows]
    data = Costs(window.since_ns, window.until_ns, by, sum_of(lines), tuple(lines))
    tabs = [(word, asked.here(by=value, sort=None), value == by) for value, word in VIEWS.items()]
    return Built(data, (table_of(asked, data),), (chart_of(window, found.steps, asked.now_ns),), extra={"tabs": tabs})


def view_of(text: str) -> SpendDimension:
    """What costs are told apart by; raises `InvalidRequest`."""
    for name in VIEWS:
        if name == text:
            return name
    raise InvalidRequest(detail=f"?by={text[:40]} is none of {', '.join(VIEWS)}")


def hours_of(window: Window) -> Window:
    """The whole hours that a range touches, in steps for a chart."""
    since_ns, until_ns = whole_hours(window.since_ns, window.until_ns)
    hours = (until_ns - since_ns) // HOUR_NS
    step_h = next((step for step in (1, 3, 6, 12, 24) if hours <= step * MOST_STEPS), 7 * 24)
    return Window(since_ns, until_ns, step_h * HOUR_S, window.name)


def find(window: Window, tasks: tuple[str, ...], by: SpendDimension, stores: Stores) -> Found:
    """The spend of the window, as one and by step, and how many calls were completed where that is told by task."""
    ends = window.since_ns, window.until_ns
    rows = stores.telemetry.spend(SpendQuery(*ends, (by,), tasks, top=TOP))
    steps = stores.telemetry.spend(SpendQuery(*ends, (by,), tasks, step_s=window.step_s, top=LINES))
    completed: dict[str, int] = {}
    if by in ("task", "model", "key", "prompt", "lock"):
        query = ScoreQuery(*ends, tasks, (COMPLETION,), by)
        for one in stores.telemetry.scores(query):
            name = one.task if by == "task" else one.value
            completed[name] = completed.get(name, 0) + one.passed
    return Found(rows, steps, completed)


def line_of(row: Spend, completed: Mapping[str, int]) -> CostLine:
    """One value's line."""
    value = row.values[0]
    return CostLine(
        value,
        row.calls,
        dict(row.tokens),
        row.cost.get("exact", 0),
        row.cost.get("estimated", 0),
        row.labelled.get("unknown", 0),
        completed.get(value),
    )


def sum_of(lines: Sequence[CostLine]) -> CostLine:
    """All lines as one."""
    told = [line.completed for line in lines if line.completed is not None]
    return CostLine(
        "",
        sum(line.calls for line in lines),
        {name: sum(line.tokens.get(name, 0) for line in lines) for name in TOKENS},
        sum(line.exact_pusd for line in lines),
        sum(line.estimated_pusd for line in lines),
        sum(line.unknown_calls for line in lines),
        sum(told) if told else None,
    )


def table_of(asked: Asked, data: Costs) -> Table[CostLine]:
    """The table, the dearest first."""
    whole, word = data.whole.pusd, VIEWS[data.by].removeprefix("by ")

    def behind(line: CostLine) -> str | None:
        can = data.by in FILTERS and line.value and line.value != OTHER
        return asked.calls(order="dearest", **{data.by: line.value}) if can else None

    columns: tuple[Column[CostLine], ...] = (
        Column(data.by, word, lambda line: line.value, partial(named, data.by), href=behind),
        Column("calls", "calls", lambda line: line.calls, numeric=True),
        Column("cost", "cost", in_usd, lambda line: written.money(line.pusd), numeric=True),
        Column(
            "share", "of all", lambda line: line.pusd / whole if whole else None, partial(part_of, whole), numeric=True
        ),
        Column("per_call", "per 1,000 calls", per_call, lambda line: usd(per_call(line)), numeric=True),
        Column(
            "per_completed",
            "per completed",
            per_completed,
            lambda line: usd(per_completed(line)),
            says="Cost of all calls by those that were completed, where completion is told.",
            numeric=True,
        ),
        *(token_column(name) for name in TOKENS),
        Column("cached", "cached", lambda line: line.cached, lambda line: written.share(line.cached), numeric=True),
        Column(
            "estimated",
            "estimated",
            lambda line: line.estimated_pusd / PUSD_PER_USD,
            lambda line: written.money(line.estimated_pusd),
            says="The part of the cost whose tokens were not told by the engine.",
            numeric=True,
        ),
        Column("unknown", "unknown calls", lambda line: line.unknown_calls, numeric=True),
    )
    return Table("costs", "Costs", columns, data.lines, NONE, behind)


def named(by: SpendDimension, line: CostLine) -> str:
    """How a value is written: digests short."""
    return written.digest(line.value) if by in ("prompt", "lock") and line.value else line.value or "none"


def part_of(whole: int, line: CostLine) -> Markup | str:
    """The share of the whole cost, as a bar and a number."""
    if not whole:
        return written.NOTHING
    part = line.pusd / whole
    return Markup("{} {}").format(meter(part), written.share(part))


def token_column(name: str) -> Column[CostLine]:
    """Tokens of one class."""
    return Column(name, name.replace("_", " "), lambda line: line.tokens.get(name, 0), unit="tokens", numeric=True)


def per_call(line: CostLine) -> float | None:
    """US dollars for a thousand calls."""
    return line.pusd / PUSD_PER_USD / line.calls * 1000 if line.calls else None


def per_completed(line: CostLine) -> float | None:
    """US dollars for one that was completed."""
    return line.pusd / PUSD_PER_USD / line.completed if line.completed else None


def usd(value: float | None) -> str:
    """Dollars as money."""
    return written.money(value * PUSD_PER_USD if value is not None else None)


def in_usd(line: CostLine) -> float:
    """What is known of the cost, in US dollars."""
    return line.pusd / PUSD_PER_USD


def chart_of(window: Window, steps: Sequence[Spend], now_ns: int) -> Chart:
    """The cost of each step by value, those that cost most over the whole window first; dashed where a step is not over
    or began before the window, and so holds less than the others.
    """
    places = {at: place for place, at in enumerate(window.steps)}
    sums: dict[str, int] = {}
    found: dict[str, list[float | None]] = {}
    for row in steps:
        cost, value = sum(row.cost.values()), row.values[0]
        sums[value] = sums.get(value, 0) + cost
        if row.at_ns in places:
            found.setdefault(value, [0.0] * len(places))[places[row.at_ns]] = cost / PUSD_PER_USD
    dearest = sorted(found, key=lambda value: (value == OTHER, -sums[value], value))
    lines = [Line(short(value or "none", 40), found[value]) for value in dearest]
    says = f"each {window.step_s // HOUR_S} h" if window.step_s > HOUR_S else "each hour"
    cut = window.cut(now_ns)
    if cut:
        says = f"{says}, dashed where that is not whole"
    return Chart("cost", "Cost", "usd", window.steps, lines, window.since_ns, window.until_ns, says=says, cut=cut)


PAGE: Final = Page(
    "costs",
    "/costs",
    "Costs",
    "what calls cost, by what and when",
    Costs,
    build,
    "Costs",
    "m",
    (Query("by", f"{', '.join(VIEWS)}; `task` unless given"),),
)
