"""Judgements that came before their calls were stored: they wait, and are made whole when the calls are there."""

from __future__ import annotations

import logging
from typing import Final

from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.journal.judgements import Judgements
from trimtab.processes.changes import Changes
from trimtab.processes.feedback import Judging, find_call
from trimtab.processes.logs import event
from trimtab.store.telemetry import Batch, Telemetry

AT_ONCE: Final = 50
"""Judgements that are looked up in one pass."""
OFTEN_NS: Final = 60_000_000_000
"""So long a judgement is tried with each pass, then every 20 minutes."""
SELDOM_NS: Final = 1200_000_000_000
DAY_NS: Final = 86_400_000_000_000
"""How long a judgement waits for its call."""
MINUTE_NS: Final = 60_000_000_000
GIVEN: Final = ("feedback", "evaluation")
"""Sources of judgements that somebody gave, and may give again under the same id."""

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

    def __repr__(self) -> str:
        return f"Unjoined({self._judgements!r})"

    def keep(self, batch: Batch, token: str) -> None:
        """Lets the judgements of a batch wait that bear no task; again under the same id, the later one, which waits
        for nothing where it came whole.
        """
        for score in batch.scores:
            if not score.task:
                self._judgements.wait(score, self._clock.wall_ns())
            elif score.source in GIVEN:
                self._judgements.joined(score.id)

    def join(self) -> None:
        """Makes those whole whose calls are stored by now; raises `StoreError` when that cannot be recorded.

        They count as given now: what was counted of the minute in which they came has been looked at since.
        """
        now_ns = self._clock.wall_ns()
        for added_ns, score in self._judgements.waiting(AT_ONCE, now_ns):
            since_ns = max(0, added_ns - DAY_NS)
            call = find_call(self._telemetry, score, now_ns + MINUTE_NS, since_ns)
            if call is not None:
                self._changes.record(*self._judging.scores(replace(score, at_ns=now_ns), call))
            elif now_ns - added_ns > DAY_NS:
                subject = score.call or score.run or score.conversation
                event(log, logging.WARNING, "judgement_without_call", subject=subject, by=score.by)
            else:
                later_ns = now_ns if now_ns - added_ns <= OFTEN_NS else now_ns + SELDOM_NS
                self._judgements.look_again(score.id, min(later_ns, added_ns + DAY_NS + 1))
                continue
            self._judgements.joined(score.id)
