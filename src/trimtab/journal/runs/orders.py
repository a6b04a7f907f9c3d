"""What persons and time do to runs: orders, findings about unknown outcomes, and what a sweep brings."""

from __future__ import annotations

from typing import Final

from trimtab.journal.asks import Direct, Directed, Reconcile, Sweep, Swept, Written
from trimtab.journal.entries import Ended, Order, Ordered, Result
from trimtab.journal.refusals import AskInvalid, OutcomeKnown, RunEnded, StepUnknown
from trimtab.journal.runs.leases import wake
from trimtab.journal.runs.notes import end
from trimtab.journal.runs.reviews import expire
from trimtab.journal.runs.steps import digest_of, step_at
from trimtab.journal.runs.transaction import Row, Transaction

MOST_DEPTH: Final = 100
"""Levels of sub-runs that an order goes down."""
FINAL: Final = {"stop": "stopped", "cancel": "cancelled"}


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
    if step.result or not step.taken:
        raise OutcomeKnown(run=row.run, seq=found.of)
    if step.epoch == row.epoch and row.owner and row.until_ns is not None and row.until_ns > tx.now_ns:
        raise AskInvalid(run=row.run, detail=f"its driver is taking step {found.of}; wait for it, or stop the run")
    tx.keep(row.run, found.output, ask.content)
    seq = tx.append(row, found)
    if found.found == "happened":
        result = tx.append(row, Result(found.at_ns, found.of, "ok", found.output))
        output = digest_of(found.output)
        tx.write("finish_step", number=row.number, seq=found.of, result=result, outcome="ok", output=output)
    else:
        tx.write("take_step", number=row.number, seq=found.of, taken=0, epoch=step.epoch)
    if row.state == "parked" and row.waits_for == f"step {found.of}":
        row.state, row.waits_for = ("running" if row.owner else "waiting"), ""
    elif row.waits_for == f"step {found.of}":
        row.waits_for = ""
    wake(tx, row)
    return Written(seq)


def sweep(tx: Transaction, ask: Sweep) -> Swept:
    """Does what time alone brings."""
    limit = max(1, min(ask.limit, 10_000))
    expired = [tx.row(run) for (run,) in tx.many("expired", now_ns=tx.now_ns, limit=limit)]
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
    return Swept(tuple(row.run for row in expired), tuple(row.run for row in woken), tuple(decided), tuple(escalated))


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
        _end_as_ordered(tx, row)
    return True


def _resume(tx: Transaction, row: Row, ask: Direct) -> bool:
    if row.ordered != "pause":
        return False
    tx.append(row, Ordered(tx.now_ns, "resume", ask.by, ask.reason))
    tx.moved(row)
    row.ordered = row.ordered_by = row.ordered_why = ""
    if row.waits_for.startswith("step "):
        row.state = "parked"
        return True
    held = row.owner and row.until_ns is not None and row.until_ns > tx.now_ns
    row.state = "running" if held or row.through == "gateway" else "waiting"
    if not held:
        row.owner, row.until_ns = "", None
        wake(tx, row)
    return True


def _expire(tx: Transaction, row: Row) -> None:
    tx.moved(row)
    row.until_ns = None
    if row.ordered in FINAL:
        _end_as_ordered(tx, row)


def _end_as_ordered(tx: Transaction, row: Row) -> None:
    state = "stopped" if row.ordered == "stop" else "cancelled"
    detail = f"{row.ordered_by}: {row.ordered_why}" if row.ordered_why else row.ordered_by
    end(tx, row, Ended(tx.now_ns, state, error="run_stopped", detail=detail))  # type: ignore[arg-type]
