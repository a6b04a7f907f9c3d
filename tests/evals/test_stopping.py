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
from trimtab.evals.looking import Look
from trimtab.evals.sample import Mark, Sample
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
    these = [Case(f"c{index}", {}, slices=("odd",) if index % 2 else ("even",)) for index in range(100)]
    ends = [told(suite, these, drawn(these, 2, 0.0, 100 + seed))[0].verdict for seed in range(RUNS)]
    assert ends.count("block") / RUNS <= 0.05 + LUCK


def test_it_seldom_ships_a_change_at_the_margin() -> None:
    """A candidate that is worse by the margin itself is shipped in at most one run in twenty, at whatever look."""
    these = cases(100)
    suite = replace(SUITE, margin=0.08)
    shipped = 0
    for seed in range(RUNS):
        spoiled = {case.id for index, case in enumerate(these) if index % 10 == seed % 10}
        samples = [
            replace(one, marks=(Mark("exact", 0.0),)) if one.arm == "candidate" and one.case in spoiled else one
            for one in drawn(these, 2, 0.0, 9_000 + seed)
        ]
        shipped += told(suite, these, samples)[0].verdict == "ship"
    assert shipped / RUNS <= 0.05 + LUCK


def test_it_agrees_with_the_report() -> None:
    """The report on what was asked until then has the same verdict, and says that it holds at every look."""
    these = cases(600)
    samples = drawn(these, 2, 0.0, 2)
    stop, used = told(SUITE, these, samples)
    assert stop.look == Look(used // 60, 10)
    setting = replace(BOTH, stopped="early")
    asked = [one for one in samples if int(one.case[1:]) < used]
    report = compare(setting, SUITE, these[:used], asked, stop.look)
    assert report.verdict == stop.verdict == "ship"
    assert any(note.startswith(f"This is look {used // 60} of 10") for note in report.notes)
    assert any(note.startswith("Enough was known before the end") for note in report.notes)
    once = compare(setting, SUITE, these[:used], asked)
    widths = [one.metrics[0].difference for one in (report, once)]
    assert widths[0] and widths[1]
    assert widths[0].high - widths[0].low > widths[1].high - widths[1].low, "an interval for all looks is wider"


def test_it_is_the_same_told_again() -> None:
    """Told of the same cases again, as after a crash, it knows the same."""
    these = cases(200)
    samples = drawn(these, 2, 0.1, 4)
    once, again = (told(SUITE, these, samples) for _ in range(2))
    assert (repr(once[0]), once[1]) == (repr(again[0]), again[1])


def test_one_that_is_cut_short() -> None:
    """What was told between two looks, when a budget was spent, is judged as at the next."""
    these = cases(200)
    stop = EarlyStop(SUITE, these)
    samples = both(these, 1, right, lambda case, _: float(int(case.id[1:]) % 9 != 0))
    for case in these[:50]:
        assert not stop(case.id, tuple(one for one in samples if one.case == case.id))
    assert stop.look == Look(3, 10)


def test_a_slice_that_looks_bad_keeps_it_going() -> None:
    """The score is surely fine, but a slice looks worse than its margin: it goes on instead of shipping."""
    these = [Case(f"c{index}", {}, slices=("hard",) if index % 100 == 0 else ()) for index in range(500)]
    samples = both(these, 1, right, lambda case, _: float("hard" not in case.slices))
    suite = replace(SUITE, samples=1, slices={"hard": "x"})
    assert told(suite, these, samples)[0].verdict is None
    assert told(replace(suite, slices={}), [replace(one, slices=()) for one in these], samples)[0].verdict == "ship"


@pytest.mark.parametrize(("grown", "verdict"), [(110, "ship"), (200, "block")])
def test_an_amount_may_veto(grown: int, verdict: str) -> None:
    """Answers that are longer than a guard allows end it with a block, and those within it let it ship."""
    these = cases(300)
    samples = [
        sample(arm, one.id, 0, {"exact": 1.0}, length_tokens=(100 if arm == "base" else grown) + int(one.id[1:]) % 7)
        for one in these
        for arm in ("base", "candidate")
    ]
    assert told(replace(SUITE, samples=1, guards={"length": 0.2}), these, samples)[0].verdict == verdict


def test_an_amount_that_looks_bad_keeps_it_going() -> None:
    """Where answers look longer than a guard allows, and are not surely so, it goes on instead of shipping."""
    these = cases(400)
    samples = [
        sample(
            arm, one.id, 0, {"exact": 1.0}, length_tokens=121 if arm == "candidate" else 60 + int(one.id[1:]) % 2 * 80
        )
        for one in these
        for arm in ("base", "candidate")
    ]
    assert told(replace(SUITE, samples=1), these, samples)[0].verdict == "ship"
    assert told(replace(SUITE, samples=1, guards={"length": 0.2}), these, samples)[0].verdict is None


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


def test_groups_are_clusters() -> None:
    """Ten groups of forty cases that fall together are no four hundred cases: it does not end as soon."""
    alone = cases(400)
    grouped = [replace(one, group=f"g{index // 40}") for index, one in enumerate(alone)]
    marks = both(alone, 1, right, lambda case, _: float(int(case.id[1:]) // 40 not in {0, 3, 6}))
    assert told(SUITE, alone, marks)[0].verdict == "block"
    assert told(SUITE, grouped, marks)[1] > told(SUITE, alone, marks)[1]


def test_a_small_suite_is_looked_at_once() -> None:
    """Thirty cases are looked at when all are there."""
    these = cases(30)
    assert told(SUITE, these, both(these, 2, right, wrong))[1] == 30


def test_without_a_scorer() -> None:
    """Without a scorer nothing ends."""
    these = cases(60)
    assert told(Evals(cases="x", margin=0.05), these, drawn(these, 2, 0.5, 5))[0].verdict is None


def test_its_name() -> None:
    """It says what it was told, and what it decided."""
    these = cases(40)
    stop, _ = told(SUITE, these, both(these, 1, right, wrong))
    assert repr(stop) == "EarlyStop(20 of 40 cases, 1 of 2 looks, block)"
