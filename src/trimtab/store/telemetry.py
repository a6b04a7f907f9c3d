"""The contract of the analytical store: named operations, never SQL.

Implementations: `clickhouse` (chDB in this process, or a ClickHouse server) and `memory`. One test suite runs
against all of them. Every operation blocks, and one thread makes all of them. All raise `StoreError` when the store
cannot be reached or refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from trimtab.record.events import Admitted, Attempt, Change, CostLabel, Event, Score, Settled
from trimtab.store import sums
from trimtab.store.contract_figures import AnswerResult, ContractFigures
from trimtab.store.erasing import Erasing
from trimtab.store.lock_figures import CallKinds, LockUse, PromptUse
from trimtab.store.readings import Reading
from trimtab.store.searching import Searching
from trimtab.store.signalling import Signalling
from trimtab.store.texts import CallText

CostSum = sums.CostSum
MINUTE_NS = sums.MINUTE_NS
DAY_NS = 1440 * MINUTE_NS
MEASURES: tuple[Measure, ...] = ("ttft", "tpot", "gap", "total", "output")
RELATIVE_ERROR = 0.01
"""How far a reported percentile may lie from the exact one, as a part of it."""
MAX_LEVELS = 8
"""How many quantile levels one report may ask for."""

Measure = Literal["ttft", "tpot", "gap", "total", "output"]


@dataclass(frozen=True)
class Batch:
    """What one insert brings: whole calls, their attempts, changes, scores, what calls are searched by, and readings.

    Readings are no events: they come with the calls that they were read of, and the batch's length leaves them out.
    """

    calls: tuple[Settled, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    changes: tuple[Change, ...] = ()
    scores: tuple[Score, ...] = ()
    texts: tuple[CallText, ...] = ()
    readings: tuple[Reading, ...] = ()

    @classmethod
    def of(cls, events: Iterable[Event]) -> Batch:
        """Sorts events by what they are; `Admitted` is left out, since its `Settled` carries it."""
        calls: list[Settled] = []
        attempts: list[Attempt] = []
        changes: list[Change] = []
        scores: list[Score] = []
        for event in events:
            match event:
                case Settled():
                    calls.append(event)
                case Attempt():
                    attempts.append(event)
                case Change():
                    changes.append(event)
                case Score():
                    scores.append(event)
                case Admitted():
                    pass
        return cls(tuple(calls), tuple(attempts), tuple(changes), tuple(scores))

    def __len__(self) -> int:
        parts = self.calls, self.attempts, self.changes, self.scores, self.texts
        return sum(map(len, parts))


@dataclass(frozen=True)
class Counts:
    """Rows in the base tables, and what the roll-ups have counted of them.

    `calls == rolled_up` always holds, and so for `contracts`, calls with anything `ContractFigures` counts but tool
    calls, and for `tool_calls`.
    """

    calls: int = 0
    attempts: int = 0
    changes: int = 0
    contracts: int = 0
    tool_calls: int = 0
    rolled_up: int = 0
    contracts_rolled_up: int = 0
    tool_calls_rolled_up: int = 0


@dataclass(frozen=True)
class CallFilter:
    """Which calls `tail` gives; an empty field filters nothing. Times are when a call ended, in ns since 1970.

    `locks` are ids of locks that calls were made under, or their beginnings.
    """

    tasks: tuple[str, ...] = ()
    model: str = ""
    outcome: str = ""
    since_ns: int = 0
    limit: int = 50
    locks: tuple[str, ...] = ()


@dataclass(frozen=True)
class SampleQuery:
    """Calls to draw from: those that ended in [since, until), in ns since 1970. `seed` draws others."""

    since_ns: int
    until_ns: int
    tasks: tuple[str, ...] = ()
    limit: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Sample:
    """Calls in a random order, without their chunk delays and lengths, and how many there are of them in all."""

    calls: tuple[Settled, ...]
    of: int


@dataclass(frozen=True)
class CallDetail:
    """One call with its attempts in the order they were made."""

    call: Settled
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class ReportQuery:
    """A window of whole minutes, [since, until), in ns since 1970, and what to look at in it.

    `levels` are for `report` alone, `by_prompt` for `contracts`, `by_lock` for both.
    """

    since_ns: int
    until_ns: int
    tasks: tuple[str, ...] = ()
    model: str = ""
    by_model: bool = False
    by_prompt: bool = False
    by_lock: bool = False
    levels: tuple[float, ...] = (0.5, 0.95, 0.99)

    def __post_init__(self) -> None:
        if not 0 < len(self.levels) <= MAX_LEVELS:
            raise ValueError(f"a report takes 1 to {MAX_LEVELS} quantile levels, not {len(self.levels)}")


@dataclass(frozen=True)
class Distribution:
    """`values` are the quantiles at the query's levels over `n` calls; empty when `n` is 0."""

    n: int = 0
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Work:
    """Tokens an engine worked through, and the seconds that took as its callers saw it, summed over calls."""

    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Figures:
    """The sums of one task (and model, and lock, where the query asked for that) over the window.

    `total` is taken over calls with outcome `ok`; the other measures over the calls that have them. `output` is in
    tokens, the rest in seconds. `prefill` is the uncached input over the time to the first token; `decode` every
    output token after the first over the time from the first to the last.
    """

    task: str
    model: str = ""
    lock: str = ""
    outcomes: dict[str, int] = field(default_factory=dict)
    distributions: dict[Measure, Distribution] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    cost: dict[CostLabel, CostSum] = field(default_factory=dict)
    prefill: Work = Work()
    decode: Work = Work()


