"""Detectors of change: false alarms, delay, exact continuation, what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from statistics import median

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.statistics.baseline import HOURS, RateBaseline, RateStep, known_rate, learn_rate
from trimtab.statistics.rates import Counted, RateDetector, SharesDetector, floor_detector
from trimtab.statistics.sequential import ENDED, MONTH_MINUTES, Decision, State, threshold

DAY = 24 * 60
MONDAY = 4 * DAY


def calls(random: Random, minutes: int, n: int, share: float, begins: int) -> Iterator[tuple[int, Counted]]:
    """Minutes of `n` calls of which a share fails."""
    for minute in range(begins + 1, begins + minutes + 1):
        yield minute, Counted(sum(random.random() < share for _ in range(n)), n)


def reference(random: Random, days: int, per_hour: int, share: float) -> list[RateStep]:
    """Hours of calls of which a share fails, up to `MONDAY`."""
    ends = range(MONDAY - days * DAY + 60, MONDAY + 1, 60)
    return [RateStep(end, sum(random.random() < share for _ in range(per_hour)), per_hour) for end in ends]


def test_the_threshold_is_the_time_to_a_false_alarm() -> None:
    """One a month needs evidence of a month's minutes; two need half of it."""
    assert threshold(1.0) == math.log(43_200)
    assert threshold(2.0) == pytest.approx(math.log(21_600))


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_no_false_alarm_ever_is_no_rate(rate: float) -> None:
    """A rate of 0 would never raise an alarm."""
    with pytest.raises(ValueError, match="no rate of false alarms"):
        threshold(rate)


def test_evidence_by_hand() -> None:
    """Two steps of one alternative: (0 + w m1) L1, then (that + w m2) L2, with likelihood ratios of the binomial."""
    detector = floor_detector(0.5, "above", smallest=0.2)
    table = detector.read(1, Counted(1, 1)), detector.read(1, Counted(0, 1))
    assert table[0] is not None and table[1] is not None
    hit, miss = table[0].ratios[0], table[1].ratios[0]
    assert (hit, miss) == pytest.approx((math.log(0.7 / 0.5), math.log(0.3 / 0.5)))
    weight = detector.alternatives[0].weight
    state, _ = detector.step(detector.begin(0), 2, Counted(1, 1))
    assert state.evidence[0] == pytest.approx(2 * weight * 1.4)
    state, _ = detector.step(state, 3, Counted(0, 1))
    assert state.evidence[0] == pytest.approx((2 * weight * 1.4 + weight) * 0.6)


def test_the_time_to_a_false_alarm_is_kept() -> None:
    """Shares exactly at the limit, 60 times: the mean time to the first alarm is at least what was asked for.

    60 times a day's threshold of 1,440 minutes / 0.25; the standard error of the mean is about an eighth of it.
    """
    detector = floor_detector(0.1, "above", smallest=0.1, false_alarms_per_month=30.0)
    times = []
    for seed in range(60):
        state, stream = detector.begin(0), calls(Random(seed), 20 * DAY, 2, 0.1, 0)
        for minute, seen in stream:
            state, decision = detector.step(state, minute, seen)
            if decision.alarm:
                break
        times.append(state.minute)
    assert sum(times) / len(times) > DAY


def test_a_planted_change_is_found_and_described() -> None:
    """Failures of 2 % become 10 %: alarms come within two hours and name from what. When and to what, most of nine name
    within half an hour and with an interval that holds it: a likeliest beginning lies where failures happened to be.
    """
    off, held = [], 0
    for seed in range(5, 14):
        random = Random(seed)
        detector = RateDetector(learn_rate(reference(random, 14, 120, 0.02)), "rises")
        state, edges = detector.run(detector.begin(MONDAY), calls(random, DAY, 2, 0.02, MONDAY))
        assert edges == []
        _, edges = detector.run(state, calls(random, 2 * 60, 2, 0.10, MONDAY + DAY))
        decision = edges[0][1]
        assert decision.alarm and decision.direction == "rises"
        assert decision.evidence >= decision.threshold
        assert decision.baseline == pytest.approx(0.02, abs=0.005)
        assert decision.interval is not None and decision.interval.low > 0.025
        held += decision.interval.low < 0.10 < decision.interval.high
        assert decision.since is not None
        off.append(abs(decision.since - MONDAY - DAY))
    assert median(off) < 30
    assert held >= 6


