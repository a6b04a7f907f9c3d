"""Each signal is defined once, with the right denominator."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.signals.catalogue import BY_NAME, SIGNALS
from trimtab.signals.judged import CALIBRATION
from trimtab.signals.measuring import Taken, measure
from trimtab.signals.signal import Signal
from trimtab.store.contract_figures import ANSWER_RESULTS
from trimtab.store.scores import ScoreCounts
from trimtab.store.slices import SPREADS, Slice, narrowed
from trimtab.store.telemetry import CostSum

NAMES = {
    *("parse_rate", "parse_rate_after_repair", "tool_validity", "tool_error_rate", "output_length", "cut_share"),
    *("refusal_rate", "availability", "error_rate", "ttft", "tpot", "longest_gap", "total", "deadline_share"),
    *("retry_share", "fallback_share", "repair_share", "repetition_share", "cache_hit_share", "finish_reasons"),
    *("tools_chosen", "outcomes", "completion", "accuracy", "feedback", "cost_per_call", "cost_per_completed"),
    *(
        "tokens",
        "cost",
        "input_length",
        "predictions",
        "confidence",
        "inputs",
        "request_rate",
        "dead_letters",
        "probes",
    ),
}
MIXED = Slice(
    task="route",
    at_ns=0,
    calls=100,
    outcomes={
        "ok": 72,
        "client_gone": 8,
        "unauthorized": 2,
        "deadline_gap": 3,
        "deadline_total": 1,
        "upstream_error": 14,
    },
    finish_reasons={"stop": 50, "length": 6, "tool_calls": 20},
    valid_first=40,
    repaired=5,
    rejected=2,
    passed_invalid=1,
    truncated=6,
    refused=4,
    repairs=9,
    cut=6,
    repetition=3,
    tool_outcomes={"valid": 18, "bad_json": 1, "schema_invalid": 1},
    tools={"refund": 15, "search": 5},
    tool_results=10,
    tool_errors=1,
    attempts=130,
    retried=20,
    fallbacks=7,
    tokens={"input": 600, "cache_read": 300, "cache_write": 100, "output": 500, "reasoning": 200},
    cost={"exact": CostSum(60, 3_000_000_000_000), "estimated": CostSum(20, 1_000_000_000_000), "unknown": CostSum(20)},
)


def test_all_are_there() -> None:
    """Every signal that is asked for exists, once."""
    assert set(BY_NAME) >= NAMES
    assert len(BY_NAME) == len(SIGNALS)


@pytest.mark.parametrize(
    ("name", "of", "n"),
    [
        ("parse_rate", 40, 58),
        ("parse_rate_after_repair", 45, 58),
        ("refusal_rate", 4, 58),
        ("repair_share", 9, 100),
        ("cut_share", 6, 76),
        ("repetition_share", 3, 100),
        ("tool_validity", 18, 20),
        ("tool_error_rate", 1, 10),
        ("availability", 72, 90),
        ("error_rate", 18, 90),
        ("deadline_share", 4, 90),
        ("deadline_gap_share", 3, 90),
        ("deadline_connect_share", 0, 90),
        ("cancelled_share", 8, 100),
        ("retry_share", 20, 100),
        ("fallback_share", 7, 100),
        ("cache_hit_share", 300, 1000),
    ],
)
def test_ratios(name: str, of: int, n: int) -> None:
    """Of 100 calls 10 ended by the caller's doing, 58 answers had a schema, and 76 told how they ended."""
    ratio = BY_NAME[name].ratio
    assert ratio is not None
    assert ratio(MIXED) == (of, n)


def test_refusals_without_a_schema() -> None:
    """Where no answer has a schema, finish reasons tell of refusals: 3 of 50."""
    ratio = BY_NAME["refusal_rate"].ratio
    assert ratio is not None
    assert ratio(Slice("route", 0, finish_reasons={"stop": 47, "refusal": 1, "content_filter": 2})) == (3, 50)


@pytest.mark.parametrize("one", [signal for signal in SIGNALS if signal.ratio], ids=lambda one: one.name)
def test_of_nothing_is_nothing(one: object) -> None:
    """A slice of no calls makes 0 of 0."""
    assert one.ratio(Slice("route", 0)) == (0, 0)  # type: ignore[attr-defined]


def test_shares_add_up() -> None:
    """Classes of tokens are disjoint: reasoning is part of output and does not count twice."""
    shares = BY_NAME["tokens"].shares
    assert shares is not None
    assert shares(MIXED) == {"input": 600, "cache_read": 300, "cache_write": 100, "output": 500}


@pytest.mark.parametrize(
    ("name", "score", "told"),
    [
        ("completion", ScoreCounts("route", "completion", "rule", 0, n=10, valued=8, passed=6), (6, 8)),
        ("completion", ScoreCounts("route", "tone", "feedback", 0, n=10, valued=8, passed=6), None),
        ("accuracy", ScoreCounts("route", "accuracy", "evaluation", 0, n=9, valued=9, passed=9), (9, 9)),
        ("feedback", ScoreCounts("route", "tone", "feedback", 0, n=10, valued=8, passed=6), (6, 8)),
        ("feedback", ScoreCounts("route", "tone", "judge", 0, n=10, valued=8, passed=6), None),
    ],
)
def test_scores(name: str, score: ScoreCounts, told: tuple[int, int] | None) -> None:
    """A score counts for the signal of its name, feedback by its source; only those with a value count."""
    scored = BY_NAME[name].scored
    assert scored is not None
    assert scored(score) == told


def test_each_says_what_it_is() -> None:
    """Every signal has words for what it says and means, its numerator and denominator, and one way to be read."""
    for one in SIGNALS:
        assert one.says.endswith(".") and one.means.endswith("."), one.name
        ways = [way for way in (one.ratio, one.spread, one.shares, one.amount, one.scored, one.lag) if way]
        assert len(ways) + (one.source in {"readings", "engine", "state"} or one is CALIBRATION) == 1
        assert one.source in {"engine", "state"} or (one.of and one.among), one.name
        assert one.source in {"slices"} or one.reads, one.name
        assert one.spread is None or one.reads in SPREADS, one.name


@pytest.mark.parametrize("signal", [one for one in SIGNALS if one.source == "slices"], ids=lambda one: one.name)
@pytest.mark.parametrize("has_schemas", [True, False])
def test_a_signal_is_told_by_its_facts_alone(signal: Signal, *, has_schemas: bool) -> None:
    """What a signal says it looks at is all that it looks at: with nothing else it comes out the same."""
    whole = replace(MIXED, spreads={name: {700: 60, 800: 40} for name in SPREADS})
    if not has_schemas:
        whole = replace(whole, **dict.fromkeys(ANSWER_RESULTS, 0), finish_reasons={"stop": 47, "refusal": 3})
    done = (ScoreCounts("route", "completion", "rule", 0, n=9, valued=9, passed=6),)
    told = measure(signal, Taken(60.0, whole, done))
    assert told or (signal.name.startswith("parse_rate") and not has_schemas)
    assert measure(signal, Taken(60.0, narrowed(whole, signal.facts), done)) == told
