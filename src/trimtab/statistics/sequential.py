"""When something changed: mixtures of Shiryaev-Roberts detectors, whose rate of false alarms is stated.

A detector has alternatives: ways in which what is watched may have changed. Each step of time brings the logarithm of
how much likelier what was seen is under each of them than under the most similar state that counts as unchanged. For
each alternative M <- (M + weight * minutes) * likelihood ratio adds up the evidence for a change at any past minute; an
alarm is raised when the sum reaches the minutes of a month over the false alarms a month that are allowed. While
nothing has changed, the sum less the minutes is a supermartingale: the mean time to a false alarm is at least that
threshold, however many alternatives there are and however they depend on each other.

Sources: S. W. Roberts, "A comparison of some control chart procedures", Technometrics 8 (1966) 411-430; M. Pollak,
"Average run lengths of an optimal method of detecting a change in distribution", Annals of Statistics 15 (1987)
749-779; J. Shin, A. Ramdas and A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science (2023), for mixtures and composite nulls.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from math import exp
from statistics import median
from typing import Final, Generic, NamedTuple, TypeVar

from msgspec import Struct, structs

from trimtab.statistics.intervals import Interval

MONTH_MINUTES: Final = 30 * 24 * 60
ENDED: Final = 3 * 24 * 60
"""Minutes: a change that goes on as it began is wrongly taken to have ended once in three days at most, on average."""
AS_LIKELY: Final = 1_000.0
"""A milder change explains an alarm too if it is not less likely than the likeliest by more than this factor."""
MOST_FOR_ONE_STEP: Final = 50.0
"""No step counts for more evidence than this; it keeps every number finite and is far above each threshold."""

MOST_PEAKS, LEAST_PEAKS = 40, 8
"""Of the excursions of a rehearsal, how many of the largest tell how their tail goes on; fewer tell nothing."""
REHEARSALS: Final = 2
TOO_COARSE: Final = 60
_MOST_EVIDENCE: Final = 1e200

Seen = TypeVar("Seen")


class Decision(Struct, frozen=True):
    """What a detector says after a step.

    `alarm` is true from the step that raised it until the change has ended; until then the rest describes the change
    as it was found. `evidence` and `threshold` are logarithms: an alarm is raised when the first reaches the second.
    `direction` ("rises", "falls") and `what` (the category, where there are some) tell the likeliest change, `since`
    its likely minute since 1970, `estimate` the value since then over `n` observations, with a 95 % interval that does
    not account for the choice of that minute; `baseline` is the value before. They are None where nothing was seen.
    """

    alarm: bool
    evidence: float
    threshold: float
    direction: str = ""
    what: str = ""
    since: int | None = None
    estimate: float | None = None
    interval: Interval | None = None
    n: int = 0
    baseline: float | None = None


class State(Struct, frozen=True):
    """What a detector remembers: plain numbers, all that must be stored to go on exactly.

    `minute` is that of the last step. For each alternative there is its evidence and, weighted with it, the minute of
    the change and what was counted since, a sum and the number of observations. While an alarm holds, `held` is the
    decision that raised it, `changed` the mildest alternative that explains it and `ending` the evidence of its end.
    """

    minute: int
    evidence: tuple[float, ...]
    begun: tuple[float, ...]
    counted: tuple[float, ...]
    trials: tuple[float, ...]
    changed: int = -1
    ending: float = 0.0
    held: Decision | None = None


class Alternative(NamedTuple):
    """One way in which what is watched may have changed; `weight` is its share of the allowed false alarms.

    Alternatives of one direction, category and `family` differ in size alone and come in its order, the mildest first.
    """

    direction: str
    what: str
    weight: float
    family: str = ""


class Reading(NamedTuple):
    """What one step says: for each alternative its log likelihood ratio, and its sum over `trials` observations."""

    ratios: Sequence[float]
    counted: Sequence[float]
    trials: float


class Leading(NamedTuple):
    """The likeliest change: its alternative, its minute, and what was counted since."""

    alternative: int
    since: float
    counted: float
    trials: float


def threshold(false_alarms_per_month: float) -> float:
    """The logarithm of the evidence that raises an alarm. Raises `ValueError` unless the rate is above 0."""
    if not false_alarms_per_month > 0:
        raise ValueError(f"{false_alarms_per_month} is no rate of false alarms")
    return math.log(MONTH_MINUTES / false_alarms_per_month)


class Detector(ABC, Generic[Seen]):
    """Watches one thing; the states that it makes are values, and each step gives a new one.

    Minutes are whole and counted from 1970. What is seen in a step is an increment: what ended since the step before.
    A step without anything seen changes nothing. Steps may be of any length, and missing ones need not be given.
    """

    spare = 0.35
    """The part of the allowed false alarms that evidence alone is held to; the rest is for what learning gets wrong."""
    doubt = 2.0
    alike = True
    """Whether clumps weigh alike on all sizes of a change."""

    def __init__(self, alternatives: Sequence[Alternative], false_alarms_per_month: float) -> None:
        self.alternatives = tuple(alternatives)
        self.threshold = threshold(false_alarms_per_month * self.spare)
        self._weights = [one.weight for one in self.alternatives]
        families = [one._replace(weight=0.0) for one in self.alternatives]
        self._mildest = [families.index(one) for one in families]
        self._limit = math.exp(self.threshold)
        self._rate = false_alarms_per_month * self.spare

    @abstractmethod
    def read(self, minute: int, seen: Seen) -> Reading | None:
        """What was seen in the step that ended at a minute, against each alternative; None if nothing was."""

    @abstractmethod
    def describe(self, leading: Leading) -> tuple[float | None, Interval | None]:
        """The estimate since the change and its interval, in the unit of the baseline."""

    @abstractmethod
    def normal(self, minute: int, what: str) -> float | None:
        """The baseline at a minute, of a category where there are some."""

    def begin(self, minute: int) -> State:
        """The state at a minute at which nothing has been seen yet."""
        nothing = (0.0,) * len(self.alternatives)
        return State(minute, nothing, nothing, nothing, nothing)

    def step(self, state: State, minute: int, seen: Seen) -> tuple[State, Decision]:
        """The state and the decision after what was seen until `minute`, which must not be before the last one.

        A state of another number of alternatives (the baseline was learned anew with other categories) begins anew.
        Raises `ValueError` for a minute before that of the state.
        """
        if minute < state.minute:
            raise ValueError(f"minute {minute} lies before {state.minute}, up to which steps were taken")
        if len(state.evidence) != len(self.alternatives):
            state = self.begin(state.minute)
        reading = self.read(minute, seen)
        if reading is None:
            return state, self.decision(state)
        state = self._hold(state, minute, reading) if state.held else self._gather(state, minute, reading)
        return state, self.decision(state)

    def run(self, state: State, steps: Iterable[tuple[int, Seen]]) -> tuple[State, list[tuple[int, Decision]]]:
        """Many steps of (minute, seen), as `step` would take them: the last state, and the decisions that raised or
        ended an alarm, each with its minute.
        """
        edges = []
        if len(state.evidence) != len(self.alternatives):
            state = self.begin(state.minute)
        for minute, seen in steps:
            reading = self.read(minute, seen)
            if reading is None:
                continue
            held = state.held
            state = self._hold(state, minute, reading) if held else self._gather(state, minute, reading)
            if (state.held is None) is not (held is None):
                edges.append((minute, self.decision(state)))
        return state, edges

    def decision(self, state: State) -> Decision:
        """What a state says, without a step."""
        if state.held:
            return state.held
        return self._judge(state, alarm=False)

    def _gather(self, state: State, minute: int, reading: Reading) -> State:
        """The state with a step's evidence, and with an alarm if that was enough."""
        minutes, before = minute - state.minute, state.minute
        likely = [exp(one if one < MOST_FOR_ONE_STEP else MOST_FOR_ONE_STEP) for one in reading.ratios]
        fresh = [weight * minutes for weight in self._weights]
        evidence = tuple([(old + new) * times for old, new, times in zip(state.evidence, fresh, likely, strict=True)])
        after = State(
            minute,
            evidence,
            tuple([(old + new * before) * times for old, new, times in zip(state.begun, fresh, likely, strict=True)]),
            _summed(state.counted, likely, reading.counted, evidence),
            tuple([
                old * times + reading.trials * mass
                for old, times, mass in zip(state.trials, likely, evidence, strict=True)
            ]),
        )  # fmt: skip
        if sum(evidence) < self._limit:
            return after
        return structs.replace(after, changed=self._explains(evidence), held=self._judge(after, alarm=True))

    def _explains(self, evidence: Sequence[float]) -> int:
        """The mildest alternative that explains what was seen, of the family of the likeliest."""
        likeliest = max(range(len(evidence)), key=evidence.__getitem__)
        family = range(self._mildest[likeliest], likeliest + 1)
        return next(place for place in family if evidence[place] * AS_LIKELY >= evidence[likeliest])

    def _hold(self, state: State, minute: int, reading: Reading) -> State:
        """The state of an alarm that holds on, or of none if it has ended: then all begins anew.

        The mildest change that explains it is held against no change, for it may be milder than it looked. While it
        goes on, more is seen of it, and milder ones may no longer explain it: then an end shows sooner.
        """
        changed = state.changed
        against = min(-reading.ratios[changed], MOST_FOR_ONE_STEP)
        ending = (state.ending + minute - state.minute) * exp(against)
        if ending >= ENDED:
            return self.begin(minute)
        evidence = [
            old * exp(one if one < MOST_FOR_ONE_STEP else MOST_FOR_ONE_STEP)
            for old, one in zip(state.evidence, reading.ratios, strict=True)
        ]
        most = max(evidence)
        if most > _MOST_EVIDENCE:
            evidence = [one / most for one in evidence]
        explains = self._explains(evidence)
        if self._mildest[explains] == self._mildest[changed] and explains > changed:
            changed, ending = explains, 0.0
        return structs.replace(state, minute=minute, evidence=tuple(evidence), changed=changed, ending=ending)

    def _judge(self, state: State, alarm: bool) -> Decision:
        total = sum(state.evidence)
        if total <= 0:
            return Decision(alarm, -math.inf, self.threshold, baseline=self.normal(state.minute, ""))
        best = max(range(len(state.evidence)), key=state.evidence.__getitem__)
        mass = state.evidence[best]
        leading = Leading(best, state.begun[best] / mass, state.counted[best] / mass, state.trials[best] / mass)
        estimate, interval = self.describe(leading)
        alternative = self.alternatives[best]
        since = round(leading.since)
        return Decision(
            alarm, math.log(total), self.threshold, alternative.direction, alternative.what, since, estimate, interval,
            round(leading.trials), self.normal(since, alternative.what),
        )  # fmt: skip

    def rehearsal(self, steps: Iterable[tuple[int, Seen]], otherwise: float) -> tuple[float, ...]:
        """By how much the evidence of each alternative must be divided so that it keeps its share of false alarms on
        streams like this one, in which nothing changed; at least 1.

        Independent observations would need nothing. Real ones come in clumps and drift, and no variance tells how far
        the largest of these go. So the reference is gone through as if live, the highest evidence of each excursion is
        kept, and the mean excess of the largest ones is continued to the threshold (B. M. Hill, Annals of Statistics 3
        (1975) 1163-1174: an exponential tail), with `doubt` standard errors of it added.
        `otherwise` is what is given where there were too few excursions to tell, or steps are whole hours: within these
        the clumps are not seen. A quarter of an hour is fine enough. Where clumps weigh alike on all sizes of a change,
        no alternative is divided by less than the median of its family.
        """
        readings = [(minute, read.ratios) for minute, seen in steps if (read := self.read(minute, seen)) is not None]
        if all(minute % TOO_COARSE == 0 for minute, _ in readings):
            return (otherwise,) * len(self.alternatives)
        minutes = [minute for minute, _ in readings]
        alone = [
            self._damping(minutes, [ratios[place] for _, ratios in readings], alternative.weight, otherwise)
            for place, alternative in enumerate(self.alternatives)
        ]
        if not self.alike:
            return tuple(alone)
        families: dict[int, list[float]] = {}
        for first, damping in zip(self._mildest, alone, strict=True):
            families.setdefault(first, []).append(damping)
        middle = {first: median(members) for first, members in families.items()}
        return tuple(max(damping, middle[first]) for first, damping in zip(self._mildest, alone, strict=True))

    def _damping(self, minutes: Sequence[int], ratios: Sequence[float], weight: float, otherwise: float) -> float:
        allowed = self._rate * weight * max(1, minutes[-1] - minutes[0]) / MONTH_MINUTES
        damping = 1.0
        for _ in range(REHEARSALS):
            peaks = sorted(_peaks(minutes, ratios, damping), reverse=True)
            used = min(MOST_PEAKS, len(peaks) // 2)
            if used < LEAST_PEAKS:
                return max(otherwise, damping)
            excess = sum(peaks[:used]) / used - peaks[used]
            reached = peaks[used] + excess * (1 + self.doubt / math.sqrt(used)) * math.log(used / allowed)
            over = reached / (self.threshold - math.log(weight))
            if over <= 1:
                return damping
            damping *= over
        return damping


def _peaks(minutes: Sequence[int], ratios: Sequence[float], damping: float) -> list[float]:
    """The highest evidence, as a logarithm, of each excursion: from one minute at which no change is likelier than one
    to the next.
    """
    evidence, likelier, highest, last = 0.0, 0.0, 0.0, minutes[0]
    peaks = []
    for minute, ratio in zip(minutes, ratios, strict=True):
        damped = ratio / damping
        damped = damped if damped < MOST_FOR_ONE_STEP else MOST_FOR_ONE_STEP
        evidence = (evidence + minute - last) * exp(damped)
        evidence = evidence if evidence < _MOST_EVIDENCE else _MOST_EVIDENCE
        last = minute
        likelier += damped
        if likelier <= 0:
            if highest > 1:
                peaks.append(math.log(highest))
            likelier = highest = 0.0
        elif evidence > highest:
            highest = evidence
    return [*peaks, math.log(highest)] if highest > 1 else peaks


def _summed(
    old: Sequence[float], likely: Sequence[float], counted: Sequence[float], evidence: Sequence[float]
) -> tuple[float, ...]:
    return tuple([
        one * times + more * mass for one, times, more, mass in zip(old, likely, counted, evidence, strict=True)
    ])  # fmt: skip
