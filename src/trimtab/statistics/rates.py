"""Detectors of a share that has changed, of one against a floor or ceiling, and of categories whose shares changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import geometric_mean
from typing import Final, Literal, NamedTuple

from msgspec import structs

from trimtab.statistics.baseline import HOURS, RateBaseline, hour_of_week, known_rate
from trimtab.statistics.intervals import Interval, wilson
from trimtab.statistics.sequential import Alternative, Detector, Leading, Reading

Direction = Literal["rises", "falls", "both"]
STEPS: Final = (0.0, 0.4, 1.0)
"""Alternatives, in logits beyond the smallest change that can be told from a normal day."""
PARTS: Final = (0.15, 0.6, 0.25)
"""Which part of the false alarms is for each: least for the mildest, which takes so long that the logarithm of its odds
costs it little, and which bad days resemble; most for the middle one, since a part spent elsewhere makes it later."""
APART: Final = 0.25
"""The least distance in logits of an alternative from what is normal."""
LEAST_CLIMB: Final = 3.0
"""Evidence climbs at least this far before an alarm, as a logarithm."""
SMALL_EFFECT: Final = 0.1
SMALLEST: Final = 0.005
MINUTES_OF_A_DAY: Final = 24 * 60
_ROUNDS: Final = 6


class Counted(NamedTuple):
    """How many (`of`) of `n` observations had what is watched."""

    of: int
    n: int


def smallest_change(share: float) -> float:
    """The change of a share that is worth an alert where none is declared: 0.1 in Cohen's h, at least half a point.

    Half of what is called a small effect in J. Cohen, Statistical Power Analysis for the Behavioral Sciences (1988),
    chapter 6: one point at 1 %, three at 10 %, five at 50 %.
    """
    return max(SMALLEST, SMALL_EFFECT * math.sqrt(share * (1 - share)))


class _Line(NamedTuple):
    """The log likelihood ratio of `of` in `n`: each one that has it and each observation."""

    each: float
    trial: float


class RateDetector(Detector[Counted]):
    """Whether a share has changed from what was learned of it, by at least about `smallest` (in points as a fraction).

    It rises or falls; "both" halves the false alarms between the two. What counts as unchanged is the share of the hour
    of the week and a margin for what learning and days may be off; evidence is divided by the clumping that was learned
    (quasi-likelihood: R. W. M. Wedderburn, Biometrika 61 (1974) 439-447). For a floor use `floor_detector`.
    """

    spare = 0.25

    def __init__(
        self,
        baseline: RateBaseline,
        direction: Direction = "both",
        smallest: float | None = None,
        false_alarms_per_month: float = 1.0,
    ) -> None:
        sides = ("rises", "falls") if direction == "both" else (direction,)
        super().__init__(
            [Alternative(side, "", part / len(sides)) for side in sides for part in PARTS], false_alarms_per_month
        )
        self.baseline = baseline
        self._lines = lines(baseline, sides, smallest, self.threshold)
        self._options = direction, smallest, false_alarms_per_month

    def read(self, minute: int, seen: Counted) -> Reading | None:
        """The likelihood ratios of how many of how many; None of none."""
        of, n = seen
        if n <= 0 or not self.baseline.n:
            return None
        ratios = [of * each + n * trial for each, trial in self._lines[hour_of_week(minute)]]
        counted = [of] * len(ratios)
        return Reading(ratios, counted, n)

    def rehearsed(self, steps: Iterable[tuple[int, Counted]]) -> RateDetector:
        """The same detector, damped by what it would have said of a stream in which nothing changed (`rehearsal`): the
        one that its baseline was learned from, in steps as fine as those to come. Store its `baseline`.
        """
        plain = RateDetector(structs.replace(self.baseline, damping=(), clumping=1.0), *self._options)
        damping = plain.rehearsal(steps, self.baseline.clumping)
        return RateDetector(structs.replace(self.baseline, damping=damping), *self._options)

    def describe(self, leading: Leading) -> tuple[float | None, Interval | None]:
        """The share since the change, with Wilson's interval."""
        return share_since(leading)

    def normal(self, minute: int, what: str) -> float | None:
        """The share that is normal at a minute; None if nothing was learned."""
        return self.baseline.share(minute) if self.baseline.n else None


