"""Whether a run's log is whole: its chain, the order of its entries, and what the tables say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.journal import entries
from trimtab.journal.entries import Asked, Checked, Decided, Ended, Entry, Intent, Leased, Reconciled, Result, Started
from trimtab.journal.refusals import RunUnknown
from trimtab.journal.runs.database import Database
from trimtab.journal.runs.steps import alike_of, digest_of
from trimtab.journal.runs.transaction import Row

PAGE: Final = 1000
AFTER_END: Final = (Result, Asked, Decided)
"""What may follow the end of a run: what had begun before it, and samples that are looked at later."""


class Fault(Struct, frozen=True):
    """The first thing that is wrong in the log of a run, at an entry."""

    run: str
    seq: int
    detail: str


class _Log:
    """What is known of a log up to an entry."""

    def __init__(self) -> None:
        self.digest = entries.ROOT
        self.seq = 0
        self.epoch = 0
        self.ended = False
        self.intents: dict[int, Intent] = {}
        self.results: dict[int, tuple[int, Result]] = {}

    def fault(self, entry: Entry) -> str:
        """What is wrong about the next entry; empty where nothing is."""
        if (self.seq == 1) != isinstance(entry, Started):
            return "a log begins with what the run was begun as, once"
        if self.ended and not isinstance(entry, AFTER_END):
            return "it follows the end of its run"
        if isinstance(entry, (Result, Checked, Asked, Reconciled)) and entry.of not in self.intents:
            return f"it speaks of step {entry.of}, which is not there"
        if isinstance(entry, Result):
            if entry.of in self.results:
                return f"step {entry.of} has a result already"
            self.results[entry.of] = (self.seq, entry)
        elif isinstance(entry, Intent):
            if entry.epoch > self.epoch:
                return f"its driver's lease {entry.epoch} was not granted"
            self.intents[self.seq] = entry
        elif isinstance(entry, Leased):
            self.epoch = max(self.epoch, entry.epoch)
        self.ended = self.ended or isinstance(entry, Ended)
        return ""


def verify_run(database: Database, run: str) -> Fault | None:
    """The first fault of a run's log; None where it is whole. Raises `RunUnknown`, `StoreError`."""
    with database.mapped():
        found = database.rows("run", {"run": run})
        if not found:
            raise RunUnknown(run=run)
        row, log = Row(*found[0]), _Log()
        for seq, content, digest in _entries(database, row.number):
            detail = _fault(log, seq, content, digest)
            if detail:
                return Fault(run, seq, detail)
        if (log.seq, log.digest) != (row.head, row.digest):
            return Fault(run, log.seq, f"the run has {row.head} entries, its log {log.seq}")
        return _steps_fault(database, row, log)


def _entries(database: Database, number: int) -> Iterator[tuple[int, bytes, bytes]]:
    since = 1
    while page := database.rows("entries", {"number": number, "since": since, "limit": PAGE}):
        yield from page
        since = page[-1][0] + 1


def _fault(log: _Log, seq: int, content: bytes, digest: bytes) -> str:
    log.seq += 1
    if seq != log.seq:
        return f"entry {log.seq} is missing"
    log.digest = entries.digest_of(log.digest, seq, content)
    if log.digest != digest:
        return "its digest is not that of its content and the entry before it"
    try:
        entry = entries.decode(content)
    except msgspec.MsgspecError as failure:
        return f"it cannot be read: {failure}"
    return log.fault(entry)


def _steps_fault(database: Database, row: Row, log: _Log) -> Fault | None:
    """Whether the table of steps says what the log says."""
    listed = {one[0]: one for one in database.rows("copy_steps", {"number": row.number, "before": row.head + 1})}
    for seq in sorted(listed.keys() ^ log.intents.keys()):
        return Fault(row.run, seq, "the table of steps has another set of steps than the log")
    for seq, intent in log.intents.items():
        _, alike, occurrence, branch, after, _, _, result, outcome, output, _ = listed[seq]
        at, said = log.results.get(seq, (0, None))
        ends = (said.outcome, digest_of(said.output)) if said is not None else ("", b"")
        told = (alike, occurrence, branch, after, result, outcome, output)
        if told != (alike_of(intent.label, intent.request), intent.occurrence, intent.branch, intent.after, at, *ends):
            return Fault(row.run, seq, "the table of steps says something else than the log")
    return None
