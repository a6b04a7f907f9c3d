"""How a report reads on a terminal."""

from __future__ import annotations

import io

from msgspec.structs import replace
from rich.console import Console

from tests.reports.test_report import WINDOW, calls, report_of
from tests.store.samples import NOON_NS, SECOND_NS, call
from trimtab.declare.project import Goal, Objective
from trimtab.record.events import Settled, Usage
from trimtab.reports.report import Report, compile_report
from trimtab.reports.terminal import report_text
from trimtab.store.memory import MemoryTelemetry


def text_of(report: Report, *, is_terminal: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=100, highlight=False, force_terminal=is_terminal, legacy_windows=False).print(
        report_text(report)
    )
    return out.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_report_says_what_it_knows() -> None:
    """Counts, rate with interval and n, times in ms, tokens, money with its label, and errors all stand there."""
    objective = Objective(goals=(Goal("ttft", 0.95, 0.8), Goal("total", 0.99, 20.0)), success=0.9)
    report = report_of(
        *calls(99, ttft_s=0.1234, total_s=0.5, tpot_s=0.03, usage=Usage(input=1000, output=20), answer_tokens=20),
        call("f", outcome="deadline_gap", cost=("unknown", None), usage=None),
        objective=objective,
    )
    told = words(text_of(report))
    assert "route 100 calls success 99 % (94.6-99.8), n 100" in told
    assert "objective success >= 90 %: met" in told
    assert "ttft ms 99 123 123 - 123 p95 <= 800: met" in told
    assert "total ms 99 500 500 - 500 p99 <= 20000: not enough data" in told
    assert "output tokens 99 20 20 - 20" in told
    assert "errors deadline_gap 1" in told
    assert "tokens input 99,000 cache read 0 cache write 0 output 1,980 (reasoning 0)" in told
    assert "cost USD exact 0.000000099 (n 99) unknown - (n 1)" in told
    assert "tokens/s prefill 8100 decode 33.3" in told


def test_a_missed_goal_tells_by_how_much() -> None:
    """What was seen stands beside the limit."""
    report = report_of(*calls(20, ttft_s=1.5), objective=Objective(goals=(Goal("ttft", 0.95, 0.8),)))
    assert "p95 <= 800: missed, 1500" in words(text_of(report))


def test_no_colour_when_piped() -> None:
    """Escape codes are for terminals only."""
    report = report_of(*calls(20, ttft_s=1.5), objective=Objective(goals=(Goal("ttft", 0.95, 0.8),)))
    assert "\x1b" not in text_of(report)
    assert "\x1b" in text_of(report, is_terminal=True)


def test_an_empty_report_says_so() -> None:
    """No calls is a sentence, not an empty table."""
    assert "No calls ended from" in text_of(compile_report(MemoryTelemetry(), WINDOW, {}))


def test_it_fits_a_terminal() -> None:
    """On eighty columns the rows of the table stay whole."""
    report = report_of(*calls(100, ttft_s=0.1, total_s=1.0), objective=Objective(goals=(Goal("ttft", 0.95, 0.8),)))
    out = io.StringIO()
    Console(file=out, width=80, highlight=False).print(report_text(report))
    rows = [line for line in out.getvalue().splitlines() if line.split()[:2] in (["ttft", "ms"], ["total", "ms"])]
    assert len(rows) == 2
    assert "p95 <= 800: met" in rows[0]


def under(lock: str, *, count: int, second: int) -> list[Settled]:
    """Calls that were made under a lock."""
    made = (call(f"{lock[:1]}{number}", NOON_NS + second * SECOND_NS) for number in range(count))
    return [replace(one, admitted=replace(one.admitted, lock=lock, snapshot=f"s-{lock}")) for one in made]


def test_locks_of_the_window_are_told() -> None:
    """Each with how many calls it has, in the order they came in force; what serves without one too."""
    report = report_of(
        *under("b" * 64, count=3, second=0), *under("", count=1, second=1), *under("a" * 64, count=2, second=2)
    )
    lines = [line for line in text_of(report).splitlines() if line.startswith(("lock ", "no lock"))]
    assert [" ".join(line.split()[:4]) for line in lines] == [
        "lock bbbbbbbbbbbb 3 calls,",
        "no lock 1 call,",
        "lock aaaaaaaaaaaa 2 calls,",
    ]
    assert "under" not in text_of(report)


def test_without_any_lock_nothing_is_told_of_locks() -> None:
    """A project that was never locked has a report without them."""
    assert "lock" not in text_of(report_of(*calls(2)))


def test_report_by_lock() -> None:
    """Each task stands apart by lock, the one first in force first."""
    events = [*under("b" * 64, count=3, second=0), *under("a" * 64, count=2, second=2)]
    report = report_of(*events, scope=replace(WINDOW, by_lock=True))
    assert [(one.task, one.lock[:1], one.requests) for one in report.tasks] == [("route", "b", 3), ("route", "a", 2)]
    assert "route under lock bbbbbbbbbbbb 3 calls" in words(text_of(report))


def test_only_the_latest_locks_are_told() -> None:
    """Five of them; how many there were before is counted."""
    report = report_of(*(one for step in range(1, 9) for one in under(str(step) * 64, count=1, second=step)))
    lines = text_of(report).splitlines()
    assert [line.split()[1][:1] for line in lines if line.startswith("lock ")] == ["4", "5", "6", "7", "8"]
    assert "3 earlier locks, with --json" in lines
