"""What a task scored under each lock, beside what users' calls under it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from trimtab.evals.history import Scored
from trimtab.signals.figure import Cell, Figure

LIVE: Final = ("parse_rate", "tool_validity", "completion", "accuracy", "cost_per_call")
"""What is shown of a lock's calls."""
DIGEST: Final = "sha256:"


class OfLock(Struct, frozen=True):
    """One lock: its latest score in an evaluation, and the figures of its users' calls; either may be missing."""

    lock: str
    score: Scored | None
    calls: int
    live: tuple[Figure, ...] = ()

    @property
    def cell(self) -> Cell | None:
        """Its figures, for columns; None where it had no call."""
        return Cell("", self.lock, 0, self.calls, self.live) if self.calls else None


def joined(offline: Sequence[Scored], cells: Sequence[Cell]) -> tuple[OfLock, ...]:
    """Scores and live figures, by lock; calls without a lock are left out."""
    scores: Mapping[str, Scored] = {one.lock.removeprefix(DIGEST): one for one in offline}
    live = {one.value.removeprefix(DIGEST): one for one in cells if one.value}
    locks = [*(lock for lock in live if lock not in scores), *scores]
    return tuple(
        OfLock(
            lock, scores.get(lock), live[lock].calls if lock in live else 0, live[lock].figures if lock in live else ()
        )
        for lock in locks
    )  # fmt: skip
