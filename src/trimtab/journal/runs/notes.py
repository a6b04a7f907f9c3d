"""Entries that are no effects: verdicts of checks, values, divergences, events, and the end of a run."""

from __future__ import annotations

from typing import Final

from trimtab.journal.asks import Note, Tell, Written
from trimtab.journal.entries import Body, Checked, Diverged, Ended, State, encode
from trimtab.journal.refusals import AskInvalid, RunEnded
from trimtab.journal.runs.leases import fence, let_go, wake
from trimtab.journal.runs.reviews import supersede
from trimtab.journal.runs.steps import intent_at
from trimtab.journal.runs.transaction import Row, Transaction

LOOKED_BACK: Final = 16
"""Entries among which a note that comes again is known by its time and content."""


def note(tx: Transaction, ask: Note) -> Written:
    """Writes an entry that is no effect."""
    row = tx.row(ask.run)
    if row.ended and isinstance(ask.entry, Ended) and row.state == ask.entry.state:
        return Written(row.head, changed=False)
    content = encode(ask.entry)
    for seq, before, _ in tx.rows("entries", number=row.number, since=row.head - LOOKED_BACK, limit=LOOKED_BACK + 1):
        if before == content:
            return Written(seq, changed=False)
    fence(row, ask.epoch)
    if isinstance(ask.entry, Checked):
        intent_at(tx, row, ask.entry.of)
    tx.keep(row.run, _body(ask.entry), ask.content)
    if isinstance(ask.entry, Ended):
        return Written(end(tx, row, ask.entry))
    return Written(tx.append(row, ask.entry))


def end(tx: Transaction, row: Row, ended: Ended) -> int:
    """Ends a run: its lease is given back, reviews that wait are superseded, and its parent is woken."""
    supersede(tx, row, "its run has ended")
    seq = tx.append(row, ended)
    let_go(tx, row)
    row.state, row.error, row.ended_ns = ended.state, ended.error, ended.at_ns
    row.ordered = row.ordered_by = row.ordered_why = row.waits_for = ""
    parent = tx.find(row.parent) if row.parent else None
    if parent is not None:
        wake(tx, parent)
    return seq


def tell(tx: Transaction, ask: Tell) -> Written:
    """An event from outside; one that was told before changes nothing."""
    row = tx.row(ask.run)
    event = ask.event
    if not event.id or len(event.id) > 1000 or "\0" in event.id:
        raise AskInvalid(run=row.run, detail="an event has an id of at most 1,000 characters, which tells it again")
    found = tx.rows("event", number=row.number, id=event.id)
    if found:
        return Written(found[0][0], changed=False)
    if row.ended:
        raise RunEnded(run=row.run, state=row.state)
    tx.keep(row.run, event.value, ask.content)
    seq = tx.append(row, event)
    tx.write("add_event", number=row.number, id=event.id, seq=seq)
    wake(tx, row)
    return Written(seq)


def _body(entry: Checked | State | Diverged | Ended) -> Body | None:
    if isinstance(entry, State):
        return entry.value
    return entry.output if isinstance(entry, Ended) else None
