"""Which call is made next: order, limits, pauses, money, and when to give up. No clock runs: times are told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.evals.dispatch import Dispatch, Limits
from trimtab.evals.plan import Cell
from trimtab.evals.sample import Answer, Arm

FAILURE = Answer("c", "upstream_error", status=502)


def cells(count: int) -> list[Cell]:
    return [Cell("candidate", f"case-{number}", 0, number) for number in range(count)]


def dispatch(count: int, bound: float | None = None, spent: float = 0.0, **limits: object) -> Dispatch:
    return Dispatch(cells(count), Limits(**limits), lambda _: bound, 0.0, spent)  # type: ignore[arg-type]


def given_cell(found: Cell | float | None) -> Cell:
    assert isinstance(found, Cell), found
    return found


def test_calls_come_in_order_until_all_are_open() -> None:
    """As many calls as may be are open at a time, in the order of the plan; the end is told once none is left."""
    calls = dispatch(3, concurrency=2)
    first, second = given_cell(calls.next(0)), given_cell(calls.next(0))
    assert [first.case, second.case] == ["case-0", "case-1"]
    assert calls.next(0) == math.inf
    calls.done(second, 1.0)
    third = given_cell(calls.next(1))
    assert third.case == "case-2"
    calls.done(first, 2.0)
    assert calls.next(2) == math.inf
    calls.done(third, 2.0)
    assert calls.next(2) is None


def test_a_failed_call_is_made_again_later() -> None:
    """Pauses double, others go on meanwhile, and tries are counted for each call."""
    calls = dispatch(2, tries=3, pause_s=1.0)
    cell = given_cell(calls.next(0))
    assert calls.may_again(cell, FAILURE)
    calls.again(cell, 10.0, "upstream_error")
    other = given_cell(calls.next(10))
    assert other != cell
    assert calls.next(10) == pytest.approx(1.0)
    assert given_cell(calls.next(11)) == cell
    assert calls.may_again(cell, FAILURE)
    calls.again(cell, 11.0, "upstream_error")
    assert calls.next(11) == pytest.approx(2.0)
    assert given_cell(calls.next(13)) == cell
    assert not calls.may_again(cell, FAILURE)
    assert calls.retried == 2


def test_a_pause_has_a_bound() -> None:
    """However often a call fails, it waits no longer than the longest pause."""
    calls = dispatch(1, tries=100, pause_s=1.0, longest_pause_s=5.0)
    now = 0.0
    for _ in range(50):
        calls.again(given_cell(calls.next(now)), now, "x")
        now += 5.0
    assert calls.next(now - 5.0) == pytest.approx(5.0)


AGAIN = {400: False, 403: False, 404: False, 422: False, 408: True, 429: True, 503: True, 0: True}
"""Statuses of failed calls, and whether these are made again."""


@pytest.mark.parametrize(("status", "again"), AGAIN.items())
def test_a_refusal_is_not_asked_again(status: int, again: bool) -> None:
    """What a request is refused for would be so again; what lies around it may have passed."""
    calls = dispatch(1)
    assert calls.may_again(given_cell(calls.next(0)), Answer("c", "some_error", status=status)) is again


def test_a_rate_limit_holds_everything() -> None:
    """All calls wait as long as the gateway says; afterwards fewer are made at a time, and slowly more again."""
    calls = dispatch(40, concurrency=4)
    first, *rest = [given_cell(calls.next(0)) for _ in range(4)]
    calls.wait(first, 7.0, 0.0)
    for cell in rest:
        calls.done(cell, 1.0)
    assert calls.next(1.0) == pytest.approx(6.0)
    assert calls.waiting_s(1.0) == pytest.approx(6.0)
    assert given_cell(calls.next(7.0)) == first, "it comes before others"
    second = given_cell(calls.next(7.0))
    assert calls.next(7.0) == math.inf, "two of four at a time"
    for _ in range(4):
        calls.done(second, 8.0)
        second = given_cell(calls.next(8.0))
    assert isinstance(calls.next(8.0), Cell), "three at a time, after four answers"
    assert calls.next(8.0) == math.inf


def test_several_limits_at_once_are_one() -> None:
    """Calls that were open together and are all held back halve what may be open once."""
    calls = dispatch(8, concurrency=8)
    for cell in [given_cell(calls.next(0)) for _ in range(8)]:
        calls.wait(cell, 1.0, 0.0)
    assert [type(calls.next(1.0)) for _ in range(5)] == [Cell] * 4 + [float]


@pytest.mark.parametrize(
    ("seconds", "held"), [(0.0, 0.05), (-3.0, 0.05), (1e9, 300.0), (math.inf, 300.0), (math.nan, 300.0)]
)
def test_a_wait_is_within_bounds(seconds: float, held: float) -> None:
    """A gateway cannot have the run spin, nor sleep for ever."""
    calls = dispatch(1)
    calls.wait(given_cell(calls.next(0)), seconds, 0.0)
    assert calls.next(0) == pytest.approx(held)


def test_a_gateway_that_is_gone_is_waited_for_ever_longer() -> None:
    """Pauses double while nothing answers, and begin anew once something did."""
    calls = dispatch(3, pause_s=1.0)
    cell = given_cell(calls.next(0))
    calls.gone(cell, 0.0, "refused")
    assert calls.next(0) == pytest.approx(1.0)
    calls.gone(given_cell(calls.next(1)), 1.0, "refused")
    assert calls.next(1) == pytest.approx(2.0)
    calls.done(given_cell(calls.next(3)), 4.0)
    calls.gone(given_cell(calls.next(4)), 4.0, "refused")
    assert calls.next(4) == pytest.approx(1.0)


def test_a_budget_counts_open_calls_by_their_bound() -> None:
    """A call is made only if all that are open, were each as dear as can be, stay within the budget with it."""
    calls = dispatch(9, bound=0.4, budget_usd=1.0)
    first, second = given_cell(calls.next(0)), given_cell(calls.next(0))
    assert calls.next(0) == math.inf, "a third could make it 1.20"
    calls.pay(first, 0.1)
    calls.done(first, 1.0)
    third = given_cell(calls.next(1))
    assert calls.next(1) == math.inf, "0.10 and three bounds are 1.30"
    calls.pay(second, 0.3)
    calls.done(second, 2.0)
    calls.pay(third, 0.3)
    assert calls.next(2) == math.inf, "0.70 and a bound are 1.10, and the third is still open"
    calls.done(third, 3.0)
    assert calls.next(3) is None
    assert (calls.stopped, calls.spent_usd) == ("budget", pytest.approx(0.7))


def test_what_was_spent_before_counts() -> None:
    """A budget holds over crashes."""
    calls = dispatch(9, bound=0.4, spent=0.7, budget_usd=1.0)
    assert calls.next(0) is None
    assert calls.stopped == "budget"


def test_a_call_of_unknown_cost_counts_by_its_bound() -> None:
    """Where a price is not known the budget is used up as if the call had been as dear as can be."""
    calls = dispatch(9, bound=0.4, budget_usd=1.0)
    for _ in range(2):
        cell = given_cell(calls.next(0))
        calls.pay(cell, None)
        calls.done(cell, 1.0)
    assert calls.next(1) is None
    assert (calls.spent_usd, calls.unpriced) == (pytest.approx(0.8), 2)


def test_without_bounds_the_dearest_call_is_one() -> None:
    """The first call goes alone; after it, none may be dearer than the dearest yet."""
    calls = dispatch(9, bound=None, budget_usd=1.0)
    first = given_cell(calls.next(0))
    assert calls.next(0) == math.inf
    calls.pay(first, 0.3)
    calls.pay(first, 0.1)
    calls.done(first, 1.0)
    given_cell(calls.next(1))
    assert calls.next(1) == math.inf, "0.40 and 0.40 are open, a third 0.40 is too much"


@given(
    costs=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    budget=st.floats(0, 8),
    concurrency=st.integers(1, 8),
    order=st.randoms(use_true_random=False),
)
def test_a_budget_is_never_overrun(costs: list[float], budget: float, concurrency: int, order: object) -> None:
    """However calls cost and end, with bounds that hold no more than the budget is spent."""
    calls = Dispatch(cells(len(costs)), Limits(concurrency, budget), lambda cell: costs[cell.seed], 0.0)
    open_cells: list[Cell] = []
    while (found := calls.next(0.0)) is not None:
        if isinstance(found, Cell):
            open_cells.append(found)
            continue
        cell = open_cells.pop(order.randrange(len(open_cells)))  # type: ignore[attr-defined]
        calls.pay(cell, costs[cell.seed] * order.random())  # type: ignore[attr-defined]
        calls.done(cell, 0.0)
    assert calls.spent_usd <= budget * (1 + 1e-9)
    assert not open_cells or calls.stopped == "budget"


def test_stopping_lets_open_calls_end() -> None:
    """No call is made after a stop, and the first reason counts."""
    calls = dispatch(3)
    cell = given_cell(calls.next(0))
    calls.stop("early")
    calls.stop("interrupted")
    assert calls.next(0) is None
    assert not calls.may_again(cell, FAILURE)
    calls.done(cell, 1.0)
    assert calls.stopped == "early"


def test_an_arm_that_always_fails_is_told() -> None:
    """Twenty failed samples of one arm in a row end a run, whatever the other arm does."""
    arms: tuple[Arm, Arm] = ("candidate", "base")
    pairs = [Cell(arm, f"c{number}", 0, 1) for number in range(21) for arm in arms]
    calls = Dispatch(pairs, Limits(), lambda _: None, 0.0)
    for _ in range(20):
        assert calls.stuck(0.0) == ""
        failing, fine = given_cell(calls.next(0)), given_cell(calls.next(0))
        calls.failed(failing, 0.0, "upstream_error: no route")
        calls.done(fine, 0.0)
    assert calls.stuck(0.0) == "the last 20 samples of the candidate failed: upstream_error: no route"


def test_patience_ends() -> None:
    """A run whose gateway only says wait gives up after a while and says why; slow calls are no trouble."""
    calls = dispatch(2, patience_s=60.0)
    cell = given_cell(calls.next(0))
    assert calls.stuck(10_000.0) == "", "a long call is no trouble"
    now = 0.0
    while now < 60:
        calls.wait(cell, 30.0, now)
        assert calls.stuck(now) == ""
        now += 30.0
        cell = given_cell(calls.next(now))
    calls.wait(cell, 30.0, now + 1)
    assert calls.stuck(now + 1) == "a rate limit"
    assert calls.silent_s(now + 1) == pytest.approx(61.0)


def test_its_state_can_be_read() -> None:
    """What is waiting, open and spent stands in its repr."""
    calls = dispatch(3, concurrency=2)
    calls.pay(given_cell(calls.next(0)), 0.25)
    assert repr(calls) == "Dispatch(2 waiting, 1 open of 2, 0.2500 USD)"
