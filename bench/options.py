"""What the command line asked of a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """`quick` shortens everything to a smoke run; `arms` keeps only those named; `tell` reports progress."""

    quick: bool
    seed: int
    arms: frozenset[str] | None
    tell: Callable[[str], None]

    def wants(self, arm: str) -> bool:
        """Whether this arm takes part."""
        return self.arms is None or arm in self.arms

    def size(self, full: int, quick: int) -> int:
        """`full`, or `quick` in a smoke run."""
        return quick if self.quick else full
