"""The data directory: where its parts lie, and the lock that one `trimtab up` holds on it.

The lock is a flock(2) on an open file that the supervisor hands to every child. It is free only when the last of them
is gone, so that nobody settles, ingests or opens what a process of an earlier life still writes.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trimtab.declare.project import Project
from trimtab.errors import DirectoryInUse

OWNER_ONLY = 0o700
LOCK_OWNER_ONLY = 0o600
LOOK_S = 0.25


@dataclass(frozen=True)
class DataDirectory:
    """The places in a data directory; making one touches nothing."""

    root: Path

    @classmethod
    def of(cls, project: Project) -> DataDirectory:
        """The data directory of a project."""
        return cls(Path(project.data.directory))

    @property
    def lock(self) -> Path:
        """The file that is locked; holds the pid of the supervisor."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """The SQLite database of keys, dead letters and the shapes of tools' answers."""
        return self.root / "state.db"

    @property
    def journal(self) -> Path:
        """The SQLite database of runs, written by keeper alone."""
        return self.root / "journal.db"

    @property
    def run(self) -> Path:
        """What belongs to the life of one `trimtab up`."""
        return self.root / "run"

    @property
    def board(self) -> Path:
        """The table that all gateway workers share."""
        return self.run / "board"

    @property
    def control_socket(self) -> Path:
        """Where control answers the command line."""
        return self.run / "control.sock"

    @property
    def keeper_socket(self) -> Path:
        """Where keeper answers gateways and drivers of runs."""
        return self.run / "keeper.sock"

    @property
    def operator_key(self) -> Path:
        """The key with which control sends dead letters through the gateway; made anew by each `trimtab up`."""
        return self.run / "operator.key"

    @property
    def processes(self) -> Path:
        """The roster of processes."""
        return self.run / "processes.json"

    @property
    def declaration(self) -> Path:
        """Which declaration is in force, and what was not taken of the latest edit."""
        return self.run / "declaration.json"

    @property
    def spool(self) -> Path:
        """Records, one folder an epoch."""
        return self.root / "spool"

    @property
    def bodies(self) -> Path:
        """Packs of request and answer bodies, one folder an epoch."""
        return self.root / "bodies"

    @property
    def identity(self) -> Path:
        """What was found of the models behind replicas."""
        return self.root / "identity.json"

    @property
    def tools(self) -> Path:
        """What was found of tools at their MCP servers."""
        return self.root / "tools.json"

    @property
    def ingest(self) -> Path:
        """How far control has read the spool."""
        return self.root / "ingest"

    @property
    def telemetry(self) -> Path:
        """The embedded analytical store."""
        return self.root / "telemetry"

    async def vacated(self, patience_s: float) -> None:
        """Waits while only children of a supervisor that is gone hold the lock, at most `patience_s` seconds."""
        for _ in range(int(patience_s / LOOK_S)):
            holder = self.holder()
            if holder is None or _alive(holder) or not self._locked():
                return
            await asyncio.sleep(LOOK_S)

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Makes the directory if need be and holds its lock; yields the descriptor to hand to children.

        Raises `DirectoryInUse` when another process holds it.
        """
        self.root.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        with _opened(self.lock) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DirectoryInUse(directory=str(self.root), pid=self.holder() or "unknown") from None
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            self.run.mkdir(mode=OWNER_ONLY, exist_ok=True)
            yield lock

    def _locked(self) -> bool:
        with _opened(self.lock) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def holder(self) -> int | None:
        """The pid that the lock file names, whether or not that process lives."""
        try:
            text = self.lock.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            return None
        return int(text) if text.isdigit() else None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, LOCK_OWNER_ONLY)
    try:
        yield lock
    finally:
        os.close(lock)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
