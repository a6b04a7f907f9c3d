"""Figures read well on a terminal."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from trimtab.cli.signals_text import number, overview, signals_text
from trimtab.signals.calibration import ReliabilityBin, ReliabilityShown
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.figure import Cell, Compared, Figure, Figures, Gauge, Part, Quantile
from trimtab.signals.objectives import Burn, ObjectiveFigure
from trimtab.signals.telling import Told

PARSE = Figure(
    "parse_rate",
    "ratio",
    412,
    0.934,
    0.91,
    0.952,
    count=385,
    change=Compared(0.991, 400, -0.057, -0.08, -0.03, "worse"),
)
TTFT = Figure(
    "ttft", "spread", 50, 0.21, 0.2, None, quantiles=(Quantile(0.5, 0.1, 0.09, 0.11), Quantile(0.95, 0.21, 0.2, None))
)
TOOLS = Figure(
    "tools_chosen",
    "shares",
    10,
    parts=tuple(Part(f"tool{number}", 2, 0.2, 0.06, 0.51) for number in range(7)),
    change=Compared(None, 10, 0.25, None, None, ""),
)
COST = Figure("cost_per_completed", "amount", 40, 0.0021)
HOSTILE = "\x1b[31mroute"
GOAL = ObjectiveFigure(
    "extract", "success", "availability", 0.005, None, 2_419_200.0, 3, 1000, 0.4, "met", (Burn("1h", 1, 50, 4.0),)
)
CELLS = (Cell("extract", "", 0, 412, (PARSE, TTFT, TOOLS, COST)), Cell(HOSTILE, "", 0, 1, ()))
GAUGES = (Gauge("queue_depth", "extract", "small http://a", 3.0), Gauge("queue_depth", "other", "x http://b", 9.0))
TOLD = Told(Figures(0, 60_000_000_000, "task", 0, CELLS, GAUGES), (GOAL,))


SURE = ReliabilityShown(
    "extract",
    "/label\x1b",
    5,
    0.8,
    0.9,
    0.125,
    0.01,
    0.4,
    0.17,
    0.0,
    0.5,
    60.0,
    3600.0,
    (ReliabilityBin(0.9, 0.95, 5, 4, 0.8, 0.376, 0.964),),
)


def shown(what: object, width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width, no_color=True).print(what)
    return out.getvalue()


@pytest.mark.parametrize(
    ("signal", "value", "text"),
    [
        ("parse_rate", 0.934, "93.4 %"),
        ("parse_rate", 0.9999, ">99.9 %"),
        ("ttft", 0.2104, "210 ms"),
        ("cost_per_call", 0.0021, "0.0021 USD"),
        ("output_length", 1234.0, "1230 tokens"),
        ("request_rate", 41.23, "41.2"),
        ("parse_rate", None, "-"),
    ],
)
def test_numbers(signal: str, value: float | None, text: str) -> None:
    """Three significant digits with their unit, a share never rounded up to all."""
    assert number(BY_NAME[signal], value) == text


def test_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """The value over its interval and n; a mark, and not a colour alone, says what is worse; a queue is the task's."""
    out = shown(overview(TOLD.figures))
    line = next(line for line in out.splitlines() if line.strip().startswith("extract"))
    assert "! 93.4 %" in line
    assert "(91-95.2) n 412" in out
    assert "(200-?) n 50" in out
    assert line.split()[-1] == "3"


def test_a_task_side_by_side() -> None:
    """On a wide terminal both sides stand beside each other, on a narrow one behaviour comes first."""
    wide, narrow = (
        shown(signals_text(TOLD, whole_tasks=True, width=160)),
        shown(signals_text(TOLD, whole_tasks=True, width=90), 90),
    )
    assert any("behaviour" in line and "infrastructure" in line for line in wide.splitlines())
    assert narrow.index("behaviour") < narrow.index("infrastructure")
    assert "! worse, 99.1 %" in wide
    assert "and 2 more" in wide
    assert "25 % moved" in wide


def test_objectives() -> None:
    """What is left of the budget, and how fast it goes."""
    out = shown(signals_text(TOLD, whole_tasks=True, width=160))
    assert "objective extract success: met, 40 % of its budget left of 28 days, n 1,000; burns 1h 4" in out


def test_a_budget_that_is_spent() -> None:
    """It is called that, as on the console, not a share below nothing."""
    told = shown(signals_text(Told(TOLD.figures, (replace(GOAL, budget_left=-14.9),)), whole_tasks=True, width=160))
    assert "its budget spent of 28 days, n 1,000" in told


def test_names_are_not_obeyed() -> None:
    """A task's name with control codes is shown and not carried out."""
    out = shown(signals_text(TOLD, whole_tasks=False, width=160))
    assert "\x1b" not in out
    assert "\\x1b[31mroute" in out


def test_nothing() -> None:
    """A window without calls is a sentence that says what to do."""
    empty = Told(Figures(0, 1, "task", 0, ()))
    assert "No calls in this window" in shown(signals_text(empty, whole_tasks=False, width=100))


def test_the_reliability_of_confidences() -> None:
    """Both errors with their intervals, how late labels came, and a line for each bin, of that task alone."""
    lines = shown(signals_text(replace(TOLD, reliability=(SURE,)), whole_tasks=True, width=160)).splitlines()
    told = next(line for line in lines if "calibration" in line)
    assert "expected error 0.125 (0.01-0.4), Brier 0.17 (0-0.5), n 5" in told
    assert "half of the labels came within 1 min, 95 % within 1 h" in told
    assert "\x1b" not in told
    [row] = [line.split() for line in lines if line.strip().startswith("0.90-0.95")]
    assert row == ["0.90-0.95", "80", "%", "(37.6-96.4)", "5"]
    assert sum("0.90-0.95" in line for line in lines) == 1


def test_a_window_of_one_day() -> None:
    """A window of a day is told as one."""
    told = shown(signals_text(Told(TOLD.figures, (replace(GOAL, window_s=86_400.0),)), whole_tasks=True, width=160))
    assert "40 % of its budget left of 1 day, n 1,000" in told
