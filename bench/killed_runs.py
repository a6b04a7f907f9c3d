"""One run whose driver or keeper is killed at a chosen place, taken up again to its end, and looked at from outside.

Keeper and drivers are forked, so that hundreds of places take minutes: a process of its own costs milliseconds then.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from bench.durable_agents import BOUNDARIES, SHAPES, Boundaries, Counted, CountedBlocking, World, enter
from trimtab.clock import SystemClock
from trimtab.errors import TrimtabError
from trimtab.journal.asks import (
    LEASE_S,
    Ask,
    Decide,
    Entries,
    Find,
    FindReviews,
    Load,
    Read,
    Reconcile,
    Renew,
    Reviews,
    Sweep,
    Told,
)
from trimtab.journal.client import BlockingKeeper, KeeperClient
from trimtab.journal.entries import Body, Decided, Intent, Logged, Reconciled, Result, body_of
from trimtab.journal.keeper import Keeper
from trimtab.journal.refusals import JournalRefusal, LeaseHeld
from trimtab.journal.runs.bodies import MemoryBodies, PackedBodies
from trimtab.journal.runs.database import SqliteDatabase, open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.journal.runs.verify import verify_run
from trimtab.record.disk import Disk
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.runs.faults import Parked
from trimtab.runs.runtime import Runtime
from trimtab.testing.runs import ScriptedModels

RUN: Final = "run-1"
NAME: Final = "n"
STOPPED_LEASE_S: Final = 0.4
"""The lease of drivers that are stopped, so that it runs out; others have the one that drivers have."""
LIMIT_S: Final = 60.0
PATIENCE_S: Final = 20.0
LOOK_S: Final = 0.002
LOOK_AGAIN_S: Final = 0.05
QUIET: Final = (Sweep, Renew, Read, Load, Find, FindReviews)
"""Asks that a kill of keeper is not counted at: they come as time passes."""
Victim = Literal["driver", "keeper", "nobody", "stopped driver"]


@dataclass
class Found:
    """What a run came to after a kill. `faults` are what must not be; empty when all held."""

    shape: str
    victim: Victim
    at: int
    faults: list[str] = field(default_factory=list)
    killed: bool = False
    boundaries: int = 0
    persons: int = 0
    resume_s: float = 0.0
    steps: int = 0


class Scene:
    """A journal, its keeper and drivers in a folder of their own."""

    def __init__(self, folder: Path, shape: str, victim: Victim, at: int) -> None:
        self.found = Found(shape, victim, at)
        self.folder = folder
        self.world = World(folder)
        self._socket = folder / "keeper.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lives = 0
        self._keeper = 0
        self._asking: BlockingKeeper | None = None

    def play(self) -> Found:
        """From the beginning to the end of the run."""
        self.folder.mkdir(parents=True)
        self._listener.bind(str(self._socket))
        self._listener.listen(16)
        self._listener.setblocking(False)
        found = self.found
        self._asking = BlockingKeeper(self._socket, patience_s=0.2)
        self._start_keeper(found.at if found.victim == "keeper" else -1)
        try:
            self._drive_to_the_end()
        finally:
            self._asking.close()
            self._end_keeper()
            self._listener.close()
        return found

    def _drive_to_the_end(self) -> None:
        found = self.found
        until_s = time.monotonic() + LIMIT_S
        signum = signal.SIGSTOP if found.victim == "stopped driver" else signal.SIGKILL
        stopped: list[int] = []
        driver = self._start_driver(found.at if "driver" in found.victim else -1, signum)
        while True:
            pid, status = os.waitpid(driver, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                found.killed = True
                stopped.append(driver)
                driver = self._start_driver(-1, signum)
            elif pid and os.WIFSIGNALED(status):
                found.killed = True
                driver = self._start_driver(-1, signum)
            elif pid:
                break
            if time.monotonic() > until_s:
                found.faults.append("it did not come to an end")
                os.kill(driver, signal.SIGKILL)
                os.waitpid(driver, 0)
                break
            self._mind_keeper()
            if found.shape == "review":
                self._approve()
            time.sleep(LOOK_S)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
            os.waitpid(pid, 0)

    def _mind_keeper(self) -> None:
        pid, status = os.waitpid(self._keeper, os.WNOHANG)
        if pid:
            self.found.killed = True
            if not os.WIFSIGNALED(status):
                self.found.faults.append(f"keeper ended with {status}: {self._log('keeper')}")
            self._start_keeper(-1)

    def _approve(self) -> None:
        assert self._asking is not None
        with contextlib.suppress(TrimtabError):
            told = self._asking.do(FindReviews())
            for one in told.reviews if isinstance(told, Reviews) else ():
                self._asking.do(Decide(Decided(0, one.review, "approved", "ada"), one.binds))

    def _start_keeper(self, at: int) -> None:
        self._lives += 1
        self._keeper = forked(lambda: keep(self.folder, self._listener, self._lives, at), self.folder / "keeper.log")

    def _end_keeper(self) -> None:
        os.kill(self._keeper, signal.SIGTERM)
        os.waitpid(self._keeper, 0)

    def _start_driver(self, at: int, signum: signal.Signals) -> int:
        shape = self.found.shape
        return forked(lambda: drive(self.folder, self._socket, shape, at, signum), self.folder / "driver.log")

    def _log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text()[-2000:] if path.exists() else ""

    def look(self, expected: Any) -> Found:
        """Holds what lies on the disk against what must be; `expected` is what an undisturbed run gives."""
        found, faults = self.found, self.found.faults
        outcome = json.loads((self.folder / "outcome").read_text()) if (self.folder / "outcome").exists() else None
        if outcome is None:
            faults.append(f"no outcome: {self._log('driver')}")
            return found
        found.boundaries, found.persons, found.resume_s = outcome["boundaries"], outcome["persons"], outcome["resume_s"]
        if expected is not None and outcome["given"] != expected:
            faults.append(f"it gave {outcome['given']} instead of {expected}")
        written, keyed = self.world.acts("write"), self.world.acts("keyed")
        faults += [f"{what} happened {times} times" for what, times in written.items() if times > 1]
        if expected is not None:
            wanted = {one.split()[1] for one in expected if one.startswith("paid")}
            faults += [f"paid under {sorted(keyed)}"] if {key.removeprefix("pay-") for key in keyed} != wanted else []
        if found.victim == "keeper" and found.persons:
            faults.append("a person was asked, though no driver had died")
        self._look_at_journal()
        return found

    def _look_at_journal(self) -> None:
        faults = self.found.faults
        database = open_runs(self.folder / "journal.db")
        try:
            ((verdict,),) = database._connection.execute("PRAGMA integrity_check").fetchall()
            faults += [] if verdict == "ok" else [f"the database is damaged: {verdict}"]
            index = BodyIndex(self.folder / "bodies")
            index.update()
            kept: set[tuple[str, int, str]] = set()
            for (run,) in database._connection.execute("SELECT run FROM runs").fetchall():
                fault = verify_run(database, run)
                faults += [] if fault is None else [f"{run} at {fault.seq}: {fault.detail}"]
                kept |= self._results(database, run, index)
            lost = self.world.acknowledged() - kept
            faults += [f"lost: {lost}"] if lost else []
        finally:
            database.close()

    def _results(self, database: SqliteDatabase, run: str, index: BodyIndex) -> set[tuple[str, int, str]]:
        faults, found = self.found.faults, set()
        entries = entries_of(database, run)
        intents = {one.seq for one in entries if isinstance(one.entry, Intent)}
        self.found.steps += len(intents)
        results = [one.entry for one in entries if isinstance(one.entry, Result)]
        if sorted(one.of for one in results) != sorted(intents):
            faults.append(f"{run}: steps {sorted(intents)}, results of {sorted(one.of for one in results)}")
        for one in results:
            body = one.output
            if isinstance(body, Body):
                found.add((run, one.of, body.digest))
                if body.inline is None and index.read(body.digest) is None:
                    faults.append(f"{run}: the output of {one.of} is lost")
        return found


def entries_of(database: SqliteDatabase, run: str) -> list[Logged]:
    """The log of a run, read by nobody else."""
    store = RunStore(database, MemoryBodies(), SystemClock())
    (told,) = store.do([Read(run)])
    return list(told.entries) if isinstance(told, Entries) else []


def forked(work: Callable[[], None], log: Path) -> int:
    """A process of its own that does this and ends; its pid. What it says goes into a file."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 2)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - it must not come back into the process that was forked
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(code)


