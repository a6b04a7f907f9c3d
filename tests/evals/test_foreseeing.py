"""What an evaluation will tell, before it is paid for: against published figures, and against simulation."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from tests.evals.samples import ALONE, BOTH, EXACTLY, SUITE, both, cases, drawn
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.evals.case import Case
from trimtab.evals.comparing import Setting, compare
from trimtab.evals.foreseeing import cases_to_block, foresee, spread_of
from trimtab.evals.report import Report, Spread
from trimtab.statistics.power import Shape

ONE = replace(SUITE, samples=1)
THREE = replace(SUITE, samples=3)
KNOWN = replace(
    compare(BOTH, ONE, cases(2), both(cases(2), 1, lambda *_: 1.0, lambda *_: 1.0)), spread=Spread(0.1, 0.0, "case")
)
"""An earlier report, of one case's difference with a variance of 0.1: one answer in ten turned."""


def test_against_a_published_formula() -> None:
    """With one answer in ten that turns, 300 cases show 5.1 points at 80 % and a level of 2.5 % on one side.

    By E. Miller's formula, arXiv 2411.00640 (2024): n = (1.960 + 0.842)^2 * 0.1 / 0.0511^2 = 300.
    """
    suite = replace(ONE, margin=0.02, alpha=0.05, guards={"length": 0.1})
    found = foresee(suite, 300, KNOWN).blocked
    assert found is not None
    assert math.isclose(found, 0.02 + 0.0511, abs_tol=0.0003)


def test_what_it_takes_to_ship() -> None:
    """A margin of 5 points at alpha 5 % and power 80 %: (1.645 + 0.842)^2 * 0.1 / 0.05^2 = 248, by t a little more."""
    found = foresee(ONE, 100, KNOWN)
    assert found.to_ship is not None
    assert 248 <= found.to_ship <= 252
    assert found.ships < 0.8
    assert f"80 % takes {found.to_ship} cases" in found.words


def test_samples_make_up_for_cases() -> None:
    """Where answers to a case vary as much as cases do, four samples of each need fewer cases than one."""
    earlier = replace(KNOWN, spread=Spread(0.05, 0.05, "sample"))
    one, four = (foresee(replace(ONE, samples=samples), 100, earlier).to_ship for samples in (1, 4))
    assert one is not None and four is not None
    assert math.isclose(four / one, (0.05 + 0.05 / 4) / 0.1, rel_tol=0.03)


def test_what_cases_have_in_common_is_known_from_the_last_one() -> None:
    """Groups of which the variance is twice that of cases alone take twice the cases; heavy tails a few more."""
    grouped = replace(KNOWN, spread=Spread(0.1, 0.0, "case", design_effect=2.0, cases_per_group=2.0))
    heavy = replace(KNOWN, spread=Spread(0.1, 0.0, "case", shapes=(Shape(kurtosis=20.0),)))
    plain, twice, more = (foresee(ONE, 400, one).to_ship for one in (KNOWN, grouped, heavy))
    assert plain is not None and twice is not None and more is not None
    assert math.isclose(twice / plain, 2, rel_tol=0.02)
    assert 1.05 < more / plain < 1.3


def test_ending_early_takes_more_at_the_most() -> None:
    """Ten looks take a tenth to a half more cases than one for the same power, if nothing ends it before."""
    early, whole = (foresee(ONE, 400, KNOWN, early=early).to_ship for early in (True, False))
    assert early is not None and whole is not None
    assert 1.1 < early / whole < 1.5
    assert foresee(ONE, 400, KNOWN, early=True).ships < foresee(ONE, 400, KNOWN).ships


def test_nothing_known() -> None:
    """Before the first evaluation 85 % of answers are taken to be right, and it is said."""
    found = foresee(ONE, 100)
    assert not found.is_known
    assert "85 % of answers are right" in found.words


def test_it_comes_true() -> None:
    """What is foreseen from one evaluation happens in others: ships within 12 points of the foretold share."""
    these = cases(80)
    earlier = compare(BOTH, SUITE, cases(400), drawn(cases(400), 2, 0.0, 1))
    foretold = foresee(replace(SUITE, margin=0.08), 80, earlier).ships
    suite = replace(SUITE, margin=0.08)
    shipped = sum(compare(BOTH, suite, these, drawn(these, 2, 0.0, 50 + seed)).verdict == "ship" for seed in range(50))
    assert abs(shipped / 50 - foretold) < 0.12 + 2 * math.sqrt(foretold * (1 - foretold) / 50)


