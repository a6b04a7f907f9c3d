"""Whether a run's log is whole: its chain, the order of its entries, what the tables say of them, and its bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.journal import entries
from trimtab.journal.entries import (
    Asked,
    Body,
    Checked,
    Decided,
    Ended,
    Entry,
    Erased,
    Intent,
    Leased,
    Reconciled,
    Result,
    Started,
    bodies_of,
)
from trimtab.journal.refusals import RunUnknown
from trimtab.journal.run_counts import Verified, Verify
from trimtab.journal.runs.database import Database, Rows
from trimtab.journal.runs.erasure import sealed
from trimtab.journal.runs.steps import alike_of, digest_of
from trimtab.journal.runs.transaction import Row, Transaction

PAGE: Final = 1000
AFTER_END: Final = (Result, Asked, Decided, Erased)
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
        self.erased = False
        self.altered: list[Fault] = []
        self.seal = sha256()
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
            if entry.of in self.results and self.results[entry.of][1].outcome != "cancelled":
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
        return _verified(lambda name, **facts: database.rows(name, facts), run, lambda seq, entry: None)


def verify(tx: Transaction, ask: Verify) -> Verified:
    """The first fault of a run's log, and all of its bodies; raises `RunUnknown`."""
    bodies = _Bodies(tx.bodies.load)
    fault = _verified(tx.rows, ask.run, bodies.take)
    faults = ((f"entry {fault.seq}: {fault.detail}",) if fault is not None else ()) + tuple(bodies.faults)
    return Verified(ask.run, bodies.entries, bodies.gone, faults)


class _Bodies:
    """The bodies that a log names, each looked at once."""

    def __init__(self, load: Callable[[str], bytes | None]) -> None:
        self.entries = self.gone = 0
        self.faults: list[str] = []
        self._load = load
        self._seen: set[str] = set()

    def take(self, seq: int, entry: Entry) -> None:
        self.entries += 1
        for body in bodies_of(entry):
            if body.digest and body.digest not in self._seen:  # what was erased names none
                self._seen.add(body.digest)
                self._look(seq, body)

    def _look(self, seq: int, body: Body) -> None:
        content = body.inline.encode() if body.inline is not None else self._load(body.digest)
        if content is None:
            self.gone += 1
        elif sha256(content).hexdigest() != body.digest or len(content) != body.size:
            self.faults.append(f"entry {seq}: a body of it is not what its digest says")


def _verified(rows: Callable[..., Rows], run: str, take: Callable[[int, Entry], None]) -> Fault | None:
    found = rows("run", run=run)
    if not found:
        raise RunUnknown(run=run)
    row, log = Row(*found[0]), _Log()
    for seq, content, digest in _entries(rows, row.number):
        entry, detail = _read(log, run, seq, content, digest)
        if entry is None or detail:
            return log.altered[0] if log.altered else Fault(run, seq, detail)
        take(seq, entry)
    if log.altered:
        return log.altered[0]
    if (log.seq, log.digest) != (row.head, row.digest):
        return Fault(run, log.seq, f"the run has {row.head} entries, its log {log.seq}")
    return None if log.erased else _steps_fault(rows, row, log)


def _entries(rows: Callable[..., Rows], number: int) -> Iterator[tuple[int, bytes | str, bytes]]:
    since = 1
    while page := rows("entries", number=number, since=since, limit=PAGE):
        yield from page
        since = page[-1][0] + 1


def _read(log: _Log, run: str, seq: int, content: bytes | str, digest: bytes) -> tuple[Entry | None, str]:
    """The next entry, and what is wrong about it."""
    log.seq += 1
    if seq != log.seq:
        return None, f"entry {log.seq} is missing"
    content = content.encode() if isinstance(content, str) else content  # what somebody wrote by hand
    is_as_written = entries.digest_of(log.digest, seq, content) == digest
    if not is_as_written:
        log.altered.append(Fault(run, seq, "its digest is not that of its content and the entry before it"))
    log.digest = bytes(digest)
    try:
        entry: Entry = entries.decode(content)
    except msgspec.MsgspecError as failure:
        return None, f"it cannot be read: {failure}"
    if isinstance(entry, Erased) and is_as_written and (entry.entries, entry.seal) == (seq - 1, log.seal.hexdigest()):
        log.altered.clear()
        log.erased = True
    log.seal.update(sealed(seq, digest, content))
    return entry, log.fault(entry)


def _steps_fault(rows: Callable[..., Rows], row: Row, log: _Log) -> Fault | None:
    """Whether the table of steps says what the log says."""
    listed = {one[0]: one for one in rows("copy_steps", number=row.number, before=row.head + 1)}
    for seq in sorted(listed.keys() ^ log.intents.keys()):
        return Fault(row.run, seq, "the table of steps has another set of steps than the log")
    for seq, intent in log.intents.items():
        _, alike, occurrence, branch, after, _, _, result, outcome, output, *_ = listed[seq]
        at, said = log.results.get(seq, (0, None))
        ends = (said.outcome, digest_of(said.output)) if said is not None else ("", b"")
        told = (alike, occurrence, branch, after, result, outcome, output)
        if told != (alike_of(intent.label, intent.request), intent.occurrence, intent.branch, intent.after, at, *ends):
            return Fault(row.run, seq, "the table of steps says something else than the log")
    return None
