"""What persons and time do to runs: orders, findings about unknown outcomes, and what a sweep brings."""

from __future__ import annotations

from typing import Final

from trimtab.journal.asks import Direct, Directed, Holding, Reconcile, Sweep, Swept, Written
from trimtab.journal.background import REDRIVE
from trimtab.journal.entries import Order, Ordered, Result
from trimtab.journal.refusals import AskInvalid, OutcomeKnown, RunEnded, StepUnknown
from trimtab.journal.runs import background, tries
from trimtab.journal.runs.forks import finished
from trimtab.journal.runs.leases import MOST_DEPTH, wake
from trimtab.journal.runs.notes import FINAL, end_as_ordered
from trimtab.journal.runs.reviews import expire
from trimtab.journal.runs.steps import NO_OUTPUT, digest_of, intent_at, is_cut, step_at
from trimtab.journal.runs.transaction import Row, Transaction
from trimtab.journal.steps import ABANDONED

SETTLES_NS: Final = 60 * 10**9
"""How old a step is before its worker, which does not know it, may be taken at its word."""
MOST_HELD: Final = 100_000
NOBODY_KNOWS: Final = "its gateway worker lost it, and nobody knows its outcome; sent again, it is taken again"


def direct(tx: Transaction, ask: Direct) -> Directed:
    """Gives an order to a run and its sub-runs, to the runs of a task, or to all."""
    if ask.run:
        row = tx.row(ask.run)
        if row.ended:
            raise RunEnded(run=row.run, state=row.state)
        rows = _family(tx, row)
    else:
        rows = [tx.row(run) for (run,) in tx.many("live", task=ask.task)]
    return Directed(tuple(row.run for row in rows if _order(tx, row, ask)))


def reconcile(tx: Transaction, ask: Reconcile) -> Written:
    """Writes what became of an effect; one that happened has a result from then on, another one may be sent again."""
    row, found = tx.row(ask.run), ask.reconciled
    if row.ended:
        raise RunEnded(run=row.run, state=row.state)
    step = step_at(tx, row, found.of)
    if step is None:
        raise StepUnknown(run=row.run, seq=found.of)
    if (step.result and not is_cut(tx, row, step)) or not step.taken:
        raise OutcomeKnown(run=row.run, seq=found.of)
    if step.epoch == row.epoch and row.owner and row.until_ns is not None and row.until_ns > tx.now_ns:
        raise AskInvalid(run=row.run, detail=f"its driver is taking step {found.of}; wait for it, or stop the run")
    tx.keep(row.run, found.output, ask.content)
    seq = tx.append(row, found)
    if found.found == "happened":
        result = tx.append(row, Result(found.at_ns, found.of, "ok", found.output))
        output = digest_of(found.output)
        finished(tx, row, found.of, result, "ok", output)
    else:
        tx.write(
            "take_step", number=row.number, seq=found.of, taken=0, epoch=step.epoch, call=step.call, holder=step.holder
        )
    if row.state == "parked" and row.waits_for == f"step {found.of}":
        row.state, row.waits_for = ("running" if row.owner else "waiting"), ""
    elif row.waits_for == f"step {found.of}":
        row.waits_for = ""
    wake(tx, row)
    return Written(seq)


def sweep(tx: Transaction, ask: Sweep) -> Swept:
    """Does what time alone brings."""
    tx.bodies.finish()
    limit = max(1, min(ask.limit, 10_000))
    abandoned = _abandon(tx, ask, limit) if ask.here is not None or ask.gone else []
    found = [tx.row(run) for (run,) in tx.many("expired", now_ns=tx.now_ns, limit=limit)]
    expired = [*found, *_dropped(tx, ask)]
    for row in expired:
        _expire(tx, row)
    woken = [tx.row(run) for (run,) in tx.many("due", now_ns=tx.now_ns, limit=limit)]
    for row in woken:
        row.wake_ns = None
        wake(tx, row)
    decided = [review for (review,) in tx.many("expiring", now_ns=tx.now_ns, limit=limit)]
    for review in decided:
        expire(tx, review)
    escalated = [review for (review,) in tx.many("escalating", now_ns=tx.now_ns, limit=limit)]
    for review in escalated:
        tx.write("escalate", review=review)
    background.sweep(tx, ask, limit)
    return Swept(
        tuple(row.run for row in expired),
        tuple(row.run for row in woken),
        tuple(decided),
        tuple(escalated),
        tuple(abandoned),
    )


