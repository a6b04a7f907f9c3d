"""Error budgets and burn rates are what their definitions say."""

from __future__ import annotations

import pytest

from tests.signals.counted import HOUR_NS, NOON_NS, ByHand, policy
from trimtab.declare.project import Goal, Objective
from trimtab.signals.objectives import ObjectiveFigure, objectives
from trimtab.store.histograms import of_values
from trimtab.store.slices import Slice

WEEK_S = 7 * 86_400.0


def ended(bad: int, n: int, task: str = "route") -> Slice:
    return Slice(task, 0, calls=n + 5, outcomes={"ok": n - bad, "deadline_gap": bad, "client_gone": 5})


def standing(objective: Objective, **slices: Slice) -> tuple[ObjectiveFigure, ...]:
    """How a task stands at noon; slices by the hours before it that they are of (`h1`, `h168`)."""
    known = {(NOON_NS - int(hours[1:]) * HOUR_NS, NOON_NS): [one] for hours, one in slices.items()}
    return objectives(ByHand(known), {"route": policy(objective)}, NOON_NS)


def test_the_budget_of_success() -> None:
    """0.99 of 10,000 calls in a week may fail 100; 25 did: three quarters are left. Cancelled clients do not count."""
    (one,) = standing(Objective(success=0.99, window_s=WEEK_S), h168=ended(25, 10_000))
    assert (one.name, one.signal, one.bad, one.n, one.allowed) == ("success", "availability", 25, 10_000, 0.01)
    assert one.budget_left == pytest.approx(0.75)
    assert one.standing == "met"


def test_burn_rates() -> None:
    """14.4 % of an hour's calls failed where 1 % may: 14.4 times as fast; 6 % of six hours, 1 % of three days."""
    (one,) = standing(
        Objective(success=0.99, window_s=WEEK_S),
        h1=ended(144, 1000),
        h6=ended(360, 6000),
        h72=ended(720, 72_000),
        h168=ended(720, 168_000),
    )
    assert [(burn.window, burn.bad, burn.n) for burn in one.burns] == [
        ("1h", 144, 1000),
        ("6h", 360, 6000),
        ("3d", 720, 72_000),
    ]
    assert [burn.rate for burn in one.burns] == pytest.approx([14.4, 6.0, 1.0])


def test_a_goal_on_time() -> None:
    """A p95 of 0.8 s lets one call in twenty be slower: 8 of 100 are, so the budget is overdrawn by 60 %."""
    histogram = of_values([2e5] * 92 + [2e6] * 8)
    slices = Slice("route", 0, calls=100, spreads={"ttft": histogram})
    (one,) = standing(Objective((Goal("ttft", 0.95, 0.8),), window_s=WEEK_S), h168=slices)
    assert (one.name, one.signal, one.limit_s, one.bad, one.n) == ("ttft_p95", "ttft", 0.8, 8, 100)
    assert one.budget_left == pytest.approx(-0.6)
    assert one.standing == "missed"


def test_exactly_used_up_is_met() -> None:
    """2 failures of 20 where 0.9 is promised: nothing is left, and the goal is met."""
    (one,) = standing(Objective(success=0.9, window_s=WEEK_S), h168=ended(2, 20))
    assert one.budget_left == pytest.approx(0.0)
    assert one.standing == "met"


@pytest.mark.parametrize(("n", "told"), [(0, "not enough data"), (19, "not enough data"), (20, "met")])
def test_a_goal_needs_calls(n: int, told: str) -> None:
    """One call in twenty may break it: with fewer than twenty there is nothing to say."""
    slices = {"h168": ended(0, n)} if n else {}
    (one,) = standing(Objective(success=0.95, window_s=WEEK_S), **slices)
    assert one.standing == told
    assert (one.budget_left is None) == (n == 0)


def test_perfection() -> None:
    """Who promises that nothing fails has no budget: one failure burns it without end."""
    (one,) = standing(Objective(success=1.0, window_s=WEEK_S), h1=ended(1, 10), h168=ended(1, 10_000))
    assert one.standing == "missed"
    assert one.burns[0].rate == float("inf")


def test_only_tasks_with_goals_are_asked() -> None:
    """A task that promises nothing has no objectives, and telemetry is not asked."""
    source = ByHand()
    assert objectives(source, {"route": policy(Objective())}, NOON_NS) == ()
    assert source.asked == []


def test_only_what_is_needed_is_asked() -> None:
    """The three short windows and the task's own, without histograms where no goal is on time."""
    source = ByHand()
    objectives(source, {"route": policy(Objective(success=0.9, window_s=WEEK_S))}, NOON_NS)
    lengths = sorted((query.until_ns - query.since_ns) // HOUR_NS for query in source.asked)
    assert lengths == [1, 6, 72, 168]
    assert all(query.spreads == () for query in source.asked)  # type: ignore[union-attr]
