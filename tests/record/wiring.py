"""What the tests of this room share: a clock that is set by hand, disks that misbehave, and a wired recorder."""

import errno
import os
from pathlib import Path

from trimtab.record import tail
from trimtab.record.bodies import Bodies
from trimtab.record.disk import Disk
from trimtab.record.events import Admitted, Attempt, Settled
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.recorder import Recorder
from trimtab.record.room import Room
from trimtab.record.spool import Spool

EPOCH = "g0-0123456789ab"
START_NS = 1_795_000_000 * 10**9


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now_s = 0.0

    def monotonic(self):
        return self.now_s

    def wall_ns(self):
        return START_NS + int(self.now_s * 1e9)


class SmallDisk(Disk):
    """A disk of `room` bytes that counts what is written and allocated, as a file system does."""

    def __init__(self, room):
        self.room = room
        self.used = 0

    def writev(self, fd, parts):
        data = b"".join(parts)
        fits = min(len(data), self.room - self.used)
        if data and fits <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.used += fits
        return os.write(fd, data[:fits])

    def truncate(self, fd, size):
        self.used -= os.fstat(fd).st_size - size
        os.ftruncate(fd, size)

    def allocate(self, fd, start, size):
        more = size - os.fstat(fd).st_size
        if self.used + more > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.used += more
        os.posix_fallocate(fd, start, size)

    def free_bytes(self, directory):
        return self.room - self.used


class BrokenDisk(Disk):
    """A disk that works until it is `broken`, then takes `takes` bytes more and fails."""

    def __init__(self):
        self.broken = False
        self.takes = 0

    def writev(self, fd, parts):
        if not self.broken:
            return os.writev(fd, parts)
        if not self.takes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        data, self.takes = b"".join(parts)[: self.takes], 0
        return os.write(fd, data)


class Worker:
    """A recorder with its parts, wired as a gateway worker has them."""

    def __init__(
        self,
        directory: Path,
        *,
        epoch=EPOCH,
        clock=None,
        disk=None,
        segment_bytes=1 << 20,
        pack_bytes=1 << 20,
        age_s=3600.0,
        reserve_bytes=1 << 18,
        spool_limit_bytes=1 << 30,
    ):
        self.directory = directory
        self.epoch = epoch
        self.clock = clock or HandClock()
        self.disk = disk or Disk()
        self.room = Room(
            directory,
            epoch,
            self.clock,
            self.disk,
            reserve_bytes=reserve_bytes,
            spool_limit_bytes=spool_limit_bytes,
        )
        self.segments = self._log("spool", SEGMENT, segment_bytes, age_s)
        self.packs = self._log("bodies", PACK, pack_bytes, age_s)
        self.bodies = Bodies(self.packs, self.room, self.clock)
        self.recorder = Recorder(Spool(self.segments), self.bodies, self.room)

    def _log(self, name, kind, max_bytes, age_s):
        directory = self.directory / name / self.epoch
        return RollingLog(directory, kind, self.clock, self.disk, max_bytes=max_bytes, max_age_s=age_s)

    def request(self, body, messages, redaction="full"):
        """Keeps a request and writes it."""
        refs = self.bodies.request(body, messages, redaction)
        self.bodies.flush()
        return refs

    def response(self, chunks, redaction="full"):
        """Captures an answer chunk by chunk, keeps it and writes it."""
        capture = self.bodies.capture(redaction)
        for number, chunk in enumerate(chunks):
            capture.add(chunk, self.clock.monotonic() + number)
        digest = self.bodies.response(capture)
        capture.close()
        self.bodies.flush()
        return digest

    def pack_bytes(self):
        """The size of all packs."""
        return sum(path.stat().st_size for path in (self.directory / "bodies").glob("*/*.pack"))


def admitted(call, **more):
    """An `Admitted` with what must be there."""
    fields = {
        "call": call,
        "at_ns": START_NS,
        "worker": EPOCH,
        "environment": "test",
        "snapshot": "5" * 64,
        "task": "triage",
        "key": "app",
        "surface": "chat_completions",
        "model": "small",
    }
    return Admitted(**(fields | more))


def attempt(call, number=1, **more):
    """An `Attempt` with what must be there."""
    return Attempt(call, number, START_NS, "small", "http://127.0.0.1:9", "ok", 0.25, **more)


def settled(call, **more):
    """A `Settled` with what must be there."""
    return Settled(admitted(call), START_NS + 1, "ok", 200, 1, **more)


def all_events(directory):
    """Every event in the spool, segment by segment."""
    return [event for segment in tail.segments(directory / "spool") for _, event in tail.read(segment.path, 0)]


def calls_of(events, kind):
    """The call ids of the events of one kind, in order."""
    return [event.admitted.call if kind is Settled else event.call for event in events if isinstance(event, kind)]


def open_descriptors():
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
