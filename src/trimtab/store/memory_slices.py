"""The operations on slices, readings, scores and engine samples over lists: what they mean, said in Python."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trimtab.record.events import OK, CostLabel, Outcome, Score, Settled, Usage
from trimtab.store.contract_figures import result_of, tool_of
from trimtab.store.engine_samples import MAX_SAMPLES, EngineQuery, EngineSample
from trimtab.store.histograms import of_values
from trimtab.store.readings import (
    MAX_CATEGORIES,
    MAX_READINGS,
    ReadingCounts,
    ReadingQuery,
    ReadingTally,
    Tallied,
    tallied,
)
from trimtab.store.scores import ACCURACY, COMPLETERS, COMPLETION, MAX_SCORE_ROWS, MAX_SCORES, ScoreCounts, ScoreQuery
from trimtab.store.slices import MAX_SLICES, Dimension, Slice, SliceQuery, Spread, bounded, few, narrowed
from trimtab.store.telemetry import DAY_NS, MINUTE_NS, Batch, CostSum

TOKEN_CLASSES = ("input", "cache_read", "cache_write", "output", "reasoning")
DIMENSION_OF: Mapping[Dimension, Callable[[Settled], str]] = {
    "task": lambda call: "",
    "model": lambda call: call.model or call.admitted.model,
    "replica": lambda call: call.replica,
    "prompt": lambda call: call.admitted.prompt,
    "lock": lambda call: call.admitted.lock,
    "key": lambda call: call.admitted.key,
    "environment": lambda call: call.admitted.environment,
}


class SignalLists:
    """`Signalling` over lists in memory, for a store that keeps calls in one."""

    def __init__(self) -> None:
        self._calls: list[Settled] = []
        self._scores: list[Score] = []
        self._readings: list[Tallied] = []
        self._samples: list[EngineSample] = []

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """What calls came to, by task, step and value of the query's dimension, in that order."""
        return slices(self._calls, query)

    def readings(self, query: ReadingQuery) -> tuple[ReadingCounts, ...]:
        """Counts of readings by task, field, step and value, in that order."""
        return readings(self._readings, query)

    def scores(self, query: ScoreQuery) -> tuple[ScoreCounts, ...]:
        """Scores summed by task, name, source, step and value, in that order."""
        return scores(self._scores, query)

    def score_rows(self, call: str) -> tuple[Score, ...]:
        """The scores of one call in the order they were given, the last of each id, at most `MAX_SCORE_ROWS`."""
        return score_rows(self._scores, lambda one: one.call == call != "")

    def scores_of(self, *, run: str = "", conversation: str = "") -> tuple[Score, ...]:
        """The scores of a run, or of a conversation, and of calls in it, as `score_rows` gives them."""
        return score_rows(self._scores, lambda one: one.run == run != "" or one.conversation == conversation != "")

    def corrections(self, task: str, since_ns: int, limit: int) -> tuple[Score, ...]:
        """The scores of a task's calls since a time with a corrected answer, the last of each call, newest first."""
        known = (one for one in latest(self._scores) if one.task == task and one.at_ns >= since_ns)
        found = sorted((one for one in known if one.call and one.correction), key=lambda one: (one.at_ns, one.id))
        last = {one.call: one for one in found}
        return tuple(sorted(last.values(), key=lambda one: (one.at_ns, one.id), reverse=True)[:limit])

    def insert_engine_samples(self, samples: Sequence[EngineSample]) -> None:
        """Stores samples; those sent again are stored again."""
        self._samples += samples

    def engine_samples(self, query: EngineQuery) -> tuple[EngineSample, ...]:
        """The samples of a window, the last of each series in each step, in the order of time."""
        return engine_samples(self._samples, query)

    def _take(self, batch: Batch) -> None:
        self._scores += batch.scores
        self._readings += tallied(batch.readings)

    def _drop_before(self, first_day: int) -> None:
        self._scores = [one for one in self._scores if one.at_ns // DAY_NS >= first_day]
        self._readings = [one for one in self._readings if one.at_ns // DAY_NS >= first_day]
        self._samples = [one for one in self._samples if one.at_ns // DAY_NS >= first_day]


@dataclass
class SliceCell:
    """The calls of one slice, counted one by one."""

    counts: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    finish_reasons: Counter[str] = field(default_factory=Counter)
    tool_outcomes: Counter[Outcome] = field(default_factory=Counter)
    tools: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    labels: Counter[CostLabel] = field(default_factory=Counter)
    pusd: Counter[CostLabel] = field(default_factory=Counter)
    values: defaultdict[Spread, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, call: Settled) -> None:
        """Counts one call."""
        usage = call.usage or Usage()
        self.outcomes[call.outcome] += 1
        self.finish_reasons[call.finish_reason] += bool(call.finish_reason)
        self.labels[call.cost_label] += 1
        self.pusd[call.cost_label] += call.cost_pusd or 0
        self.tokens.update({name: getattr(usage, name) for name in TOKEN_CLASSES})
        for one in call.tool_outcomes:
            self.tool_outcomes[one.outcome] += 1
            self.tools[tool_of(one)] += 1
        for spread, value in _measured(call).items():
            if value is not None:
                self.values[spread].append(value)
        self.counts.update(_counted(call))

    def slice(self, task: str, at_ns: int, value: str, query: SliceQuery) -> Slice:
        """The slice of these calls, as far as it is asked for."""
        histograms = {spread: of_values(self.values[spread]) for spread in query.spreads}
        whole = Slice(
            task,
            at_ns,
            value,
            outcomes=dict(self.outcomes),
            finish_reasons=few(+self.finish_reasons),
            tool_outcomes=dict(self.tool_outcomes),
            tools=few(self.tools),
            tokens=dict(+self.tokens),
            cost={label: CostSum(calls, self.pusd[label]) for label, calls in self.labels.items()},
            spreads={spread: histogram for spread, histogram in histograms.items() if histogram},
            **self.counts,
        )
        return narrowed(whole, query.facts)


def slices(calls: Iterable[Settled], query: SliceQuery) -> tuple[Slice, ...]:
    """What calls came to, by task, step and value of the query's dimension, in that order."""
    value_of, at_of, is_in = DIMENSION_OF[query.by], _step(query), _window(query)
    found: defaultdict[tuple[str, int, str], SliceCell] = defaultdict(SliceCell)
    for call in calls:
        value = value_of(call)
        if is_in(call.at_ns, call.admitted.task) and _only(query) in ("", value):
            found["" if query.across else call.admitted.task, at_of(call.at_ns), value].add(call)
    bounded(len(found), MAX_SLICES)
    return tuple(cell.slice(*place, query) for place, cell in sorted(found.items(), key=_first))


def readings(tallies: Iterable[Tallied], query: ReadingQuery) -> tuple[ReadingCounts, ...]:
    """Counts of readings by task, field, step and value, in that order."""
    at_of, is_in = _step(query), _window(query)
    found: defaultdict[tuple[str, str, int, str, str], ReadingTally] = defaultdict(ReadingTally)
    for one in tallies:
        group, at_ns = one.group, one.at_ns
        value = "" if query.by == "task" else getattr(group, query.by)
        wanted = _only(query) in ("", value) and (not query.fields or group.field in query.fields)
        if wanted and is_in(at_ns, group.task):
            found[group.task, group.field, at_of(at_ns), value, group.kind].merge(one.tally)
    bounded(len(found), MAX_READINGS)
    return tuple(
        ReadingCounts(
            *(task, name, kind, at_ns, value, tally.n),  # type: ignore[arg-type]
            categories=few(tally.categories, MAX_CATEGORIES),
            positive=dict(tally.positive),
            negative=dict(tally.negative),
            zeros=tally.zeros,
        )
        for (task, name, at_ns, value, kind), tally in sorted(found.items(), key=_first)
    )


def latest(scores: Iterable[Score]) -> list[Score]:
    """Of scores of one id the one given last."""
    found: dict[str, Score] = {}
    for score in sorted(scores, key=lambda one: one.at_ns):
        found[score.id] = score
    return list(found.values())


def scores(given: Iterable[Score], query: ScoreQuery) -> tuple[ScoreCounts, ...]:
    """Scores summed by task, name, source, step and value, in that order."""
    at_of, is_in = _step(query), _window(query)
    found: defaultdict[tuple[str, str, str, int, str], list[Score]] = defaultdict(list)
    for one in _once([one for one in latest(given) if is_in(one.at_ns, one.task)], at_of):
        value = "" if query.by == "task" else getattr(one, query.by)
        wanted = _only(query) in ("", value) and (not query.names or one.name in query.names)
        if wanted:
            found[one.task, one.name, one.source, at_of(one.at_ns), value].append(one)
    bounded(len(found), MAX_SCORES)
    return tuple(_score_counts(*place, of_place) for place, of_place in sorted(found.items(), key=_first))


def _once(given: Iterable[Score], at_of: Callable[[int], int]) -> Iterable[Score]:
    """Scores, but of those that tell the same of one piece of work in one step the one that counts."""
    found: dict[tuple[object, ...], Score] = {}
    for one in sorted(given, key=lambda one: (-_place(one), one.at_ns, one.id)):
        piece = _piece(one)
        found[(one.task, one.name, piece, at_of(one.at_ns)) if piece else (one.id,)] = one
    return found.values()


def _place(one: Score) -> int:
    return COMPLETERS.index(one.source) if one.name == COMPLETION else 0


def _piece(one: Score) -> str:
    """What of a kind that is told once a score tells: its run or call; empty of others."""
    if one.value is None or not math.isfinite(one.value):
        return ""
    if one.name == COMPLETION:
        return one.run or one.call
    return one.call if one.name == ACCURACY or one.name.startswith(f"{ACCURACY}/") else ""


def score_rows(given: Iterable[Score], is_wanted: Callable[[Score], bool]) -> tuple[Score, ...]:
    """The scores that are wanted, in the order they were given, the last `MAX_SCORE_ROWS`."""
    found = sorted(filter(is_wanted, latest(given)), key=lambda one: (one.at_ns, one.id))
    return tuple(found[-MAX_SCORE_ROWS:])


def engine_samples(taken: Iterable[EngineSample], query: EngineQuery) -> tuple[EngineSample, ...]:
    """The samples of a window, the last of each series in each step, in the order of time."""
    last: dict[tuple[Any, ...], EngineSample] = {}
    for one in sorted(taken, key=lambda sample: sample.at_ns):
        wanted = query.since_ns <= one.at_ns < query.until_ns and query.model in ("", one.model)
        if wanted and query.replica in ("", one.replica) and (not query.series or one.series in query.series):
            step = one.at_ns // (query.step_s * 10**9) if query.step_s else one.at_ns
            last[one.model, one.replica, one.series, step] = one
    bounded(len(last), MAX_SAMPLES)
    return tuple(sorted(last.values(), key=lambda one: (one.at_ns, one.model, one.replica, one.series)))


def _counted(call: Settled) -> dict[str, int]:
    """What one call adds to the plain counts of a slice."""
    counts = {
        "calls": 1,
        "repairs": call.repairs,
        "cut": call.finish_reason == "length",
        "repetition": bool(call.repetition),
        "tool_results": len(call.tool_results),
        "tool_errors": sum(result.error for result in call.tool_results),
        "attempts": call.attempts,
        "retried": call.attempts > 1,
        "fallbacks": bool(call.first_model),
    }
    result = result_of(call)
    return {name: int(count) for name, count in counts.items()} | ({result: 1} if result else {})


def _measured(call: Settled) -> dict[Spread, float | None]:
    """The measures of a call in the units of `Spread`."""
    usage = call.usage
    return {
        "ttft": _us(call.ttft_s),
        "tpot": _us(call.tpot_s),
        "gap": _us(call.longest_gap_s),
        "total": _us(call.total_s) if call.outcome == OK else None,
        "output": call.answer_tokens,
        "input": float(usage.input) + float(usage.cache_read) + float(usage.cache_write) if usage else None,
        "request": call.admitted.request_bytes,
    }


def _us(seconds: float | None) -> float | None:
    return None if seconds is None else 1e6 * seconds


def _score_counts(task: str, name: str, source: str, at_ns: int, value: str, of_place: Sequence[Score]) -> ScoreCounts:
    values = [one.value for one in of_place if one.value is not None and math.isfinite(one.value)]
    return ScoreCounts(
        *(task, name, source, at_ns, value, len(of_place), len(values)),
        passed=sum(one >= 0.5 for one in values),
        total=sum(values),
        squares=sum(one * one for one in values),
        labels=few(Counter(one.label for one in of_place if one.label)),
        lag_ms=of_values((one.at_ns - one.settled_ns) / 1e6 for one in of_place if one.settled_ns > 0),
    )


def _window(query: SliceQuery | ReadingQuery | ScoreQuery) -> Callable[[int, str], bool]:
    """Whether something of a task at a time is asked for: whole minutes count."""
    first, end = query.since_ns // MINUTE_NS, -(-query.until_ns // MINUTE_NS)
    tasks = frozenset(query.tasks)
    return lambda at_ns, task: first <= at_ns // MINUTE_NS < end and (not tasks or task in tasks)


def _only(query: SliceQuery | ReadingQuery | ScoreQuery) -> str:
    return "" if query.by == "task" else query.only


def _step(query: SliceQuery | ReadingQuery | ScoreQuery) -> Callable[[int], int]:
    """Where the step of a time begins."""
    step_ns, first_ns = query.step_s * 10**9, query.since_ns // MINUTE_NS * MINUTE_NS
    return lambda at_ns: at_ns // step_ns * step_ns if step_ns else first_ns


def _first(found: tuple[Any, object]) -> Any:
    return found[0]
