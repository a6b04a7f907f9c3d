"""What a store tells of prompts: the figures of the calls for which each was rendered."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS, call
from trimtab.record.events import Settled, Usage
from trimtab.store.lock_figures import PromptUse
from trimtab.store.telemetry import Batch, CostSum, ReportQuery, Telemetry

HOUR = ReportQuery(NOON_NS - 30 * MINUTE_NS, NOON_NS + 30 * MINUTE_NS, levels=(0.5, 1.0))


def rendered(prompt: str, name: str, seconds: int = 0, **fields: Any) -> Settled:
    made = call(name, NOON_NS + seconds * SECOND_NS, **fields)
    return replace(made, admitted=replace(made.admitted, prompt=prompt))


def put(telemetry: Telemetry, *calls: Settled) -> None:
    telemetry.insert(Batch(calls), "t")


def test_figures_of_each_prompt(telemetry: Telemetry) -> None:
    """Outcomes, answers, lengths, cost and latency are of the prompt's own calls; the older one stands first."""
    usage = Usage(input=100, output=20)
    put(
        telemetry,
        rendered("b", "b1", 30, verdict="valid", total_s=2.0, answer_tokens=20, usage=usage, cost=("exact", 7)),
        rendered("b", "b2", 40, verdict="valid", repairs=1, total_s=4.0, answer_tokens=40, usage=usage,
                 cost=("exact", 5)),
        rendered("b", "b3", 50, verdict="invalid", outcome="output_invalid", cost=("unknown", None),
                 answer_tokens=None, usage=None),
        rendered("a", "a1", 20, verdict="", total_s=1.0, answer_tokens=10, usage=usage, cost=("estimated", 3)),
        rendered("", "c1", 10),
        rendered("a", "old", -3600),
    )  # fmt: skip
    first, second = telemetry.prompts(HOUR)
    assert (first.prompt, second.prompt) == ("a", "b")
    assert (first.figures.task, first.figures.outcomes) == (second.figures.task, {"ok": 1})
    assert second.figures.outcomes == {"ok": 2, "output_invalid": 1}
    assert (second.first_ns, second.last_ns) == (NOON_NS + 30 * SECOND_NS, NOON_NS + 50 * SECOND_NS)
    assert second.answers == {
        "valid_first": 1, "repaired": 1, "rejected": 1, "passed_invalid": 0, "truncated": 0, "refused": 0,
    }  # fmt: skip
    assert set(first.answers.values()) == {0}
    assert second.figures.cost["exact"] == CostSum(2, 12)
    assert second.figures.cost["unknown"] == CostSum(1, 0)
    assert first.figures.cost["estimated"] == CostSum(1, 3)
    assert second.figures.distributions["output"].n == 2
    assert second.figures.distributions["output"].values == (20, 40)
    total = second.figures.distributions["total"]
    assert (total.n, total.values) == (2, pytest.approx((2.0, 4.0), rel=0.01))
    assert second.figures.tokens["input"] == 200


def test_prompts_are_narrowed_like_a_report(telemetry: Telemetry) -> None:
    """Only calls of the wanted tasks and model count, and tasks stand in their order."""
    put(
        telemetry,
        rendered("p", "c1", 5),
        rendered("p", "c2", task="extract"),
        rendered("q", "c3", task="extract", model="large"),
        rendered("r", "c4", -1, task="extract"),
    )

    def prompts(**narrowed: Any) -> list[tuple[str, str]]:
        found = telemetry.prompts(ReportQuery(HOUR.since_ns, HOUR.until_ns, **narrowed))
        return [(one.figures.task, one.prompt) for one in found]

    assert prompts(tasks=("extract",)) == [("extract", "r"), ("extract", "p"), ("extract", "q")]
    assert prompts(model="large") == [("extract", "q")]
    assert len(prompts()) == 4


def test_when_prompts_were_used(telemetry: Telemetry) -> None:
    """Each prompt of each task with when its first and last call ended, the older first; narrowed like a report."""
    put(
        telemetry,
        rendered("b", "b1", 30),
        rendered("b", "b2", 40, outcome="upstream_error"),
        rendered("a", "a1", 50),
        rendered("a", "e1", 20, task="extract", model="large"),
        rendered("", "c1", 10),
        rendered("a", "old", -3600),
    )
    at = {seconds: NOON_NS + seconds * SECOND_NS for seconds in (20, 30, 40, 50)}
    extract = PromptUse("extract", "a", at[20], at[20])
    assert telemetry.prompt_uses(HOUR) == (
        extract,
        PromptUse("route", "b", at[30], at[40]),
        PromptUse("route", "a", at[50], at[50]),
    )
    assert telemetry.prompt_uses(replace_query(tasks=("extract",))) == (extract,)
    assert telemetry.prompt_uses(replace_query(model="large")) == (extract,)
    assert telemetry.prompt_uses(replace_query(tasks=("nothing",))) == ()


def replace_query(**narrowed: Any) -> ReportQuery:
    return ReportQuery(HOUR.since_ns, HOUR.until_ns, **narrowed)


def test_what_is_not_finite_is_not_measured(telemetry: Telemetry) -> None:
    """As in a report: such a call counts, and its time does not."""
    put(telemetry, rendered("p", "c1", total_s=float("inf"), ttft_s=float("nan")))
    [found] = telemetry.prompts(HOUR)
    assert found.figures.distributions["total"].n == 0
    assert found.figures.distributions["ttft"].n == 0
    assert sum(found.figures.outcomes.values()) == 1
