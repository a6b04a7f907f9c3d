"""How a rule looks at what was counted: what it sees of a step, what it learns of the past, what decides.

Minutes are counted from 1970 and are those at which a step ended.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct

from trimtab.policy.watch import AlertRule
from trimtab.record.ends import FATAL
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.measuring import Taken, measure
from trimtab.signals.signal import Ratio, Signal
from trimtab.statistics.baseline import RateBaseline, RateStep, is_excluded, learn_rate
from trimtab.statistics.rates import Counted, Direction, RateDetector, SharesDetector, floor_detector
from trimtab.statistics.sequential import Detector
from trimtab.statistics.spreads import SpreadBaseline, SpreadDetector, SpreadStep, learn_spread
from trimtab.store.histograms import Histogram, above, bucket_of, merged, size
from trimtab.store.readings import ReadingCounts, ReadingKind

DEAD_LETTERS: Final = "dead_letters"
UNSEEN: Final = "(unseen)"
"""What categories that were not learned are watched under."""
MAX_CATEGORIES: Final = 20
LEAST_SHARE: Final = 0.000_1
"""Limits of 0 and 1 are held as this far from them: no number of calls tells less apart from none."""
LEAST_CALLS: Final = 5
"""Calls of an hour from which its mean is taken."""
HOUR: Final = 60
Cadence = Literal["minute", "hour"]
Excluded = Sequence[tuple[int, int]]
Steps = Iterable[tuple[int, Taken]]
T = TypeVar("T")
DIRECTIONS: Final[Mapping[str, Direction]] = {"falls": "falls", "rises": "rises", "changes": "both", "drifts": "both"}


class Learned(Struct, frozen=True, omit_defaults=True):
    """What was learned of what a monitor watches; one of the three, or nothing where a limit is declared."""

    rate: RateBaseline | None = None
    spread: SpreadBaseline | None = None
    shares: dict[str, RateBaseline] = {}

    @property
    def n(self) -> int:
        """How many observations were learned from."""
        if self.rate is not None:
            return self.rate.n
        if self.spread is not None:
            return self.spread.n
        return max((one.n for one in self.shares.values()), default=0)

    @property
    def days(self) -> int:
        """On how many days."""
        if self.rate is not None:
            return self.rate.days
        if self.spread is not None:
            return self.spread.days
        return max((one.days for one in self.shares.values()), default=0)


@dataclass(frozen=True)
class Lens:
    """`see` gives what the detector is shown of a step, None of nothing; `learns` is false where a limit is declared.

    What a lens sees, and its detector takes, is of one type, which differs from lens to lens.
    """

    see: Callable[[Taken], Any]
    learn: Callable[[Steps, Excluded], Learned]
    detector: Callable[[Learned, float], Detector[Any]]
    learns: bool = True
    cadence: Cadence = "minute"


def lens_of(rule: AlertRule, field: str = "", kind: ReadingKind = "category") -> Lens:
    """The lens of a rule; of one on readings, for one field and the kind of what is read there; of one on scores that
    judge fields too, for one of these, or the whole.
    """
    if rule.signal == DEAD_LETTERS:
        return _of_ratio(rule, _dead_letters)
    signal = BY_NAME[rule.signal]
    match signal.kind:
        case "ratio":
            return _of_ratio(rule, lambda taken: _ratio(signal, taken, field))
        case "spread":
            return _of_spread(rule, lambda taken: _spread(signal, taken), signal.scale)
        case "shares":
            return _of_shares(rule, lambda taken: _shares(signal, taken))
        case "amount":
            return _of_amount(rule, signal)
    if kind == "number":
        return _of_spread(rule, lambda taken: _numbers(taken, field), 1.0)
    return _of_shares(rule, lambda taken: _categories(taken, field))


def _of_ratio(rule: AlertRule, see: Callable[[Taken], Ratio]) -> Lens:
    def seen(taken: Taken) -> Counted | None:
        of, n = see(taken)
        return Counted(min(of, n), n) if n > 0 else None

    if rule.comparison in {"below", "above"}:
        return _against(rule, seen, _within(rule.limit or 0.0), "below" if rule.comparison == "below" else "above")

    def learn(steps: Steps, excluded: Excluded) -> Learned:
        found = _seen(steps, seen, excluded)
        baseline = learn_rate(RateStep(minute, *one) for minute, one in found)
        return Learned(rate=detector(Learned(rate=baseline), 1.0).rehearsed(found).baseline)

    def detector(learned: Learned, rate: float) -> RateDetector:
        baseline = learned.rate or learn_rate(())
        return RateDetector(baseline, DIRECTIONS[rule.comparison], rule.smallest, rate)

    return Lens(seen, learn, detector)


def _seen(steps: Steps, see: Callable[[Taken], T | None], excluded: Excluded) -> list[tuple[int, T]]:
    """What a lens sees of the steps to learn from; detectors rehearse on the same."""
    return [
        (minute, one)
        for minute, taken in steps
        if not is_excluded(minute, excluded) and (one := see(taken)) is not None
    ]


def _of_spread(rule: AlertRule, see: Callable[[Taken], Histogram], scale: float) -> Lens:
    if rule.comparison in {"below", "above"}:
        level, limit = rule.quantile or 0.95, (rule.limit or 0.0) / scale

        def beyond(taken: Taken) -> Counted | None:
            histogram = see(taken)
            return Counted(above(histogram, limit), size(histogram)) if histogram else None

        return _against(rule, beyond, _within(1 - level), "above" if rule.comparison == "above" else "below")

    def seen(taken: Taken) -> Histogram | None:
        return see(taken) or None

    def learn(steps: Steps, excluded: Excluded) -> Learned:
        found = _seen(steps, seen, excluded)
        baseline = learn_spread(SpreadStep(*one) for one in found)
        return Learned(spread=detector(Learned(spread=baseline), 1.0).rehearsed(found).baseline)

    def detector(learned: Learned, rate: float) -> SpreadDetector:
        baseline = learned.spread or learn_spread(())
        return SpreadDetector(baseline, DIRECTIONS[rule.comparison], rule.smallest, rate)

    return Lens(seen, learn, detector)


def _against(
    rule: AlertRule, see: Callable[[Taken], Counted | None], limit: float, side: Literal["below", "above"]
) -> Lens:
    """A declared limit: nothing is learned, and the bound is exact."""

    def nothing(_steps: Steps, _excluded: Excluded) -> Learned:
        return Learned()

    def detector(_learned: Learned, rate: float) -> Detector[Any]:
        return floor_detector(limit, side, rule.smallest, rate)

    return Lens(see, nothing, detector, learns=False)


def _of_shares(rule: AlertRule, see: Callable[[Taken], Mapping[str, int]]) -> Lens:
    def seen(taken: Taken) -> Mapping[str, int] | None:
        return see(taken) or None

    def learn(steps: Steps, excluded: Excluded) -> Learned:
        found = _seen(steps, seen, excluded)
        total: Counter[str] = Counter()
        for _, counts in found:
            total.update(counts)
        known = [name for name, _ in sorted(total.items(), key=lambda one: (-one[1], one[0]))[:MAX_CATEGORIES]]
        shares = {name: _learned_share(found, (name,)) for name in known}
        if shares:
            rest = [name for name in total if name not in shares]
            shares[UNSEEN] = _learned_share(found, rest)
        return Learned(shares=detector(Learned(shares=shares), 1.0).rehearsed(found).baselines)

    def detector(learned: Learned, rate: float) -> SharesDetector:
        return SharesDetector(learned.shares, rule.smallest, rate, UNSEEN)

    return Lens(seen, learn, detector)


def _learned_share(found: Iterable[tuple[int, Mapping[str, int]]], names: Sequence[str]) -> RateBaseline:
    return learn_rate(
        RateStep(minute, sum(counts.get(name, 0) for name in names), sum(counts.values())) for minute, counts in found
    )


def _of_amount(rule: AlertRule, signal: Signal) -> Lens:
    """A mean, looked at once an hour: each hour's is one value of a spread, or held against a limit.

    Against a limit hours count, not calls: an alert needs hours on the wrong side that half of them would not be.
    """

    def mean(taken: Taken) -> float | None:
        figure = next(iter(measure(signal, taken, bins=False)), None)
        return None if figure is None or figure.n < LEAST_CALLS else figure.value

    def seen(taken: Taken) -> Histogram | None:
        value = mean(taken)
        return {bucket_of(value): 1} if value is not None and value > 0 and math.isfinite(value) else None

    if rule.comparison in {"below", "above"}:
        side: Literal["below", "above"] = "above" if rule.comparison == "above" else "below"

        def beyond(taken: Taken) -> Counted | None:
            value = mean(taken)
            return None if value is None else Counted(int(value > (rule.limit or 0.0)), 1)

        whole = _against(rule, beyond, 0.5, side)
        return Lens(whole.see, whole.learn, whole.detector, learns=False, cadence="hour")
    lens = _of_spread(rule, lambda taken: seen(taken) or {}, 1.0)
    return Lens(lens.see, lens.learn, lens.detector, cadence="hour")


def _within(limit: float) -> float:
    return min(max(limit, LEAST_SHARE), 1 - LEAST_SHARE)


def _ratio(signal: Signal, taken: Taken, field: str) -> Ratio:
    """The counts of a ratio; where what is counted is not independent (tokens of one call), calls bear the share.

    Scores of an answer and of its fields are of one call: those of the field alone count.
    """
    if signal.scored is not None:
        mine = [one for one in taken.scores if signal.adds_up or one.name == f"{signal.reads}{field}"]
        found = [ratio for one in mine if (ratio := signal.scored(one)) is not None]
        return Ratio(sum(one.of for one in found), sum(one.n for one in found))
    if taken.slice is None or signal.ratio is None:
        return Ratio(0, 0)
    ratio = signal.ratio(taken.slice)
    if signal.independent or ratio.n <= taken.slice.calls:
        return ratio
    return Ratio(round(ratio.of / ratio.n * taken.slice.calls), taken.slice.calls)


def _dead_letters(taken: Taken) -> Ratio:
    if taken.slice is None:
        return Ratio(0, 0)
    outcomes = taken.slice.outcomes
    return Ratio(sum(count for code, count in outcomes.items() if code in FATAL), sum(outcomes.values()))


def _spread(signal: Signal, taken: Taken) -> Histogram:
    if signal.lag is not None:
        return merged(lag for one in taken.scores if (lag := signal.lag(one)) is not None)
    return signal.spread(taken.slice) if taken.slice is not None and signal.spread is not None else {}


def _shares(signal: Signal, taken: Taken) -> Mapping[str, int]:
    return signal.shares(taken.slice) if taken.slice is not None and signal.shares is not None else {}


def _categories(taken: Taken, field: str) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for one in _of_field(taken, field):
        total.update(one.categories)
    return total


def _numbers(taken: Taken, field: str) -> Histogram:
    """Numbers above 0; those below, and 0, have no place among them."""
    return merged(one.positive for one in _of_field(taken, field))


def _of_field(taken: Taken, field: str) -> Iterable[ReadingCounts]:
    return (one for one in taken.readings if one.field == field)
