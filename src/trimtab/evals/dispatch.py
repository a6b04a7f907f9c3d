"""Decides which call is made next, and whether any is: a pure state, asked and told under one lock."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Final, Literal

from msgspec import Struct

from trimtab.evals.plan import Cell
from trimtab.evals.sample import Answer

Stopped = Literal["", "budget", "early", "interrupted"]
Bound = Callable[[Cell], float | None]
"""The most that a call can cost in US dollars, its attempts, repairs and judges included; None if that is not known."""
FAILING: Final = 20
"""So many samples of one arm in a row that end without an answer, and something is broken."""
SHORTEST_WAIT_S: Final = 0.05
LONGEST_WAIT_S: Final = 300.0
RECOVERY: Final = 4
"""After so many answers in a row without a rate limit, one more call is made at a time."""
ROUNDING: Final = 1e-9
"""Sums of money are off by less than this part."""
MAY_PASS: Final = frozenset({408, 409, 425, 429})
"""Refusals (status 4xx) that need not come again."""


class Limits(Struct, frozen=True):
    """What a run may do.

    `tries` is how often a call is made whose failures say nothing of the task. Between them lie `pause_s` seconds,
    doubled each time up to `longest_pause_s`. After `patience_s` in which nothing was answered the run gives up.
    """

    concurrency: int = 16
    budget_usd: float | None = None
    tries: int = 3
    pause_s: float = 0.5
    longest_pause_s: float = 30.0
    patience_s: float = 600.0


class Dispatch:
    """The calls that are still to be made, and those that are open.

    `next` gives a call, or the seconds to wait for one (infinite: until an open one ends), or None at the end. A call
    that was given ends with one of `done`, `failed`, `again`, `wait` and `gone`. `spent_usd` is what was spent before,
    `dearest` what the dearest call of that cost. Times are monotonic seconds.
    """

    def __init__(
        self,
        waiting: Iterable[Cell],
        limits: Limits,
        bound: Bound,
        now: float,
        spent_usd: float = 0.0,
        dearest: float | None = None,
    ) -> None:
        self.limits = limits
        self.spent_usd = spent_usd
        self.stopped: Stopped = ""
        self.retried = 0
        self.unpriced = 0
        self._bound = bound
        self._waiting = deque(waiting)
        self._again: list[tuple[float, int, Cell]] = []
        self._tries: Counter[Cell] = Counter()
        self._open: dict[Cell, float] = {}
        self._dearest = dearest
        self._paid: defaultdict[Cell, float] = defaultdict(float)
        self._allowed = limits.concurrency
        self._smooth = self._gone = self._order = 0
        self._held_until = -math.inf
        self._answered_at = now
        self._troubled_at: float | None = None
        self._failing: Counter[str] = Counter()
        self._why = "no call has ended yet"

    def __repr__(self) -> str:
        left = len(self._waiting) + len(self._again)
        state = f", stopped: {self.stopped}" if self.stopped else ""
        return f"Dispatch({left} waiting, {len(self._open)} open of {self._allowed}, {self.spent_usd:.4f} USD{state})"

    @property
    def open(self) -> int:
        """How many calls are open."""
        return len(self._open)

    def waiting_s(self, now: float) -> float:
        """For how long nothing is asked, because a limit or the gateway says so."""
        return max(0.0, self._held_until - now)

    def next(self, now: float) -> Cell | float | None:
        """The call to make, or for how long to wait for one, or None where none is to be made any more."""
        if self.stopped or not (self._waiting or self._again):
            return math.inf if self._open and not self.stopped else None
        if now < self._held_until:
            return self._held_until - now
        if len(self._open) >= self._allowed:
            return math.inf
        late = bool(self._again) and self._again[0][0] <= now
        if not late and not self._waiting:
            return self._again[0][0] - now
        cell = self._again[0][2] if late else self._waiting[0]
        cost = self._most(cell)
        if not self._fits(cost):
            if self._open:
                return math.inf
            self.stop("budget")
            return None
        if late:
            heapq.heappop(self._again)
        else:
            self._waiting.popleft()
        self._open[cell] = cost or 0.0
        return cell

    def pay(self, cell: Cell, cost_usd: float | None) -> None:
        """Part of what an open call costs is known: it is no longer counted by its bound. None: it cost, but what?"""
        counted = self._open[cell]
        self.unpriced += cost_usd is None
        cost = counted if cost_usd is None else cost_usd
        self.spent_usd += cost
        self._open[cell] = max(0.0, counted - cost)
        self._paid[cell] += cost

    def done(self, cell: Cell, now: float) -> None:
        """It was answered and marked."""
        self._end(cell)
        self._answered_at, self._troubled_at = now, None
        self._failing[cell.arm] = self._gone = 0
        self._smooth += 1
        if self._smooth >= RECOVERY and self._allowed < self.limits.concurrency:
            self._allowed, self._smooth = self._allowed + 1, 0

    def may_again(self, cell: Cell, answer: Answer) -> bool:
        """Whether a call that failed is to be made again: one that is refused for what it is would be again."""
        refused = 400 <= answer.status < 500 and answer.status not in MAY_PASS
        return not refused and self._tries[cell] + 1 < self.limits.tries and not self.stopped

    def again(self, cell: Cell, now: float, why: str) -> None:
        """It failed, and is made again after a pause."""
        self._end(cell)
        self._trouble(why, now)
        self.retried += 1
        pause = self._pause(self._tries[cell])
        self._tries[cell] += 1
        self._order += 1
        heapq.heappush(self._again, (now + pause, self._order, cell))

    def failed(self, cell: Cell, now: float, why: str) -> None:
        """It failed for good."""
        self._end(cell)
        self._trouble(why, now)
        self._failing[cell.arm] += 1

    def wait(self, cell: Cell, seconds: float, now: float) -> None:
        """The gateway lets in no more for so long: all calls wait, and fewer are made at a time afterwards."""
        seconds = min(max(seconds, SHORTEST_WAIT_S), LONGEST_WAIT_S) if math.isfinite(seconds) else LONGEST_WAIT_S
        if now >= self._held_until:
            self._allowed = max(1, self._allowed // 2)
        self._put_back(cell, now, seconds, "a rate limit")

    def gone(self, cell: Cell, now: float, why: str) -> None:
        """The gateway did not answer: all calls wait, ever longer."""
        if now >= self._held_until:
            self._gone += 1
        self._put_back(cell, now, self._pause(self._gone - 1), why)

    def stop(self, why: Stopped) -> None:
        """Makes no more calls; the first reason counts. Open ones end as they do."""
        self.stopped = self.stopped or why

    def stuck(self, now: float) -> str:
        """Why it is no use to go on; empty where it is."""
        if self.stopped or not (self._open or self._waiting or self._again):
            return ""
        for arm, count in self._failing.items():
            if count >= FAILING:
                return f"the last {count} samples of the {arm} failed: {self._why}"
        troubled = self._troubled_at is not None and now - self._troubled_at > self.limits.patience_s
        return self._why if troubled else ""

    def silent_s(self, now: float) -> float:
        """For how long nothing was answered."""
        return now - self._answered_at

    def _most(self, cell: Cell) -> float | None:
        """What a call is counted as while it is open; the dearest one yet where no bound is known."""
        if self.limits.budget_usd is None:
            return 0.0
        bound = self._bound(cell)
        return self._dearest if bound is None else bound

    def _fits(self, cost: float | None) -> bool:
        budget = self.limits.budget_usd
        if budget is None:
            return True
        if cost is None:
            return not self._open and self.spent_usd < budget
        return self.spent_usd + sum(self._open.values()) + cost <= budget * (1 + ROUNDING)

    def _end(self, cell: Cell) -> None:
        del self._open[cell]
        paid = self._paid.pop(cell, None)
        if paid is not None:
            self._dearest = max(paid, self._dearest or 0.0)

    def _put_back(self, cell: Cell, now: float, seconds: float, why: str) -> None:
        del self._open[cell]
        self._trouble(why, now)
        self._smooth = 0
        self._held_until = max(self._held_until, now + seconds)
        self._waiting.appendleft(cell)

    def _trouble(self, why: str, now: float) -> None:
        self._why = why
        self._troubled_at = now if self._troubled_at is None else self._troubled_at

    def _pause(self, earlier: int) -> float:
        return min(self.limits.pause_s * 2.0 ** min(earlier, 30), self.limits.longest_pause_s)