def test_most_of_the_false_alarms_are_for_changes_of_a_middle_size() -> None:
    """0.15, 0.6 and 0.25 of a direction's half, from the mildest on; of two categories each has a quarter of all."""
    halves = [0.075, 0.3, 0.125]
    baseline = learn_rate(reference(Random(1), 2, 60, 0.3))
    assert [one.weight for one in RateDetector(baseline).alternatives] == pytest.approx(halves * 2)
    of_two = [one.weight for one in SharesDetector({"a": baseline, "b": baseline}).alternatives]
    assert of_two == pytest.approx([half / 2 for half in halves] * 4)


def test_an_alarm_holds_until_the_change_has_ended() -> None:
    """The alarm stays while the change does, and ends some time after the share is back."""
    random = Random(6)
    detector = RateDetector(learn_rate(reference(random, 14, 120, 0.02)), "rises")
    state, edges = detector.run(detector.begin(MONDAY), calls(random, 6 * 60, 2, 0.15, MONDAY))
    assert [decision.alarm for _, decision in edges] == [True]
    _, edges = detector.run(state, calls(random, 6 * 60, 2, 0.02, MONDAY + 6 * 60))
    assert [decision.alarm for _, decision in edges] == [False]
    assert 0 < state.ending < ENDED


def test_a_change_milder_than_it_looked_goes_on() -> None:
    """An alarm raised by an hour in which half failed holds while 18 % go on failing, of 5 % before.

    Once in three days it may be taken for ended: in six days more than four times is beyond chance (Poisson of 2: 5 %).
    """
    ended = 0
    for seed in range(6):
        random = Random(seed)
        detector = RateDetector(learn_rate(reference(random, 14, 120, 0.05)), "rises")
        state, edges = detector.run(detector.begin(MONDAY), calls(random, 60, 2, 0.5, MONDAY))
        assert [decision.alarm for _, decision in edges] == [True]
        _, edges = detector.run(state, calls(random, DAY, 2, 0.18, MONDAY + 60))
        ended += sum(not decision.alarm for _, decision in edges)
    assert ended <= 4


def test_steps_one_by_one_are_steps_at_once() -> None:
    """`run` and `step` come to the same state, also over a restart in which it was stored as JSON."""
    detector = RateDetector(learn_rate(reference(Random(7), 14, 60, 0.05)), "both")
    stream = list(calls(Random(8), 600, 1, 0.2, MONDAY))
    whole, _ = detector.run(detector.begin(MONDAY), stream)
    state = detector.begin(MONDAY)
    for minute, seen in stream:
        state, _ = detector.step(state, minute, seen)
        state = msgspec.json.decode(msgspec.json.encode(state), type=State)
    assert state == whole


def test_nothing_seen_changes_nothing() -> None:
    """A step without calls leaves the state as it was, and the time it took counts with the next one."""
    detector = floor_detector(0.1, "above")
    state = detector.begin(0)
    assert detector.step(state, 30, Counted(0, 0))[0] == state
    late, _ = detector.step(state, 30, Counted(0, 1))
    assert sum(late.evidence) == pytest.approx(
        30 * sum(one.weight * math.exp(detector.read(30, Counted(0, 1)).ratios[place])  # type: ignore[union-attr]
                 for place, one in enumerate(detector.alternatives))
    )  # fmt: skip


def test_time_does_not_run_backwards() -> None:
    """A step before the last one is a mistake of the caller."""
    detector = floor_detector(0.1, "above")
    with pytest.raises(ValueError, match="lies before"):
        detector.step(detector.begin(10), 9, Counted(0, 1))


def test_without_a_baseline_nothing_is_said() -> None:
    """What was never learned raises no alarm, whatever comes."""
    detector = RateDetector(learn_rate([]), "both")
    state, edges = detector.run(detector.begin(0), calls(Random(1), DAY, 5, 0.9, 0))
    assert edges == [] and state == detector.begin(0)
    assert detector.decision(state) == Decision(False, -math.inf, detector.threshold)


