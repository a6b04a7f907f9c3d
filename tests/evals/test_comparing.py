"""From samples to a report: verdicts on what was planted, what stands beside the score, and what says nothing."""

from __future__ import annotations

import math

import msgspec
import pytest
from msgspec.structs import replace

from tests.evals.samples import ALONE, BOTH, SUITE, both, cases, drawn, sample
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.evals.case import Case
from trimtab.evals.comparing import compare
from trimtab.evals.report import Metric, Report

RUNS = 60
LUCK = 2 * math.sqrt(0.05 * 0.95 / RUNS)
"""Two standard errors of a share of 5 % in so many runs."""


def metric(report: Report, name: str, of_slice: str = "") -> Metric:
    return next(one for one in report.metrics if (one.name, one.slice) == (name, of_slice))


def right(*_: object) -> float:
    return 1.0


def wrong(*_: object) -> float:
    return 0.0


def test_no_change_is_shipped() -> None:
    """Two arms that are alike, with cases enough for the margin, are shipped, and it is said why."""
    these = cases(400)
    report = compare(BOTH, SUITE, these, drawn(these, 2, 0.0, 1))
    assert report.verdict == "ship"
    assert "within the margin of 5 points" in report.reasons[0]
    assert report.needed is None


def test_a_planted_drop_is_blocked() -> None:
    """A drop of 15 points under a margin of 5 is blocked, by the score."""
    these = cases(300)
    report = compare(BOTH, SUITE, these, drawn(these, 2, 0.15, 2))
    assert report.verdict == "block"
    assert metric(report, "exact").decision == "block"
    assert "beyond the margin of 5 points" in report.reasons[0]


def test_too_few_cases_decide_nothing() -> None:
    """Twelve cases cannot tell a margin of 5 points: inconclusive, with how many more would."""
    these = cases(12)
    report = compare(BOTH, SUITE, these, drawn(these, 2, 0.02, 3))
    assert report.verdict == "inconclusive"
    assert report.needed is not None
    assert report.needed > 12
    assert f"{report.needed:,} more cases" in " ".join(report.reasons)


def test_no_change_is_seldom_blocked() -> None:
    """Of sixty runs without change, with slices that may veto, at most one in twenty is blocked."""
    suite = replace(
        SUITE, guards={"parse_rate": 0.0, "length": 0.0}, margin=0.0, slices={"odd": "true", "even": "true"}
    )
    these = [Case(f"c{index}", {}, slices=("odd",) if index % 2 else ("even",)) for index in range(40)]
    blocked = 0
    for seed in range(RUNS):
        samples = drawn(these, 2, 0.0, 1_000 + seed)
        blocked += compare(BOTH, suite, these, samples).verdict == "block"
    assert blocked / RUNS <= 0.05 + LUCK


def test_a_change_at_the_margin_is_seldom_shipped() -> None:
    """A candidate that is worse by exactly the margin is shipped at most once in twenty runs."""
    these = cases(60)
    shipped = 0
    for seed in range(RUNS):
        base = drawn(these, 2, 0.0, 5_000 + seed)
        worse = {case.id: index < 3 for index, case in enumerate(these)}
        samples = [
            replace(one, marks=(replace(one.marks[0], value=0.0),))
            if one.arm == "candidate" and worse[one.case]
            else one
            for one in base
        ]
        shipped += compare(BOTH, replace(SUITE, margin=0.04), these, samples).verdict == "ship"
    assert shipped / RUNS <= 0.05 + LUCK


def test_all_the_same() -> None:
    """Where no case differs at all, 200 cases are enough for a margin of 5 points, and ten are not."""
    for number, verdict in ((200, "ship"), (10, "inconclusive")):
        these = cases(number)
        report = compare(BOTH, SUITE, these, both(these, 2, right, right))
        assert report.verdict == verdict
        assert metric(report, "exact").difference is not None
        assert metric(report, "exact").difference.value == 0.0  # type: ignore[union-attr]


def test_one_case() -> None:
    """One case tells nothing of others, however often it is asked."""
    these = cases(1)
    report = compare(BOTH, SUITE, these, both(these, 20, right, wrong))
    assert report.verdict == "inconclusive"
    msgspec.json.decode(msgspec.json.encode(report), type=Report)


def test_no_case() -> None:
    """Without cases there is nothing to compare, and it is said what to see to."""
    report = compare(BOTH, SUITE, [], [])
    assert report.verdict == "inconclusive"
    assert any("was asked nothing" in reason for reason in report.reasons)
    assert report.metrics == ()


