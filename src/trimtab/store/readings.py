"""Readings: what was read of the bodies of calls, as categories and numbers whose distribution can be watched.

A field is named `answer/POINTER` for an enum, boolean or number of an answer, `input/NAME` for a typed input of the
prompt, `input.language` and `input.sketch` for the language and the rough content of what was asked,
`confidence/POINTER` for the mean probability of a field's tokens ("" for the whole answer).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from trimtab.store.histograms import Histogram

ReadingKind = Literal["category", "number"]
OTHER = "(other)"
"""What categories past the largest number of them go under."""


@dataclass(frozen=True)
class Reading:
    """One value read of one call: a category's text, or a number with its sign apart (`value` is "-" below 0)."""

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
