"""Where a process that serves no calls writes its own records: the supervisor's and control's changes."""

from __future__ import annotations

from trimtab.clock import Clock
from trimtab.processes.changes import Changes
from trimtab.processes.directory import DataDirectory
from trimtab.record.disk import Disk
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.spool import SEGMENT_AGE_S, SEGMENT_BYTES, Spool


def changes(directory: DataDirectory, epoch: str, clock: Clock) -> Changes:
    """Writes changes into a spool of this epoch."""
    place = directory.spool / epoch
    segments = RollingLog(place, SEGMENT, clock, Disk(), max_bytes=SEGMENT_BYTES, max_age_s=SEGMENT_AGE_S)
    return Changes(Spool(segments), clock)
