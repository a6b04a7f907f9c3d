"""The attempt ledger of a step: every try of it, whoever tried again, how it ended and what it cost."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from trimtab.journal.entries import Leased, Logged, Result, Tried
from trimtab.journal.steps import ABANDONED, Log, Step

MOST_LINES: Final = 200
"""Lines of one ledger; of a client that asks again without end the latest are kept."""
LEASE_LOST: Final = "lease_lost"
FOUND_OUT: Final = "happened"


def ledgers(log: Log) -> dict[int, tuple[Tried, ...]]:
    """The ledger of each step by its seq.

    A step whose request an earlier one made too, which did not end well, begins with the lines of that one: its client
    asked again. Lines are in order of time; the last of them is still under way where its cause is empty.
    """
    leases = [one for one in log.others if isinstance(one.entry, Leased)]
    found: dict[int, tuple[Tried, ...]] = {}
    latest: dict[tuple[str, str], Step] = {}
    for step in log.steps:
        alike = (step.intent.label, step.intent.request)
        before = latest.get(alike)
        own = tries_of(step, leases)
        if before is not None and before.result is not None and before.result.outcome != "ok":
            told = tuple(line if line.step else replace(line, step=before.seq) for line in found[before.seq])
            own = (*told, replace(own[0], layer="client"), *own[1:])
        found[step.seq] = own[-MOST_LINES:]
        latest[alike] = step
    return found


def tries_of(step: Step, leases: Sequence[Logged] = ()) -> tuple[Tried, ...]:
    """The tries of a step by itself: those its driver or gateway died with, then those that its result tells of."""
    lines: list[Tried] = [_broken_off(step, one) for one in step.earlier]
    again = "gateway" if lines else ""
    if step.reconciled is None or step.reconciled.found != FOUND_OUT:
        ends = step.result_seq or (leases[-1].seq + 1 if leases else 0)
        begin, end = bisect_right(leases, step.seq, key=_seq), bisect_left(leases, ends, key=_seq)
        taken = [step.intent.at_ns, *(one.entry.at_ns for one in leases[begin:end])]
        lines += [Tried("driver", LEASE_LOST, at_ns) for at_ns in taken[:-1]]
        again = "driver" if len(taken) > 1 else again
    last = _last(step)
    if again:
        last = (replace(last[0], layer=again), *last[1:])
    return (*lines, *last)


def _seq(lease: Logged) -> int:
    return lease.seq


def _broken_off(step: Step, result: Result) -> Tried:
    cause = result.error or result.outcome
    layer = "gateway" if cause == ABANDONED else "client"
    return Tried(layer, cause, step.intent.at_ns, took_s=result.took_s, cost_pusd=result.cost_pusd)  # type: ignore[arg-type]


def _last(step: Step) -> tuple[Tried, ...]:
    """What the result tells; one try where it tells of none, without a cause where there is no result yet."""
    result, layer = step.result, "transport" if step.intent.step == "model" else "tool"
    if result is None:
        return (Tried(layer, "", step.intent.at_ns),)  # type: ignore[arg-type]
    if result.tried:
        return result.tried
    cause = result.error or result.outcome
    return (
        Tried(
            layer,  # type: ignore[arg-type]
            cause,
            step.intent.at_ns,
            took_s=result.took_s,
            cost_pusd=result.cost_pusd,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
        ),
    )
