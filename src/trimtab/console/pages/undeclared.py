"""Which calls belong to no task, and what tasks could they be?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace
from starlette.exceptions import HTTPException

from trimtab.advice.adoption import MIN_CALLS
from trimtab.advice.seen import ClusterDetail, ClusterShown, UndeclaredShown
from trimtab.console import format as written
from trimtab.console.charts import bars, meter, regrouped
from trimtab.console.page import Asked, Built, Page
from trimtab.console.parts import Parts
from trimtab.console.tables import Column, Table, Value
from trimtab.console.text import short, shown
from trimtab.policy.snapshot import UNDECLARED
from trimtab.record.events import OK
from trimtab.store.histograms import GAMMA
from trimtab.store.windows import whole_hours

MICRO: Final = 1e6
TIMES: Final = frozenset({"ttft", "tpot", "gap", "total"})
SPREADS: Final = {
    "output": "Length of answers, tokens",
    "input": "Length of requests, tokens",
    "ttft": "Time to first token",
    "tpot": "Time per output token",
    "gap": "Longest gap",
    "total": "Total time",
}
COUNTS: Final = {"keys": "key", "asked": "model asked for", "outcomes": "outcome", "surfaces": "wire format"}
MOST_NAMED: Final = 1
MOST_PARTS: Final = 10
NONE: Final = "Every call of this range belongs to a task, as far as there were any; choose a longer range above."
BARS: Final = (320, 64)
COST: Final = "Of all its calls; with ~ estimated from the mean of its latest ones."


class Count(Struct, frozen=True):
    """One value and how many calls had it; `of` is what it is a value of."""

    name: str
    calls: int
    share: float
    of: str = ""


async def build_list(asked: Asked, parts: Parts) -> Built[UndeclaredShown]:
    """The page of all clusters."""
    window = whole_hours(asked.window.since_ns, asked.window.until_ns)
    if parts.undeclared is None:
        data = UndeclaredShown(*window, 0, parts.policy().defaults.undeclared_redaction, ())
    else:
        data = await parts.undeclared.list(window.since_ns, window.until_ns)
    return Built(data, (table_of(asked, data),))


async def build_detail(asked: Asked, parts: Parts) -> Built[ClusterDetail]:
    """The page of one cluster."""
    if parts.undeclared is None:
        raise HTTPException(404, "nothing is known of undeclared calls here")
    window = asked.window
    data = await parts.undeclared.detail(asked.path["cluster"], window.since_ns, window.until_ns)
    one = data.cluster
    return Built(
        data,
        (table_of_counts(one),),
        title=f"Undeclared calls {one.id}",
        extra={
            "command": command_of(asked, one),
            "pictures": [(SPREADS[name], picture(name, data)) for name in SPREADS if data.histograms.get(name)],
            "calls": calls_of(asked, one),
            "examples": [(name, asked.to(f"/calls/{quote(name, safe='')}")) for name in one.examples],
            "missing": max(0, MIN_CALLS - one.calls),
            "task": asked.task(one.task) if one.task else "",
        },
    )


def table_of(asked: Asked, data: UndeclaredShown) -> Table[ClusterShown]:
    """The table of clusters."""

    def place(one: ClusterShown) -> str:
        return asked.to(f"/undeclared/{one.id}")

    kind, length, latency = "Calls that look alike", "Answer, tokens", "Latency"
    columns: tuple[Column[ClusterShown], ...] = (
        Column("id", "cluster", lambda one: one.id, name_of, place, group=kind),
        Column("calls", "calls", lambda one: one.calls, href=partial(calls_of, asked), group=kind, numeric=True),
        Column("cost", "cost", usd_of, cost_of, group=kind, numeric=True, says=COST),
        Column("keys", "keys", lambda one: names(one.keys), group=kind),
        Column("asked", "asked for", lambda one: names(one.asked), group=kind),
        Column("prompt", "system prompt", lambda one: one.system_prompt, prompt_of, group=kind),
        Column("tools", "tools", lambda one: one.tools, tools_of, group=kind),
        spread_column("output", "p50", "p50", length),
        spread_column("output", "p99", "p99", length),
        spread_column("ttft", "p95", "TTFT p95", latency),
        spread_column("total", "p95", "total p95", latency),
        Column("good", "ok", good, lambda one: written.share(good(one)), group="Seen", numeric=True),
        Column("first", "first", lambda one: one.first_ns, partial(when, asked, "first_ns"), group="Seen"),
        Column("last", "last", lambda one: one.last_ns, partial(when, asked, "last_ns"), group="Seen"),
    )
    return Table("clusters", "Calls that belong to no task", columns, data.clusters, NONE, place)


def table_of_counts(one: ClusterShown) -> Table[Count]:
    """Who makes such calls, what they ask for and how they end."""
    rows = [replace(count, of=head) for name, head in COUNTS.items() for count in counted(getattr(one, name))]
    columns: tuple[Column[Count], ...] = (
        Column("of", "of", lambda row: row.of),
        Column("name", "which", lambda row: row.name, lambda row: shown(short(row.name, 40))),
        Column("calls", "calls", lambda row: row.calls, lambda row: written.exact(row.calls), numeric=True),
        Column("share", "share", lambda row: row.share, part_of, numeric=True),
    )
    return Table("counts", "Who asks, for what, and how it ends", columns, rows, NONE)


def part_of(row: Count) -> Markup:
    """A share as a number and a bar."""
    return Markup("{} {}").format(written.share(row.share), meter(row.share))


def spread_column(measure: str, level: str, head: str, group: str) -> Column[ClusterShown]:
    """A quantile of a spread."""

    def value(one: ClusterShown) -> float | None:
        levels = one.spreads.get(measure)
        found: float | None = getattr(levels, level) if levels is not None else None
        return found / MICRO if found is not None and measure in TIMES else found

    def show(one: ClusterShown) -> str:
        return told(measure, value(one))

    return Column(f"{measure}_{level}", head, value, show, group=group, numeric=True)


def told(measure: str, value: float | None) -> str:
    """A time in seconds, or a number of tokens."""
    if value is None:
        return written.NOTHING
    return written.duration(value) if measure in TIMES else written.number(round(value))


def name_of(one: ClusterShown) -> Markup:
    """The name of a cluster, and the task that such calls belong to by now."""
    by_now = Markup(' <span class="hint">is {} by now</span>').format(one.task) if one.task else Markup("")
    return Markup('<code class="id">{}</code>{}').format(one.id, by_now)


def prompt_of(one: ClusterShown) -> str | Markup:
    """How its system prompt begins, or its digest."""
    if one.begins:
        return Markup('<span title="{}">{}</span>').format(short(one.begins, 200), short(one.begins, 20))
    return digest_of(one.system_prompt)


def tools_of(one: ClusterShown) -> str | Markup:
    """The names of its tools, or their digest."""
    if one.tool_names:
        more = len(one.tool_names) - MOST_NAMED
        return ", ".join(one.tool_names[:MOST_NAMED]) + (f" +{more}" if more > 0 else "")
    return digest_of(one.tools)


def digest_of(text: str) -> str | Markup:
    """A digest, short."""
    return Markup('<code title="{}">{}</code>').format(text, written.digest(text)) if text else "none"


def names(counted_by: Mapping[str, int]) -> Value:
    """The names counted most."""
    found = [one.name for one in counted(counted_by)]
    more = f" +{len(found) - MOST_NAMED}" if len(found) > MOST_NAMED else ""
    return ", ".join(short(name, 24) for name in found[:MOST_NAMED]) + more


def counted(calls: Mapping[str, int]) -> tuple[Count, ...]:
    """Values with their shares, those with most calls first; ten at most, the rest together."""
    whole = sum(calls.values())
    ordered = sorted(calls, key=lambda name: (-calls[name], name))
    found = [Count(name or "(none)", calls[name], calls[name] / whole) for name in ordered[:MOST_PARTS]]
    rest = sum(calls[name] for name in ordered[MOST_PARTS:])
    return (*found, *([Count(f"{len(ordered) - MOST_PARTS} others", rest, rest / whole)] if rest else []))


def good(one: ClusterShown) -> float | None:
    """The share of calls that ended well."""
    return one.outcomes.get(OK, 0) / one.calls if one.calls else None


def usd_of(one: ClusterShown) -> float | None:
    """What its calls cost, in US dollars."""
    return one.cost_pusd / 1e12 if one.cost_pusd is not None else None


def cost_of(one: ClusterShown) -> str:
    """What its calls came to; about, where that is an estimate."""
    about = "~" if one.cost_pusd is not None and one.is_estimated else ""
    return f"{about}{written.money(one.cost_pusd)}"


def when(asked: Asked, end: str, one: ClusterShown) -> Markup:
    """How long ago its first or last call ended."""
    return written.ago(getattr(one, end), asked.now_ns, asked.zone)


def calls_of(asked: Asked, one: ClusterShown) -> str:
    """Where its calls are listed."""
    return asked.calls(task=UNDECLARED, system_prompt=one.system_prompt, tools=one.tools)


def picture(name: str, data: ClusterDetail) -> Mapping[str, object]:
    """A distribution: its bars and quantiles."""
    spread = {int(bucket): count for bucket, count in data.histograms[name].items()}
    bins = [(GAMMA ** (bucket - 1), GAMMA**bucket, spread[bucket]) for bucket in sorted(spread)]
    levels = data.cluster.spreads[name]

    def words(value: float | None) -> str:
        return told(name, value / MICRO if value is not None and name in TIMES else value)

    says = f"a histogram of {written.exact(levels.n)} values"
    return {
        "bars": bars(regrouped(bins), says, *BARS),
        "n": levels.n,
        "ends": (words(bins[0][0]), words(bins[-1][1])),
        "quantiles": [("p50", words(levels.p50)), ("p95", words(levels.p95)), ("p99", words(levels.p99))],
    }


def command_of(asked: Asked, one: ClusterShown) -> str:
    """The command that writes what is proposed of the same calls."""
    since = asked.window.name or written.stamp(asked.window.since_ns).partition(".")[0] + "Z"
    return f"trimtab adopt {one.id}" + (f" --since {since}" if since != "7d" else "")


LIST: Final = Page(
    "undeclared",
    "/undeclared",
    "Undeclared calls",
    "calls that belong to no task, by system prompt and tools",
    UndeclaredShown,
    build_list,
    "Undeclared",
    "u",
    whole=True,
)
DETAIL: Final = Page(
    "undeclared_cluster",
    "/undeclared/{cluster}",
    "Undeclared calls",
    "calls that look alike, and the task proposed of them",
    ClusterDetail,
    build_detail,
    whole=True,
)
