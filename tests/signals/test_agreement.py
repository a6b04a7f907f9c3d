"""A report and the signals tell the same of the same calls."""

from __future__ import annotations

import random

import msgspec
import pytest

from tests.store.samples import MINUTE_NS, NOON_NS, call
from trimtab.record.events import Settled, ToolOutcome, ToolResult, Usage
from trimtab.reports.report import Scope, TaskReport, compile_report
from trimtab.signals.figure import Cell
from trimtab.signals.figures import FigureQuery, figures
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch

OUTCOMES = ("ok", "ok", "ok", "ok", "client_gone", "upstream_error", "deadline_gap", "unauthorized", "output_invalid")
VERDICTS = ("", "valid", "valid", "valid", "invalid", "truncated", "refused")
TOOLS = ("valid", "valid", "bad_json", "unknown_tool", "schema_invalid")


def some_calls(seed: int) -> list[Settled]:
    """600 calls of every kind."""
    draw = random.Random(seed)
    found = []
    for number in range(600):
        outcome = draw.choice(OUTCOMES)
        one = call(
            f"c{number}",
            NOON_NS + draw.randrange(10) * MINUTE_NS,
            task=draw.choice(("route", "extract")),
            outcome=outcome,
            cost=draw.choice((("exact", 1_000_000), ("estimated", 2_000_000), ("unknown", None))),
            usage=Usage(input=draw.randrange(1, 500), cache_read=draw.randrange(200), output=draw.randrange(1, 300)),
            verdict=draw.choice(VERDICTS),
            repairs=draw.choice((0, 0, 0, 1, 2)),
            ttft_s=draw.lognormvariate(-1, 1),
            tpot_s=draw.lognormvariate(-4, 1),
            longest_gap_s=draw.lognormvariate(-2, 1),
            total_s=draw.lognormvariate(1, 1),
            answer_tokens=draw.randrange(1, 400),
            finish_reason=draw.choice(("stop", "stop", "length", "tool_calls", "content_filter", "")),
            tool_outcomes=tuple(ToolOutcome("find", draw.choice(TOOLS), 1) for _ in range(draw.randrange(3))),
            tool_results=tuple(ToolResult("find", "", 5, draw.random() < 0.2) for _ in range(draw.randrange(2))),
            repetition=draw.choice(("", "", "", "loop")),
        )
        found.append(msgspec.structs.replace(one, attempts=draw.choice((1, 1, 2, 3))))
    return found


@pytest.fixture(params=[1, 2, 3])
def told(request: pytest.FixtureRequest) -> list[tuple[TaskReport, Cell]]:
    """Each task as a report and as signals tell it."""
    telemetry = MemoryTelemetry()
    telemetry.insert(Batch(tuple(some_calls(request.param))), "t")
    report = compile_report(telemetry, Scope(NOON_NS, NOON_NS + 10 * MINUTE_NS), {})
    found = figures(telemetry, FigureQuery(NOON_NS, NOON_NS + 10 * MINUTE_NS))
    cells = {cell.task: cell for cell in found.cells}
    return [(task, cells[task.task]) for task in report.tasks]


def test_shares_agree(told: list[tuple[TaskReport, Cell]]) -> None:
    """Success, answers and tool calls have the same counts, shares and intervals."""
    for task, cell in told:
        (contract,) = task.contracts
        pairs = [
            ("availability", task.success.succeeded, task.success.n, task.success.low, task.success.high),
            *(
                (name, share.count, share.n, share.low, share.high)
                for name, share in (
                    ("parse_rate", contract.answers["valid_first"]),
                    ("refusal_rate", contract.answers["refused"]),
                    ("tool_validity", contract.tool_calls["valid"]),
                )
            ),
        ]
        for name, count, n, low, high in pairs:
            figure = cell.figure(name)
            assert figure is not None
            assert (figure.count, figure.n, figure.low, figure.high) == (count, n, low, high), name


def test_quantiles_agree(told: list[tuple[TaskReport, Cell]]) -> None:
    """Times lie within the error of the histogram of the exact ones."""
    for task, cell in told:
        spreads = {"ttft": task.ttft_s, "tpot": task.tpot_s, "longest_gap": task.longest_gap_s, "total": task.total_s}
        for name, spread in spreads.items():
            figure = cell.figure(name)
            assert figure is not None and figure.n == spread.n
            assert [one.value for one in figure.quantiles] == [
                pytest.approx(value, rel=0.0101) if value is not None else None
                for value in (spread.p50, spread.p95, spread.p99)
            ]


def test_sums_agree(told: list[tuple[TaskReport, Cell]]) -> None:
    """Tokens, cost and outcomes add up to the same."""
    for task, cell in told:
        tokens, cost, outcomes = (cell.figure(name) for name in ("tokens", "cost", "outcomes"))
        assert tokens is not None and cost is not None and outcomes is not None
        assert {part.name: part.count for part in tokens.parts} == {
            name: count for name, count in task.tokens.items() if name != "reasoning" and count
        }
        assert cost.value == pytest.approx(sum(one.pusd for one in task.cost.values()) / 1e12)
        assert {part.name: part.count for part in outcomes.parts if part.name != "ok"} == task.errors
        assert cell.calls == task.requests


def test_every_share_is_one(told: list[tuple[TaskReport, Cell]]) -> None:
    """Whatever calls came, no share lies outside 0 and 1, and no interval leaves its share out."""
    for _, cell in told:
        for figure in cell.figures:
            if figure.kind == "ratio":
                assert figure.value is not None and 0 <= figure.value <= 1
                if figure.low is not None and figure.high is not None:
                    assert figure.low <= figure.value <= figure.high
            if figure.kind == "shares":
                assert sum(part.share for part in figure.parts) == pytest.approx(1)
