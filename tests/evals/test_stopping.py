"""Ending early: what it decides, how much it saves, how seldom it is wrong, and when it goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from tests.evals.samples import BOTH, SUITE, both, cases, drawn, sample
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.evals.case import Case
from trimtab.evals.comparing import compare
from trimtab.evals.sample import Sample
from trimtab.evals.stopping import EarlyStop

RUNS = 60
LUCK = 2 * math.sqrt(0.05 * 0.95 / RUNS)
"""Two standard errors of a share of 5 % in so many runs."""


def right(*_: object) -> float:
    return 1.0


def wrong(*_: object) -> float:
    return 0.0


def told(evals: Evals, these: Sequence[Case], samples: Sequence[Sample]) -> tuple[EarlyStop, int]:
    """A rule that was told of case after case until it ended, and how many that were."""
    stop = EarlyStop(evals, these)
    for number, case in enumerate(these, 1):
        if stop(case.id, tuple(one for one in samples if one.case == case.id)):
            return stop, number
    return stop, len(these)


def test_a_planted_drop_ends_it() -> None:
    """A drop of 20 points ends it with a block, long before all cases were asked."""
    these = cases(400)
    stop, used = told(SUITE, these, drawn(these, 2, 0.2, 1))
    assert stop.verdict == "block"
    assert used < 200


def test_no_change_ends_it() -> None:
    """Two arms that are alike are shipped before all cases were asked."""
    these = cases(600)
    stop, used = told(SUITE, these, drawn(these, 2, 0.0, 2))
    assert stop.verdict == "ship"
    assert used < 600


def test_it_seldom_blocks_what_did_not_change() -> None:
    """With slices that may veto and a look after each case, at most one run in twenty is blocked without change."""
    suite = replace(SUITE, slices={"odd": "x", "even": "y"}, guards={"parse_rate": 0.02})
    these = [Case(f"c{index}", {}, slices=("odd",) if index % 2 else ("even",)) for index in range(150)]
    ends = [told(suite, these, drawn(these, 2, 0.0, 100 + seed))[0].verdict for seed in range(RUNS)]
    assert ends.count("block") / RUNS <= 0.05 + LUCK


def test_it_seldom_ships_a_change_at_the_margin() -> None:
    """A candidate that is worse by the margin itself is shipped in at most one run in twenty, at whatever look."""
    these = cases(150)
    suite = replace(SUITE, samples=1, margin=0.08)
    shipped = 0
    for seed in range(RUNS):
        spoiled = {case.id for index, case in enumerate(these) if index % 10 == seed % 10}
        samples = [
            sample("candidate", one.case, 0, {"exact": 0.0}) if one.arm == "candidate" and one.case in spoiled else one
            for one in drawn(these, 1, 0.0, 9_000 + seed)
        ]
        shipped += told(suite, these, samples)[0].verdict == "ship"
    assert shipped / RUNS <= 0.05 + LUCK


def test_it_agrees_with_the_report() -> None:
    """The report on what was asked until then has the same verdict, and says that it holds at every look."""
    these = cases(600)
    samples = drawn(these, 2, 0.0, 2)
    stop, used = told(SUITE, these, samples)
    asked = these[:used]
    setting = replace(BOTH, stopped="early")
    report = compare(setting, SUITE, asked, [one for one in samples if int(one.case[1:]) < used], stop.looks())
    assert report.verdict == stop.verdict == "ship"
    assert report.metrics[0].method == "anytime"
    assert "however often it was looked at" in report.reasons[0]
    assert any(note.startswith("Enough was known before the end") for note in report.notes)


def test_it_is_the_same_told_again() -> None:
    """Told of the same cases again, as after a crash, it knows the same."""
    these = cases(50)
    samples = drawn(these, 2, 0.05, 4)
    assert told(SUITE, these, samples)[0].looks() == told(SUITE, these, samples)[0].looks()


def test_a_slice_that_looks_bad_keeps_it_going() -> None:
    """The score is surely fine, but a slice looks worse than its margin: it goes on instead of shipping."""
    these = [Case(f"c{index}", {}, slices=("hard",) if index % 100 == 0 else ()) for index in range(500)]
    samples = both(these, 1, right, lambda case, _: float("hard" not in case.slices))
    suite = replace(SUITE, samples=1, slices={"hard": "x"})
    assert told(suite, these, samples)[0].verdict is None
    assert told(replace(suite, slices={}), [replace(one, slices=()) for one in these], samples)[0].verdict == "ship"


def test_an_amount_that_looks_bad_keeps_it_going() -> None:
    """Answers twice as long as a guard allows do not end it: that is tested once, at the end."""
    these = cases(300)
    samples = [
        sample(arm, one.id, 0, {"exact": 1.0}, length_tokens=100 if arm == "base" else 200)
        for one in these
        for arm in ("base", "candidate")
    ]
    suite = replace(SUITE, samples=1)
    assert told(suite, these, samples)[0].verdict == "ship"
    assert told(replace(suite, guards={"length": 0.1}), these, samples)[0].verdict is None


def test_a_critical_case_ends_it() -> None:
    """A case that turned from always right to always wrong, asked three times, ends it there."""
    these = cases(50)
    suite = replace(SUITE, samples=3, scorers=(Scorer("exact", "exact", critical=True),))
    stop, used = told(suite, these, both(these, 3, right, lambda case, _: float(case.id != "c7")))
    assert (stop.verdict, used) == ("block", 8)


def test_many_failures_keep_it_going() -> None:
    """While a tenth of all calls fails nothing is decided: the report would be inconclusive anyway."""
    these = cases(300)
    samples = [
        sample(arm, one.id, 0, {"exact": 1.0}, outcome="upstream_error" if int(one.id[1:]) % 10 == 0 else "ok")
        for one in these
        for arm in ("base", "candidate")
    ]
    assert told(replace(SUITE, samples=1), these, samples)[0].verdict is None


def test_groups_count_when_they_are_whole() -> None:
    """Cases of a group are one piece of evidence: twenty groups of ten tell no more than twenty cases."""
    these = [Case(f"c{index}", {}, group=f"g{index // 10}") for index in range(200)]
    stop, used = told(SUITE, these, both(these, 1, right, right))
    look = stop.looks()["exact"]
    assert (stop.verdict, used, look.cases) == (None, 200, 20)
    half, _ = told(SUITE, these[:15] + these[20:], both(these[:15], 1, right, right))
    assert half.looks()["exact"].cases == 2


@pytest.mark.parametrize("evals", [replace(SUITE, margin=0.0), Evals(cases="x", margin=0.05)])
def test_what_cannot_end_early(evals: Evals) -> None:
    """Without a scorer, or with a margin of nothing, all cases are asked."""
    these = cases(60)
    assert told(evals, these, drawn(these, 2, 0.5, 5))[0].verdict is None


def test_its_name() -> None:
    """It says what it knows."""
    these = cases(2)
    stop, _ = told(SUITE, these, both(these, 1, right, wrong))
    assert repr(stop) == "EarlyStop(-1.000 of 2, goes on)"
