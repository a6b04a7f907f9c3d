"""What is asked of the journal about many runs, or about a whole one, and what it tells."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from trimtab.journal.entries import Order, RunState


class Verify(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="verify"):
    """Is a run's log whole, and is every body that it names what it should be?"""

    run: str


class Standing(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="standing"):
    """Which orders hold for these runs? For whoever was not there when they were given."""

    runs: tuple[str, ...]


class CountRuns(Struct, frozen=True, omit_defaults=True, tag_field="ask", tag="count_runs"):
    """Runs that have not ended, by task and state, and what those came to that began from `since_ns` on (0: none)."""

    since_ns: int = 0


class StandingOrder(Struct, frozen=True, omit_defaults=True):
    """An order that holds for a run, or that has ended it."""

    run: str
    order: Order
    by: str = ""
    reason: str = ""


class Stands(Struct, frozen=True, tag_field="told", tag="stands"):
    """The orders that hold; runs without one are not among them."""

    orders: tuple[StandingOrder, ...]


class LiveRuns(Struct, frozen=True):
    """How many runs of a task stand so; `waits` is `review` for those that wait for a person's decision."""

    task: str
    state: RunState
    waits: Literal["", "review"]
    runs: int


class RunSums(Struct, frozen=True):
    """What runs of a task came to: their steps, those that asked for something (each request once), how often these
    were tried, requests that models got, tokens in and out, and cost in 1e-12 US dollars.
    """

    task: str
    runs: int
    steps: int
    asked: int
    tried: int
    requests: int
    tokens: int
    cost_pusd: int


class Verified(Struct, frozen=True, tag_field="told", tag="verified"):
    """What was found of a run: its entries, bodies that are not kept any more, and faults, none where it is whole."""

    run: str
    entries: int
    gone: int
    faults: tuple[str, ...]


class RunsCounted(Struct, frozen=True, tag_field="told", tag="runs_counted"):
    """Runs that have not ended, and what those came to that began in the time that was asked for."""

    live: tuple[LiveRuns, ...]
    sums: tuple[RunSums, ...] = ()
