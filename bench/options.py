"""What the command line asked of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.rounds import Plan

QUICK_ROUNDS = 2
LEAST_ROUNDS = 20


@dataclass(frozen=True)
class Options:
    """`quick` shortens everything to a smoke run; `arms` keeps only those named; `tell` reports progress.

    `rounds` fixes the number of rounds, which otherwise follows from how narrow the interval is.
    """

    quick: bool
    seed: int
    arms: frozenset[str] | None
    tell: Callable[[str], None]
    rounds: int | None = None

    def wants(self, arm: str) -> bool:
        """Whether this arm takes part."""
        return self.arms is None or arm in self.arms

    def size(self, full: int, quick: int) -> int:
        """`full`, or `quick` in a smoke run."""
        return quick if self.quick else full

    def plan(self, most: int, every: Mapping[str, int] | None = None) -> Plan:
        """Rounds: 20 and then as many as it takes, at most `most`; arms in `every` join each k-th."""
        fixed = self.rounds or (QUICK_ROUNDS if self.quick else None)
        return Plan(fixed or LEAST_ROUNDS, fixed or most, self.seed, every or {})
