"""Monitors: one for each rule, task and group, with what it learned and how far it has come.

A monitor takes one step for each minute (of means: each hour) in which something happened, in order, each once. All it
knows is a value that can be kept, so that what it decides does not depend on how often it was stopped meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from trimtab.policy.watch import AlertRule
from trimtab.signals.alerts.lenses import Learned, Lens, Steps, lens_of
from trimtab.signals.measuring import Taken
from trimtab.statistics.sequential import Decision, Detector, State
from trimtab.store.readings import ReadingKind

DAY: Final = 1440
YOUNGEST_LEARNING: Final = 60
"""Minutes after which what was learned of something new is learned anew; later it is each time a quarter of what it was
learned from, up to a day."""
HISTORY_DAYS: Final = 28
MAX_EXCLUDED: Final = 64
SUSPECT: Final = 0.5
"""From this part of the threshold on evidence keeps a monitor from learning anew: it might learn the change."""


class Place(Struct, frozen=True, order=True):
    """What a monitor watches: a rule of a task (of none for events), one value of the rule's `by`, one field."""

    task: str
    rule: str
    value: str = ""
    field: str = ""

    @property
    def key(self) -> str:
        """The place in one text, as it is stored under."""
        return "\x1f".join((self.task, self.rule, self.value, self.field))


class Monitor(Struct, frozen=True):
    """Where one monitor stands. Minutes count from 1970.

    `about` is the digest of what was declared when it was made: another rule of the same name begins anew. `learned_to`
    is the last minute it learned from, `learn_at` that from which on it learns anew; `excluded` the ranges (from,
    until] that it does not learn from. `alarmed` is the minute at which the alarm was raised that holds, or 0.
    `calls` is about how many observations a day it sees.
    """

    place: Place
    about: str
    kind: ReadingKind = "category"
    state: State | None = None
    learned_to: int = 0
    learn_at: int = 0
    excluded: tuple[tuple[int, int], ...] = ()
    alarmed: int = 0
    calls: float = 0.0


class Watcher:
    """A monitor at work: what it looks through, and what decides. `share` is its part of the false alarms allowed."""

    def __init__(self, monitor: Monitor, learned: Learned, rule: AlertRule, rate: float) -> None:
        self.rule = rule
        self.lens: Lens = lens_of(rule, monitor.place.field, monitor.kind)
        self.monitor = monitor
        self.learned = learned
        self.rate = rate
        self.is_dirty = True
        self.learned_anew = False
        self._detector: Detector[Any] | None = None

    def __repr__(self) -> str:
        place = self.monitor.place
        state = "alarmed" if self.monitor.alarmed else "quiet"
        return f"Watcher({place.task}/{place.rule}{f'/{place.value}' if place.value else ''}, {state})"

    @property
    def detector(self) -> Detector[Any]:
        """What decides; made when it is first needed, since its tables take room."""
        if self._detector is None:
            self._detector = self.lens.detector(self.learned, self.rate)
        return self._detector

    @property
    def decision(self) -> Decision | None:
        """What it says now; None before its first step."""
        return None if self.monitor.state is None else self.detector.decision(self.monitor.state)

    @property
    def is_suspicious(self) -> bool:
        """Whether evidence for a change has gathered, though not enough for an alarm."""
        decision = self.decision
        return decision is not None and decision.evidence >= SUSPECT * decision.threshold

    def allow(self, rate: float) -> None:
        """Takes another part of the false alarms allowed; what was gathered stays."""
        if rate != self.rate:
            self.rate, self._detector = rate, None

    def is_due(self, minute: int) -> bool:
        """Whether it should learn anew, having come to a minute."""
        if not self.lens.learns:
            return False
        if not self.monitor.learned_to:
            return True
        return minute >= self.monitor.learn_at and not self.monitor.alarmed and not self.is_suspicious

    def learn(self, steps: Steps, minute: int) -> None:
        """Learns from the steps that ended up to a minute, each of an hour or less."""
        self.learned = self.lens.learn(steps, self.monitor.excluded)
        wait = min(DAY, max(YOUNGEST_LEARNING, self.learned.days * DAY // 4 if self.learned.days > 1 else 0))
        self.monitor = replace(self.monitor, learned_to=minute, learn_at=minute + wait)
        self.learned_anew = self.is_dirty = True
        self._detector = None

    def step(self, minute: int, taken: Taken) -> None:
        """Takes in what was counted in the step that ended at a minute; once, however often it is given."""
        seen = self.lens.see(taken)
        if seen is None:
            return
        state = self.monitor.state or self.detector.begin(minute - (60 if self.lens.cadence == "hour" else 1))
        if minute <= state.minute:
            return
        state, decision = self.detector.step(state, minute, seen)
        self._follow(state, decision, minute)

    def _follow(self, state: State, decision: Decision, minute: int) -> None:
        monitor = self.monitor
        excluded, alarmed = monitor.excluded, monitor.alarmed
        if decision.alarm and not alarmed:
            alarmed = minute
            begun = decision.since if decision.since is not None else minute
            excluded = (*excluded, (min(begun, minute) - 1, minute))
        elif decision.alarm:
            excluded = (*excluded[:-1], (excluded[-1][0], minute)) if excluded else excluded
        else:
            alarmed = 0
        self.monitor = replace(monitor, state=state, excluded=_recent(excluded, minute), alarmed=alarmed)
        self.is_dirty = True

    def begin_anew(self, minute: int) -> None:
        """Forgets its evidence: a person has said that the alert is over."""
        self.monitor = replace(self.monitor, state=self.detector.begin(minute), alarmed=0)
        self.is_dirty = True

    def go_back(self, minute: int) -> None:
        """Begins at a minute, and learns anew, if it came or learned further."""
        monitor = self.monitor
        if max(monitor.learned_to, monitor.state.minute if monitor.state is not None else 0) > minute:
            excluded = tuple(one for one in monitor.excluded if one[1] <= minute)
            self.monitor = replace(monitor, state=None, excluded=excluded, alarmed=0, learned_to=0, learn_at=0)
            self.is_dirty = True

    def accept(self, since: int, minute: int) -> None:
        """Takes what came since a minute for normal: nothing before it is learned from, and it is learned from soon."""
        excluded = tuple(one for one in self.monitor.excluded if one[1] <= since)
        self.monitor = replace(
            self.monitor,
            state=self.detector.begin(minute),
            excluded=_recent((*excluded, (0, since)), minute),
            alarmed=0,
            learned_to=0,
        )
        self.is_dirty = True


def _recent(excluded: Sequence[tuple[int, int]], minute: int) -> tuple[tuple[int, int], ...]:
    """The ranges that what is learned from may still reach into, the latest ones if there are many."""
    oldest = minute - HISTORY_DAYS * DAY
    return tuple(one for one in excluded if one[1] >= oldest)[-MAX_EXCLUDED:]