class Deadly:
    """A journal whose process may be killed before a commit, in it, and behind it before the answer is told."""

    def __init__(self, store: RunStore, boundaries: Boundaries, database: DeadlyDatabase) -> None:
        self._store = store
        self._boundaries = boundaries
        self._database = database

    def do(self, asks: list[Ask]) -> list[Told]:
        """Does them."""
        counted = not all(isinstance(ask, QUIET) for ask in asks)
        self._database.counted = counted
        if counted:
            self._boundaries.pass_one()
        told = self._store.do(asks)
        if counted:
            self._boundaries.pass_one()
        return told


class DeadlyDatabase(SqliteDatabase):
    """The database, with a place to die before the commit: when bodies are on disk and everything is written."""

    boundaries: Boundaries
    counted = False

    def commit(self) -> None:
        """Commits."""
        if self.counted:
            self.boundaries.pass_one()
        super().commit()


def keep(folder: Path, listener: socket.socket, life: int, at: int) -> None:
    """Keeper's life; it is killed at a boundary, or ended by SIGTERM."""
    boundaries = Boundaries()
    boundaries.arm(at, signal.SIGKILL)
    clock = SystemClock()
    database = DeadlyDatabase(open_runs(folder / "journal.db")._connection)
    database.boundaries = boundaries
    packs = RollingLog(folder / "bodies" / f"k0-{life}", PACK, clock, Disk(), max_bytes=1 << 26, max_age_s=3600.0)
    store = RunStore(database, PackedBodies(packs, Fresh(folder / "bodies")), clock)

    async def keeping() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        keeper = Keeper(Deadly(store, boundaries, database), clock, sweep_every_s=0.1)
        await keeper.start(listener)
        await stop.wait()
        await keeper.stop()

    asyncio.run(keeping())
    (folder / "kept").write_text(str(boundaries.passed))


