"""Calls as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.record.events import OK, Attempt, Settled
from trimtab.reports.numbers import NONE, milliseconds, usd, whole
from trimtab.reports.window import clock_text
from trimtab.store.telemetry import CallDetail

GOOD, BAD, QUIET = "green", "red", "dim"
BAR_CELLS = 40


def calls_table(calls: Sequence[Settled], *, head: bool = True) -> Table:
    """Calls, one a line, as `calls tail` shows them."""
    table = Table(box=box.SIMPLE_HEAD if head else None, show_header=head, pad_edge=False)
    for name, width in (("ended", 19), ("call", 32), ("task", 12), ("model", 10), ("outcome", 8)):
        table.add_column(name, no_wrap=True, min_width=width)
    for name, width in (("tries", 5), ("ttft ms", 7), ("total ms", 8), ("tokens out", 10), ("USD", 8)):
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for call in calls:
        table.add_row(
            clock_text(call.at_ns)[:19],
            call.admitted.call,
            call.admitted.task,
            call.model or call.admitted.model,
            Text(call.outcome, "" if call.outcome == OK else BAD),
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
        Text.assemble((f"call {call.admitted.call}   ", "bold"), (call.outcome, GOOD if call.outcome == OK else BAD)),
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
            Text(tried.cause, GOOD if tried.cause == OK else BAD),
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
