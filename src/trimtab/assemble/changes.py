"""Where a process that serves no calls writes on its own account: records of the supervisor and control, and bodies."""

from __future__ import annotations

from trimtab.clock import Clock
from trimtab.processes.changes import Changes
from trimtab.processes.directory import DataDirectory
from trimtab.record.bodies import PACK_AGE_S, PACK_BYTES
from trimtab.record.disk import Disk
from trimtab.record.frames import SEGMENT
from trimtab.record.kept import KeptBodies
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.spool import SEGMENT_AGE_S, SEGMENT_BYTES, Spool


def kept_bodies(directory: DataDirectory, epoch: str, clock: Clock) -> KeptBodies:
    """Keeps bodies in packs of this epoch."""
    packs = RollingLog(directory.bodies / epoch, PACK, clock, Disk(), max_bytes=PACK_BYTES, max_age_s=PACK_AGE_S)
    return KeptBodies(packs)


def changes(directory: DataDirectory, epoch: str, clock: Clock) -> Changes:
    """Writes changes into a spool of this epoch."""
    place = directory.spool / epoch
    segments = RollingLog(place, SEGMENT, clock, Disk(), max_bytes=SEGMENT_BYTES, max_age_s=SEGMENT_AGE_S)
    return Changes(Spool(segments), clock)
