"""What is learned as normal."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.statistics.baseline import HOURS, RateStep, hour_of_week, is_excluded, known_rate, learn_rate

DAY = 24 * 60
MONDAY = 4 * DAY
WEEK = 7 * DAY


def hours(weeks: int, per_hour: int, share: float, random: Random, night: float | None = None) -> list[RateStep]:
    """Whole weeks of hours from a Monday on; from midnight to six another share, if one is given."""
    steps = []
    for hour in range(weeks * HOURS):
        now = night if night is not None and hour % 24 < 6 else share
        of = sum(random.random() < now for _ in range(per_hour))
        steps.append(RateStep(MONDAY + hour * 60 + 60, of, per_hour))
    return steps


@pytest.mark.parametrize(
    ("minute", "hour"),
    [(MONDAY + 1, 0), (MONDAY + 60, 0), (MONDAY + 61, 1), (MONDAY, HOURS - 1), (MONDAY + WEEK, HOURS - 1), (1, 72)],
)
def test_the_hour_of_the_week(minute: int, hour: int) -> None:
    """Counted from Monday 0:00; 1970 began on a Thursday. A step belongs to the hour in which it ended."""
    assert hour_of_week(minute) == hour


def test_a_share_that_is_the_same_at_all_hours() -> None:
    """Four weeks at 2 % and 500 calls an hour: every hour within a tenth of it, little wobble, hardly any clumping."""
    learned = learn_rate(hours(4, 500, 0.02, Random(1)))
    assert learned.n == 4 * HOURS * 500
    assert learned.days == 28
    assert all(share == pytest.approx(0.02, rel=0.1) for share in learned.shares)
    assert learned.wobble < 0.06
    assert learned.clumping < 1.2


def test_nights_that_differ_are_learned() -> None:
    """Twice as many failures at night: those hours have that share, the others theirs."""
    learned = learn_rate(hours(4, 500, 0.02, Random(2), night=0.04))
    nights = [share for hour, share in enumerate(learned.shares) if hour % 24 < 6]
    days = [share for hour, share in enumerate(learned.shares) if hour % 24 >= 6]
    assert sum(nights) / len(nights) == pytest.approx(0.04, rel=0.1)
    assert sum(days) / len(days) == pytest.approx(0.02, rel=0.1)


def test_hours_with_little_data_are_drawn_together() -> None:
    """Twenty calls an hour for a week: no hour is taken for free of failures, though most had none."""
    learned = learn_rate(hours(1, 20, 0.02, Random(3)))
    assert min(learned.shares) > 0.005
    assert max(learned.shares) < 0.06


def test_days_that_differ_make_the_wobble() -> None:
    """Days whose logits have a standard deviation of 0.4 about 10 %."""
    random = Random(4)
    steps = []
    for day in range(56):
        share = 1 / (1 + math.exp(-(math.log(0.1 / 0.9) + random.gauss(0, 0.4))))
        of = sum(random.random() < share for _ in range(2_400))
        parts = [of // 24 + (hour < of % 24) for hour in range(24)]
        steps += [RateStep(MONDAY + day * DAY + hour * 60 + 60, part, 100) for hour, part in enumerate(parts)]
    assert learn_rate(steps).wobble == pytest.approx(0.4, rel=0.35)


def test_failures_in_clumps_make_the_clumping() -> None:
    """Failures that come five at a time have five times the variance."""
    random = Random(5)
    steps = [
        RateStep(MONDAY + hour * 60 + 60, 5 * sum(random.random() < 0.02 for _ in range(200)), 1_000)
        for hour in range(4 * HOURS)
    ]
    assert learn_rate(steps).clumping == pytest.approx(5, rel=0.2)


def test_little_is_known_of_little() -> None:
    """Ten calls leave the share uncertain by a factor; ten thousand do not."""
    few, many = (learn_rate([RateStep(MONDAY + 60, of, n)]) for of, n in ((1, 10), (1_000, 10_000)))
    assert few.errors[0] > 0.8
    assert many.errors[0] < 0.15


def test_what_is_excluded_is_not_learned() -> None:
    """A day of failures in which an alert held leaves no trace."""
    usual = hours(2, 50, 0.02, Random(6))
    spoiled = [RateStep(minute, 50, 50) if MONDAY + DAY < minute <= MONDAY + 2 * DAY else RateStep(minute, of, n)
               for minute, of, n in usual]  # fmt: skip
    left = [one for one in usual if not MONDAY + DAY < one.minute <= MONDAY + 2 * DAY]
    assert learn_rate(spoiled, [(MONDAY + DAY, MONDAY + 2 * DAY)]) == learn_rate(left)
    assert is_excluded(2, [(1, 2)]) and not is_excluded(1, [(1, 2)])


def test_nothing_is_learned_of_nothing() -> None:
    """No steps, or steps without calls, are no baseline."""
    assert learn_rate([]).n == learn_rate([RateStep(60, 0, 0)]).n == 0


@given(
    st.lists(st.tuples(st.integers(1, 20_000), st.integers(0, 9), st.integers(0, 9)), max_size=40),
    st.randoms(use_true_random=False),
)
def test_the_order_of_steps_does_not_matter(parts: list[tuple[int, int, int]], random: Random) -> None:
    """Steps in any order, and hours cut into parts, teach the same."""
    steps = [RateStep(minute * 60, of, of + rest) for minute, of, rest in parts]
    mixed = random.sample(steps, len(steps))
    one, other = learn_rate(steps), learn_rate(mixed)
    assert one.shares == pytest.approx(other.shares)
    assert one.errors == pytest.approx(other.errors)
    assert (one.n, one.days) == (other.n, other.days)
    assert all(0 < share < 1 for share in one.shares)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_limit_lies_between(share: float) -> None:
    """Limits of 0 and 1 cannot be tested."""
    with pytest.raises(ValueError, match="no share between"):
        known_rate(share)
