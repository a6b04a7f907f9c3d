"""What a crash of the machine may leave of the journal, and whether all that was told is in it.

A workload of drivers is recorded with all that reaches the file system. An image is made at a place of that trace: of
each file all that was synced by then, and of what was written since a random subset, each perhaps torn at a sector.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from bench.journaled.trace import Event, Trace
from trimtab.errors import StoreError
from trimtab.journal.asks import Ask, Begin, Begun, Claim, Finish, Lease, Note, Open, Refused, Release
from trimtab.journal.entries import Ended, Result, Started, State, body_of, decode
from trimtab.journal.runs.database import Database, open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.journal.runs.verify import verify_run
from trimtab.testing import JumpingClock

NAME = "journal.db"
BODIES = "bodies"
SECTOR = 512
CHECKPOINT_PAGES = 60
"""Small, so that many images fall into a checkpoint."""


class Promise(NamedTuple):
    """What was told of a run: its last entry then, and the digest over all up to it."""

    run: str
    seq: int
    digest: str


class TracedBodies:
    """Bodies that are kept in the trace: each is written when it is taken, and lasts from the next sync on."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def keep(self, content: bytes) -> None:
        """Writes one."""
        self._trace.events.append(Event("write", BODIES, 0, content))

    def sync(self) -> None:
        """All that was written lasts."""
        self._trace.events.append(Event("sync", BODIES))

    def finish(self) -> None:
        """There is but one pack."""

    def load(self, digest: str) -> bytes | None:
        """Nothing is read back."""


def workload(folder: Path, commits: int, seed: int, synchronous: str = "FULL") -> Trace:
    """Drivers take steps, note values, give runs back, take others over and end them, several in each commit."""
    trace, chance, clock = Trace(), random.Random(seed), JumpingClock()
    with trace.recording():
        database = open_runs(folder / NAME)
        database._connection.execute(f"PRAGMA synchronous = {synchronous}")
        database._connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES:d}")
        store = RunStore(database, TracedBodies(trace), clock)
        drivers = [Driver(f"r{number}", chance, clock) for number in range(6)]
        for _ in range(commits):
            clock.advance(0.01)
            asking = [driver for driver in drivers if chance.random() < 0.6]
            for driver, told in zip(asking, store.do([driver.ask() for driver in asking]), strict=True):
                driver.heard(told)
            trace.say(promises(database._connection, asking))
            for driver in asking:
                driver.rest()
        store.close()
    return trace


def promises(seen: sqlite3.Connection, drivers: list[Driver]) -> list[Promise]:
    """How far the logs of these drivers' runs have come."""
    heads = "SELECT run, head, digest FROM runs WHERE run = ?"
    rows = [seen.execute(heads, (driver.run,)).fetchone() for driver in drivers]
    return [Promise(run, seq, digest.hex()) for run, seq, digest in rows]


class Driver:
    """Takes steps of one run after another; long outputs go into the body store."""

    def __init__(self, name: str, chance: random.Random, clock: JumpingClock) -> None:
        self._name, self._chance, self._clock = name, chance, clock
        self._count = 0
        self._renew()

    def _renew(self) -> None:
        self._count += 1
        self.run, self.epoch, self.after, self.open = f"{self._name}.{self._count}", 0, 0, 0
        self._ending, self._over = "", False

    def ask(self) -> Ask:
        """What it does next."""
        chance, now = self._chance, self._clock.wall_ns()
        if not self.epoch:
            if self.after:
                return Claim(f"{self._name}/{chance.random()}", self.run)
            return Open(self.run, Started(now, "t"), f"{self._name}/{chance.random()}")
        if self.open:
            output = chance.randbytes(chance.choice((20, 300, 3000))).hex().encode()
            body = body_of(output)
            content = output if body.inline is None else b""
            return Finish(self.run, self.epoch, Result(now, self.open, "ok", body), content)
        draw = chance.random()
        if draw < 0.05 and self.after:
            self._ending = "end"
            return Note(self.run, self.epoch, Ended(now, "completed"))
        if draw < 0.1 and self.after:
            self._ending = "release"
            return Release(self.run, self.epoch)
        if draw < 0.2:
            return Note(self.run, self.epoch, State(now, "x", body_of(b"%d" % now)))
        request = sha256(b"%d" % now).hexdigest()
        return Begin(self.run, self.epoch, "tool", "look", request, branch="main", after=self.after, effect="write")

    def heard(self, told: object) -> None:
        """What came of it."""
        assert not isinstance(told, Refused), told
        if isinstance(told, Lease):
            self.epoch = told.epoch
        elif isinstance(told, Begun):
            self.open = self.after = told.seq
        elif self.open:
            self.open = 0
        elif self._ending:
            self._over = self._ending == "end"
            self.epoch, self._ending = 0, ""

    def rest(self) -> None:
        """Goes on to another run after the end of one."""
        if self._over:
            self._renew()


