"""Judgements that came before their calls were stored: they wait, and are made whole when the calls are there."""

from __future__ import annotations

import logging
from typing import Final
from zlib import crc32

from trimtab.clock import Clock
from trimtab.journal.judgements import Judgements
from trimtab.journal.judgements import Unjoined as WaitingScore
from trimtab.processes.changes import Changes
from trimtab.processes.feedback import Judging, find_call
from trimtab.processes.logs import event
from trimtab.store.telemetry import Batch, Telemetry

AT_ONCE: Final = 50
"""Judgements that are looked up in one pass."""
LOOKED_AT: Final = 1000
OFTEN_NS: Final = 60_000_000_000
"""So long a judgement is tried with each pass, then with one pass in `SELDOM`."""
SELDOM: Final = 240
DAY_NS: Final = 86_400_000_000_000
"""How long a judgement waits for its call."""
MINUTE_NS: Final = 60_000_000_000

log = logging.getLogger("trimtab.control")


class Unjoined:
    """Used from the thread of telemetry."""

    def __init__(
        self, judgements: Judgements, judging: Judging, telemetry: Telemetry, changes: Changes, clock: Clock
    ) -> None:
        self._judgements = judgements
        self._judging = judging
        self._telemetry = telemetry
        self._changes = changes
        self._clock = clock
        self._passes = 0

    def __repr__(self) -> str:
        return f"Unjoined({self._judgements!r})"

    def keep(self, batch: Batch, token: str) -> None:
        """Lets the judgements of a batch wait that bear no task; again under the same id, the later one."""
        for score in batch.scores:
            if not score.task:
                self._judgements.wait(score, self._clock.wall_ns())

    def join(self) -> None:
        """Makes those whole whose calls are stored by now; raises `StoreError` when that cannot be recorded."""
        now_ns = self._clock.wall_ns()
        self._passes += 1
        due = [one for one in self._judgements.waiting(LOOKED_AT) if self._is_due(one, now_ns)]
        for waiting in due[:AT_ONCE]:
            score = waiting.score
            since_ns = max(0, waiting.added_ns - DAY_NS)
            call = find_call(self._telemetry, score, now_ns + MINUTE_NS, since_ns)
            if call is not None:
                self._changes.record(*self._judging.scores(score, call))
            elif now_ns - waiting.added_ns > DAY_NS:
                subject = score.call or score.run or score.conversation
                event(log, logging.WARNING, "judgement_without_call", subject=subject, by=score.by)
            else:
                continue
            self._judgements.joined(score.id)

    def _is_due(self, waiting: WaitingScore, now_ns: int) -> bool:
        return now_ns - waiting.added_ns <= OFTEN_NS or (self._passes + crc32(waiting.score.id.encode())) % SELDOM == 0