def _dropped(tx: Transaction, ask: Sweep) -> list[Row]:
    """The runs whose driver died, but those that have run out by themselves."""
    rows = [(tx.find(run), epoch) for run, epoch in ask.dropped]
    return [
        row
        for row, epoch in rows
        if row is not None and row.epoch == epoch and row.until_ns is not None and row.until_ns > tx.now_ns
    ]


def _abandon(tx: Transaction, ask: Sweep, limit: int) -> list[str]:
    """Closes steps of calls whose gateway worker is gone: nobody knows whether a model was asked, and nobody will say.

    The run of each; the same request that comes again is that step, taken again.
    """
    runs: list[str] = []
    for (holder,) in tx.many("holders"):
        is_here = holder not in ask.gone and (ask.here is None or holder in ask.here)
        if is_here or len(runs) >= limit:
            continue
        for run, seq in tx.many("steps_held", holder=holder, limit=limit - len(runs)):
            runs += _close(tx, tx.row(run), seq)
    return runs


def _close(tx: Transaction, row: Row, seq: int) -> list[str]:
    step = step_at(tx, row, seq)
    if step is None:
        return []
    result = tx.append(row, Result(tx.now_ns, seq, "cancelled", error=ABANDONED, detail=NOBODY_KNOWS))
    finished(tx, row, seq, result, "cancelled", NO_OUTPUT)
    tx.write("take_step", number=row.number, seq=seq, taken=0, epoch=step.epoch, call=step.call, holder="")
    tries.closed(row)
    return [row.run]


def hold(tx: Transaction, ask: Holding) -> Swept:
    """Closes what a gateway worker does not know any more of what it had under way."""
    calls, runs = set(ask.calls), list[str]()
    for run, seq in tx.many("steps_held", holder=ask.holder, limit=MOST_HELD):
        row = tx.row(run)
        step = step_at(tx, row, seq)
        if step is None or step.call in calls:
            continue
        if intent_at(tx, row, seq).at_ns <= tx.now_ns - SETTLES_NS:
            runs += _close(tx, row, seq)
    return Swept(abandoned=tuple(runs))


def _family(tx: Transaction, row: Row) -> list[Row]:
    """A run and the runs it began, as far as they have not ended."""
    found, level = [row], [row]
    for _ in range(MOST_DEPTH):
        level = [tx.row(run) for above in level for (run,) in tx.many("children", run=above.run)]
        if not level:
            break
        found += level
    return found


def _order(tx: Transaction, row: Row, ask: Direct) -> bool:
    """Gives one run an order; False where it changes nothing."""
    order: Order = ask.order
    if row.ended or row.ordered in FINAL or row.ordered == order:
        return False
    if order == "resume":
        return _resume(tx, row, ask)
    tx.append(row, Ordered(tx.now_ns, order, ask.by, ask.reason))
    tx.moved(row)
    row.ordered, row.ordered_by, row.ordered_why = order, ask.by, ask.reason
    row.wake_ns = None
    if order == "pause":
        row.state = "paused"
    elif not (row.owner and row.until_ns is not None and row.until_ns > tx.now_ns):
        end_as_ordered(tx, row)
    return True


def _resume(tx: Transaction, row: Row, ask: Direct) -> bool:
    if row.ordered != "pause":
        return False
    tx.append(row, Ordered(tx.now_ns, "resume", ask.by, ask.reason))
    tx.moved(row)
    row.ordered = row.ordered_by = row.ordered_why = ""
    if row.waits_for.startswith("step ") or row.waits_for == REDRIVE:
        row.state = "parked"
        return True
    held = row.owner and row.until_ns is not None and row.until_ns > tx.now_ns
    row.state = "running" if held or row.through == "gateway" else "waiting"
    tries.rests(row)
    if not held:
        row.owner, row.until_ns = "", None
        wake(tx, row)
    return True


def _expire(tx: Transaction, row: Row) -> None:
    tx.moved(row)
    row.until_ns = None
    if row.ordered in FINAL:
        end_as_ordered(tx, row)
