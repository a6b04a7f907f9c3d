"""The records of the supervisor and of control: what took effect, when, and by what; calls that control made itself."""

from __future__ import annotations

import logging
import threading

from trimtab.clock import Clock
from trimtab.errors import StoreError
from trimtab.processes.logs import event
from trimtab.record.events import Change, Event
from trimtab.record.spool import Spool

log = logging.getLogger("trimtab.supervisor")

DETAIL_LIMIT = 2000


class Changes:
    """Writes `Change` events into a spool of its process's own epoch; may be used from any thread.

    A full disk lets them wait in memory until the next one; a disk that fails is said in the log.
    """

    def __init__(self, spool: Spool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock
        self._lock = threading.Lock()

    def note(
        self, kind: str, subject: str, detail: str = "", *, before: str = "", after: str = "", by: str = "supervisor"
    ) -> None:
        """Records that something took effect now; it is on the disk on return, if the disk takes it."""
        change = Change(self._clock.wall_ns(), kind, subject, before, after, by, detail[:DETAIL_LIMIT])
        try:
            with self._lock:
                self._spool.add(change)
                self._spool.write()
                self._spool.sync()
        except StoreError as failure:
            event(log, logging.ERROR, "change_not_recorded", kind=kind, subject=subject, error=str(failure))

    def add(self, *events: Event) -> None:
        """Records calls that this process made on its own account, whole as they are."""
        try:
            with self._lock:
                for one in events:
                    self._spool.add(one)
                self._spool.write()
        except StoreError as failure:
            event(log, logging.ERROR, "calls_not_recorded", count=len(events), error=str(failure))

    def record(self, *events: Event) -> None:
        """Records events that somebody waits for: they are on the disk on return.

        Raises `StoreError` when the disk does not take them; what waits then is written with what comes next.
        """
        if not events:
            return
        with self._lock:
            for one in events:
                self._spool.add(one)
            if not self._spool.write():
                raise StoreError(store="spool", detail="the disk has no room for records; free some")
            self._spool.sync()

    def close(self) -> None:
        """Seals the spool: there is nothing more to record."""
        try:
            self._spool.write()
            self._spool.close()
        except StoreError as failure:
            event(log, logging.ERROR, "changes_not_sealed", error=str(failure))

    def __repr__(self) -> str:
        return f"Changes({self._spool!r})"
