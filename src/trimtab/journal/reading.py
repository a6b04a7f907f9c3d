"""Runs as they are read whole: their rows, logs and bodies, asked of whoever has the journal."""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.journal.asks import Entries, Find, Load, Loaded, Read, RunRow, Runs
from trimtab.journal.client import BlockingAsking
from trimtab.journal.entries import Body, Logged
from trimtab.journal.refusals import BodyUnknown, RunUnknown
from trimtab.journal.steps import Log, log_of


def row_of(journal: BlockingAsking, run: str) -> RunRow:
    """A run as lists show it; raises `RunUnknown`."""
    if not run:
        raise RunUnknown(run=run)
    return rows_of(journal, Find(run=run))[0]


def rows_of(journal: BlockingAsking, wanted: Find) -> tuple[RunRow, ...]:
    """A page of runs."""
    told = journal.do(wanted)
    return told.runs if isinstance(told, Runs) else ()


def entries_of(journal: BlockingAsking, run: str, since: int = 1) -> Iterator[Logged]:
    """The entries of a run from one on, as far as there were any when the last of them was asked for."""
    while True:
        told = journal.do(Read(run, since))
        if not isinstance(told, Entries) or not told.entries:
            return
        yield from told.entries
        since = told.entries[-1].seq + 1
        if since > told.last:
            return


def log_read(journal: BlockingAsking, run: str) -> Log:
    """A run's log as steps; raises `RunUnknown`."""
    return log_of(run, entries_of(journal, run))


def body_read(journal: BlockingAsking, run: str, body: Body | None) -> bytes | None:
    """The bytes of a body; None where there is none, or it is not kept any more."""
    if body is None:
        return None
    if body.inline is not None:
        return body.inline.encode()
    try:
        told = journal.do(Load(run, body.digest))
    except BodyUnknown:
        return None
    return told.content if isinstance(told, Loaded) else None
