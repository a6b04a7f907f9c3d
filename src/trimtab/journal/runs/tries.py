"""What a run's row counts as its steps are taken: what was asked, how often it was tried, and what is under way.

Tries divided by what was asked is a run's amplification. Timers, events and sub-runs ask for nothing themselves.
"""

from __future__ import annotations

from typing import Final

from trimtab.journal.entries import Result, StepKind
from trimtab.journal.runs.transaction import Row

WAITS: Final[frozenset[StepKind]] = frozenset({"timer", "event", "child"})
UPSTREAM: Final = frozenset({"transport", "fallback", "repair"})
"""Layers that try again by another request to a model's server."""
CALLS: Final = "calls"
"""What a run of calls alone waits for while none is under way."""


def count_begun(row: Row, kind: StepKind, *, asks: bool) -> None:
    """A step is taken; without `asks` because it, or the same request, did not come to an end before."""
    if kind in WAITS:
        return
    row.asked += asks
    row.tried += 1
    row.requests += kind == "model"


def count_finished(row: Row, result: Result) -> None:
    """A step has ended: what it took beyond one try, and its tokens. Tries of earlier steps that it mends are tries of
    what they asked for, but their requests are counted with them.
    """
    row.tried += max(0, len(result.tried) - 1)
    own = [one for one in result.tried if not one.step]
    if len(own) > 1 and own[-1].layer in UPSTREAM:
        row.requests += len(own) - 1
    row.tokens += (result.input_tokens or 0) + (result.output_tokens or 0)


def opened(row: Row) -> None:
    """A call that no driver sent is under way."""
    row.open += 1
    if row.state == "waiting" and row.waits_for == CALLS:
        row.state, row.waits_for = "running", ""


def closed(row: Row) -> None:
    """It is not any more; the run waits for its next call."""
    row.open -= 1
    rests(row)


def rests(row: Row) -> None:
    """A run of calls alone that has none under way waits for the next one."""
    if row.through == "gateway" and not row.open and row.state == "running":
        row.state, row.waits_for = "waiting", CALLS
