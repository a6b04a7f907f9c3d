"""A report as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.reports.contract_text import contracts_text
from trimtab.reports.drift import KINDS, Drifted
from trimtab.reports.numbers import NONE, milliseconds, percent, share_of, three_digits, usd, whole
from trimtab.reports.report import GoalResult, Report, Spread, SuccessRate, TaskReport
from trimtab.reports.window import clock_text
from trimtab.store.lock_figures import LockUse

GOOD, BAD, QUIET = "green", "red", "dim"
MOST_LOCKS = 5
"""How many locks are told of a window, the latest; `--json` has them all."""
LOCK_CHARACTERS = 12
MOST_DRIFTED = 5
MAX_DRIFT = 400
STANDING = {"met": GOOD, "missed": BAD, "not enough data": QUIET}


def report_text(report: Report) -> RenderableType:
    """A report: for each task its calls, times, tokens, money and errors."""
    window = f"{clock_text(report.since_ns)} to {clock_text(report.until_ns)}"
    if not report.tasks:
        return Group(*_drift(report.drift), Text(f"No calls ended from {window}."))
    tasks = (_task(one, by_lock=report.by_lock) for one in report.tasks)
    head = Text(window, style="bold")
    return Group(head, *_drift(report.drift), *_locks(report.locks), *tasks, Text(_foot(report), style=QUIET))


def _drift(drift: tuple[Drifted, ...]) -> Iterator[Text]:
    """What drifted in the window, the latest first."""
    for one in drift[:MOST_DRIFTED]:
        sides = f"{one.before or NONE} -> {one.after or NONE}"
        words = f"! {clock_text(one.at_ns)[:16]} {KINDS.get(one.kind, one.kind)} {one.subject}: {sides}; {one.detail}"
        yield Text("".join(letter if letter.isprintable() else " " for letter in words[:MAX_DRIFT]), style=BAD)
    if len(drift) > MOST_DRIFTED:
        yield Text(f"! and {len(drift) - MOST_DRIFTED} earlier: `trimtab report --json`", style=BAD)


def _locks(locks: tuple[LockUse, ...]) -> Iterator[Text]:
    """The locks of the window, where any calls bear one, in the order in which they came in force."""
    if not any(use.lock for use in locks):
        return
    if len(locks) > MOST_LOCKS:
        yield Text(f"{len(locks) - MOST_LOCKS} earlier locks, with --json")
    for use in locks[-MOST_LOCKS:]:
        span = f"{clock_text(use.first_ns)[:19]} to {clock_text(use.last_ns)}"
        yield Text(f"{_lock_name(use.lock):{LOCK_CHARACTERS + 5}}   {_calls(use.calls)}, {span}")


def _lock_name(lock: str) -> str:
    return f"lock {lock[:LOCK_CHARACTERS]}" if lock else "no lock"


def _foot(report: Report) -> str:
    foot = (
        f"Percentiles lie within {report.relative_error:.0%} of the exact ones; {NONE} stands where too few calls lie "
        "behind one (p95 needs 20, p99 100). Success leaves out calls that ended by the caller's doing."
    )
    if any(one.contracts for one in report.tasks):
        foot += " An answer counts as it was in the end, tool calls in every attempt. Intervals are Wilson's, 95 %."
    return foot


def _task(one: TaskReport, *, by_lock: bool) -> RenderableType:
    name = f"{one.task} on {one.model}" if one.model else one.task
    name += f" under {_lock_name(one.lock)}" if by_lock else ""
    head = Text.assemble(("\n" + name, "bold"), f"   {_calls(one.requests)}   success {_success(one.success)}")
    lines = [line for line in (_errors(one), _tokens(one), _cost(one), _speeds(one)) if line]
    success = [goal for goal in one.objective if goal.name == "success"]
    goals = [_goal_line(goal) for goal in success]
    contracts = [contracts_text(one.contracts)] if one.contracts else []
    return Group(head, *goals, _times(one), *map(Text, lines), *contracts)


def _calls(count: int) -> str:
    return f"{whole(count)} call" + ("" if count == 1 else "s")


def _success(rate: SuccessRate) -> str:
    if rate.rate is None:
        return f"{NONE}, n 0"
    return share_of(rate.rate, rate.low, rate.high, rate.n)


def _times(one: TaskReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for head in ("n", "p50", "p95", "p99", "max"):
        table.add_column(head, justify="right")
    table.add_column("objective")
    rows: tuple[tuple[str, str, Spread], ...] = (
        ("ttft ms", "ttft", one.ttft_s),
        ("tpot ms", "tpot", one.tpot_s),
        ("longest gap ms", "gap", one.longest_gap_s),
        ("total ms", "total", one.total_s),
    )
    for label, measure, spread in rows:
        goals = [goal for goal in one.objective if goal.name.startswith(f"{measure}_")]
        table.add_row(label, *_time_cells(spread), _goals(goals))
    table.add_row("output tokens", *_token_cells(one.output_tokens), "")
    return table


def _time_cells(spread: Spread) -> list[str]:
    values = (spread.p50, spread.p95, spread.p99, spread.largest)
    return [whole(spread.n), *map(milliseconds, values)]


def _token_cells(spread: Spread) -> list[str]:
    values = (spread.p50, spread.p95, spread.p99, spread.largest)
    return [whole(spread.n), *(three_digits(None if value is None else round(value)) for value in values)]


def _goals(goals: Iterable[GoalResult]) -> Text:
    told = []
    for goal in goals:
        seen = f", {milliseconds(goal.seen)}" if goal.seen is not None and goal.standing == "missed" else ""
        level = goal.name.partition("_")[2]
        told.append(Text(f"{level} <= {milliseconds(goal.limit)}: {goal.standing}{seen}", STANDING[goal.standing]))
    return Text("; ").join(told)


def _goal_line(goal: GoalResult) -> Text:
    return Text(f"objective success >= {percent(goal.limit)} %: {goal.standing}", STANDING[goal.standing])


def _errors(one: TaskReport) -> str:
    told = [f"{code} {whole(count)}" for code, count in one.errors.items()]
    return "errors       " + ("   ".join(told) if told else "none")


def _tokens(one: TaskReport) -> str:
    classes = (("input", "input"), ("cache_read", "cache read"), ("cache_write", "cache write"), ("output", "output"))
    told = [f"{label} {whole(one.tokens.get(name, 0))}" for name, label in classes]
    return "tokens       " + "   ".join(told) + f" (reasoning {whole(one.tokens.get('reasoning', 0))})"


def _cost(one: TaskReport) -> str:
    told = [
        f"{label} {NONE if label == 'unknown' and not cost.pusd else usd(cost.pusd)} (n {whole(cost.calls)})"
        for label, cost in one.cost.items()
        if cost.calls
    ]
    return "cost USD     " + "   ".join(told)


def _speeds(one: TaskReport) -> str:
    prefill, decode = three_digits(one.prefill_tokens_per_s), three_digits(one.decode_tokens_per_s)
    return f"tokens/s     prefill {prefill}   decode {decode}"
