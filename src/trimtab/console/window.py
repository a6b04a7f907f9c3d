"""The range of time a page looks at, and how finely."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Final

from trimtab.errors import InvalidRequest

MINUTE_NS: Final = 60_000_000_000
RANGES: Final = {"15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "28d": 2_419_200}
"""The ranges to choose from, in seconds."""
DEFAULT: Final = "6h"
STEPS_S: Final = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)
QUARTER_S: Final = 900
"""Stores hold sums of quarters of an hour ready: what is cut otherwise is summed of minutes, fifteen times as many."""
MOST_STEPS: Final = 180
LEAST_STEPS: Final = 12
CALLS_A_STEP: Final = 30
LATEST_NS: Final = (1 << 63) - 1
"""The last time that stores can hold."""
LONGEST_NS: Final = 400 * 86_400 * 1_000_000_000


@dataclass(frozen=True)
class Window:
    """Whole minutes [since, until) in ns since 1970, in steps of `step_s`; `name` is empty for a range of one's own."""

    since_ns: int
    until_ns: int
    step_s: int
    name: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The parameters that tell this window in an address."""
        if self.name:
            return {} if self.name == DEFAULT else {"range": self.name}
        return {"from": _text(self.since_ns), "to": _text(self.until_ns)}

    @property
    def steps(self) -> tuple[int, ...]:
        """When each step begins, in ns since 1970: at multiples of the step."""
        step_ns = self.step_s * 1_000_000_000
        return tuple(range(self.since_ns // step_ns * step_ns, self.until_ns, step_ns))

    def cut(self, now_ns: int) -> frozenset[int]:
        """The steps of which this window, or the time until now, holds a part only: sums over them are too small."""
        step_ns, until_ns = self.step_s * 1_000_000_000, min(self.until_ns, now_ns)
        return frozenset(at for at in self.steps if at < self.since_ns or at + step_ns > until_ns)

    def for_calls(self, calls: int) -> Window:
        """The same in steps that have 30 of so many calls each, where that leaves twelve of them: a p95 needs 20."""
        seconds = (self.until_ns - self.since_ns) // 1_000_000_000
        longest = max((step for step in STEPS_S if step <= seconds / LEAST_STEPS), default=self.step_s)
        enough = (step for step in STEPS_S if step * calls >= seconds * CALLS_A_STEP)
        step_s = min(longest, next(enough, longest))
        return replace(self, step_s=max(step_s, self.step_s))

    @property
    def before(self) -> Window:
        """The window just as long that ends where this one begins."""
        return Window(2 * self.since_ns - self.until_ns, self.since_ns, self.step_s)


def window_of(asked: dict[str, str], now_ns: int, zone: tzinfo = UTC) -> Window:
    """The window of an address: `range`, or `from` and `to` (in `zone` unless they tell theirs); six hours otherwise.

    Raises `InvalidRequest` for what is no range.
    """
    if "from" in asked or "to" in asked:
        since_ns = _at(asked["from"], zone) if asked.get("from") else now_ns - RANGES[DEFAULT] * 1_000_000_000
        until_ns = _at(asked["to"], zone) if asked.get("to") else now_ns
        return between(since_ns, until_ns)
    name = asked.get("range", DEFAULT)
    if name not in RANGES:
        raise InvalidRequest(detail=f"?range={name[:40]} is none of {', '.join(RANGES)}")
    until_ns = -(-now_ns // MINUTE_NS) * MINUTE_NS
    return Window(until_ns - RANGES[name] * 1_000_000_000, until_ns, step_of(RANGES[name]), name)


def step_of(seconds: int) -> int:
    """The finest step, in seconds, with which a range this long has no more than 180 of them; over five minutes of
    whole quarters of an hour.
    """
    steps = (step for step in STEPS_S if step <= QUARTER_S // 3 or step % QUARTER_S == 0)
    return next((step for step in steps if seconds <= step * MOST_STEPS), 7 * 86_400)


def between(since_ns: int, until_ns: int) -> Window:
    """The whole minutes from one time to another, in ns since 1970; raises `InvalidRequest` for what is no range."""
    since_ns, until_ns = since_ns // MINUTE_NS * MINUTE_NS, -(-until_ns // MINUTE_NS) * MINUTE_NS
    if not 0 <= since_ns < until_ns:
        raise InvalidRequest(detail="?from= is not before ?to=; give the earlier time first")
    if until_ns > LATEST_NS:
        raise InvalidRequest(detail="?to= is later than anything can be kept; give a year up to 2261")
    if until_ns - since_ns > LONGEST_NS:
        raise InvalidRequest(detail="?from= and ?to= lie more than 400 days apart; ask for less at a time")
    return Window(since_ns, until_ns, step_of((until_ns - since_ns) // 1_000_000_000))


def _at(text: str, zone: tzinfo) -> int:
    try:
        at = datetime.fromisoformat(text)
        stamp = (at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidRequest(detail=f"`{text[:40]}` is no time; write 2026-11-01T10:30 or 2026-11-01T10:30Z") from None
    return int(stamp) * 1_000_000_000


def _text(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%MZ")
