"""The journal of runs for those who read it beside keeper."""

from __future__ import annotations

from collections.abc import Callable, Set
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from trimtab.assemble.journal import has_journal, open_journal_to_read
from trimtab.assemble.keeper import FoundBodies
from trimtab.clock import Clock
from trimtab.declare.load import load
from trimtab.declare.project import Secret
from trimtab.journal.client import BlockingKeeper, KeeperClient
from trimtab.journal.runs.named import named_of
from trimtab.journal.runs.reader import RunReader
from trimtab.policy.watch import Watch
from trimtab.processes.directory import DataDirectory
from trimtab.processes.run_retention import RunRetention
from trimtab.processes.run_room import RunRoom
from trimtab.record.retention import Named

RETENTION_PATIENCE_S: Final = 30.0


def run_reader(directory: DataDirectory, url: Secret | None) -> RunReader:
    """A reader of the journal, for one thread; raises `StoreError` while there is none."""
    return RunReader(open_journal_to_read(directory, url), FoundBodies(directory.bodies))


def named_by_runs(directory: DataDirectory, url: Secret | None) -> Named:
    """Which bodies runs name, read beside keeper; raises `StoreError` while that cannot be known."""

    def named(digests: Set[bytes], before_ns: int) -> Set[bytes]:
        if not has_journal(directory, url):
            return set()
        with closing(open_journal_to_read(directory, url)) as database:
            return named_of(database, digests, before_ns)

    return named


def run_retention(directory: DataDirectory, watch: Callable[[], Watch], clock: Clock) -> RunRetention:
    """What has keeper remove runs past their time."""
    keeper = KeeperClient(directory.keeper_socket, patience_s=RETENTION_PATIENCE_S, clock=clock)
    return RunRetention(keeper, watch, clock)


def run_room(directory: DataDirectory, url: Secret | None, clock: Clock, root: Path) -> RunRoom:
    """The journal as control has it; `root` is the project's folder."""

    def opened() -> RunReader | None:
        return run_reader(directory, url) if has_journal(directory, url) else None

    return RunRoom(opened, BlockingKeeper(directory.keeper_socket, clock=clock), clock, partial(load, root))
