"""Detectors of spreads: what is learned, what is found, what is not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from trimtab.statistics.densities import GROWTH
from trimtab.statistics.spreads import SpreadDetector, SpreadStep, learn_spread
from trimtab.store import histograms

DAY = 24 * 60
MONDAY = 4 * DAY


def values(random: Random, count: int, middle: float, grown: float = 1.0, part: float = 1.0) -> dict[int, int]:
    """The histogram of log-normal values; a part of them grown by a factor."""
    drawn = (middle * random.lognormvariate(0, 0.6) * (grown if random.random() < part else 1) for _ in range(count))
    return dict(Counter(map(histograms.bucket_of, drawn)))


def reference(random: Random, night: float = 100.0) -> list[SpreadStep]:
    """Four weeks of hours about 100, of 60 values; from midnight to six about another middle."""
    ends = range(MONDAY + 60, MONDAY + 28 * DAY + 1, 60)
    return [SpreadStep(end, values(random, 60, night if (end - 1) % DAY < 360 else 100.0)) for end in ends]


def minutes(
    random: Random, begins: int, count: int, grown: float = 1.0, part: float = 1.0
) -> Iterator[tuple[int, dict[int, int]]]:
    """Minutes of one value each about 100."""
    for minute in range(begins + 1, begins + count + 1):
        yield minute, values(random, 1, 100.0, grown, part)


NOW = MONDAY + 28 * DAY


def test_the_buckets_are_those_of_the_store() -> None:
    """Detectors and histograms agree on how buckets grow."""
    assert pytest.approx(histograms.LOG_GAMMA) == GROWTH


def test_the_geometric_mean_is_learned_by_hour() -> None:
    """Values half as large at night are normal at night, and only then."""
    detector = SpreadDetector(learn_spread(reference(Random(1), night=50.0)))
    assert detector.normal(NOW + 180, "") == pytest.approx(50, rel=0.05)
    assert detector.normal(NOW + 720, "") == pytest.approx(100, rel=0.05)


def test_half_again_as_long_is_found() -> None:
    """All values grow by half: found within two hours of 60 values, with direction, time and both means."""
    random = Random(2)
    detector = SpreadDetector(learn_spread(reference(random)))
    state, edges = detector.run(detector.begin(NOW), minutes(random, NOW, 600))
    assert edges == []
    _, edges = detector.run(state, minutes(random, NOW + 600, 120, 1.5))
    decision = edges[0][1]
    assert decision.direction == "rises"
    assert decision.since is not None and abs(decision.since - (NOW + 600)) < 60
    assert decision.baseline == pytest.approx(100, rel=0.05)
    assert decision.interval is not None and decision.interval.low < 150 < decision.interval.high


def test_shorter_is_found_and_watched_apart() -> None:
    """Values that shrink to two thirds fall; a detector of rises does not mind."""
    random = Random(3)
    baseline = learn_spread(reference(random))
    shrunk = list(minutes(random, NOW, 240, 1 / 1.5))
    both, rises = SpreadDetector(baseline, "both"), SpreadDetector(baseline, "rises")
    assert [one.direction for _, one in both.run(both.begin(NOW), shrunk)[1]][:1] == ["falls"]
    assert rises.run(rises.begin(NOW), shrunk)[1] == []


def test_a_slow_fifth_is_found() -> None:
    """A fifth of the values grow threefold, which hardly moves the median."""
    random = Random(4)
    detector = SpreadDetector(learn_spread(reference(random)), "rises")
    _, edges = detector.run(detector.begin(NOW), minutes(random, NOW, 600, 3.0, 0.2))
    assert edges and edges[0][1].direction == "rises"


def test_a_trivial_drift_wakes_nobody() -> None:
    """Two per cent more, with five thousand values a day for a week, is no change worth an alert."""
    random = Random(5)
    detector = SpreadDetector(learn_spread(reference(random)))
    steps = ((NOW + minute, values(random, 20, 102.0)) for minute in range(4, 7 * DAY, 4))
    assert detector.run(detector.begin(NOW), steps)[1] == []


def test_no_single_value_says_much() -> None:
    """One value a thousand times as large is not an alarm, nor are two."""
    detector = SpreadDetector(learn_spread(reference(Random(6))), "rises")
    _, edges = detector.run(detector.begin(NOW), [(NOW + 1, values(Random(1), 2, 100_000.0))])
    assert edges == []


def test_values_that_are_all_the_same_are_a_spread_too() -> None:
    """A constant has no variance, and a change of it is found."""
    steps = [SpreadStep(MONDAY + hour * 60, {100: 60}) for hour in range(1, 300)]
    detector = SpreadDetector(learn_spread(steps))
    begins = MONDAY + 300 * 60
    same, other = ([(begins + minute, {bucket: 1}) for minute in range(1, 60)] for bucket in (100, 150))
    assert detector.run(detector.begin(begins), same)[1] == []
    assert detector.run(detector.begin(begins), other)[1][0][1].direction == "rises"


def test_nothing_learned_nothing_said() -> None:
    """Without values there is no baseline and no alarm."""
    detector = SpreadDetector(learn_spread([]))
    state, edges = detector.run(detector.begin(0), [(1, {5: 3})])
    assert edges == [] and state == detector.begin(0)
    assert detector.normal(1, "") is None


def test_a_mean_likelihood_ratio_of_one() -> None:
    """Under the normal spread no alternative's likelihood ratio has a mean above 1: what keeps the false alarms."""
    baseline = learn_spread(reference(Random(7)))
    detector = SpreadDetector(baseline)
    shares = [count / baseline.n for count in baseline.counts]
    means = [0.0] * len(detector.alternatives)
    for bucket, share in enumerate(shares, baseline.lowest):
        if share:
            hour = NOW + 60
            shift = round(baseline.shifts[0])
            reading = detector.read(hour, {bucket + shift: 1})
            assert reading is not None
            undamped = [ratio * baseline.clumping for ratio in reading.ratios]
            means = [mean + share * math.exp(ratio) for mean, ratio in zip(means, undamped, strict=True)]
    assert max(means) <= 1 + 1e-9