def test_cases_for_a_drop() -> None:
    """A drop of 7 points under a margin of 2: (1.645 + 0.842)^2 * 0.1 / 0.05^2 = 248 cases; of 2 points, none."""
    suite = replace(ONE, margin=0.02)
    found = cases_to_block(suite, 0.07, KNOWN)
    assert found is not None
    assert 248 <= found <= 252
    assert cases_to_block(suite, 0.02, KNOWN) is None


def test_one_arm_before() -> None:
    """An evaluation of one arm tells how much a second will vary, if both are right on much the same cases."""
    alone = replace(KNOWN, base=None)
    assert isinstance(alone, Report)
    assert spread_of(alone).difference < 2 * 0.1


def always_right(setting: Setting, number: int) -> Report:
    """What so many cases give that are right in each of three samples, of both arms or of one."""
    these = cases(number)
    samples = both(these, 3, lambda *_: 1.0, lambda *_: 1.0)
    return compare(setting, THREE, these, [one for one in samples if setting.base or one.arm == "candidate"])


@pytest.mark.parametrize("setting", [BOTH, ALONE])
def test_where_nothing_varied_it_is_told_for_certain(setting: Setting) -> None:
    """So many cases that are all alike are shipped as foretold, and one fewer are not: a difference nobody saw is no
    proof that there is none.
    """
    found = foresee(THREE, 30, always_right(setting, 30))
    assert found.ships == 0
    assert found.to_ship is not None
    assert foresee(THREE, found.to_ship, always_right(setting, 30)).ships == 1
    assert always_right(BOTH, found.to_ship).verdict == "ship"
    few = always_right(BOTH, found.to_ship - 1)
    assert (few.verdict, few.needed) == ("inconclusive", 1)
    assert "About 1 more case would settle it" in few.reasons[1]


def test_a_drop_varies_though_nothing_else_does() -> None:
    """Of cases that were all right a tenth turns wrong: the variance is 0.1 * 0.9, and with a margin of 5 points it
    takes (1.645 + 0.842)^2 * 0.09 / 0.05^2 = 223 cases, give or take a tenth for what is no normal distribution.
    """
    found = cases_to_block(THREE, 0.1, always_right(BOTH, 30))
    assert found is not None
    assert 200 <= found <= 245
    blocked = foresee(THREE, found, always_right(BOTH, 30)).blocked
    assert blocked == pytest.approx(0.1, abs=0.001)
    assert foresee(THREE, 10, always_right(BOTH, 30)).blocked != pytest.approx(0.05)


@pytest.mark.parametrize(("setting", "least", "most"), [(BOTH, 247, 285), (ALONE, 223, 260)])
def test_one_sample_of_each_case_tells_too(setting: Setting, least: int, most: int) -> None:
    """One case in ten turned, a twentieth each way: (1.645 + 0.842)^2 * 0.1 / 0.05^2 = 247 cases, and a few for what
    the test adds. Where one arm is known, which is right on 90 %, its variance of 0.09 is expected of differences: 223.
    """
    these = cases(400)
    marks = both(these, 1, lambda case, _: float(int(case.id[1:]) % 20 != 0), lambda case, _: right(case, setting))
    single = replace(setting, exactly=replace(EXACTLY, samples=1))
    earlier = compare(single, ONE, these, [one for one in marks if setting.base or one.arm == "candidate"])
    found = foresee(ONE, 100, earlier)
    assert earlier.spread is None and found.is_known
    assert "85 %" not in found.words
    assert found.to_ship is not None
    assert least <= found.to_ship <= most


def right(case: Case, setting: Setting) -> float:
    """One case in twenty is wrong, others than in the base; of one arm alone one in ten."""
    place = int(case.id[1:])
    return float(place % 20 != 1 if setting.base else place % 10 != 0)


def test_what_one_arm_tells_where_nearly_all_is_right() -> None:
    """One answer of 120 is wrong: that 30 cases are too few for a margin of 5 points is told all the same."""
    these = cases(40)
    marks = both(these, 3, lambda *_: 1.0, lambda case, number: float((case.id, number) != ("c0", 0)))
    earlier = compare(ALONE, THREE, these, [one for one in marks if one.arm == "candidate"])
    assert earlier.spread is not None and earlier.spread.within_cases > 0
    assert foresee(THREE, 30, earlier).ships < 0.5


@pytest.mark.parametrize("scorers", [(), (Scorer("fast", "latency"),)])
def test_nothing_to_foresee(scorers: tuple[Scorer, ...]) -> None:
    """Of a suite without a score nothing can be foreseen."""
    with pytest.raises(ValueError, match="nothing can be foreseen"):
        foresee(Evals(scorers=scorers), 100)
