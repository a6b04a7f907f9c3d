"""Telemetry made of counts by the minute: weeks of a task's calls without its calls."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trimtab.record.events import Change
from trimtab.store.histograms import bucket_of, merged
from trimtab.store.readings import ReadingCounts, ReadingQuery
from trimtab.store.scores import ScoreCounts, ScoreQuery
from trimtab.store.search import CallSearch, Example, ReadingMatch
from trimtab.store.slices import Slice, SliceQuery, Spread
from trimtab.store.telemetry import MINUTE_NS

PROMPT_A = "a" * 64
PROMPT_B = "b" * 64


@dataclass
class Minute:
    """What one minute of one task came to, all under one prompt, lock, model and replica."""

    slice: Slice
    prompt: str = PROMPT_A
    lock: str = "1" * 64
    model: str = "small"
    replica: str = "http://10.0.0.1:8000"
    completed: tuple[int, int] | None = None
    labels: Mapping[str, int] = field(default_factory=dict)


class Stream:
    """Answers what alerts ask of telemetry, by adding minutes up."""

    def __init__(self) -> None:
        self.minutes: dict[tuple[str, int], Minute] = {}
        self.tasks: set[str] = set()
        self.noted: list[Change] = []
        self.searched: list[CallSearch] = []

    def put(self, minute: int, one: Minute) -> None:
        """Lays down what came in the minute that began then."""
        self.minutes[one.slice.task, minute] = one
        self.tasks.add(one.slice.task)

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """Slices, as the contract says."""
        found: defaultdict[tuple[str, str, int], list[Slice]] = defaultdict(list)
        for at_ns, one in self._within(query):
            value = "" if query.by == "task" else str(getattr(one, query.by))
            if not query.only or value == query.only:
                found[one.slice.task, value, at_ns].append(one.slice)
        return tuple(_summed(*key, slices, query.spreads) for key, slices in sorted(found.items()))

    def readings(self, query: ReadingQuery) -> tuple[ReadingCounts, ...]:
        """The field `answer/label`, by task alone."""
        found: defaultdict[tuple[str, int], Counter[str]] = defaultdict(Counter)
        for at_ns, one in self._within(query):
            if one.labels:
                found[one.slice.task, at_ns].update(one.labels)
        return tuple(
            ReadingCounts(task, "answer/label", "category", at_ns, n=sum(counts.values()), categories=dict(counts))
            for (task, at_ns), counts in sorted(found.items())
        )

    def scores(self, query: ScoreQuery) -> tuple[ScoreCounts, ...]:
        """The score `completion`, by task alone."""
        found: defaultdict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        for at_ns, one in self._within(query):
            if one.completed is not None:
                found[one.slice.task, at_ns].append(one.completed)
        return tuple(
            ScoreCounts(
                task,
                "completion",
                "rule",
                at_ns,
                n=sum(n for _, n in counts),
                valued=sum(n for _, n in counts),
                passed=sum(of for of, _ in counts),
            )
            for (task, at_ns), counts in sorted(found.items())
        )

    def changes(self, since_ns: int, until_ns: int, limit: int) -> tuple[Change, ...]:
        """Those laid down, newest first."""
        found = [one for one in self.noted if since_ns <= one.at_ns < until_ns]
        return tuple(sorted(found, key=lambda one: -one.at_ns)[:limit])

    def examples(self, wanted: CallSearch, reading: ReadingMatch | None = None) -> tuple[Example, ...]:
        """Two calls of the first task asked for, and a note of what was asked."""
        self.searched.append(wanted)
        return tuple(Example(f"call-{number}", wanted.since_ns, wanted.tasks[0]) for number in (1, 2))

    def tail(self, wanted: Any) -> tuple[()]:
        """No calls."""
        return ()

    def insert(self, batch: Any, token: str) -> None:
        """Nothing comes through the spool."""

    def close(self) -> None:
        """Nothing is open."""

    def _within(self, query: SliceQuery | ReadingQuery | ScoreQuery) -> Iterable[tuple[int, Minute]]:
        step_ns = query.step_s * 1_000_000_000
        first, last = query.since_ns // MINUTE_NS, query.until_ns // MINUTE_NS
        tasks = query.tasks or tuple(sorted(self.tasks))
        for task in tasks:
            for minute in range(first, last):
                one = self.minutes.get((task, minute))
                if one is not None:
                    at_ns = minute * MINUTE_NS
                    yield (at_ns // step_ns * step_ns if step_ns else query.since_ns), one


NUMBERS = (
    *("calls", "valid_first", "repaired", "rejected", "passed_invalid", "truncated", "refused", "repairs", "cut"),
    *("repetition", "tool_results", "tool_errors", "attempts", "retried", "fallbacks"),
)
COUNTS = ("outcomes", "finish_reasons", "tool_outcomes", "tools", "tokens")


def _summed(task: str, value: str, at_ns: int, slices: list[Slice], spreads: Iterable[Spread]) -> Slice:
    if len(slices) == 1:
        return replace(slices[0], value=value, at_ns=at_ns)
    facts: dict[str, Any] = {name: sum(getattr(one, name) for one in slices) for name in NUMBERS}
    for name in COUNTS:
        total: Counter[str] = Counter()
        for one in slices:
            total.update(getattr(one, name))
        facts[name] = dict(total)
    facts["spreads"] = {name: merged(one.spreads.get(name, {}) for one in slices) for name in spreads}
    return Slice(task, at_ns, value, **facts)


@dataclass(frozen=True)
class Traffic:
    """How a task behaves: calls an hour, and what becomes of them. Times of day change how many there are."""

    calls: float = 200.0
    valid: float = 0.99
    tool_errors: float = 0.01
    completed: float = 0.9
    failing: float = 0.002
    length: float = 120.0
    ttft_ms: float = 300.0
    label: float = 0.2
    by_day: bool = True


def traffic(
    draw: random.Random, task: str, minute: int, how: Traffic, prompt: str = PROMPT_A, **facts: Any
) -> Minute | None:
    """What a minute of it comes to; None of no calls."""
    day = 1 + 0.5 * math.sin(2 * math.pi * minute / 1440) if how.by_day else 1.0
    calls = _poisson(draw, how.calls / 60 * day)
    if not calls:
        return None

    def some(share: float, of: int = calls) -> int:
        return sum(draw.random() < share for _ in range(of))

    failed = some(how.failing)
    answered = calls - failed
    valid = some(how.valid, answered)
    errors = some(how.tool_errors)
    ok = {"ok": answered, **({"upstream_error": failed} if failed else {})}
    one = Slice(
        task,
        minute * MINUTE_NS,
        calls=calls,
        outcomes={name: count for name, count in ok.items() if count},
        finish_reasons={"stop": answered} if answered else {},
        valid_first=valid,
        passed_invalid=answered - valid,
        tool_results=calls,
        tool_errors=errors,
        attempts=calls,
        spreads={
            "output": _spread(draw, how.length, 0.5, answered),
            "ttft": _spread(draw, how.ttft_ms * 1000, 0.4, answered),
            "tpot": _spread(draw, 30_000.0, 0.2, answered),
        },
    )
    first = some(how.label, answered)
    labels = {name: count for name, count in (("refund", first), ("other", answered - first)) if count}
    return Minute(one, prompt, completed=(some(how.completed, answered), answered), labels=labels, **facts)


def run(
    stream: Stream,
    draw: random.Random,
    task: str,
    minutes: Iterable[int],
    how: Callable[[int], Traffic],
    prompt: Callable[[int], str] = lambda minute: PROMPT_A,
    **facts: Any,
) -> None:
    """Lays minutes of traffic down."""
    for minute in minutes:
        one = traffic(draw, task, minute, how(minute), prompt(minute), **facts)
        if one is not None:
            stream.put(minute, one)


def _poisson(draw: random.Random, mean: float) -> int:
    limit, count, product = math.exp(-mean), 0, draw.random()
    while product > limit:
        count += 1
        product *= draw.random()
    return count


def _spread(draw: random.Random, median: float, sigma: float, n: int) -> dict[int, int]:
    return dict(Counter(bucket_of(median * math.exp(draw.gauss(0.0, sigma))) for _ in range(n)))
