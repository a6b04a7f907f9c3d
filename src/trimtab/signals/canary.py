"""A candidate's calls held against those beside it, one by one as they end: are they worse by more than is allowed?

Users are drawn for the candidate at random, so both sides see the same mix. Each unit (`policy.rollout.unit_of`) of the
candidate is set against as many calls of the other side as are its due, and none of these is used twice: so the
differences are independent, and their mean is that of the two sides. A unit counts once at each look, with its mean.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from trimtab.policy.rollout import Rollout, unit_of
from trimtab.record.events import CLIENT_GONE, OK, Settled
from trimtab.record.purposes import UNDECLARED_TASK, is_ours, served
from trimtab.signals.behaviour import REFUSALS
from trimtab.statistics.harm import HarmRunning, HarmTest

MOST_KEPT: Final = 20_000
"""Users of the candidate, and values of the other side, that wait; of values the oldest are forgotten, of users the
latest."""
RECENT: Final = 200
"""Values of the other side that wait for the candidate's next call, so that both are of about the same time."""
Measure = Callable[[Settled], float | None]


def went_well(call: Settled) -> float | None:
    """1 for an answer, 0 for an error; None where the client left.

    A request that the model's server refuses counts, though it may be its caller's doing: both sides see the same
    callers, and a candidate that asks what its server does not take is at fault.
    """
    return None if call.outcome == CLIENT_GONE else float(call.outcome == OK)


def parsed(call: Settled) -> float | None:
    """1 for an answer that keeps its schema, 0 for one that does not; None where there is none to keep."""
    return float(call.verdict == "valid") if call.verdict else None


def tools_valid(call: Settled) -> float | None:
    """The share of tool calls that are valid; None where there are none."""
    found = call.tool_outcomes
    return sum(one.outcome == "valid" for one in found) / len(found) if found else None


def not_refused(call: Settled) -> float | None:
    """0 for a refusal, 1 for another answer: by verdict where there is a schema, else by finish reason."""
    if call.verdict:
        return float(call.verdict != "refused")
    return float(call.finish_reason not in REFUSALS) if call.outcome == OK else None


MEASURES: Final[Mapping[str, Measure]] = {
    "error_rate": went_well,
    "parse_rate": parsed,
    "tool_validity": tools_valid,
    "refusal_rate": not_refused,
}
"""Higher is better, whatever the signal of that name counts."""


class Standing(Struct, frozen=True):
    """How a measure of a task stands: the mean difference, over so many units, and how probable a loss like it is where
    there is no harm.
    """

    task: str
    signal: str
    difference: float
    units: int
    p_value: float

    @property
    def words(self) -> str:
        """For people."""
        points = 100 * self.difference
        told = f"{abs(points):.1f} points {'worse' if points < 0 else 'better'}" if points else "no other"
        return f"{self.signal} of {self.task} is {told} over {self.units} users (p {self.p_value:.2g} at any look)"


class Kept(Struct, frozen=True):
    """What was counted so far of a measure of a task; `of` names both."""

    of: tuple[str, str]
    running: HarmRunning


class Waiting:
    """Values of one measure of one task that are not yet set against each other."""

    def __init__(self) -> None:
        self.candidate: dict[str, tuple[float, int]] = {}
        self.base: deque[float] = deque(maxlen=MOST_KEPT)

    def pairs(self) -> Iterator[float]:
        """The differences that can be told now; what was used is gone."""
        units, base = self.candidate, self.base
        each = len(base) // len(units) if units else 0
        for unit in list(units)[: len(base) if each == 0 else len(units)]:
            total, count = units.pop(unit)
            others = [base.popleft() for _ in range(max(1, each))]
            yield total / count - sum(others) / len(others)
        while len(base) > RECENT:
            base.popleft()

    def add(self, unit: str, value: float) -> None:
        """A call of the candidate."""
        if unit in self.candidate or len(self.candidate) < MOST_KEPT:
            total, count = self.candidate.get(unit, (0.0, 0))
            self.candidate[unit] = total + value, count + 1


class Comparison:
    """A rollout's calls against those beside it. `state` is what was `kept` of one before."""

    def __init__(self, rollout: Rollout, state: Iterable[Kept] = ()) -> None:
        self.rollout = rollout
        self.state = {one.of: one.running for one in state}
        self._tests = HarmTest(rollout.margin)
        self._waiting: dict[tuple[str, str], Waiting] = {}
        self._limit = rollout.alpha / (len(MEASURES) * max(1, len(rollout.tasks)))

    def take(self, call: Settled) -> None:
        """A call that has ended; others than those of the two sides are left alone."""
        admitted, rollout = call.admitted, self.rollout
        is_candidate = admitted.snapshot == rollout.snapshot
        if not is_candidate and (admitted.snapshot != rollout.base_snapshot or is_ours(admitted.task)):
            return
        task = served(admitted.task)
        if admitted.at_ns < rollout.began_ns or task not in rollout.tasks or task == UNDECLARED_TASK:
            return
        for signal, measure in MEASURES.items():
            value = measure(call)
            if value is None:
                continue
            waiting = self._waiting.setdefault((task, signal), Waiting())
            if is_candidate:
                own = admitted.parent if admitted.task != task else admitted.call
                waiting.add(unit_of(admitted.conversation, admitted.end_user, own), value)
            else:
                waiting.base.append(value)

    def look(self) -> Standing | None:
        """Counts what came since the last look; the first measure that is worse for sure, if there is one by now."""
        for name, waiting in self._waiting.items():
            running = self.state.get(name, HarmRunning())
            for difference in waiting.pairs():
                running = self._tests.step(running, difference)
            self.state[name] = running
        return next((one for one in self.standings if one.p_value <= self._limit), None)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """What must be kept to go on."""
        return tuple(Kept(name, running) for name, running in self.state.items())

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Each measure of each task that had calls."""
        return tuple(
            Standing(task, signal, running.mean, running.seen, running.p_value)
            for (task, signal), running in sorted(self.state.items())
            if running.seen
        )
