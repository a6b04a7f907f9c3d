"""Readings: what was read of the bodies of calls, as categories and numbers whose distribution can be watched.

A field is named `answer/POINTER` for an enum, boolean or number of an answer, `input/NAME` for a typed input of the
prompt, `input.language` and `input.sketch` for the language and the rough content of what was asked,
`confidence/POINTER` for the mean probability of a field's tokens ("" for the whole answer).
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from trimtab.store.histograms import Histogram, bucket_of
from trimtab.store.slices import check_step, few
from trimtab.store.sums import MINUTE_NS

ReadingKind = Literal["category", "number"]
MAX_CATEGORIES: Final = 100
"""How many categories of a field are told apart in one batch, and in one answer; the rest go under `OTHER`."""
MAX_CATEGORY: Final = 100
"""How many characters of a category's text tell it apart."""
MAX_READINGS: Final = 20_000
"""How many `ReadingCounts` one question is answered with; one that has more is refused."""


@dataclass(frozen=True)
class Reading:
    """One value read of one call: a category's text, or a number with its sign apart (`value` is "-" below 0).

    A number that is not finite is not counted. Of a category's text the first `MAX_CATEGORY` characters count.
    """

    at_ns: int
    call: str
    environment: str
    task: str
    model: str
    prompt: str
    lock: str
    field: str
    kind: ReadingKind
    value: str = ""
    number: float = 0.0


@dataclass(frozen=True)
class ReadingQuery:
    """Readings of calls that ended in [since, until), whole minutes, in ns since 1970; `step_s` as in `SliceQuery`."""

    since_ns: int
    until_ns: int
    tasks: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    by: Literal["task", "model", "prompt", "lock"] = "task"
    only: str = ""
    step_s: int = 0

    def __post_init__(self) -> None:
        check_step(self.step_s)


@dataclass(frozen=True)
class ReadingCounts:
    """How often each category of a field was read, or the histogram of its numbers: those above 0 and, by their size,
    those below; `zeros` counts the rest.
    """

    task: str
    field: str
    kind: ReadingKind
    at_ns: int
    value: str = ""
    n: int = 0
    categories: Mapping[str, int] = dataclasses.field(default_factory=dict)
    positive: Histogram = dataclasses.field(default_factory=dict)
    negative: Histogram = dataclasses.field(default_factory=dict)
    zeros: int = 0


class ReadingGroup(NamedTuple):
    """What readings that are counted together have in common; `minute` counts from 1970."""

    minute: int
    environment: str
    task: str
    model: str
    prompt: str
    lock: str
    field: str
    kind: ReadingKind


@dataclass
class ReadingTally:
    """The readings of one group, counted."""

    n: int = 0
    zeros: int = 0
    categories: Counter[str] = dataclasses.field(default_factory=Counter)
    positive: Counter[int] = dataclasses.field(default_factory=Counter)
    negative: Counter[int] = dataclasses.field(default_factory=Counter)

    def add(self, reading: Reading) -> None:
        """Counts one reading."""
        if reading.kind == "category":
            self.categories[reading.value[:MAX_CATEGORY]] += 1
        elif not math.isfinite(reading.number):
            return
        elif reading.number == 0:
            self.zeros += 1
        else:
            side = self.negative if reading.value == "-" or reading.number < 0 else self.positive
            side[bucket_of(abs(reading.number))] += 1
        self.n += 1

    def merge(self, other: ReadingTally) -> None:
        """Takes up the counts of another."""
        self.n += other.n
        self.zeros += other.zeros
        self.categories.update(other.categories)
        self.positive.update(other.positive)
        self.negative.update(other.negative)


class Tallied(NamedTuple):
    """A group of readings with their counts."""

    group: ReadingGroup
    tally: ReadingTally

    @property
    def at_ns(self) -> int:
        """When its minute begins, in ns since 1970."""
        return self.group.minute * MINUTE_NS


def tallied(readings: Iterable[Reading]) -> list[Tallied]:
    """Readings counted by group: what a store keeps of a batch of them."""
    found: defaultdict[ReadingGroup, ReadingTally] = defaultdict(ReadingTally)
    for one in readings:
        minute = one.at_ns // MINUTE_NS
        group = ReadingGroup(minute, one.environment, one.task, one.model, one.prompt, one.lock, one.field, one.kind)
        found[group].add(one)
    for tally in found.values():
        tally.categories = Counter(few(tally.categories, MAX_CATEGORIES))
    return [Tallied(group, tally) for group, tally in found.items() if tally.n]
