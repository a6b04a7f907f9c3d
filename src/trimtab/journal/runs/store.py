"""The journal of runs: each ask is done or refused by itself, and all that wait together are one commit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import MsgspecError

from trimtab.clock import Clock
from trimtab.errors import StoreError
from trimtab.ids import IdSource
from trimtab.journal import asks, erasing, keeping, run_counts
from trimtab.journal import background as calls
from trimtab.journal.asks import Ask, Refused, Told
from trimtab.journal.refusals import AskInvalid, JournalRefusal
from trimtab.journal.runs import background, erasure, leases, notes, orders, reading, retention, reviews, steps, verify
from trimtab.journal.runs.bodies import RunBodies
from trimtab.journal.runs.database import Database
from trimtab.journal.runs.transaction import Transaction

HANDLERS: dict[type[Ask], Callable[[Transaction, Any], Told]] = {
    asks.Open: leases.open_run,
    asks.Claim: leases.claim,
    asks.Renew: leases.renew,
    asks.Release: notes.release,
    asks.Begin: steps.begin,
    asks.Finish: steps.finish,
    asks.Note: notes.note,
    asks.Tell: notes.tell,
    asks.AskReview: reviews.ask_review,
    asks.Decide: reviews.decide_review,
    asks.Reconcile: orders.reconcile,
    asks.Direct: orders.direct,
    asks.Sweep: orders.sweep,
    asks.Holding: orders.hold,
    asks.FindReviews: reviews.find_reviews,
    asks.Read: reading.read,
    asks.Load: reading.load,
    asks.Find: reading.find,
    calls.Submit: background.submit,
    calls.Take: background.take,
    calls.Settle: background.settle,
    calls.Redrive: background.redrive,
    calls.Poll: background.poll,
    calls.FindBackground: background.find,
    calls.ToldOf: background.told_of,
    calls.CountBackground: background.count,
    run_counts.Standing: reading.standing,
    run_counts.CountRuns: reading.count_runs,
    run_counts.Verify: verify.verify,
    keeping.Retire: retention.retire,
    keeping.Hold: retention.hold,
    keeping.FindHolds: retention.find_holds,
    erasing.Erase: erasure.erase,
    erasing.Shred: erasure.shred,
    erasing.FindShreds: erasure.find_shreds,
}

FAULTS = (ValueError, TypeError, LookupError, OverflowError, MsgspecError)
"""What an ask raises that says something which cannot be kept."""


class RunStore:
    """Keeps the journal of runs in a database that nobody else writes; used from one thread at a time."""

    def __init__(self, database: Database, bodies: RunBodies, clock: Clock) -> None:
        self._database = database
        self._bodies = bodies
        self._clock = clock
        self._ids = IdSource()
        self._now_ns = 0

    def __repr__(self) -> str:
        return f"RunStore({self._database!r}, {self._bodies!r})"

    def do(self, asked: list[Ask]) -> list[Told]:
        """Does all of them in one commit, in order; refuses one by one. Raises `StoreError` when nothing was done.

        An ask that the journal cannot do for a reason of its own is refused too, and the others are done without it.
        """
        try:
            return self._commit(asked)
        except (_Broken, *FAULTS) as broken:
            if len(asked) > 1:
                return [told for ask in asked for told in self.do([ask])]
            return [Refused(AskInvalid.__name__, {"run": getattr(asked[0], "run", ""), "detail": str(broken)})]

    def _commit(self, asked: list[Ask]) -> list[Told]:
        now_ns = self._now_ns = max(self._now_ns, self._clock.wall_ns())
        database = self._database
        with database.mapped():
            try:
                database.begin()
                tx = Transaction(database, self._bodies, now_ns, lambda: self._ids.new(now_ns))
                told = [_one(tx, ask) for ask in asked]
                tx.commit()
            except BaseException:
                database.rollback()
                raise
        self._tidy(told)
        return told

    def _tidy(self, told: list[Told]) -> None:
        """Gives room back after a commit. That stands where this fails; the next time does what was left."""
        database = self._database
        with suppress(StoreError), database.mapped():
            if any(isinstance(one, keeping.Retired) and one.rows for one in told):
                database.shrink()
            if any(isinstance(one, erasing.RunErased) for one in told):
                database.purge()

    def close(self) -> None:
        """Lets go of the database."""
        self._database.close()


class _Broken(Exception):
    """An ask failed for a reason that is no refusal; what it had written is to be taken back."""


def _one(tx: Transaction, ask: Ask) -> Told:
    handler = HANDLERS.get(type(ask))
    before = tx.written
    try:
        if handler is None:
            raise AskInvalid(run=getattr(ask, "run", ""), detail=f"it knows no {type(ask).__name__}")
        return handler(tx, ask)
    except JournalRefusal as refusal:
        if tx.written != before:
            raise _Broken(str(refusal)) from refusal
        return Refused(type(refusal).__name__, {name: str(fact) for name, fact in refusal.facts.items()})
    except FAULTS as failure:
        raise _Broken(f"it failed at {type(ask).__name__} ({failure})") from failure
