"""The clocks of a call: connect, first token and gap belong to an attempt, total to the call.

Pure bookkeeping in monotonic seconds. Nothing here sets a timer: `Clocks.next_at` says when to look, `Clocks.look`
what has fired by then, and `alarm` joins the two to an event loop.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from trimtab.errors import (
    CallError,
    DeadlineConnect,
    DeadlineFirstToken,
    DeadlineGap,
    DeadlineTotal,
    InvalidRequest,
)

WHOLE_TOTAL_S: Final = 600.0
LONGEST_ASKED_MS: Final = 7 * 86_400_000
NEVER: Final = math.inf

ERRORS: Final[dict[str, type[CallError]]] = {
    error.code: error for error in (DeadlineConnect, DeadlineFirstToken, DeadlineGap, DeadlineTotal)
}


def asked_total_s(value: bytes) -> float:
    """The seconds that an `x-trimtab-deadline-ms` header asks for; raises `InvalidRequest` unless it is a whole number.

    More than a week is read as a week: the header may only shorten a limit, so nothing is lost.
    """
    text = value.strip()
    if not text.isdigit() or len(text) > 20:
        raise InvalidRequest(detail="x-trimtab-deadline-ms must be a whole number of milliseconds")
    return min(int(text), LONGEST_ASKED_MS) / 1000


def total_limit_s(declared_s: float | None, asked_s: float | None, *, streamed: bool) -> float | None:
    """The total limit of a call: what is declared (600 s for whole answers, else none), which a client may shorten."""
    limit_s = WHOLE_TOTAL_S if declared_s is None and not streamed else declared_s
    if asked_s is None:
        return limit_s
    return asked_s if limit_s is None else min(limit_s, asked_s)


class Expiry(NamedTuple):
    """A clock that ran out: its error code and the limit it had."""

    code: str
    limit_s: float

    def error(self, replica: str, task: str) -> CallError:
        """The error that ends the call, if nothing is tried after it."""
        return ERRORS[self.code](replica=replica, task=task, limit_s=self.limit_s)


class Clocks:
    """The clocks of one call.

    A verb for each thing that happens, each with the time it happened at: `attempt`, `connected`, `progress` (for
    content-bearing events and nothing else), `pause` and `resume` (we stopped and went on reading from the replica),
    `rest` (the attempt is over). A call that is not streamed has only the connect and the total clock.

    The first-token clock counts from the beginning of its attempt, so it runs beside the connect clock. The gap
    clock counts from the latest progress and stands still while we pause the replica.
    """

    __slots__ = (
        "_connect_at",
        "_connect_s",
        "_first_token_at",
        "_first_token_s",
        "_gap_at",
        "_gap_s",
        "_paused_at",
        "_progress_at",
        "_streamed",
        "_total_at",
        "longest_gap_s",
        "paused_s",
        "total_s",
    )

    def __init__(
        self,
        began_at: float,
        *,
        streamed: bool,
        connect_s: float,
        first_token_s: float,
        gap_s: float,
        total_s: float | None,
    ) -> None:
        self._streamed = streamed
        self._connect_s = connect_s
        self._first_token_s = first_token_s
        self._gap_s = gap_s
        self._total_at = NEVER if total_s is None else began_at + total_s
        self._connect_at = self._first_token_at = self._gap_at = NEVER
        self._progress_at: float | None = None
        self._paused_at: float | None = None
        self.total_s = total_s
        self.longest_gap_s = 0.0
        self.paused_s = 0.0

    def attempt(self, now: float) -> None:
        """An attempt begins: fresh connect and first-token clocks."""
        self.rest(now)
        self._connect_at = now + self._connect_s
        if self._streamed:
            self._first_token_at = now + self._first_token_s

    def connected(self) -> None:
        """A connection is ready for the request; on a pooled one, right after `attempt`."""
        self._connect_at = NEVER

    def progress(self, now: float) -> bool:
        """A content-bearing event came: ends the first-token clock, winds the gap clock up again.

        True for the first of an attempt, after which a clock may fire sooner than before.
        """
        if not self._streamed:
            return False
        if self._paused_at is None:
            self._gap_at = now + self._gap_s
        else:
            self._end_pause(now)
            self._paused_at = now
        last, self._progress_at = self._progress_at, now
        if last is None:
            self._connect_at = self._first_token_at = NEVER
            return True
        self.longest_gap_s = max(self.longest_gap_s, now - last)
        return False

    def pause(self, now: float) -> None:
        """We stopped reading from the replica; while paused already, changes nothing."""
        if self._paused_at is None:
            self._paused_at = now
            self._gap_at = NEVER

    def resume(self, now: float) -> None:
        """We read from the replica again: what was left of the gap clock goes on from here."""
        if self._paused_at is not None:
            self._end_pause(now)
            self._paused_at = None
            if self._progress_at is not None:
                self._gap_at = self._progress_at + self._gap_s

    def rest(self, now: float) -> None:
        """The attempt is over: until the next one only the total clock runs."""
        if self._paused_at is not None:
            self.resume(now)
        self._connect_at = self._first_token_at = self._gap_at = NEVER
        self._progress_at = None

    def next_at(self) -> float:
        """The earliest instant at which a clock can fire as things stand; `NEVER` if none runs."""
        return min(self._connect_at, self._first_token_at, self._gap_at, self._total_at)

    def look(self, now: float) -> Expiry | None:
        """The clock that has run out by `now`, the first of them if there are several."""
        due_at = self.next_at()
        if now < due_at:
            return None
        if due_at == self._connect_at:
            return Expiry(DeadlineConnect.code, self._connect_s)
        if due_at == self._first_token_at:
            return Expiry(DeadlineFirstToken.code, self._first_token_s)
        if due_at == self._gap_at:
            self.longest_gap_s = max(self.longest_gap_s, self._gap_s)
            return Expiry(DeadlineGap.code, self._gap_s)
        return Expiry(DeadlineTotal.code, self.total_s or 0.0)

    def left_s(self, now: float) -> float | None:
        """Seconds left of the total limit, never below zero; None when there is no limit."""
        return None if self.total_s is None else max(0.0, self._total_at - now)

    def _end_pause(self, now: float) -> None:
        paused_at = now if self._paused_at is None else self._paused_at
        self.paused_s += now - paused_at
        if self._progress_at is not None:
            self._progress_at += now - paused_at

    def __repr__(self) -> str:
        running = {
            "connect": self._connect_at,
            "first token": self._first_token_at,
            "gap": self._gap_at,
            "total": self._total_at,
        }
        due = ", ".join(f"{name} at {at:.3f} s" for name, at in running.items() if at < NEVER)
        return f"Clocks({due or 'none runs'}{', paused' if self._paused_at is not None else ''})"