class Image(NamedTuple):
    """The files after a crash at a place of the trace, and what had been told by then."""

    files: dict[str, bytes]
    bodies: set[str]
    promised: dict[str, Promise]


def images(trace: Trace, count: int, seed: int) -> Iterator[Image]:
    """Images at random places of a trace, in its order."""
    chance = random.Random(seed)
    places = sorted(chance.randrange(1, len(trace.events) + 1) for _ in range(count))
    disk = _Disk()
    at = 0
    for place in places:
        for event in trace.events[at:place]:
            disk.happens(event)
        at = place
        yield disk.crash(chance)


class _Disk:
    """Of each file what lasts, and what was written since."""

    def __init__(self) -> None:
        self._lasting: dict[str, bytearray] = {}
        self._since: dict[str, list[Event]] = {}
        self._bodies: set[str] = set()
        self._promised: dict[str, Promise] = {}

    def happens(self, event: Event) -> None:
        """One event more."""
        if event.what == "say":
            self._promised |= {one.run: one for one in event.said}
        elif event.what == "sync":
            for one in self._since.pop(event.file, ()):
                self._last(one)
        elif event.what == "delete":
            self._lasting.pop(event.file, None)
            self._since.pop(event.file, None)
        else:
            self._since.setdefault(event.file, []).append(event)

    def _last(self, event: Event) -> None:
        if event.file == BODIES:
            self._bodies.add(sha256(event.content).hexdigest())
        else:
            _apply(self._lasting.setdefault(event.file, bytearray()), event)

    def crash(self, chance: random.Random) -> Image:
        """What is left."""
        files = {name: bytearray(content) for name, content in self._lasting.items()}
        bodies = set(self._bodies)
        share = chance.choice((0.0, 0.3, 0.7, 1.0))
        for name, events in self._since.items():
            for event in events:
                if chance.random() >= share:
                    continue
                if name == BODIES:
                    bodies.add(sha256(event.content).hexdigest())
                else:
                    _apply(files.setdefault(name, bytearray()), _torn(event, chance))
        return Image({name: bytes(content) for name, content in files.items()}, bodies, dict(self._promised))


def _torn(event: Event, chance: random.Random) -> Event:
    if event.what != "write" or chance.random() < 0.8:
        return event
    return event._replace(content=event.content[: chance.randrange(0, len(event.content) + SECTOR, SECTOR)])


def _apply(file: bytearray, event: Event) -> None:
    if event.what == "truncate":
        del file[event.place :]
        return
    if len(file) < event.place:
        file.extend(bytes(event.place - len(file)))
    file[event.place : event.place + len(event.content)] = event.content


def fault(image: Image, folder: Path) -> str:
    """What is wrong with an image; empty where nothing is. It is opened as keeper would open it."""
    for name in (NAME, f"{NAME}-wal", f"{NAME}-shm", f"{NAME}-journal"):
        (folder / name).unlink(missing_ok=True)
    for name, content in image.files.items():
        (folder / name).write_bytes(content)
    try:
        with closing(open_runs(folder / NAME)) as database, closing(sqlite3.connect(folder / NAME)) as seen:
            return _whole(seen) or _kept(seen, image) or _verified(seen, database, image)
    except StoreError as failure:
        return f"it cannot be opened or read: {failure}"
    except sqlite3.Error as failure:
        return f"it cannot be read: {failure}"


def _whole(seen: sqlite3.Connection) -> str:
    said: str = seen.execute("PRAGMA integrity_check").fetchone()[0]
    return "" if said == "ok" else said


def _kept(seen: sqlite3.Connection, image: Image) -> str:
    """All that was told is there."""
    of = "SELECT e.digest FROM entries e JOIN runs r ON r.number = e.number WHERE r.run = ? AND e.seq = ?"
    for promised in image.promised.values():
        found = seen.execute(of, (promised.run, promised.seq)).fetchone()
        if found is None or found[0].hex() != promised.digest:
            return f"entry {promised.seq} of run {promised.run} is lost"
    return ""


def _verified(seen: sqlite3.Connection, database: Database, image: Image) -> str:
    """Logs are whole, and the long bodies that they name are there."""
    for (run,) in seen.execute("SELECT run FROM runs").fetchall():
        wrong = verify_run(database, run)
        if wrong is not None:
            return f"run {run}, entry {wrong.seq}: {wrong.detail}"
    for (content,) in seen.execute("SELECT content FROM entries").fetchall():
        entry = decode(content)
        body = entry.output if isinstance(entry, Result) else None
        if body is not None and body.inline is None and body.digest not in image.bodies:
            return f"the output of step {entry.of} is lost"
    return ""