def test_all_calls_failed() -> None:
    """Failures of what lies around the task are no wrong answers: no verdict comes of them, and they are named."""
    these = cases(50)
    samples = [sample(arm, one.id, outcome="upstream_error") for one in these for arm in ("base", "candidate")]
    report = compare(BOTH, SUITE, these, samples)
    assert report.verdict == "inconclusive"
    assert "50 of 50 calls of the base failed" in report.reasons[0]
    assert "upstream_error 50" in report.reasons[0]
    assert (report.candidate.calls, report.candidate.failed) == (50, 50)


@pytest.mark.parametrize(("failed", "verdict"), [(5, "ship"), (6, "inconclusive")])
def test_some_calls_failed(failed: int, verdict: str) -> None:
    """Five of a hundred calls may fail; with one more too much is lost, whatever the others say."""
    these = cases(100)
    samples = both(these, 1, right, right)
    lost = {one.id for one in these[:failed]}
    samples = [
        sample("candidate", one.case, outcome="deadline_gap") if one.arm == "candidate" and one.case in lost else one
        for one in samples
    ]
    assert compare(BOTH, replace(SUITE, margin=0.1), these, samples).verdict == verdict


def test_answers_that_nobody_could_mark() -> None:
    """A scorer that could mark too few answers leaves the verdict open."""
    these = cases(100)
    samples = both(these, 1, right, lambda case, _: None if int(case.id[1:]) < 10 else 1.0)
    report = compare(BOTH, SUITE, these, samples)
    assert report.verdict == "inconclusive"
    assert "10 of 100 answers of the candidate could not be marked" in report.reasons[0]
    assert "10 answers could not be marked by exact." in report.notes


def test_one_arm() -> None:
    """Without a base there are figures and no verdict."""
    these = cases(30)
    samples = [one for one in drawn(these, 2, 0.0, 4) if one.arm == "candidate"]
    report = compare(ALONE, SUITE, these, samples)
    assert (report.verdict, report.reasons, report.base) == (None, (), None)
    found = metric(report, "exact")
    assert found.candidate is not None
    assert (found.base, found.difference, found.margin, found.decision) == (None, None, None, None)
    mean = sum(one.marks[0].value or 0.0 for one in samples) / 60
    assert math.isclose(found.candidate.value, mean)


@pytest.mark.parametrize(("samples", "verdict"), [(3, "block"), (2, "inconclusive")])
def test_a_critical_case(samples: int, verdict: str) -> None:
    """One case that turns from always right to always wrong blocks where it was asked three times, and not before."""
    these = cases(400)
    suite = replace(SUITE, samples=samples, scorers=(Scorer("exact", "exact", critical=True),))
    marks = both(these, samples, right, lambda case, _: float(case.id != "c7"))
    report = compare(BOTH, suite, these, marks)
    assert report.verdict == verdict
    assert any("1 critical case turned from right to wrong: c7 (exact)" in reason for reason in report.reasons)


def test_a_slice_of_its_own() -> None:
    """A slice that fails is blocked although all cases together keep the margin; each slice stands in the report."""
    these = [Case(f"c{index}", {}, slices=("hard",) if index < 40 else ("easy",)) for index in range(1000)]
    suite = replace(SUITE, samples=1, slices={"hard": "x", "easy": "y"})
    samples = both(these, 1, right, lambda case, _: float(case.slices != ("hard",) or int(case.id[1:]) % 2 == 0))
    report = compare(BOTH, suite, these, samples)
    assert report.verdict == "block"
    assert metric(report, "exact").decision == "ship"
    assert metric(report, "exact", "hard").decision == "block"
    assert metric(report, "exact", "easy").decision == "ship"
    assert report.reasons[0].startswith("exact in hard: -50.0 points")


def test_another_scorer_may_veto() -> None:
    """The first scorer decides what is shipped; another that is surely worse blocks all the same."""
    these = cases(300)
    suite = replace(SUITE, scorers=(Scorer("exact", "exact"), Scorer("polite", "rubric", model="m", question="q")))
    samples = [
        sample(arm, one.id, number, {"exact": 1.0, "polite": float(arm == "base" or int(one.id[1:]) % 2)})
        for one in these
        for number in range(2)
        for arm in ("base", "candidate")
    ]
    report = compare(BOTH, suite, these, samples)
    assert report.verdict == "block"
    assert report.reasons[0].startswith("polite: -50.0 points")


