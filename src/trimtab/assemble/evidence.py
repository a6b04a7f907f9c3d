"""What recorded calls say of two models, or of a model before and after it was moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from trimtab.lock.lockfile import Lock
from trimtab.record.events import Settled
from trimtab.statistics.differences import difference_of_means, difference_of_shares
from trimtab.statistics.intervals import Interval

REFUSALS: Final = frozenset({"refusal", "content_filter"})
"""Reasons for which an answer ended that are a refusal where it has no verdict."""
_PUSD_A_USD: Final = 1e12


class Standing(NamedTuple):
    """What a model's name stands for in a lock: the name that is sent, and the revision."""

    resolved: str
    revision: str


class Sides:
    """Tells the calls of a model that was moved from those of the model as it is now.

    A call's lock says what each name stood for; where that lock is not known, the name that the server gave itself
    does. Calls of other names that stand for the same thing count as of the new one.
    """

    def __init__(self, name: str, now: Standing, locks: Iterable[Lock]) -> None:
        self._name = name
        self._now = now
        self._stood = {lock.lock_id: standings(lock) for lock in locks}

    @property
    def before(self) -> tuple[str, ...]:
        """The locks in which the name stood for something else."""
        return tuple(lock for lock, stood in self._stood.items() if stood.get(self._name, self._now) != self._now)

    @property
    def after(self) -> tuple[str, ...]:
        """The locks in which a name stood for what it is now."""
        return tuple(lock for lock, stood in self._stood.items() if self._now in stood.values())

    def of(self, call: Settled) -> Literal["before", "after"] | None:
        """On which side a call is; None for one of another model, or of which that cannot be told."""
        stood = self._stood.get(call.admitted.lock, {}).get(call.model)
        if stood is not None:
            if stood == self._now:
                return "after"
            return "before" if call.model == self._name else None
        if not call.upstream_model:
            return None
        if call.upstream_model == self._now.resolved:
            return "after"
        return "before" if call.model == self._name else None

    def __repr__(self) -> str:
        return f"Sides({self._name} as {self._now.resolved}, {len(self._stood)} locks)"


def standings(lock: Lock) -> Mapping[str, Standing]:
    """What the names of a lock's models stand for."""
    return {
        name: Standing(str(one.pinned.get("resolved", "")), str(one.pinned.get("revision", "")))
        for name, one in lock.of("models").items()
    }


class Row(Struct, frozen=True):
    """A measure of one task: of how many calls on either side, what it was, and the 95 % interval of the difference.

    Shares are of 1, tokens and US dollars means of a call. A side without calls has no value.
    """

    task: str
    measure: str
    unit: str
    n_before: int
    before: float | None
    n_after: int
    after: float | None
    difference: Interval


class Evidence(Struct, frozen=True):
    """What recorded calls say of an old model and a new one; without calls of both there is nothing to compare."""

    calls_before: int
    calls_after: int
    rows: tuple[Row, ...] = ()


def compare(before: Sequence[Settled], after: Sequence[Settled]) -> Evidence:
    """Sets calls of an old model beside calls of a new one, task by task: answers that keep their schema, tool calls
    that are valid, refusals, tokens and cost.

    A share counts calls, so that all tool calls of one call count once. The calls are not of the same inputs, so what
    came in may differ as well; each interval holds by itself.
    """
    tasks = sorted({call.admitted.task for call in before} & {call.admitted.task for call in after})
    rows = (
        row
        for task in tasks
        for row in _rows(
            task,
            [call for call in before if call.admitted.task == task],
            [call for call in after if call.admitted.task == task],
        )
    )
    return Evidence(len(before), len(after), tuple(rows))


def _rows(task: str, before: list[Settled], after: list[Settled]) -> Iterable[Row]:
    shares: dict[str, Callable[[Settled], bool | None]] = {
        "answers that keep the schema": _is_valid,
        "calls with valid tool calls": _tools_are_valid,
        "refusals": _is_refused,
    }
    means: dict[tuple[str, str], Callable[[Settled], float | None]] = {
        ("length of an answer", "tokens"): _length,
        ("cost of a call", "USD"): _cost,
    }
    for measure, told in shares.items():
        left, right = _told(map(told, before)), _told(map(told, after))
        if left or right:
            counts = (int(sum(left)), len(left)), (int(sum(right)), len(right))
            yield _row(task, measure, "share", left, right, difference_of_shares(*counts))
    for (measure, unit), amount in means.items():
        some, others = _told(map(amount, before)), _told(map(amount, after))
        if some or others:
            yield _row(task, measure, unit, some, others, difference_of_means(some, others))


def _row(
    task: str, measure: str, unit: str, before: Sequence[float], after: Sequence[float], difference: Interval
) -> Row:
    values = [fmean(side) if side else None for side in (before, after)]
    return Row(task, measure, unit, len(before), values[0], len(after), values[1], difference)


def _told(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _is_valid(call: Settled) -> bool | None:
    return call.verdict == "valid" if call.verdict in {"valid", "invalid", "truncated"} else None


def _tools_are_valid(call: Settled) -> bool | None:
    return all(one.outcome == "valid" for one in call.tool_outcomes) if call.tool_outcomes else None


def _is_refused(call: Settled) -> bool | None:
    if not (call.verdict or call.finish_reason):
        return None
    return call.verdict == "refused" or (not call.verdict and call.finish_reason in REFUSALS)


def _length(call: Settled) -> float | None:
    if not call.finish_reason:
        return None
    if call.answer_tokens is not None:
        return call.answer_tokens
    return call.usage.output if call.usage else None


def _cost(call: Settled) -> float | None:
    return None if call.cost_pusd is None or call.cost_label == "unknown" else call.cost_pusd / _PUSD_A_USD
