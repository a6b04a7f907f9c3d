"""Reports and calls as text for a terminal. Everything that is printed comes from the structs handed in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.record.events import Attempt, Settled
from trimtab.reports.numbers import NONE, milliseconds, percent, three_digits, usd, whole
from trimtab.reports.report import GoalResult, Report, Spread, SuccessRate, TaskReport
from trimtab.reports.window import clock_text
from trimtab.store.telemetry import CallDetail

GOOD, BAD, QUIET = "green", "red", "dim"
STANDING = {"met": GOOD, "missed": BAD, "not enough data": QUIET}
BAR_CELLS = 40


def report_text(report: Report) -> RenderableType:
    """A report: for each task its calls, times, tokens, money and errors."""
    window = f"{clock_text(report.since_ns)} to {clock_text(report.until_ns)}"
    if not report.tasks:
        return Text(f"No calls ended from {window}.")
    foot = (
        f"Percentiles lie within {report.relative_error:.0%} of the exact ones; {NONE} stands where too few calls lie "
        "behind one (p95 needs 20, p99 100). Success leaves out calls that ended by the caller's doing."
    )
    return Group(Text(window, style="bold"), *(_task(one) for one in report.tasks), Text(foot, style=QUIET))


def _task(one: TaskReport) -> RenderableType:
    name = f"{one.task} on {one.model}" if one.model else one.task
    head = Text.assemble(("\n" + name, "bold"), f"   {whole(one.requests)} calls   success {_success(one.success)}")
    lines = [line for line in (_errors(one), _tokens(one), _cost(one), _speeds(one)) if line]
    success = [goal for goal in one.objective if goal.name == "success"]
    return Group(head, *(_goal_line(goal) for goal in success), _times(one), *map(Text, lines))


def _success(rate: SuccessRate) -> str:
    if rate.rate is None:
        return f"{NONE}, n 0"
    return f"{percent(rate.rate)} % ({percent(rate.low)}-{percent(rate.high)}), n {whole(rate.n)}"


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
        table.add_row(label, *_cells(spread, 1000), _goals(goals))
    table.add_row("output tokens", *_cells(one.output_tokens, 1), "")
    return table


def _cells(spread: Spread, scale: int) -> list[str]:
    values = (spread.p50, spread.p95, spread.p99, spread.largest)
    return [whole(spread.n), *(three_digits(None if value is None else value * scale) for value in values)]


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


def calls_table(calls: Sequence[Settled], *, head: bool = True) -> Table:
    """Calls, one a line, as `calls tail` shows them."""
    table = Table(box=box.SIMPLE_HEAD if head else None, show_header=head, pad_edge=False)
    for name, width in (("ended", 19), ("call", 32), ("task", 14), ("model", 12), ("outcome", 20)):
        table.add_column(name, no_wrap=True, min_width=width if not head else None)
    for name, width in (("tries", 5), ("ttft ms", 7), ("total ms", 8), ("tokens out", 10), ("USD", 9)):
        table.add_column(name, justify="right", no_wrap=True, min_width=width if not head else None)
    for call in calls:
        table.add_row(
            clock_text(call.at_ns)[:19],
            call.admitted.call,
            call.admitted.task,
            call.model or call.admitted.model,
            Text(call.outcome, "" if call.outcome == "ok" else BAD),
            str(call.attempts),
            milliseconds(call.ttft_s),
            milliseconds(call.total_s),
            NONE if call.usage is None else whole(call.usage.output),
            _money(call),
        )
    return table


def _money(call: Settled) -> str:
    mark = "~" if call.cost_label == "estimated" else ""
    return NONE if call.cost_pusd is None else mark + usd(call.cost_pusd)


def call_text(detail: CallDetail) -> RenderableType:
    """One call: what it was, the waterfall of its attempts, its tokens and money."""
    call = detail.call
    return Group(
        Text.assemble((f"call {call.admitted.call}   ", "bold"), (call.outcome, GOOD if call.outcome == "ok" else BAD)),
        _facts(call),
        _waterfall(call, detail.attempts),
    )


def _facts(call: Settled) -> Table:
    admitted = call.admitted
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style=QUIET)
    table.add_column(overflow="fold")
    rows = (
        ("began", clock_text(admitted.at_ns)),
        ("task", f"{admitted.task}   owner {admitted.owner or NONE}   key {admitted.key or NONE}"),
        ("model", f"asked {admitted.model}   served {call.model or NONE}   by {call.replica or NONE}"),
        ("status", f"{call.status}   finish reason {call.finish_reason or NONE}   {call.detail}"),
        ("ttft ms", milliseconds(call.ttft_s) if admitted.stream else f"{NONE} (not streamed)"),
        ("tpot ms", milliseconds(call.tpot_s)),
        ("longest gap ms", milliseconds(call.longest_gap_s)),
        ("total ms", milliseconds(call.total_s)),
        ("tokens", _usage(call)),
        ("cost USD", f"{usd(call.cost_pusd)} ({call.cost_label})"),
        ("snapshot", f"{admitted.snapshot or NONE}   lock {admitted.lock or NONE}"),
        (
            "run",
            f"{admitted.run or NONE}   step {admitted.step or NONE}   conversation {admitted.conversation or NONE}",
        ),
        ("bodies", f"request {admitted.request_body or NONE}\nresponse {call.response_body or NONE}"),
    )
    for name, value in rows:
        table.add_row(name, value)
    return table


def _usage(call: Settled) -> str:
    if call.usage is None:
        return "unknown: the engine told no usage"
    usage = call.usage
    told = f"input {whole(usage.input)}   cache read {whole(usage.cache_read)}   cache write {whole(usage.cache_write)}"
    return f"{told}   output {whole(usage.output)} (reasoning {whole(usage.reasoning)})"


def _waterfall(call: Settled, attempts: Sequence[Attempt]) -> RenderableType:
    """Each attempt as a bar on the call's own time; `+` is the wait for its first token, `=` what came after."""
    if not attempts:
        return Text("\nno attempt was made", style=QUIET)
    began_ns = call.admitted.at_ns
    end_ns = max([call.at_ns, *(tried.at_ns for tried in attempts)])
    span_s = max((end_ns - began_ns) / 1e9, 1e-9)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("attempt", "replica", "cause", f"0 to {milliseconds(span_s)} ms"):
        table.add_column(name, no_wrap=name != "replica")
    for name in ("connect ms", "ttft ms", "duration ms"):
        table.add_column(name, justify="right")
    for tried in attempts:
        start_s = (tried.at_ns - began_ns) / 1e9 - tried.duration_s
        table.add_row(
            str(tried.number),
            f"{tried.model} {tried.replica}",
            Text(tried.cause, GOOD if tried.cause == "ok" else BAD),
            _bar(start_s / span_s, tried.duration_s / span_s, (tried.ttft_s or tried.duration_s) / span_s),
            milliseconds(tried.connect_s),
            milliseconds(tried.ttft_s),
            milliseconds(tried.duration_s),
        )
    return table


def _bar(start: float, length: float, first: float) -> str:
    before = min(BAR_CELLS - 1, max(0, round(start * BAR_CELLS)))
    cells = min(BAR_CELLS - before, max(1, round(length * BAR_CELLS)))
    waiting = min(cells, max(1, round(first * BAR_CELLS)))
    return " " * before + "+" * waiting + "=" * (cells - waiting)