def floor_detector(
    limit: float,
    comparison: Literal["below", "above"],
    smallest: float | None = None,
    false_alarms_per_month: float = 1.0,
) -> RateDetector:
    """Whether a share lies below (or above) a declared limit: the limit is the baseline, and known exactly.

    The bound is exact: whatever the share is on the right side of the limit, however often it is looked at, the mean
    time to a false alarm is at least a month over `false_alarms_per_month`. A quantile against a limit is the same for
    the share of values above the limit: a p95 lies above it when that share lies above 0.05.
    """
    return RateDetector(
        known_rate(limit), "falls" if comparison == "below" else "rises", smallest, false_alarms_per_month
    )


class SharesDetector(Detector[Mapping[str, int]]):
    """Whether the shares of categories have changed: of labels, tools, finish reasons, languages.

    Each category that was learned is watched in both directions, and what was never seen before as one more category,
    `unseen`. The evidence of all is averaged, which keeps the rate of false alarms however they depend on each other
    (V. Vovk and R. Wang, "E-values: calibration, combination and applications", Annals of Statistics 49 (2021)
    1736-1754). `baselines` has the baseline of each category, all learned from the same observations.
    """

    spare = 0.5

    def __init__(
        self,
        baselines: Mapping[str, RateBaseline],
        smallest: float | None = None,
        false_alarms_per_month: float = 1.0,
        unseen: str = "(unseen)",
    ) -> None:
        self.baselines = dict(baselines)
        self.unseen = unseen
        names = [name for name, one in self.baselines.items() if one.n]
        sides = ("rises", "falls")
        super().__init__(
            [Alternative(side, name, part / (2 * len(names))) for name in names for side in sides for part in PARTS],
            false_alarms_per_month,
        )
        self._names = names
        self._options = smallest, false_alarms_per_month, unseen
        self._lines = [lines(self.baselines[name], sides, smallest, self.threshold) for name in names]

    def read(self, minute: int, seen: Mapping[str, int]) -> Reading | None:
        """The likelihood ratios of counts by category; None of none."""
        n = sum(seen.values())
        if n <= 0 or not self._names:
            return None
        hour = hour_of_week(minute)
        ratios: list[float] = []
        counted: list[float] = []
        for name, table in zip(self._names, self._lines, strict=True):
            of = self._of(name, seen)
            ratios += [of * each + n * trial for each, trial in table[hour]]
            counted += [of] * (2 * len(STEPS))
        return Reading(ratios, counted, n)

    def rehearsed(self, steps: Iterable[tuple[int, Mapping[str, int]]]) -> SharesDetector:
        """As `RateDetector.rehearsed`; store its `baselines`.

        What comes in clumps does so in all categories, and a rehearsal tells little of each: their damping is drawn
        half-way to the geometric mean of all.
        """
        smallest, rate, unseen = self._options
        plain = {name: structs.replace(one, damping=(), clumping=1.0) for name, one in self.baselines.items()}
        clumping = max((one.clumping for one in self.baselines.values()), default=1.0)
        alone = SharesDetector(plain, smallest, rate, unseen).rehearsal(steps, clumping)
        middle = geometric_mean(alone) if alone else 1.0
        damping = tuple(math.sqrt(one * middle) for one in alone)
        size = 2 * len(STEPS)
        for place, name in enumerate(self._names):
            plain[name] = structs.replace(self.baselines[name], damping=damping[place * size : (place + 1) * size])
        return SharesDetector(plain, smallest, rate, unseen)

    def _of(self, name: str, seen: Mapping[str, int]) -> int:
        if name == self.unseen:
            return sum(count for category, count in seen.items() if category not in self.baselines)
        return seen.get(name, 0)

    def describe(self, leading: Leading) -> tuple[float | None, Interval | None]:
        """The share of the category since the change, with Wilson's interval."""
        return share_since(leading)

    def normal(self, minute: int, what: str) -> float | None:
        """The share of a category that is normal at a minute; None if nothing was learned of it."""
        return self.baselines[what].share(minute) if what in self.baselines and self.baselines[what].n else None


