"""Figures by version of a prompt are those of a report, of that version's calls alone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS, call
from trimtab.record.events import Settled
from trimtab.reports.prompts import PromptReport, prompt_reports
from trimtab.reports.report import Cost, Scope
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch

SCOPE = Scope(NOON_NS - 30 * MINUTE_NS + 1, NOON_NS + 30 * MINUTE_NS - 1)


def rendered(prompt: str, number: int, **fields: Any) -> Settled:
    made = call(f"{prompt}-{number}", NOON_NS + number * SECOND_NS, **fields)
    return replace(made, admitted=replace(made.admitted, prompt=prompt))


def reports(*events: Settled, scope: Scope = SCOPE) -> tuple[PromptReport, ...]:
    telemetry = MemoryTelemetry()
    telemetry.insert(Batch(events), "t")
    found = prompt_reports(telemetry, scope)
    assert (found.since_ns, found.until_ns) == (NOON_NS - 30 * MINUTE_NS, NOON_NS + 30 * MINUTE_NS)
    return found.prompts


def test_a_version() -> None:
    """20 calls, of which 18 kept their schema at once; a percentile stands only where enough calls lie behind it."""
    valid = [rendered("a", n, verdict="valid", total_s=1.0 + n, answer_tokens=10 + n) for n in range(18)]
    cut = [rendered("a", 18 + n, verdict="truncated", total_s=50.0, cost=("unknown", None)) for n in range(2)]
    [found] = reports(*valid, *cut, rendered("", 30))
    assert (found.task, found.prompt, found.requests) == ("route", "a", 20)
    share = found.answers["valid_first"]
    # Wilson's 95 % interval of 18 of 20 (Brown, Cai and DasGupta 2001, formula 4).
    assert (share.count, share.n, share.low, share.high) == (
        18,
        20,
        pytest.approx(0.699, abs=1e-3),
        pytest.approx(0.972, abs=1e-3),
    )
    assert found.answers["truncated"].count == 2
    assert found.success.rate == 1
    assert (found.total_s.n, found.total_s.p95, found.total_s.p99) == (20, 50.0, None)
    assert (found.output_tokens.n, found.output_tokens.p50, found.output_tokens.p95) == (18, 18, None)
    assert found.cost == {"exact": Cost(18, 18_000), "estimated": Cost(0, 0), "unknown": Cost(2, 0)}
    assert (found.first_ns, found.last_ns) == (NOON_NS, NOON_NS + 19 * SECOND_NS)


def test_versions_stand_in_the_order_they_came() -> None:
    """The version whose first call ended first stands first; without a schema there are no shares of answers."""
    older, newer = reports(rendered("z", 1), rendered("a", 2), rendered("z", 3))
    assert (older.prompt, newer.prompt) == ("z", "a")
    assert older.answers == {}


def test_the_scope_narrows() -> None:
    """Tasks and model narrow as they do a report."""
    events = (rendered("a", 1), rendered("b", 2, task="other"), rendered("c", 3, model="large"))
    assert [one.prompt for one in reports(*events, scope=replace(SCOPE, tasks=("other",)))] == ["b"]
    assert [one.prompt for one in reports(*events, scope=replace(SCOPE, model="large"))] == ["c"]
