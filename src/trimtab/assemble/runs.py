"""The journal of runs for those who read it beside keeper."""

from __future__ import annotations

from trimtab.assemble.journal import has_journal, open_journal_to_read
from trimtab.assemble.keeper import FoundBodies
from trimtab.clock import Clock
from trimtab.declare.project import Secret
from trimtab.journal.client import BlockingKeeper
from trimtab.journal.runs.reader import RunReader
from trimtab.processes.directory import DataDirectory
from trimtab.processes.run_room import RunRoom


def run_reader(directory: DataDirectory, url: Secret | None) -> RunReader:
    """A reader of the journal, for one thread; raises `StoreError` while there is none."""
    return RunReader(open_journal_to_read(directory, url), FoundBodies(directory.bodies))


def run_room(directory: DataDirectory, url: Secret | None, clock: Clock) -> RunRoom:
    """The journal as control has it."""

    def opened() -> RunReader | None:
        return run_reader(directory, url) if has_journal(directory, url) else None

    return RunRoom(opened, BlockingKeeper(directory.keeper_socket, clock=clock), clock)