def share_since(leading: Leading) -> tuple[float | None, Interval | None]:
    """A share and its interval from weighted counts; None of nothing."""
    n = round(leading.trials)
    if n <= 0:
        return None, None
    of = min(n, max(0, round(leading.counted)))
    return of / n, wilson(of, n)


def lines(baseline: RateBaseline, sides: Sequence[str], smallest: float | None, height: float) -> list[list[_Line]]:
    """For each hour of the week, the likelihood ratio of each side's alternatives, for a threshold of some height."""
    known: dict[tuple[float, float], list[_Line]] = {}
    table = []
    damping = (
        baseline.damping
        if len(baseline.damping) == len(sides) * len(STEPS)
        else (baseline.clumping,) * len(sides) * len(STEPS)
    )
    for hour in range(HOURS):
        key = baseline.shares[hour], baseline.errors[hour]
        if key not in known:
            slack = partial(_slack, baseline, *key, height)
            pairs = [pair for side in sides for pair in _pairs(key[0], side, smallest, slack)]
            known[key] = [
                _line(unchanged, alternative, damp)
                for (unchanged, alternative), damp in zip(pairs, damping, strict=True)
            ]
        table.append(known[key])
    return table


def _slack(baseline: RateBaseline, share: float, error: float, height: float, distance: float) -> float:
    """How far evidence has to climb for an alternative at a distance, times the variance of what is normal meanwhile.

    Evidence starts about where the logarithm of the time that one unit of information takes lies, so it climbs less
    where calls are few; finding takes as long as that many units. What is off for an hour or a day matters less, the
    more of these that takes: hours are averaged, and days are then clumps as others are, which a rehearsal sees.
    """
    if not error and not baseline.wobble:
        return 0.0
    a_day = max(1, baseline.n) / max(1, baseline.days) * share * (1 - share) / baseline.clumping * distance**2 / 2
    climb = min(height, max(LEAST_CLIMB, height + math.log(a_day / MINUTES_OF_A_DAY)))
    days = climb / a_day
    lasting = min(error**2, baseline.lasting)
    return climb * (lasting + baseline.wobble**2 / (1 + days) ** 2 + (error**2 - lasting) / (1 + 24 * days))


def _pairs(
    share: float, side: str, smallest: float | None, slack: Callable[[float], float]
) -> list[tuple[float, float]]:
    """Logits of what counts as unchanged and of each alternative, on one side of a share.

    With what counts as unchanged m above what was learned and an alternative D above it, a share that is off by d makes
    false alarms exp(2 h (d - m) / (D - m)) times as frequent, where evidence climbs by h (D. Siegmund, Sequential
    Analysis (1985), chapter 2). Over a normal d of variance v that averages to 1 if m (D - m) = h v: a change can be
    told from a normal day from D = 2 sqrt(h v) on, and m is then half of D; of distant ones it is less.
    """
    change = smallest_change(share) if smallest is None else smallest
    if side == "falls":
        return [(-one, -other) for one, other in _pairs(1 - share, "rises", change, slack)]
    normal = _logit(share)
    first = max(APART, _logit(min(share + change, (1 + share) / 2)) - normal)
    for _ in range(_ROUNDS):
        first = max(first, 2 * math.sqrt(slack(first)))
    distances = [first + step for step in STEPS]
    margins = [(one - math.sqrt(max(0.0, one**2 - 4 * slack(one)))) / 2 for one in distances]
    return [(normal + margin, normal + one) for margin, one in zip(margins, distances, strict=True)]


def _line(unchanged: float, alternative: float, clumping: float) -> _Line:
    return _Line((alternative - unchanged) / clumping, (_log_rest(alternative) - _log_rest(unchanged)) / clumping)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _log_rest(logit: float) -> float:
    """log(1 - share) of a logit."""
    return -math.log1p(math.exp(logit)) if logit < 0 else -logit - math.log1p(math.exp(-logit))