GUARDED = (
    ("parse_rate", {"verdict": "valid"}, {"verdict": "invalid"}, 0.5),
    ("tool_validity", {"tool_outcomes": ("valid",)}, {"tool_outcomes": ("unknown_tool",)}, 0.5),
    ("refusal_rate", {"finish_reason": "stop"}, {"finish_reason": "refusal"}, 0.5),
    ("length", {"length_tokens": 100}, {"length_tokens": 200}, 1.5),
    ("cost", {"cost_usd": 0.001}, {"cost_usd": 0.002}, 1.5),
    ("latency", {"total_s": 0.4}, {"total_s": 0.8}, 1.5),
)
"""A guard, good and bad facts of an answer, and the candidate's figure where every second answer is bad, as a part of
the base's for amounts."""


@pytest.mark.parametrize("row", GUARDED, ids=[row[0] for row in GUARDED])
def test_what_stands_beside_the_score(row: tuple[str, dict[str, object], dict[str, object], float]) -> None:
    """Each guard is measured always; it blocks where a margin is declared that it surely breaks, and only there."""
    name, good, bad, expected = row
    these = cases(200)
    samples = [
        sample(arm, one.id, 0, {"exact": 1.0}, **(bad if arm == "candidate" and int(one.id[1:]) % 2 else good))
        for one in these
        for arm in ("base", "candidate")
    ]
    suite = replace(SUITE, samples=1)
    told = metric(compare(BOTH, suite, these, samples), name)
    assert told.decision is None
    assert told.difference is not None
    is_amount = name in {"length", "cost", "latency"}
    share = expected if name == "refusal_rate" else expected - 1 if not is_amount else expected
    assert math.isclose(told.difference.value, share)
    assert told.is_ratio == is_amount
    report = compare(BOTH, replace(suite, guards={name: 0.1}), these, samples)
    assert report.verdict == "block"
    assert metric(report, name).decision == "block"
    assert compare(BOTH, suite, these, samples).verdict == "ship"
    assert any("Beside it changed" in reason for reason in compare(BOTH, suite, these, samples).reasons)


def test_an_answer_that_was_mended_is_no_parsed_one() -> None:
    """An answer that is valid after a repair does not count for the parse rate, as in docs/signals.md."""
    these = cases(4)
    samples = [sample("candidate", one.id, verdict="valid", repairs=index % 2) for index, one in enumerate(these)]
    found = metric(compare(ALONE, SUITE, these, samples), "parse_rate").candidate
    assert found is not None
    assert found.value == 0.5


def test_what_costs_nothing() -> None:
    """Amounts of nothing have no ratio: they are told, and decide nothing."""
    these = cases(200)
    samples = [sample(arm, one.id, 0, {"exact": 1.0}, cost_usd=0.0) for one in these for arm in ("base", "candidate")]
    report = compare(BOTH, replace(SUITE, samples=1, guards={"cost": 0.1}), these, samples)
    assert report.verdict == "ship"
    assert metric(report, "cost").difference is None
    assert report.cost_usd == 0.0


