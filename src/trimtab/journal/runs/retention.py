"""Runs that are kept for a time: those past it go, unless something holds them.

A run goes in one commit: from then on nobody finds it. Its rows are deleted after that, a portion at a time, so that
no commit takes long; a crash between leaves them to the next ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trimtab.journal import entries
from trimtab.journal.asks import Written
from trimtab.journal.keeping import FindHolds, Held, Hold, Holds, Retire, Retired
from trimtab.journal.refusals import AskInvalid
from trimtab.journal.runs.transaction import Transaction

MOST_LOOKED_AT: Final = 1000
MOST_ROWS: Final = 2000
"""Entries of logs that one ask deletes."""
MOST_REASON: Final = 1000
SECOND_NS: Final = 1_000_000_000
LENGTHENING: Final = ("reviewed", "exported")


def retire(tx: Transaction, ask: Retire) -> Retired:
    """Deletes what is left of runs that are gone, then takes out runs that are past their time."""
    rows, done = _delete(tx)
    if not done:
        return Retired((), rows, True, ask.after_ns, ask.after)
    limit = max(1, min(ask.limit, MOST_LOOKED_AT))
    shortest = min((ask.usual_s, *ask.keep.values(), *(s for kept in ask.tasks.values() for s in kept.values())))
    before_ns = tx.now_ns - round(shortest * SECOND_NS)
    found = tx.many(
        "idle" if ask.idle else "retirable",
        now_ns=tx.now_ns,
        before_ns=before_ns,
        after_ns=ask.after_ns,
        after=ask.after,
        limit=limit,
    )
    gone = []
    for number, run, task, state, retention, at_ns, reviewed, exported in found:
        ended_ns = _written_ns(tx, run) if ask.idle else at_ns
        more = tuple(name for name, holds in zip(LENGTHENING, (reviewed, exported), strict=True) if holds)
        keep = {**ask.keep, **ask.tasks.get(task, {})}
        kept_s = kept_for(keep, ask.usual_s, "completed" if ask.idle else state, retention, more)
        if ended_ns <= tx.now_ns - round(kept_s * SECOND_NS):
            _take_out(tx, number, run)
            gone.append(run)
    if not found:
        return Retired((), rows)
    is_last = len(found) < limit and not gone
    return Retired(tuple(gone), rows, not is_last, found[-1][5], found[-1][0])


def kept_for(
    keep: Mapping[str, float], usual_s: float, state: str, retention: str = "", lengthened: tuple[str, ...] = ()
) -> float:
    """For how many seconds after its end a run is kept; of a class that is not declared, as long as any run is."""
    if retention and retention not in keep:
        return max((usual_s, *keep.values()))
    longer = (keep.get(name, 0.0) for name in LENGTHENING if name in lengthened)
    return max((keep.get(retention or state, usual_s), *longer))


def hold(tx: Transaction, ask: Hold) -> Written:
    """Holds a run, or lets go of it."""
    row = tx.row(ask.run)
    if len(ask.reason) > MOST_REASON or len(ask.by) > MOST_REASON:
        raise AskInvalid(run=ask.run, detail=f"a reason has at most {MOST_REASON:,} characters")
    is_held = bool(tx.rows("held", number=row.number, kind=ask.kind))
    if ask.off:
        tx.write("let_go", number=row.number, kind=ask.kind)
        return Written(row.head, changed=is_held)
    if not is_held:
        tx.write("hold", number=row.number, kind=ask.kind, held_by=ask.by, at_ns=tx.now_ns, reason=ask.reason)
    return Written(row.head, changed=not is_held)


def find_holds(tx: Transaction, ask: FindHolds) -> Holds:
    """What is held."""
    limit = max(1, min(ask.limit, MOST_LOOKED_AT))
    return Holds(tuple(Held(*found) for found in tx.many("holds", run=ask.run, limit=limit)))


def _written_ns(tx: Transaction, run: str) -> int:
    """When the log of a run was last written."""
    row = tx.row(run)
    found = tx.rows("entry", number=row.number, seq=row.head)
    last: entries.Entry = entries.decode(found[0][0])
    return last.at_ns


def _take_out(tx: Transaction, number: int, run: str) -> None:
    tx.drop(run)
    for statement in ("remove_run", "drop_reviews", "drop_holds", "drop_background", "removing"):
        tx.write(statement, number=number)


def _delete(tx: Transaction) -> tuple[int, bool]:
    """Deletes rows of runs that are gone: how many entries, and whether nothing is left."""
    rows = 0
    while rows < MOST_ROWS:
        found = tx.rows("to_remove", limit=1)
        if not found:
            return rows, True
        number = found[0][0]
        first, last = tx.rows("span", number=number)[0]
        if first is None:
            for statement in ("drop_given", "drop_arrived", "removed"):
                tx.write(statement, number=number)
            continue
        before = min(last + 1, first + MOST_ROWS - rows)
        for statement in ("drop_steps", "drop_entries"):
            tx.write(statement, number=number, before=before)
        rows += before - first
    return rows, False
