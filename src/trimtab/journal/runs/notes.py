"""Entries that are no effects: verdicts of checks, values, divergences, events; and how a run is given back or ends."""

from __future__ import annotations

from typing import Final

from trimtab.journal.asks import Note, Release, Tell, Written
from trimtab.journal.entries import Body, Checked, Diverged, Ended, State, encode
from trimtab.journal.refusals import AskInvalid, RunEnded
from trimtab.journal.runs.leases import fence, let_go, wake
from trimtab.journal.runs.reviews import supersede
from trimtab.journal.runs.steps import intent_at
from trimtab.journal.runs.transaction import Row, Transaction

FINAL: Final = {"stop": "stopped", "cancel": "cancelled"}
"""Orders that end a run, and how it stands then."""
INCOMPLETE: Final = "incomplete"
"""What the end of a background call tells whose answer says so of itself."""
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


def release(tx: Transaction, ask: Release) -> Written:
    """Gives a lease back. A run that was ordered to end has nobody to wait for then, and ends."""
    row = tx.row(ask.run)
    if ask.epoch == row.epoch and not row.owner:
        return Written(row.head, changed=False)
    fence(row, ask.epoch)
    if not row.owner:
        raise AskInvalid(run=row.run, detail="a run of calls alone has no lease")
    if row.ordered in FINAL:
        end_as_ordered(tx, row)
        return Written(row.head)
    let_go(tx, row)
    if row.state == "running":
        row.state = "waiting"
    if row.state == "waiting":
        row.wake_ns = ask.wake_ns
    return Written(row.head)


def end(tx: Transaction, row: Row, ended: Ended) -> int:
    """Ends a run: its lease is given back, reviews that wait are superseded, and its parent is woken."""
    supersede(tx, row, "its run has ended")
    seq = tx.append(row, ended)
    let_go(tx, row)
    row.state, row.error, row.ended_ns = ended.state, ended.error, ended.at_ns
    row.ordered = row.waits_for = ""
    if row.through == "background":
        tx.write("background_over", number=row.number, at_ns=tx.now_ns, status=_called(ended), error=ended.error,
                 detail=ended.detail[:500])  # fmt: skip
    parent = tx.find(row.parent) if row.parent else None
    if parent is not None:
        wake(tx, parent)
    return seq


def end_as_ordered(tx: Transaction, row: Row) -> None:
    """Ends a run as somebody ordered."""
    state = "stopped" if row.ordered == "stop" else "cancelled"
    detail = f"{row.ordered_by}: {row.ordered_why}" if row.ordered_why else row.ordered_by
    end(tx, row, Ended(tx.now_ns, state, error="run_stopped", detail=detail))  # type: ignore[arg-type]


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


def _called(ended: Ended) -> str:
    """How a background call stands whose run has ended so."""
    if ended.state == "completed":
        return INCOMPLETE if ended.detail == INCOMPLETE else "completed"
    return "failed" if ended.state == "failed" else "cancelled"
