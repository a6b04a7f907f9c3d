"""Spend: tokens and money of a window, told apart by up to two things and over steps of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from trimtab.record.events import CostLabel

SpendDimension = Literal["task", "model", "key", "owner", "prompt", "lock", "environment", "conversation", "end_user"]
SPEND_DIMENSIONS: Final[tuple[SpendDimension, ...]] = (
    *("task", "model", "key", "owner", "prompt", "lock", "environment", "conversation", "end_user"),
)
HOUR_NS: Final = 3_600_000_000_000
OTHER: Final = "(other)"
MAX_ROWS: Final = 20_000
"""How many rows one question may be answered with; one that could have more is refused."""


@dataclass(frozen=True)
class SpendQuery:
    """Calls that ended in [since, until), taken as whole hours (UTC), in ns since 1970.

    `by` names at most two dimensions. `step_s` cuts the window into steps that begin at multiples of it since 1970, a
    multiple of 3600; 0 takes the window as one. `top` keeps that many values of the `by`, those that cost most over the
    whole window, then those with most tokens; the rest is summed under `OTHER` in each of them. It raises `ValueError`
    where steps and values could come to more than `MAX_ROWS`.
    """

    since_ns: int
    until_ns: int
    by: tuple[SpendDimension, ...] = ("task",)
    tasks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    step_s: int = 0
    top: int = 100

    def __post_init__(self) -> None:
        if len(self.by) > 2 or len(set(self.by)) < len(self.by) or not set(self.by) <= set(SPEND_DIMENSIONS):
            raise ValueError(f"spend is told apart by at most two of {', '.join(SPEND_DIMENSIONS)}")
        if self.step_s < 0 or self.step_s % 3600:
            raise ValueError(f"a step of spend is a multiple of 3600 seconds, not {self.step_s}")
        if not 0 < self.top <= 1000:
            raise ValueError(f"spend keeps 1 to 1000 values, not {self.top}")
        steps = (self.until_ns - self.since_ns) // (self.step_s * 10**9) + 2 if self.step_s else 1
        if steps * (self.top + 1) > MAX_ROWS:
            raise ValueError(f"{steps} steps of {self.top} values are over {MAX_ROWS} rows; use longer steps")

    def ordered(self, rows: Iterable[Spend]) -> tuple[Spend, ...]:
        """Rows by step, in each those first that cost most, then those with most tokens; `OTHER` stands last."""

        def place(row: Spend) -> tuple[int, bool, int, int, tuple[str, ...]]:
            tokens = sum(row.tokens.get(name, 0) for name in ("input", "cache_read", "cache_write", "output"))
            return row.at_ns, OTHER in row.values, -sum(row.cost.values()), -tokens, row.values

        return tuple(sorted(rows, key=place))


@dataclass(frozen=True)
class Spend:
    """What the calls of one step and one value of each dimension used, and what they cost.

    `values` are in the order of the query's `by`. `tokens` are in the classes of `Usage`; `cost` is in picodollars and
    `labelled` counts calls, both by cost label: a call of unknown cost adds nothing to `cost`.
    """

    at_ns: int
    values: tuple[str, ...] = ()
    calls: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    cost: Mapping[CostLabel, int] = field(default_factory=dict)
    labelled: Mapping[CostLabel, int] = field(default_factory=dict)