@dataclass(frozen=True)
class PromptFigures:
    """The figures of the calls for which a task's prompt of one digest was rendered, and what became of their answers.

    `first_ns` and `last_ns` are when the first and the last of them ended, in ns since 1970.
    """

    prompt: str
    figures: Figures
    answers: dict[AnswerResult, int] = field(default_factory=dict)
    first_ns: int = 0
    last_ns: int = 0


class Telemetry(Searching, Signalling, Erasing, Protocol):
    """The analytical store."""

    def migrate(self) -> None:
        """Brings the schema to this release's version; raises `StoreError` if a newer release wrote it."""

    def insert(self, batch: Batch, token: str) -> None:
        """Stores the batch exactly once, however often it is sent whole under the same token."""

    def count(self) -> Counts:
        """Counts the base tables and, apart from them, what the roll-up has seen."""

    def report(self, query: ReportQuery) -> tuple[Figures, ...]:
        """Sums the roll-up over a window, by task and perhaps by model and by lock, in their alphabetical order."""

    def contracts(self, query: ReportQuery) -> tuple[ContractFigures, ...]:
        """Sums what became of answers and tool calls, by task and perhaps by model, prompt and lock, in that order.

        A task without anything of the kind is left out.
        """

    def prompts(self, query: ReportQuery) -> tuple[PromptFigures, ...]:
        """Figures by task and prompt, of each task the prompt first that was rendered first; 10,000 at most.

        Calls for which no prompt was rendered are left out.
        """

    def prompt_uses(self, query: ReportQuery) -> tuple[PromptUse, ...]:
        """When each task's prompts were used, in the order of `prompts`, without their figures; 10,000 at most."""

    def locks(self, query: ReportQuery) -> tuple[LockUse, ...]:
        """The locks that calls of a window were made under, the one first in force first."""

    def call_kinds(self, query: ReportQuery) -> CallKinds:
        """The calls of a window, grouped by all that a lock pins and a record tells."""

    def tail(self, wanted: CallFilter) -> tuple[Settled, ...]:
        """The calls that ended last, newest first, without their chunk delays and lengths."""

    def sample(self, wanted: SampleQuery) -> Sample:
        """Calls drawn without regard to what they are: each is as likely as any other, and the same seed draws the
        same ones of the same calls.
        """

    def call(self, call: str) -> CallDetail | None:
        """One whole call by its id; None if it is not here."""

    def answered_as(self, upstream_id: str, since_ns: int) -> str:
        """The call, ended since then, whose answer bears this id of the model's server; empty if none is here."""

    def changes(self, since_ns: int, until_ns: int, limit: int) -> tuple[Change, ...]:
        """What took effect in [since, until), newest first."""

    def retain(self, since_ns: int) -> None:
        """Drops every whole day (UTC) that ended before `since_ns` from base tables and roll-up alike."""

    def close(self) -> None:
        """Lets go of the store; no other operation may follow."""