def test_one_failure_of_few_calls_wakes_nobody() -> None:
    """Ten calls, one or two of them failed, against a floor of 99 %."""
    detector = floor_detector(0.99, "below")
    for good in (9, 8):
        _, decision = detector.step(detector.begin(0), 60, Counted(good, 10))
        assert not decision.alarm


def test_everything_failing_is_found_within_a_dozen_calls() -> None:
    """No single call says much, but twelve failures in a row against a floor of 99 % do."""
    detector = floor_detector(0.99, "below")
    state = detector.begin(0)
    for minute in range(1, 13):
        state, decision = detector.step(state, minute, Counted(0, 1))
    assert decision.alarm and decision.estimate == 0.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30), st.randoms())
def test_more_failures_are_more_evidence(counts: list[tuple[int, int]], random: Random) -> None:
    """Each failure more, anywhere, raises the evidence that failures became more frequent."""
    detector = floor_detector(0.2, "above")
    steps = [(minute, Counted(of, of + rest)) for minute, (of, rest) in enumerate(counts, 1)]
    place = random.randrange(len(steps))
    minute, (of, n) = steps[place]
    more = [*steps[:place], (minute, Counted(of + 1, n + 1)), *steps[place + 1 :]]
    before, _ = detector.run(detector.begin(0), steps)
    after, _ = detector.run(detector.begin(0), more)
    assert after.held is not None or before.held is not None or sum(after.evidence) > sum(before.evidence)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=20))
def test_steps_of_any_length_keep_numbers_finite(counts: list[tuple[int, int]]) -> None:
    """However extreme what is seen, the state can be stored as JSON."""
    detector = RateDetector(known_rate(0.001), "both")
    steps = [(minute * 10_000, Counted(of * 10**6, (of + rest) * 10**6)) for minute, (of, rest) in enumerate(counts, 1)]
    state, _ = detector.run(detector.begin(0), steps)
    numbers = [*state.evidence, *state.begun, *state.counted, *state.trials]
    assert all(math.isfinite(number) for number in numbers)


def test_the_category_that_changed_is_named() -> None:
    """One label of three takes from another: one of the two is named, with its direction; new labels are one more."""
    random = Random(9)
    steps = reference(random, 14, 60, 0.3)
    learned = {name: learn_rate([RateStep(end, round(n * share), n) for end, _, n in steps])
               for name, share in {"a": 0.5, "b": 0.3, "c": 0.2, "(unseen)": 0.0}.items()}  # fmt: skip
    detector = SharesDetector(learned)

    def labels(minutes: int, shares: dict[str, float], begins: int) -> Iterator[tuple[int, dict[str, int]]]:
        for minute in range(begins + 1, begins + minutes + 1):
            yield minute, {random.choices(list(shares), list(shares.values()))[0]: 1}

    state, edges = detector.run(detector.begin(MONDAY), labels(600, {"a": 0.5, "b": 0.3, "c": 0.2}, MONDAY))
    assert edges == []
    _, edges = detector.run(state, labels(900, {"a": 0.2, "b": 0.6, "c": 0.2}, MONDAY + 600))
    assert (edges[0][1].what, edges[0][1].direction) in {("a", "falls"), ("b", "rises")}
    _, edges = detector.run(detector.begin(MONDAY), labels(300, {"a": 0.3, "z": 0.7}, MONDAY))
    assert (edges[0][1].what, edges[0][1].direction) == ("(unseen)", "rises")


def test_a_state_of_other_categories_begins_anew() -> None:
    """After the baseline was learned anew with another category, what was gathered no longer fits and is left."""
    one = SharesDetector({"a": known_rate(0.5)})
    steps = reference(Random(3), 7, 60, 0.5)
    two = SharesDetector({"a": learn_rate(steps), "b": learn_rate(steps)})
    state, _ = two.step(one.begin(5), 6, {"a": 1})
    assert len(state.evidence) == len(two.alternatives)


def test_a_rehearsal_damps_what_comes_in_clumps() -> None:
    """Failures that come by twenties need more evidence than those that come alone; these need none more."""
    random = Random(11)
    alone = [(minute, Counted(int(random.random() < 0.02), 1)) for minute in range(1, 28 * DAY)]
    clumped = [(minute, Counted(20 * (random.random() < 0.02), 20)) for minute in range(1, 28 * DAY, 20)]
    for stream, least, most in ((alone, 1.0, 1.2), (clumped, 2.0, math.inf)):
        baseline = learn_rate(RateStep(minute, *seen) for minute, seen in stream)
        plain = RateDetector(msgspec.structs.replace(baseline, clumping=1.0), "rises")
        damping = plain.rehearsed(stream).baseline.damping
        assert least <= max(damping) <= most