class Fresh:
    """The body store as it is at each reading."""

    def __init__(self, directory: Path) -> None:
        self._index = BodyIndex(directory)

    def read(self, digest: str) -> bytes | None:
        """The body of that digest."""
        self._index.update()
        return self._index.read(digest)


def drive(folder: Path, path: Path, shape: str, at: int, signum: signal.Signals) -> None:
    """A driver's life: begins the run or takes it up, and says what it gave. A person's part is played here too."""
    BOUNDARIES.arm(at, signum)
    enter(World(folder))
    runtime = Runtime(
        keeper=lambda hears: Counted(KeeperClient(path, patience_s=PATIENCE_S, hears=hears)),
        blocking=CountedBlocking(BlockingKeeper(path, patience_s=PATIENCE_S)),
        models=ScriptedModels({}),
        lease_s=STOPPED_LEASE_S if signum == signal.SIGSTOP else LEASE_S,
    )
    function = SHAPES[shape].options(id=RUN)
    persons, begun_s = 0, time.monotonic()
    while True:
        try:
            with runtime:
                given = asyncio.run(function(NAME)) if inspect.iscoroutinefunction(SHAPES[shape]) else function(NAME)
            break
        except LeaseHeld as held:
            time.sleep(min(float(str(held.facts["left_s"])), LOOK_AGAIN_S) + 0.01)
        except Parked as parked:
            persons += 1
            settle(path, World(folder), str(parked.facts["run"]), int(str(parked.facts["seq"])))
            begun_s = time.monotonic()
        except JournalRefusal:
            if signum == signal.SIGSTOP and at >= 0:
                return  # another driver has taken the run over, as it must be
            raise
    outcome = {
        "given": given,
        "boundaries": BOUNDARIES.passed,
        "persons": persons,
        "resume_s": time.monotonic() - begun_s,
    }
    fresh = folder / f"outcome.{os.getpid()}"
    fresh.write_text(json.dumps(outcome))
    fresh.replace(folder / "outcome")


def settle(path: Path, world: World, run: str, seq: int) -> None:
    """What a person does about an unknown outcome: looks whether it happened, and says so."""
    keeper = BlockingKeeper(path, patience_s=PATIENCE_S)
    told = keeper.do(Read(run, seq, 1))
    assert isinstance(told, Entries)
    intent = told.entries[0].entry
    assert isinstance(intent, Intent)
    assert intent.input is not None
    what = json.loads(intent.input.inline or "")["what"]
    if world.acts("write")[what]:
        body = body_of(json.dumps(f"{'signed' if intent.tool == 'sign' else 'sent'} {what}").encode())
        keeper.do(Reconcile(run, Reconciled(0, seq, "happened", "ada", output=body)))
    else:
        keeper.do(Reconcile(run, Reconciled(0, seq, "did_not_happen", "ada")))
    keeper.close()


def play(folder: Path, shape: str, victim: Victim, at: int, expected: Any) -> Found:
    """One scene, its folder left only where something was wrong."""
    scene = Scene(folder, shape, victim, at)
    scene.play()
    found = scene.look(expected)
    if not found.faults:
        shutil.rmtree(folder)
    return found


def undisturbed(folder: Path, shape: str) -> tuple[Any, int, int]:
    """What a run of this shape gives when nobody is killed, and the boundaries of its driver and of keeper."""
    scene = Scene(folder, shape, "nobody", -1)
    scene.play()
    outcome = json.loads((folder / "outcome").read_text())
    kept = int((folder / "kept").read_text())
    found = scene.look(outcome["given"])
    if found.faults:
        raise AssertionError(f"an undisturbed run of {shape}: {found.faults}")
    shutil.rmtree(folder)
    return outcome["given"], outcome["boundaries"], kept