def test_groups_are_clusters() -> None:
    """Cases of one group fall together: ten groups of forty cases tell less than four hundred cases."""
    alone = cases(400)
    grouped = [replace(one, group=f"g{index // 40}") for index, one in enumerate(alone)]
    worse = {one.id: index // 40 in {0, 5} for index, one in enumerate(alone)}
    found = [
        metric(compare(BOTH, SUITE, these, both(these, 1, right, lambda case, _: float(not worse[case.id]))), "exact")
        for these in (alone, grouped)
    ]
    widths = [one.difference.high - one.difference.low for one in found if one.difference]
    assert widths[1] > 3 * widths[0]
    assert found[0].difference is not None
    assert math.isclose(found[0].difference.value, -0.2)


def test_where_the_variance_comes_from() -> None:
    """Two cases whose differences are 0 and 1 in both samples vary between cases alone: a new case tells more."""
    these = cases(2)
    report = compare(BOTH, SUITE, these, both(these, 2, wrong, lambda case, _: float(case.id == "c1")))
    assert report.spread is not None
    assert (report.spread.between_cases, report.spread.within_cases, report.spread.next_call) == (0.5, 0.0, "case")


def test_one_sample_says_nothing_of_samples() -> None:
    """With one sample of each case nobody can tell how samples vary."""
    these = cases(5)
    assert compare(BOTH, replace(SUITE, samples=1), these, both(these, 1, right, right)).spread is None


def test_pass_at_k() -> None:
    """Of two cases with two samples, one always right and one half right: pass@2 is 1, pass^2 a half."""
    these = cases(2)
    marks = both(these, 2, right, lambda case, number: float(case.id == "c0" or number == 0))
    report = compare(BOTH, SUITE, these, marks)
    found = {one.name: one.candidate.value for one in report.metrics if one.candidate and one.name.startswith("pass")}
    assert found == {"pass@2": 1.0, "pass^2": 0.5}


def test_scores_between_right_and_wrong_have_no_passes() -> None:
    """pass@k is of what is right or wrong; a score of a half is neither."""
    these = cases(3)
    report = compare(BOTH, SUITE, these, both(these, 2, right, lambda *_: 0.5))
    assert not any(one.name.startswith("pass@") for one in report.metrics)


def test_cases_are_named() -> None:
    """Cases that are always right, always wrong, or right by turns are named, with what to do."""
    these = cases(30)
    suite = replace(SUITE, samples=10)

    def mark(case: Case, number: int) -> float:
        return 0.0 if case.id == "c0" else float(number % 2) if case.id == "c1" else 1.0

    report = compare(BOTH, suite, these, both(these, 10, mark, mark))
    states = {one.case: one.state for one in report.cases}
    assert (states["c0"], states["c1"], states["c2"]) == ("failing", "flaky", "saturated")
    assert "Right by turns: 1 case of 30, c1; look at what is expected, or ask them more often." in report.notes
    assert any(note.startswith("Always right: 28 cases of 30, c2, c3, c4, c5, c6 and 23 more") for note in report.notes)


def test_the_price_of_an_instruction() -> None:
    """The words that were added stand beside what they did to length, cost and score."""
    these = cases(200)
    samples = [
        sample(arm, one.id, 0, {"exact": 1.0}, length_tokens=200 if arm == "base" else 100, cost_usd=0.002)
        for one in these
        for arm in ("base", "candidate")
    ]
    setting = replace(BOTH, prompts=("Sort it. Take care.", "Sort it. Be brief."), changes=("prompt t: words",))
    suite = replace(SUITE, samples=1)
    told = compare(setting, suite, these, samples).price
    changed, _, effects = told.partition('": ')
    assert changed == 'Prompt: "Take care." -> "Be brief.'
    assert effects.startswith("length -50.0 % (-50.0 to -50.0), cost 0.0 % (0.0 to 0.0), exact 0.0 points (")
    assert compare(BOTH, suite, these, samples).price == ""


def test_costs_are_summed() -> None:
    """An arm's cost is that of its answers, the evaluation's has the judges' too; what is unknown adds nothing."""
    these = cases(2)
    samples = [
        sample("base", "c0", cost_usd=0.25),
        sample("candidate", "c0", cost_usd=0.5),
        sample("candidate", "c1", cost_usd=None),
    ]
    judged = replace(
        samples[1], marks=(msgspec.structs.replace(sample("base", "c0", 0, {"exact": 1.0}).marks[0], cost_usd=0.125),)
    )
    report = compare(BOTH, SUITE, these, [samples[0], judged, samples[2]])
    assert report.base is not None
    assert (report.base.cost_usd, report.candidate.cost_usd, report.cost_usd) == (0.25, 0.5, 0.875)


def test_samples_of_other_cases() -> None:
    """Answers to cases that the suite does not have are left out, and it is told how many."""
    these = cases(1)
    report = compare(ALONE, SUITE, these, [sample("candidate", name, 0, {"exact": 1.0}) for name in ("c0", "x")])
    assert metric(report, "exact").candidate.cases == 1  # type: ignore[union-attr]
    assert "1 answer left out: the suite has no such case." in report.notes


def test_a_sample_counts_once() -> None:
    """A sample that stands twice in the file is one sample."""
    these = cases(2)
    samples = both(these, 1, right, right)
    once, twice = (compare(BOTH, SUITE, these, found) for found in (samples, [*samples, *samples]))
    assert metric(once, "exact") == metric(twice, "exact")


def test_margins_of_amounts() -> None:
    """A latency scorer compares seconds, and decides only with a margin of its own."""
    these = cases(100)
    samples = [
        sample(arm, one.id, 0, {"exact": 1.0, "fast": (0.5 if arm == "base" else 1.0) + int(one.id[1:]) / 1000})
        for one in these
        for arm in ("base", "candidate")
    ]

    def verdict(margin: float | None) -> Report:
        scorers = (Scorer("exact", "exact"), Scorer("fast", "latency", margin=margin))
        return compare(BOTH, Evals(scorers=scorers, margin=0.05), these, samples)

    assert metric(verdict(None), "fast").decision is None
    assert verdict(None).verdict == "ship"
    assert verdict(0.2).verdict == "block"
    assert verdict(0.7).verdict == "ship"
    assert math.isclose(metric(verdict(0.2), "fast").difference.value, 0.5)  # type: ignore[union-attr]
