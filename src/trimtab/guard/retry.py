"""Whether a failed attempt is tried again, and after how long."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from trimtab.errors import DeadlineConnect, DeadlineFirstToken, RateLimited, UpstreamError, UpstreamTruncated
from trimtab.guard.outcome import Outcome

BASE_S: Final = 0.1
CAP_S: Final = 5.0
LONGEST_WAIT_S: Final = 30.0
"""A `Retry-After` beyond this is told to the client instead of being waited for."""

CAUSES: Final = frozenset(
    error.code for error in (DeadlineConnect, DeadlineFirstToken, RateLimited, UpstreamError, UpstreamTruncated)
)
STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
SECONDS: Final = re.compile(rb"[0-9]{1,9}(\.[0-9]{1,9})?")


class Verdict(NamedTuple):
    """Whether to try again, and how many seconds to wait before."""

    again: bool
    wait_s: float


STOP: Final = Verdict(again=False, wait_s=0.0)


def decide(
    outcome: Outcome, attempt: int, attempts_allowed: int, left_s: float | None, random: float, more_replicas: bool
) -> Verdict:
    """What follows on an attempt that ended with `outcome`, `left_s` seconds before the call's total limit.

    `attempt` counts from 1, `random` lies in [0, 1). With `more_replicas` another replica or fallback is at hand that
    this call has not asked, and it is asked at once: what the last one said about waiting is its own affair. Else the
    wait is what `Retry-After` asks plus an exponential back-off with full jitter (Brooker, "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015); if the call has no time for that, it is not tried again.
    """
    if attempt >= attempts_allowed or not may_repeat(outcome):
        return STOP
    if left_s is not None and left_s <= 0:
        return STOP
    if more_replicas:
        return Verdict(again=True, wait_s=0.0)
    asked_s = outcome.retry_after_s or 0.0
    wait_s = asked_s + random * min(CAP_S, BASE_S * 2 ** min(attempt - 1, 32))
    if asked_s > LONGEST_WAIT_S or (left_s is not None and wait_s >= left_s):
        return STOP
    return Verdict(again=True, wait_s=wait_s)


def may_repeat(outcome: Outcome) -> bool:
    """Whether an attempt that ended so may be followed by another: no content came, and the fault may pass."""
    if outcome.content_started or outcome.client_gone or outcome.cause not in CAUSES:
        return False
    return outcome.status < 300 or outcome.status in STATUSES


def retry_after_s(value: bytes, wall_s: float) -> float | None:
    """The seconds a `Retry-After` header asks for (RFC 9110, section 10.2.3), None if it is not one.

    Takes seconds (a fraction too, as some servers send it) and the three HTTP-date formats, which are counted from
    `wall_s`, seconds since 1970; a date that has passed asks for none.
    """
    text = value.strip()
    if SECONDS.fullmatch(text):
        return float(text)
    if len(text) > 40:
        return None
    try:
        date = parsedate_to_datetime(text.decode("ascii"))
        return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - wall_s)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
