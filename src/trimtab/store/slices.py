"""Slices: what the calls of a task came to, over a step of time, and by one further thing that tells them apart.

Signals, alerts and pages are made of these. One dimension at a time beside the task: its values are few, while those of
all dimensions crossed would be as many as calls.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal

from trimtab.record.events import CostLabel, Outcome
from trimtab.store.histograms import Histogram
from trimtab.store.sums import CostSum

Dimension = Literal["task", "model", "replica", "prompt", "lock", "key", "environment"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("task", "model", "replica", "prompt", "lock", "key", "environment")
Spread = Literal["ttft", "tpot", "gap", "total", "output", "input", "request"]
SPREADS: Final[tuple[Spread, ...]] = ("ttft", "tpot", "gap", "total", "output", "input", "request")
"""Latencies in microseconds; `output` and `input` in tokens, the latter with what the cache held; `request` in bytes of
the request's body."""
Fact = Literal["answers", "ends", "tools", "tries", "tokens", "cost"]
FACTS: Final[tuple[Fact, ...]] = ("answers", "ends", "tools", "tries", "tokens", "cost")
"""What is counted beside calls and histograms, as it is asked for together."""
OF_FACT: Final[Mapping[Fact, tuple[str, ...]]] = {
    "answers": (
        *("valid_first", "repaired", "rejected", "passed_invalid", "truncated", "refused", "repairs", "cut"),
        "repetition",
    ),
    "ends": ("outcomes", "finish_reasons"),
    "tools": ("tool_outcomes", "tools", "tool_results", "tool_errors"),
    "tries": ("attempts", "retried", "fallbacks"),
    "tokens": ("tokens",),
    "cost": ("cost",),
}
"""The fields of a slice that each fills."""
MAX_SLICES: Final = 20_000
"""How many slices one question is answered with; one that has more is refused."""
MAX_NAMES: Final = 100
"""How many tools or finish reasons a slice tells apart: those with most, the rest together under `OTHER`."""
OTHER: Final = "(other)"
"""What names past the largest number of them go under."""


@dataclass(frozen=True)
class SliceQuery:
    """Calls that ended in [since, until), whole minutes, in ns since 1970.

    `by` "task" tells no further than by task; `only` keeps one value of the dimension. `step_s` cuts the window into
    steps that begin at multiples of it since 1970, a multiple of 60; 0 takes the window as one. `spreads` are the
    histograms that are wanted, `facts` the counts: each costs, so ask for those that are looked at; fields that are not
    asked for are left empty. `across` adds up all tasks that are asked for, under no name.
    """

    since_ns: int
    until_ns: int
    tasks: tuple[str, ...] = ()
    by: Dimension = "task"
    only: str = ""
    step_s: int = 0
    spreads: tuple[Spread, ...] = SPREADS
    across: bool = False
    facts: tuple[Fact, ...] = FACTS

    def __post_init__(self) -> None:
        check_step(self.step_s)


def check_step(step_s: int) -> None:
    """Raises `ValueError` for a step that is not a multiple of 60 seconds."""
    if step_s < 0 or step_s % 60:
        raise ValueError(f"a step is a multiple of 60 seconds, not {step_s}; round it up to a whole minute")


def bounded(count: int, most: int) -> None:
    """Raises `ValueError` for an answer that would be too long."""
    if count > most:
        raise ValueError(
            f"the answer would have over {most:,} parts; ask for a shorter window, a larger step or one task"
        )


def few(names: Mapping[str, int], most: int = MAX_NAMES) -> dict[str, int]:
    """The names with most counts (of equals the first in the alphabet), the others together under `OTHER`."""
    if len(names) <= most:
        return dict(names)
    ordered = sorted(names.items(), key=lambda one: (one[0] == OTHER, -one[1], one[0]))
    kept = dict(ordered[: most - 1])
    kept[OTHER] = sum(count for _, count in ordered[most - 1 :])
    return kept


@dataclass(frozen=True)
class Slice:
    """What the calls of one task, one value of the query's dimension and one step came to.

    Answers with a schema are `valid_first`, `repaired`, `rejected`, `passed_invalid`, `truncated` or `refused`.
    `cut` counts answers that ran into their limit on tokens. `tool_outcomes` counts tool calls of answers by how they
    stood against the tools they could use, `tools` by the tool chosen ("(unknown)" for one that there is not).
    `tool_results` are tools' answers that came with requests, `tool_errors` those of them that told of an error.
    `attempts` adds up those of all calls; `retried` calls took more than one, `fallbacks` went on to another model
    than the first. `tokens` are in the classes of `Usage`. A call counts in a histogram only if it has the measure,
    above 0; `total` is taken over calls with outcome ok. `finish_reasons` are of the calls that have one.

    Mappings leave out what is 0. `at_ns` is where the step begins, perhaps before the window; without steps it is where
    the window begins.
    """

    task: str
    at_ns: int
    value: str = ""
    calls: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    finish_reasons: Mapping[str, int] = field(default_factory=dict)
    valid_first: int = 0
    repaired: int = 0
    rejected: int = 0
    passed_invalid: int = 0
    truncated: int = 0
    refused: int = 0
    repairs: int = 0
    cut: int = 0
    repetition: int = 0
    tool_outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    tools: Mapping[str, int] = field(default_factory=dict)
    tool_results: int = 0
    tool_errors: int = 0
    attempts: int = 0
    retried: int = 0
    fallbacks: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    cost: Mapping[CostLabel, CostSum] = field(default_factory=dict)
    spreads: Mapping[Spread, Histogram] = field(default_factory=dict)


def narrowed(whole: Slice, facts: Collection[Fact]) -> Slice:
    """A slice with these facts alone."""
    left_out = {name for fact, names in OF_FACT.items() if fact not in facts for name in names}
    kept = {one.name: getattr(whole, one.name) for one in fields(Slice) if one.name not in left_out}
    return Slice(**kept)
