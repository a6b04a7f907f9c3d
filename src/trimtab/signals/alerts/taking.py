"""What monitors are shown: counts of minutes and hours, read from telemetry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, cast

from trimtab.policy.watch import AlertRule, Watch
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.figures import Counted
from trimtab.signals.measuring import Taken
from trimtab.store.readings import ReadingQuery
from trimtab.store.scores import ScoreQuery
from trimtab.store.slices import FACTS, SPREADS, Fact, SliceQuery, Spread
from trimtab.store.telemetry import MINUTE_NS

Group = Literal["task", "model", "replica", "prompt"]
Source = Literal["slices", "readings", "scores"]
MINUTE_S: Final = 60
HOUR_S: Final = 3600
QUARTER_S: Final = 900
"""Steps that monitors learn from: within hours, clumps would not be seen."""


class Row(NamedTuple):
    """What was counted of one value of a group in the step that ended at a minute since 1970."""

    minute: int
    value: str
    taken: Taken
    calls: int


class Rows:
    """Rows by source, group and task, in the order of their minutes."""

    def __init__(self) -> None:
        self._rows: defaultdict[tuple[Source, Group, str], list[Row]] = defaultdict(list)

    def add(self, source: Source, group: Group, task: str, row: Row) -> None:
        """Takes one more."""
        self._rows[source, group, task].append(row)

    def sort(self) -> None:
        """Puts all in order."""
        for rows in self._rows.values():
            rows.sort(key=lambda row: (row.minute, row.value))

    def of(self, source: Source, group: Group, task: str) -> Sequence[Row]:
        """The rows of a task; none where nothing happened."""
        return self._rows.get((source, group, task), ())

    @property
    def newest(self) -> int:
        """The last minute in which anything was counted; 0 of nothing."""
        return max((row.minute for rows in self._rows.values() for row in rows), default=0)

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def __repr__(self) -> str:
        return f"Rows({len(self)})"


class Wanted(NamedTuple):
    """What is to be read: which sources by which groups, which histograms, and which counts."""

    groups: frozenset[tuple[Source, Group]]
    spreads: tuple[Spread, ...]
    facts: tuple[Fact, ...] = FACTS

    def hourly(self) -> Wanted:
        """Without readings and scores: of what is a mean of slices, and looked at by the hour."""
        return Wanted(frozenset(one for one in self.groups if one[0] == "slices"), (), self.facts)


def source_of(rule: AlertRule) -> Source:
    """Where what a rule watches is counted."""
    signal = BY_NAME.get(rule.signal)
    return cast(Source, signal.source) if signal is not None else "slices"


def wanted(rules: Iterable[AlertRule], *, history: bool = False) -> Wanted:
    """What the rules need; for `history` a prompt's past is that of its task."""
    groups: set[tuple[Source, Group]] = set()
    spreads: set[str] = set()
    facts: set[Fact] = {"ends"}
    for rule in rules:
        group: Group = "task" if history and rule.by == "prompt" else rule.by
        groups.add((source_of(rule), group))
        signal = BY_NAME.get(rule.signal)
        facts |= set(signal.facts) if signal is not None and signal.source == "slices" else set()
        if signal is not None and signal.spread is not None:
            spreads.add(signal.reads)
    return Wanted(
        frozenset(groups),
        tuple(name for name in SPREADS if name in spreads),
        tuple(name for name in FACTS if name in facts),
    )


def rules_of(watch: Watch) -> tuple[AlertRule, ...]:
    """All rules on tasks."""
    return tuple(rule for task in watch.tasks.values() for rule in task.alerts)


def take(
    telemetry: Counted, wanted: Wanted, since: int, until: int, step_s: int = MINUTE_S, tasks: tuple[str, ...] = ()
) -> Rows:
    """Reads what was counted in the minutes (since, until], by steps; raises `StoreError`."""
    rows = Rows()
    window = since * MINUTE_NS, until * MINUTE_NS, tasks
    if since >= until:
        return rows
    minutes = step_s // MINUTE_S
    for source, group in sorted(wanted.groups):
        if source == "slices":
            query = SliceQuery(*window, by=group, step_s=step_s, spreads=wanted.spreads, facts=wanted.facts)
            for one in telemetry.slices(query):
                row = Row(one.at_ns // MINUTE_NS + minutes, one.value, Taken(step_s, one), one.calls)
                rows.add("slices", group, one.task, row)
        elif source == "scores":
            _scores(telemetry, rows, ScoreQuery(*window, by=group, step_s=step_s), group)
        elif group != "replica":
            _readings(telemetry, rows, ReadingQuery(*window, by=group, step_s=step_s), group)
    rows.sort()
    return rows


def _scores(telemetry: Counted, rows: Rows, query: ScoreQuery, group: Group) -> None:
    found = defaultdict(list)
    for one in telemetry.scores(query):
        found[one.task, one.value, one.at_ns].append(one)
    for (task, value, at_ns), scores in found.items():
        minute = at_ns // MINUTE_NS + query.step_s // MINUTE_S
        taken = Taken(query.step_s, scores=tuple(scores))
        rows.add("scores", group, task, Row(minute, value, taken, sum(one.n for one in scores)))


def _readings(telemetry: Counted, rows: Rows, query: ReadingQuery, group: Group) -> None:
    found = defaultdict(list)
    for one in telemetry.readings(query):
        found[one.task, one.value, one.at_ns].append(one)
    for (task, value, at_ns), readings in found.items():
        minute = at_ns // MINUTE_NS + query.step_s // MINUTE_S
        taken = Taken(query.step_s, readings=tuple(readings))
        rows.add("readings", group, task, Row(minute, value, taken, max(one.n for one in readings)))