def test_the_damping_of_categories_is_drawn_half_way_to_their_mean() -> None:
    """Of one that comes by twenties and one that comes alone: in logarithms the mean stays, distances halve."""
    random = Random(12)
    stream = []
    for minute in range(1, 28 * DAY, 20):
        rare = sum(random.random() < 0.05 for _ in range(20))
        whole = 20 * (random.random() < 0.02)
        stream.append((minute, {"clumped": whole, "alone": rare, "rest": 40 - whole - rare}))
    learned = {
        name: learn_rate(RateStep(minute, seen[name], 40) for minute, seen in stream) for name in ("clumped", "alone")
    }
    plain = SharesDetector({name: msgspec.structs.replace(one, clumping=1.0) for name, one in learned.items()})
    each = [math.log(one) for one in plain.rehearsal(stream, 1.0)]
    drawn = [math.log(one) for name in learned for one in plain.rehearsed(stream).baselines[name].damping]
    assert max(each) - min(each) > 0.5
    assert sum(drawn) == pytest.approx(sum(each))
    assert max(drawn) - min(drawn) == pytest.approx((max(each) - min(each)) / 2)


def test_a_rehearsal_of_whole_hours_tells_nothing() -> None:
    """Within hours clumps are not seen: the clumping that was learned stands."""
    steps = reference(Random(2), 28, 60, 0.1)
    detector = RateDetector(learn_rate(steps), "rises")
    rehearsed = detector.rehearsed((end, Counted(of, n)) for end, of, n in steps)
    assert set(rehearsed.baseline.damping) == {detector.baseline.clumping}


def test_a_cold_start_raises_no_alarms() -> None:
    """Twenty calls an hour, 5 % failing, learned from the first day and anew each day: thirty months of three days.

    At most 1 a month was asked for; 6 or more in 3 months would be beyond chance (Poisson, 0.1 %: 3.0 allowed).
    """
    alarms = 0
    for seed in range(30):
        random = Random(1_000 + seed)
        hours = [
            (MONDAY + hour * 60, Counted(sum(random.random() < 0.05 for _ in range(20)), 20)) for hour in range(1, 97)
        ]
        state = None
        for day in range(1, 4):
            past = [RateStep(minute, *seen) for minute, seen in hours[: day * 24]]
            detector = RateDetector(learn_rate(past), "rises")
            state = state or detector.begin(MONDAY + day * DAY)
            state, edges = detector.run(state, hours[day * 24 : (day + 1) * 24])
            alarms += sum(decision.alarm for _, decision in edges)
    assert alarms <= 3


def test_the_month_is_thirty_days() -> None:
    """What a month of false alarms means."""
    assert MONTH_MINUTES == 30 * DAY


@pytest.mark.parametrize(("a_day", "apart"), [(48_000, 0.338), (480, 0.241)])
def test_many_calls_leave_more_room_for_a_bad_day(a_day: int, apart: float) -> None:
    """Of 10 % with days that differ by 0.1 in logits: how far the mildest alternative D lies above the unchanged m.

    48,000 calls find D in minutes: evidence climbs by h = 11.7, days vary by v = 0.0098, D = 2 sqrt(h v) = 0.676, and
    half of that is unchanged. 480 calls need 3.8 days for D = 0.25, the least: h = 5.09, v = 0.01 / 4.8^2 = 0.00044,
    and m (D - m) = h v gives m = 0.0093.
    """
    baseline = RateBaseline((0.1,) * HOURS, (0.0,) * HOURS, 0.1, 1.0, 28 * a_day, 28)
    detector = RateDetector(baseline, "rises", smallest=0.01)
    hit, miss = detector.read(1, Counted(1, 1)), detector.read(1, Counted(0, 1))
    assert hit is not None and miss is not None
    assert hit.ratios[0] - miss.ratios[0] == pytest.approx(apart, abs=0.003)
