"""Calls as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.context_text import context_facts
from trimtab.cli.verdict_text import verdict_facts
from trimtab.record.events import OK, Attempt, Settled
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import NONE, milliseconds, usd, whole
from trimtab.reports.window import clock_text
from trimtab.store.telemetry import CallDetail

GOOD, BAD, DOUBTFUL, QUIET = "green", "red", "yellow", "dim"
BAR_CELLS = 24
LINE_CHARACTERS = 2000
WIDE = 110


def _money(call: Settled) -> str:
    mark = "~" if call.cost_label == "estimated" else ""
    return NONE if call.cost_pusd is None else mark + usd(call.cost_pusd)


def _outcome(call: Settled) -> str:
    """How a call ended, and the verdict where it is not valid and the end does not say so itself."""
    is_told = call.verdict in ("", "valid") or call.verdict in call.outcome
    return call.outcome if is_told else f"{call.outcome}, {call.verdict}"


def _style(call: Settled) -> str:
    if call.outcome != OK:
        return BAD
    return "" if call.verdict in ("", "valid") else DOUBTFUL


class Column(NamedTuple):
    """A column of the list of calls, and how wide the terminal must be for it to be shown."""

    name: str
    from_width: int
    width: int
    is_number: bool
    cell: Callable[[Settled], str]


COLUMNS = (
    Column("ended", WIDE, 19, False, lambda call: clock_text(call.at_ns)[:19]),
    Column("ended", 0, 8, False, lambda call: clock_text(call.at_ns)[11:19]),
    Column("call", 0, 32, False, lambda call: call.admitted.call),
    Column("task", 0, 12, False, lambda call: call.admitted.task),
    Column("model", 130, 12, False, lambda call: call.model or call.admitted.model),
    Column("outcome", 0, 15, False, _outcome),
    Column("tries", 140, 5, True, lambda call: str(call.attempts)),
    Column("ttft ms", 88, 7, True, lambda call: milliseconds(call.ttft_s)),
    Column("total ms", 0, 8, True, lambda call: milliseconds(call.total_s)),
    Column("tokens", 120, 6, True, lambda call: NONE if call.usage is None else whole(call.usage.output)),
    Column("USD", 100, 9, True, _money),
)


def calls_table(calls: Sequence[Settled], width: int, *, head: bool = True) -> Table:
    """Calls, one a line, in as many columns as `width` has room for; ids are never cut."""
    shown = [column for column in COLUMNS if width >= column.from_width]
    if shown[0].name == shown[1].name:
        del shown[1]
    table = Table(box=None, show_header=head, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in shown:
        justify: JustifyMethod = "right" if column.is_number else "left"
        most = column.width if width < WIDE and not column.is_number else None
        table.add_column(column.name, justify=justify, min_width=column.width, max_width=most, no_wrap=True)
    for call in calls:
        table.add_row(*(plain_text(column.cell(call)) for column in shown), style=_style(call))
    return table


def call_text(detail: CallDetail) -> RenderableType:
    """One call: what it was, the waterfall of its attempts, its tokens and money."""
    call = detail.call
    return Group(
        Text.assemble((f"call {call.admitted.call}   ", "bold"), (_outcome(call), _style(call) or GOOD)),
        _facts(call),
        Text(),
        _waterfall(call, detail.attempts),
    )


def _facts(call: Settled) -> Table:
    admitted = call.admitted
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style=QUIET)
    table.add_column(overflow="fold")
    bodies = (f"request {admitted.request_body or NONE}", f"response {call.response_body or NONE}")
    run = f"{admitted.run or NONE}   step {admitted.step or NONE}   conversation {admitted.conversation or NONE}"
    rows = (
        ("began", clock_text(admitted.at_ns)),
        ("task", f"{admitted.task}   owner {admitted.owner or NONE}   key {admitted.key or NONE}"),
        ("surface", admitted.surface),
        ("model", f"asked {admitted.model}   served {call.model or NONE}   by {call.replica or NONE}"),
        ("status", f"{call.status}   finish reason {call.finish_reason or NONE}   {call.detail}"),
        ("ttft ms", milliseconds(call.ttft_s) if admitted.stream else f"{NONE} (not streamed)"),
        ("tpot ms", milliseconds(call.tpot_s)),
        ("longest gap ms", milliseconds(call.longest_gap_s)),
        ("total ms", milliseconds(call.total_s)),
        ("tokens", _usage(call)),
        ("cost USD", f"{usd(call.cost_pusd)} ({call.cost_label})"),
        ("snapshot", f"{admitted.snapshot or NONE}   lock {admitted.lock or NONE}"),
        ("run", run),
    )
    facts = ((name, (value,)) for name, value in rows)
    for name, lines in (*facts, *context_facts(call), *verdict_facts(call), ("bodies", bodies)):
        table.add_row(name, Text("\n").join(plain_text(line, LINE_CHARACTERS) for line in lines))
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
        return Text("no attempt was made", style=QUIET)
    began_ns = call.admitted.at_ns
    end_ns = max([call.at_ns, *(tried.at_ns for tried in attempts)])
    span_s = max((end_ns - began_ns) / 1e9, 1e-9)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("try", justify="right")
    table.add_column("cause", no_wrap=True)
    table.add_column(f"0 to {milliseconds(span_s)} ms", no_wrap=True)
    for name in ("connect ms", "ttft ms", "ms"):
        table.add_column(name, justify="right")
    table.add_column("replica", overflow="fold")
    for tried in attempts:
        start_s = (tried.at_ns - began_ns) / 1e9 - tried.duration_s
        table.add_row(
            str(tried.number),
            Text(tried.cause, GOOD if tried.cause == OK else BAD),
            _bar(start_s / span_s, tried.duration_s / span_s, (tried.ttft_s or tried.duration_s) / span_s),
            milliseconds(tried.connect_s),
            milliseconds(tried.ttft_s),
            milliseconds(tried.duration_s),
            plain_text(f"{tried.model} {tried.replica}"),
        )
    return table


def _bar(start: float, length: float, first: float) -> str:
    before = min(BAR_CELLS - 1, max(0, round(start * BAR_CELLS)))
    cells = min(BAR_CELLS - before, max(1, round(length * BAR_CELLS)))
    waiting = min(cells, max(1, round(first * BAR_CELLS)))
    return " " * before + "+" * waiting + "=" * (cells - waiting)
