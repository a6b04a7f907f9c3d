"""What control does from time to time so that nothing grows for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from trimtab.clock import Clock
from trimtab.journal.dead_letters import DeadLetters
from trimtab.processes.desk import Chore
from trimtab.record import packs, retention
from trimtab.record.packs import PACK
from trimtab.record.retention import Named
from trimtab.store.telemetry import Telemetry

DAY_S = 86_400.0
HOUR_S = 3600.0
MINUTE_S = 60.0
COUNT_S = 5.0


def chores(
    telemetry: Telemetry,
    bodies: Path,
    retention_s: float,
    clock: Clock,
    letters: DeadLetters,
    discard: Callable[[str], object],
    named: Named | None = None,
) -> Sequence[Chore]:
    """Retention of telemetry, dead letters and bodies by age; compression of finished packs, one in a minute;
    and dead letters counted, of which alerts come by another connection.

    `discard` lets go of a damaged segment whose letter is too old. Bodies that runs name, which `named` tells, stay
    longer than those of calls alone; packs of which only these are left are looked through once a day.
    """

    def kept_since_ns() -> int:
        return max(0, clock.wall_ns() - int(retention_s * 1e9))

    def retain_letters() -> None:
        for segment in letters.retain(kept_since_ns()):
            discard(segment)

    looked: dict[Path, float] = {}

    def retain_bodies() -> None:
        now_s, since_ns = clock.monotonic(), kept_since_ns()
        fresh = {path for path, at_s in looked.items() if now_s - at_s < DAY_S}
        for path in looked.keys() - fresh:
            del looked[path]
        try:
            retention.retain(bodies, since_ns, named, fresh)
        finally:
            left = retention.old_packs(bodies, since_ns) if named is not None else ()
            looked.update((path, now_s) for path in left if path not in looked)

    shrunk: set[Path] = set()

    def shrink_one_pack() -> None:
        for path in sorted(bodies.glob(f"*/*{PACK.suffix}")):
            if path not in shrunk and packs.finished(path):
                shrunk.add(path)
                if retention.compact(path):
                    return

    return (
        Chore("retain_telemetry", HOUR_S, lambda: telemetry.retain(kept_since_ns())),
        Chore("retain_dead_letters", HOUR_S, retain_letters),
        Chore("count_dead_letters", COUNT_S, letters.refresh),
        Chore("retain_bodies", HOUR_S, retain_bodies),
        Chore("compact_bodies", MINUTE_S, shrink_one_pack),
    )
