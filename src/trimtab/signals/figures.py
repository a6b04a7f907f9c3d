"""The figures of tasks over a window: every signal, told apart, in steps, or against the window before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeGuard

from trimtab.signals.catalogue import BY_NAME, SIGNALS
from trimtab.signals.comparing import compared
from trimtab.signals.figure import Cell, Figure, Figures, Gauge
from trimtab.signals.measuring import Taken, measure
from trimtab.signals.signal import Signal
from trimtab.store.readings import ReadingCounts, ReadingQuery
from trimtab.store.scores import ScoreCounts, ScoreQuery
from trimtab.store.slices import FACTS, SPREADS, Dimension, Slice, SliceQuery
from trimtab.store.telemetry import MINUTE_NS

SECOND_NS: Final = 1_000_000_000
MOST_FIGURES: Final = 100_000
"""How many figures one question may come to; one that has more is refused."""
OfReadings = Literal["task", "model", "prompt", "lock"]
OfScores = Literal["task", "model", "replica", "prompt", "lock", "key"]
Key = tuple[str, str, int]


class Counted(Protocol):
    """What figures are read from: three operations of `Telemetry`."""

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """What calls came to, by task, one further dimension and step."""

    def readings(self, query: ReadingQuery) -> tuple[ReadingCounts, ...]:
        """What was read of bodies, by field."""

    def scores(self, query: ScoreQuery) -> tuple[ScoreCounts, ...]:
        """Judgements on calls, by name."""


@dataclass(frozen=True)
class FigureQuery:
    """What figures are asked for: calls that ended in [since, until), in ns since 1970; rounded out to whole minutes.

    `signals` empty is all of them. `by`, `only` and `step_s` are those of `SliceQuery`; readings and scores are not
    kept by every dimension, and left out where they are not. Without steps, `before` holds each figure against the
    window of the same length before.
    """

    since_ns: int
    until_ns: int
    tasks: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    by: Dimension = "task"
    only: str = ""
    step_s: int = 0
    before: bool = True


def figures(telemetry: Counted, query: FigureQuery, gauges: Sequence[Gauge] = ()) -> Figures:
    """Reads and measures; `gauges` are those of the host and the engines, of which the wanted ones are passed on.

    Raises `StoreError` when telemetry cannot be read, and `ValueError` for a signal that there is not, a step that is
    not a multiple of a minute, and an answer that would be too long.
    """
    wanted = _wanted(query.signals)
    since, until = query.since_ns // MINUTE_NS * MINUTE_NS, -(-query.until_ns // MINUTE_NS) * MINUTE_NS
    taken = _taken(telemetry, query, wanted, since, until)
    if len(taken) * len(wanted) > MOST_FIGURES:
        raise ValueError(f"it would be over {MOST_FIGURES:,} figures; ask for fewer signals, a larger step or one task")
    is_whole = not query.step_s
    earlier: Mapping[Key, Taken] = {}
    if is_whole and query.before:
        earlier = _taken(telemetry, query, wanted, 2 * since - until, since)
    cells = []
    for (task, value, at_ns), found in sorted(taken.items()):
        told = [figure for signal in wanted for figure in measure(signal, found, bins=is_whole)]
        if is_whole and query.before:
            told = _against(told, earlier.get((task, value, 0)))
        calls = found.slice.calls if found.slice is not None else 0
        cells.append(Cell(task, value, at_ns, calls, tuple(told)))
    names = {signal.name for signal in wanted}
    mine = [one for one in gauges if one.signal in names and (not query.tasks or one.task in query.tasks)]
    return Figures(since, until, query.by, query.step_s, tuple(cells), tuple(mine))


def _wanted(names: tuple[str, ...]) -> tuple[Signal, ...]:
    unknown = next((name for name in names if name not in BY_NAME), None)
    if unknown is not None:
        raise ValueError(f"there is no signal `{unknown}`; `trimtab signals list` shows those there are")
    return tuple(signal for signal in SIGNALS if not names or signal.name in names)


def _against(told: Iterable[Figure], before: Taken | None) -> list[Figure]:
    held = []
    known: dict[str, dict[str, Figure]] = {}
    for figure in told:
        signal = BY_NAME[figure.signal]
        if before is not None and signal.name not in known:
            known[signal.name] = {one.field: one for one in measure(signal, before, bins=False)}
        held.append(compared(signal, figure, known.get(signal.name, {}).get(figure.field)))
    return held


def _taken(
    telemetry: Counted, query: FigureQuery, wanted: tuple[Signal, ...], since_ns: int, until_ns: int
) -> dict[Key, Taken]:
    """What was counted, by task, value and step; one question to each source that is wanted."""
    slices: dict[Key, Slice] = {}
    scores: defaultdict[Key, list[ScoreCounts]] = defaultdict(list)
    readings: defaultdict[Key, list[ReadingCounts]] = defaultdict(list)
    sources = {signal.source for signal in wanted}
    needs_scores = "scores" in sources or any(signal.per == "completed" for signal in wanted)
    window, place = (since_ns, until_ns, query.tasks), (query.only, query.step_s)
    is_stepped = query.step_s > 0
    if "slices" in sources:
        spreads = tuple(name for name in SPREADS if any(one.spread and one.reads == name for one in wanted))
        facts = tuple(name for name in FACTS if any(name in one.facts for one in wanted if one.source == "slices"))
        for one in telemetry.slices(SliceQuery(*window, query.by, *place, spreads=spreads, facts=facts)):
            slices[one.task, one.value, one.at_ns if is_stepped else 0] = one
    if needs_scores and _has_scores(query.by):
        for score in telemetry.scores(ScoreQuery(*window, (), query.by, *place)):
            scores[score.task, score.value, score.at_ns if is_stepped else 0].append(score)
    if "readings" in sources and _has_readings(query.by):
        for reading in telemetry.readings(ReadingQuery(*window, (), query.by, *place)):
            readings[reading.task, reading.value, reading.at_ns if is_stepped else 0].append(reading)
    return {
        key: Taken(
            _seconds(key[2], query.step_s, since_ns, until_ns),
            slices.get(key),
            tuple(scores.get(key, ())),
            tuple(readings.get(key, ())),
        )
        for key in {*slices, *scores, *readings}
    }


def _seconds(at_ns: int, step_s: int, since_ns: int, until_ns: int) -> float:
    """How much of a step, or of the whole, lies in the window."""
    if not step_s:
        return (until_ns - since_ns) / SECOND_NS
    return (min(until_ns, at_ns + step_s * SECOND_NS) - max(since_ns, at_ns)) / SECOND_NS


def _has_scores(by: Dimension) -> TypeGuard[OfScores]:
    return by != "environment"


def _has_readings(by: Dimension) -> TypeGuard[OfReadings]:
    return by in {"task", "model", "prompt", "lock"}
