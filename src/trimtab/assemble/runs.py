"""The journal of runs for those who read it beside keeper."""

from __future__ import annotations

from trimtab.assemble.keeper import FoundBodies
from trimtab.clock import Clock
from trimtab.journal.client import BlockingKeeper
from trimtab.journal.runs.database import open_runs_to_read
from trimtab.journal.runs.reader import RunReader
from trimtab.processes.directory import DataDirectory
from trimtab.processes.run_room import RunRoom


def run_reader(directory: DataDirectory) -> RunReader:
    """A reader of the journal, for one thread; raises `StoreError` while there is none."""
    return RunReader(open_runs_to_read(directory.journal), FoundBodies(directory.bodies))


def run_room(directory: DataDirectory, clock: Clock) -> RunRoom:
    """The journal as control has it."""

    def opened() -> RunReader | None:
        return run_reader(directory) if directory.journal.exists() else None

    return RunRoom(opened, BlockingKeeper(directory.keeper_socket, clock=clock), clock)
