"""Error budgets that burn too fast: over a long window and a short one, by a bound that accounts for few calls.

Source: B. Beyer and others, "The Site Reliability Workbook" (2018), chapter 5: an alert when a share of the budget goes
within a window, and still goes in the last twelfth of it, so that it ends soon after the cause does. The long window is
held against the lower end of Wilson's interval, so that a few bad calls among few do not raise an alert.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from trimtab.policy.watch import AlertRule, TaskWatch
from trimtab.signals.alerts.alert import Evidence, Measured
from trimtab.signals.objectives import NAMES, Promise, broken, promises
from trimtab.signals.signal import Ratio
from trimtab.statistics.intervals import wilson
from trimtab.store.slices import Slice, SliceQuery
from trimtab.store.telemetry import MINUTE_NS

CONFIDENCE: Final = 0.998
"""Of the interval of which the lower end counts: one look in a thousand is wrong by chance."""
MOST_FACTOR: Final = 0.5
"""No burn rate is asked for that would need more than half of all calls to be bad."""


class Pace(NamedTuple):
    """So large a part of the budget within `minutes` is too fast, if it goes on in the last `short` minutes, and if the
    budget would be gone in the `least`th part of the objective's window: of a short window 2 % is soon allowed.
    """

    part: float
    minutes: int
    short: int
    least: float


PACES: Final = {"page": (Pace(0.02, 60, 5, 2.0), Pace(0.05, 360, 30, 2.0)), "ticket": (Pace(0.1, 4320, 360, 1.0),)}
"""By severity; what a page watches, a ticket does too. None is asked about more time than the objective's window."""


class Sliced(Protocol):
    """What burn rates are read from."""

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """What calls came to, by task."""


class Burning(NamedTuple):
    """That a budget burns too fast: whose, by which rule, since about which minute, and what tells it."""

    task: str
    rule: AlertRule
    began: int
    evidence: Evidence


def burning(telemetry: Sliced, tasks: Mapping[str, TaskWatch], minute: int) -> list[Burning]:
    """The budgets that burn too fast at a minute since 1970; raises `StoreError`."""
    wanted = [
        (name, rule, promise)
        for name, task in tasks.items()
        for rule in task.alerts
        if rule.comparison == "burns"
        for promise in promises(task.objective)
        if promise.signal == rule.signal
    ]
    known: dict[int, dict[str, Slice]] = {}
    names = tuple(sorted({name for name, _, _ in wanted}))
    spreads = tuple(sorted({NAMES[promise.measure] for _, _, promise in wanted if promise.measure}))
    for minutes in sorted(
        {one for _, rule, _ in wanted for pace in _paces(rule) for one in (pace.minutes, pace.short)}
    ):
        window = (minute - minutes) * MINUTE_NS, minute * MINUTE_NS
        query = SliceQuery(*window, names, spreads=spreads, facts=("ends",))
        known[minutes] = {one.task: one for one in telemetry.slices(query)}
    found = []
    for name, rule, promise in wanted:
        for pace in _paces(rule):
            over = (known[length].get(name) for length in (pace.minutes, pace.short))
            one = _too_fast(promise, pace, tasks[name].objective.window_s, *over)
            if one is not None:
                limit, evidence = one
                found.append(Burning(name, rule, _began(telemetry, name, promise, pace, limit, minute), evidence))
                break
    return found


def _began(telemetry: Sliced, task: str, promise: Promise, pace: Pace, limit: float, minute: int) -> int:
    """The minute at which more began to break a goal than `limit` of the calls, by sixtieths of the long window.

    Source: E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954): it began where the sum of what is beyond
    the limit was last zero before it was largest.
    """
    spreads = (NAMES[promise.measure],) if promise.measure else ()
    window = (minute - pace.minutes) * MINUTE_NS, minute * MINUTE_NS
    query = SliceQuery(*window, (task,), step_s=pace.minutes, spreads=spreads, facts=("ends",))
    since = began = minute - pace.short
    total = largest = 0.0
    for one in sorted(telemetry.slices(query), key=lambda step: step.at_ns):
        bad, n = broken(promise, one)
        if total <= 0:
            total, since = 0.0, max(one.at_ns // MINUTE_NS, minute - pace.minutes)
        total += bad - limit * n
        if total > largest:
            largest, began = total, since
    return began


def _paces(rule: AlertRule) -> tuple[Pace, ...]:
    return PACES["page"] if rule.severity == "page" else (*PACES["page"], *PACES["ticket"])


def _too_fast(
    promise: Promise, pace: Pace, window_s: float, whole: Slice | None, last: Slice | None
) -> tuple[float, Evidence] | None:
    """The share of calls that may break a goal at this pace, and what tells that more do."""
    if whole is None or last is None or pace.minutes * 60 > window_s:
        return None
    factor = max(pace.least, pace.part * window_s / 60 / pace.minutes)
    limit = min(factor * promise.allowed, max(MOST_FACTOR, promise.allowed))
    spent, lately = broken(promise, whole), broken(promise, last)
    if not spent.n or not lately.n or lately.of < limit * lately.n:
        return None
    low = wilson(spent.of, spent.n, CONFIDENCE).low
    if low < limit:
        return None
    evidence = Evidence(
        "burns",
        "share",
        promise.name,
        Measured(promise.allowed),
        share_broken(promise, whole) or Measured(),
        detail=f"{_rate(spent, promise)} times as fast as allowed over the last {_length(pace.minutes)}",
    )
    return limit, evidence


def share_broken(promise: Promise, one: Slice) -> Measured | None:
    """The share of a slice's calls that broke a goal, with its 95 % interval; None where it had no call to break it."""
    of, n = broken(promise, one)
    return Measured(of / n, n, *wilson(of, n)) if n else None


def _rate(spent: Ratio, promise: Promise) -> str:
    return f"{spent.of / spent.n / promise.allowed:.3g}" if promise.allowed else "infinitely many"


def _length(minutes: int) -> str:
    return f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"
