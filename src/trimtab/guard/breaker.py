"""The breaker of a replica: closed while it works, open while it is spared, half-open while one trial may ask it.

Pure: the votes and the position come from the board that all workers share, and what is decided goes back there.
The states are those of Nygard, "Release It!", 2007, chapter 5.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from msgspec import Struct

from trimtab.errors import (
    DeadlineConnect,
    DeadlineFirstToken,
    DeadlineGap,
    DeadlineTotal,
    OutputInvalid,
    ToolCallInvalid,
    UpstreamError,
    UpstreamTruncated,
)
from trimtab.guard.outcome import Outcome

State = Literal["closed", "open", "half_open"]
Vote = Literal["works", "fails", "silent"]

ANSWERED: Final = frozenset({"ok", OutputInvalid.code, ToolCallInvalid.code})
"""The replica did its work; what the model wrote is another matter."""
FAILURES: Final = frozenset(
    error.code for error in (DeadlineConnect, DeadlineFirstToken, DeadlineGap, UpstreamTruncated)
)


class Rules(Struct, frozen=True):
    """When a breaker opens, and for how long.

    It opens on `failures_in_a_row`, or when at least `failure_rate` of at least `least_votes` votes within `window_s`
    were failures. The n-th opening without a closing lasts `first_open_s * 2**(n-1)`, at most `longest_open_s`.
    Health checks open it after `failed_checks` in a row; a check older than `check_stale_s` says nothing.
    """

    failures_in_a_row: int = 5
    failure_rate: float = 0.5
    least_votes: int = 10
    window_s: float = 30.0
    first_open_s: float = 5.0
    longest_open_s: float = 60.0
    failed_checks: int = 2
    check_stale_s: float = 15.0


class Position(NamedTuple):
    """Where a breaker stands: how often it has opened since it last closed (0: closed), and since when (monotonic)."""

    opens: int
    since: float


class Votes(NamedTuple):
    """What all workers together have seen: failures since the last success; failures and votes within the window."""

    in_a_row: int
    failures: int
    total: int


class Check(NamedTuple):
    """The latest health check: when it was made, and how many had failed in a row, itself included (0: it passed).

    `known` says that a check of this replica has passed before, so that a failing one means something; `recovered`
    that this one passed after one that failed.
    """

    at: float
    failed: int
    known: bool
    recovered: bool


def vote(outcome: Outcome) -> Vote:
    """What an attempt says about its replica.

    Refusals that are about the request or the account (4xx, 429) say nothing, nor does a client that left or had set
    the total limit itself, nor a total limit that ran out while tokens flowed.
    """
    if outcome.client_gone:
        return "silent"
    if outcome.cause in ANSWERED:
        return "works"
    fails = outcome.cause in FAILURES
    if outcome.cause == UpstreamError.code:
        fails = outcome.status < 400 or outcome.status >= 500
    elif outcome.cause == DeadlineTotal.code:
        fails = not (outcome.content_started or outcome.shortened)
    return "fails" if fails else "silent"


def open_s(opens: int, rules: Rules) -> float:
    """How long the `opens`-th opening in a row lasts, in seconds."""
    return min(rules.longest_open_s, rules.first_open_s * 2.0 ** (min(opens, 64) - 1))


def trial_at(position: Position, check: Check | None, now: float, rules: Rules) -> float:
    """When an open breaker lets a trial through, as things stand.

    A replica whose health checks fail is spared for the longest time, one that a check has seen come back for no time.
    """
    if check is not None and check.at >= position.since and now - check.at <= rules.check_stale_s:
        if check.failed and check.known:
            return position.since + rules.longest_open_s
        if check.recovered:
            return check.at
    return position.since + open_s(position.opens, rules)


def state(position: Position, check: Check | None, now: float, rules: Rules) -> State:
    """The state of a breaker at `now`."""
    if not position.opens:
        return "closed"
    return "half_open" if now >= trial_at(position, check, now, rules) else "open"


def after_failure(position: Position, votes: Votes, now: float, rules: Rules, *, trial: bool) -> Position:
    """Where the breaker stands after a failure, `votes` having counted it.

    While it is open only the trial's failure counts: calls that were under way when it opened tell nothing new.
    """
    if position.opens:
        return Position(position.opens + 1, now) if trial else position
    rate_reached = votes.total >= rules.least_votes and votes.failures >= rules.failure_rate * votes.total
    opens = votes.in_a_row >= rules.failures_in_a_row or rate_reached
    return Position(1, now) if opens else position


def after_success(position: Position, now: float, *, trial: bool) -> Position:
    """Where the breaker stands after a success: the trial's closes it."""
    return Position(0, now) if position.opens and trial else position


def after_check(position: Position, check: Check, rules: Rules) -> Position:
    """Where the breaker stands after a health check: enough failed ones in a row open a closed one."""
    if position.opens or not check.known or check.failed < rules.failed_checks:
        return position
    return Position(1, check.at)
