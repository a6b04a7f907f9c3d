"""All monitors of a host: which there are, what they must learn, and the steps they take."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from trimtab.policy.watch import AlertRule, Watch
from trimtab.signals.alerts.lenses import DEAD_LETTERS, Learned, lens_of
from trimtab.signals.alerts.monitors import DAY, Monitor, Place, Watcher
from trimtab.signals.alerts.taking import Group, Row, Rows, source_of
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.measuring import Taken, measure
from trimtab.statistics.sequential import Decision
from trimtab.store.readings import ReadingKind

MAX_MONITORS: Final = 2000
MAX_OF_A_RULE: Final = 50
"""Fields and values that one rule of a task is watched by; those with most, as they come."""
BURNS: Final = "burns"


class Kept(NamedTuple):
    """A monitor with what it learned, as it is stored; `learned` None is as it was stored before."""

    monitor: Monitor
    learned: Learned | None


class Alarm(NamedTuple):
    """That a monitor's alarm holds, and how the change was found."""

    monitor: Monitor
    rule: AlertRule
    decision: Decision


class Evaluation:
    """The monitors in memory; what has changed is taken out by `changed` and stored by whoever calls.

    `limit` is how many there may be. At it, the least busy make room for busier ones; `unwatched` counts what found no
    room since the last `begin`.
    """

    def __init__(self, kept: Iterable[tuple[Monitor, Learned]], limit: int = MAX_MONITORS) -> None:
        self._stored = {monitor.place: (monitor, learned) for monitor, learned in kept}
        self._watchers: dict[Place, Watcher] = {}
        self._rules: dict[tuple[str, str], AlertRule] = {}
        self._gone: set[Place] = set()
        self._rate = 1.0
        self._limit = limit
        self.unwatched = 0

    def __repr__(self) -> str:
        return f"Evaluation({len(self._watchers)} monitors, {len(self.alarms())} alarmed)"

    @property
    def watchers(self) -> tuple[Watcher, ...]:
        """All monitors, by place."""
        return tuple(self._watchers[place] for place in sorted(self._watchers))

    def watcher(self, place: Place) -> Watcher | None:
        """The monitor of a place; None if there is none."""
        return self._watchers.get(place)

    def begin(self, watch: Watch) -> None:
        """Takes the rules in force: monitors of rules that are gone or other than they were go too."""
        self._rules = {
            (task, rule.name): rule
            for task, one in watch.tasks.items()
            for rule in one.alerts
            if rule.comparison != BURNS
        }
        self._rate = watch.alerting.false_alarms_per_month
        self.unwatched = 0
        for monitor, learned in self._stored.values():
            self._watchers[monitor.place] = Watcher(monitor, learned, _NOTHING, self._rate)
            self._watchers[monitor.place].is_dirty = False
        self._stored = {}
        for place, watcher in list(self._watchers.items()):
            rule = self._rules.get((place.task, place.rule))
            if rule is None or digest(rule) != watcher.monitor.about:
                del self._watchers[place]
                self._gone.add(place)
            elif watcher.rule is not rule:
                self._watchers[place] = _with(watcher, rule)

    def discover(self, rows: Rows) -> None:
        """Makes monitors of what is seen for the first time."""
        for (task, _), rule in self._rules.items():
            for row in rows.of(source_of(rule), rule.by, task):
                for field, kind in _fields(rule, row.taken):
                    place = Place(task, rule.name, row.value, field)
                    if place not in self._watchers and self._sees(rule, row.taken, field, kind):
                        self._add(place, rule, kind, row)

    def go_back(self, minute: int) -> None:
        """Has monitors that came further than a minute begin there, and learn anew: the clock was ahead."""
        for watcher in self._watchers.values():
            watcher.go_back(minute)

    def due(self, minute: int) -> dict[str, list[Watcher]]:
        """The monitors that should learn now, by task, those first that never did."""
        found: defaultdict[str, list[Watcher]] = defaultdict(list)
        for watcher in self._watchers.values():
            if watcher.is_due(minute):
                found[watcher.monitor.place.task].append(watcher)
        newest = {task: all(one.monitor.learned_to for one in mine) for task, mine in found.items()}
        return {task: found[task] for task in sorted(found, key=lambda task: (newest[task], task))}

    def learn(self, watchers: Sequence[Watcher], history: Rows, hours: Rows, minute: int) -> None:
        """Has monitors of one task learn from its history up to a minute; means from whole hours, as they are watched.

        Values of a prompt are held against the whole task: a new prompt has no past of its own.
        """
        for watcher in watchers:
            rule, place = watcher.rule, watcher.monitor.place
            group: Group = "task" if rule.by == "prompt" else rule.by
            value = "" if group == "task" else place.value
            source = hours if watcher.lens.cadence == "hour" else history
            rows = source.of(source_of(rule), group, place.task)
            watcher.learn([(row.minute, row.taken) for row in rows if row.value == value], minute)

    def step(self, rows: Rows, hours: Rows) -> None:
        """Takes all that was counted, minute after minute, and whole hours for means."""
        for place, rate in self._shares().items():
            self._watchers[place].allow(rate)
        for place in sorted(self._watchers):
            watcher = self._watchers[place]
            if watcher.lens.learns and not watcher.monitor.learned_to:
                continue
            source = hours if watcher.lens.cadence == "hour" else rows
            for row in source.of(source_of(watcher.rule), watcher.rule.by, place.task):
                if row.value == place.value:
                    before = watcher.monitor.state
                    watcher.step(row.minute, row.taken)
                    if watcher.monitor.state is not before:
                        watcher.monitor = _busier(watcher.monitor, before.minute if before else row.minute, row)

    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms that hold."""
        return tuple(
            Alarm(watcher.monitor, watcher.rule, decision)
            for watcher in self.watchers
            if watcher.monitor.alarmed and (decision := watcher.decision) is not None
        )

    def changed(self) -> tuple[tuple[Kept, ...], tuple[Place, ...]]:
        """The monitors that are other than when this was asked last, and the places of those that are gone."""
        kept = []
        for watcher in self.watchers:
            if watcher.is_dirty:
                kept.append(Kept(watcher.monitor, watcher.learned if watcher.learned_anew else None))
                watcher.is_dirty = watcher.learned_anew = False
        gone, self._gone = tuple(sorted(self._gone - self._watchers.keys())), set()
        return tuple(kept), gone

    def _add(self, place: Place, rule: AlertRule, kind: ReadingKind, row: Row) -> None:
        mine = sum(one.task == place.task and one.rule == place.rule for one in self._watchers)
        if mine >= MAX_OF_A_RULE or not self._has_room(row.calls * DAY):
            self.unwatched += 1
            return
        monitor = Monitor(place, digest(rule), kind)
        watcher = Watcher(monitor, Learned(), rule, self._rate)
        watcher.learned_anew = True
        self._watchers[place] = watcher

    def _has_room(self, calls: float) -> bool:
        """Whether there is room for a monitor that sees so many calls a day; a less busy one may have to go."""
        if len(self._watchers) < self._limit:
            return True
        idle = min(
            (one for one in self._watchers.values() if not one.monitor.alarmed),
            key=lambda one: one.monitor.calls,
            default=None,
        )
        if idle is None or idle.monitor.calls >= calls:
            return False
        del self._watchers[idle.monitor.place]
        self._gone.add(idle.monitor.place)
        self.unwatched += 1
        return True

    def _shares(self) -> dict[Place, float]:
        """The false alarms allowed to each monitor: those of one rule and task share what is allowed to a rule."""
        counts = Counter((place.task, place.rule) for place in self._watchers)
        return {place: self._rate / counts[place.task, place.rule] for place in self._watchers}

    @staticmethod
    def _sees(rule: AlertRule, taken: Taken, field: str, kind: ReadingKind) -> bool:
        lens = lens_of(rule, field, kind)
        if lens.cadence == "hour":
            return any(one.value for one in measure(BY_NAME[rule.signal], taken, bins=False))
        return lens.see(taken) is not None


_NOTHING: Final = AlertRule("", DEAD_LETTERS, "rises")


def digest(rule: AlertRule) -> str:
    """The digest of what a rule watches, apart from whom it concerns."""
    about = replace(rule, receivers=(), severity="ticket")
    return hashlib.sha256(msgspec.msgpack.encode(about)).hexdigest()[:16]


def _with(watcher: Watcher, rule: AlertRule) -> Watcher:
    fresh = Watcher(watcher.monitor, watcher.learned, rule, watcher.rate)
    fresh.is_dirty, fresh.learned_anew = watcher.is_dirty, watcher.learned_anew
    return fresh


def _fields(rule: AlertRule, taken: Taken) -> Iterable[tuple[str, ReadingKind]]:
    """The fields that a rule watches apart, in what was counted; one without a name where it has none, or the whole was
    judged of which fields are.
    """
    signal = BY_NAME.get(rule.signal)
    if signal is not None and signal.scored is not None and not signal.adds_up:
        judged = {one.name.removeprefix(signal.reads) for one in taken.scores if signal.scored(one) is not None}
        return tuple((field, "category") for field in sorted(judged if "" not in judged else {""}))
    if signal is None or signal.kind != "fields":
        return (("", "category"),)
    if rule.field:
        return tuple((one.field, one.kind) for one in taken.readings if one.field == rule.field)
    return tuple((one.field, one.kind) for one in taken.readings if one.field.startswith(signal.reads))


def _busier(monitor: Monitor, before: int, row: Row) -> Monitor:
    """The monitor with a step's calls in its calls a day, which fade over a day."""
    faded = monitor.calls * math.exp(-max(0, row.minute - before) / DAY)
    return replace(monitor, calls=faded + row.calls)


def by_place(alarms: Iterable[Alarm]) -> Mapping[Place, Alarm]:
    """Alarms by what raised them."""
    return {alarm.monitor.place: alarm for alarm in alarms}
