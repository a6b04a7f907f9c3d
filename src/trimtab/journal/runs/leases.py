"""Runs begin, are taken up and held. A lease is held under an epoch, which fences off earlier drivers."""

from __future__ import annotations

import re
from typing import Final

from msgspec import structs

from trimtab.journal import entries
from trimtab.journal.asks import Claim, Lease, Nothing, Open, Renew
from trimtab.journal.entries import ROOT, Leased, Started
from trimtab.journal.refusals import AskInvalid, Halted, LeaseHeld, LeaseLost, RunEnded, RunExists, RunUnknown
from trimtab.journal.runs.forks import copy_prefix
from trimtab.journal.runs.transaction import PLAIN, Row, Transaction

RUN_ID: Final = re.compile(r"[A-Za-z0-9._:@/+-]{1,200}")
TTL_MIN_S: Final = 0.1
TTL_MAX_S: Final = 3600.0
SECOND_NS: Final = 1_000_000_000
MOST_DEPTH: Final = 100
"""Levels of sub-runs that an order goes down, and that what came for one goes up."""


def fence(row: Row, epoch: int) -> None:
    """Raises `LeaseLost` for a driver that does not hold the run any more, `RunEnded` where nobody can."""
    if row.ended:
        raise RunEnded(run=row.run, state=row.state)
    if epoch != row.epoch or (epoch and not row.owner):
        raise LeaseLost(run=row.run, epoch=epoch, current=row.epoch)


def goes_on(row: Row) -> None:
    """Raises `RunEnded` or `Halted` for a run that is not to go on."""
    if row.ended:
        raise RunEnded(run=row.run, state=row.state)
    if row.ordered:
        raise Halted(run=row.run, order=row.ordered, by=row.ordered_by, reason=row.ordered_why or "no reason given")


def open_run(tx: Transaction, ask: Open) -> Lease:
    """Begins a run, or takes up one that is there."""
    _lasting(ask.run, ask.ttl_s)
    row = tx.find(ask.run)
    if row is None:
        row = begin_run(tx, ask)
        return grant(tx, row, ask.owner, ask.ttl_s) if ask.owner else _lease(row)
    if not ask.owner:
        return _lease(row)
    _same(row, ask.started)
    return _take(tx, row, ask.owner, ask.ttl_s)


def claim(tx: Transaction, ask: Claim) -> Lease | Nothing:
    """Takes over a run by its id, or whichever of some tasks has waited longest."""
    _lasting(ask.run, ask.ttl_s)
    if not ask.owner:
        raise AskInvalid(run=ask.run, detail="a claim needs an owner")
    if ask.run:
        return _take(tx, tx.row(ask.run), ask.owner, ask.ttl_s)
    ready = [found for task in ask.tasks for found in tx.many("ready", task=task, now_ns=tx.now_ns)]
    if not ready:
        return Nothing()
    run = min(ready, key=lambda one: (one[1], one[0]))[0]
    return _take(tx, tx.row(run), ask.owner, ask.ttl_s)


def renew(tx: Transaction, ask: Renew) -> Lease:
    """Keeps a lease, also one that ran out while nobody took the run over."""
    _lasting(ask.run, ask.ttl_s)
    row = tx.row(ask.run)
    if row.ended and ask.epoch == row.epoch:
        return _lease(row)
    fence(row, ask.epoch)
    if row.owner:
        _hold(tx, row, ask.ttl_s)
    return _lease(row)


def let_go(tx: Transaction, row: Row) -> None:
    """Nobody holds the run."""
    tx.moved(row)
    row.owner = ""
    row.until_ns = row.wake_ns = None


def wake(tx: Transaction, row: Row) -> None:
    """Something has come that a run may have waited for, and with it those that began it: whoever has the function of
    one of them takes it up.
    """
    one: Row | None = row
    for _ in range(MOST_DEPTH):
        if one is None or one.ended or one.through == "gateway":
            return
        tx.moved(one)
        one.woken = 1
        one = tx.find(one.parent) if one.parent else None


def begin_run(tx: Transaction, ask: Open) -> Row:
    """A run that is not there yet begins, under no lease."""
    started = ask.started
    _check_begin(ask)
    parent = tx.find(started.parent) if started.parent else None
    if started.parent and parent is None:
        raise RunUnknown(run=started.parent)
    origin = tx.row(started.fork_of) if started.fork_of else None
    if origin is not None and origin.input == "(erased)":
        raise AskInvalid(run=ask.run, detail=f"what run {origin.run} said was erased, and nothing can be forked off it")
    if origin is not None and not 1 <= started.fork_seq <= origin.head + 1:
        raise AskInvalid(run=ask.run, detail=f"run {origin.run} has entries 1 to {origin.head}; fork it at one of them")
    if ask.answer is not None:
        _check_answer(tx, ask, origin)
    tx.keep(ask.run, started.input, ask.content)
    tx.keep(ask.run, started.changes, ask.changed)
    row = tx.add(_facts(ask))
    tx.append(row, _as_its_parent(tx, parent, started))
    if origin is not None:
        copy_prefix(tx, origin, row, started.fork_seq, ask.answer)
    if ask.owner:
        return row
    tx.moved(row)
    row.held_to = row.head if origin is not None else 0
    if started.through != "gateway":
        row.state, row.woken = "waiting", 1
    return row


def _as_its_parent(tx: Transaction, parent: Row | None, started: Started) -> Started:
    """A run that a changed fork begins goes with the same changes."""
    if parent is None or started.changes is not None:
        return started
    content = tx.rows("entry", number=parent.number, seq=1)
    outer = entries.decode(content[0][0]) if content else None
    if not isinstance(outer, Started) or outer.changes is None:
        return started
    return structs.replace(started, changes=outer.changes, overrides=outer.overrides | started.overrides)


def _check_begin(ask: Open) -> None:
    started = ask.started
    if not RUN_ID.fullmatch(ask.run):
        raise AskInvalid(run=ask.run, detail="a run's id has 1 to 200 of A-Z a-z 0-9 . _ : @ / + -; choose another")
    if ask.owner and started.through == "gateway":
        raise AskInvalid(run=ask.run, detail="a run of calls alone has no lease; leave out its owner")
    texts = (started.task, started.name, started.key, started.conversation, started.end_user, started.retention)
    if any("\0" in text or len(text) > 1000 for text in texts):
        raise AskInvalid(run=ask.run, detail="its facts are texts of at most 1,000 characters")


def _check_answer(tx: Transaction, ask: Open, origin: Row | None) -> None:
    """Another answer is that of the step at which the fork leaves, and its bytes are kept."""
    of = ask.answer.of if ask.answer is not None else 0
    if origin is None or of != ask.started.fork_seq - 1 or not tx.rows("step", number=origin.number, seq=of):
        raise AskInvalid(run=ask.run, detail=f"there is no step at {of} right before the entry at which it is forked")
    tx.keep(ask.run, ask.answer.output if ask.answer is not None else None, ask.answered)


def _facts(ask: Open) -> PLAIN:
    started = ask.started
    return {
        "run": ask.run,
        "task": started.task,
        "name": started.name,
        "through": started.through,
        "lock": started.lock,
        "key": started.key,
        "input": started.input.digest if started.input else "",
        "parent": started.parent,
        "parent_seq": started.parent_seq,
        "fork_of": started.fork_of,
        "fork_seq": started.fork_seq,
        "conversation": started.conversation,
        "end_user": started.end_user,
        "retention": started.retention,
        "started_ns": started.at_ns,
        "digest": ROOT,
    }


def _same(row: Row, started: Started) -> None:
    """Raises `RunExists` where a run was begun as something else."""
    was = (row.task, row.through, row.key, row.input, row.parent, row.fork_of, row.fork_seq)
    now = (
        started.task,
        started.through,
        started.key,
        started.input.digest if started.input else "",
        started.parent,
        started.fork_of,
        started.fork_seq,
    )
    names = ("task", "kind", "key", "input", "parent", "origin", "place of its fork")
    different = [name for name, one, other in zip(names, was, now, strict=True) if one != other]
    if different:
        raise RunExists(run=row.run, detail="another " + ", ".join(different))


def _take(tx: Transaction, row: Row, owner: str, ttl_s: float) -> Lease:
    if row.through == "gateway":
        raise AskInvalid(run=row.run, detail="a run of calls alone has no lease; send its calls again")
    if row.through == "background":
        raise AskInvalid(run=row.run, detail="a background call is made by gateways alone; wait for its answer")
    goes_on(row)
    if row.owner == owner and row.head == row.leased_seq:
        _hold(tx, row, ttl_s)
        return _lease(row)
    if row.owner and row.until_ns is not None and row.until_ns > tx.now_ns:
        left = (row.until_ns - tx.now_ns) / SECOND_NS
        raise LeaseHeld(run=row.run, owner=row.owner, left_s=f"{left:.1f}")
    return grant(tx, row, owner, ttl_s)


def grant(tx: Transaction, row: Row, owner: str, ttl_s: float) -> Lease:
    """Gives a driver the run under an epoch of its own."""
    tx.moved(row)
    row.held_to = row.head if row.head > 1 else 0
    row.epoch += 1
    row.owner = owner
    row.wake_ns = None
    row.woken = 0
    if row.state == "waiting":
        row.state, row.waits_for = "running", ""
    row.leased_seq = tx.append(row, Leased(tx.now_ns, row.epoch, owner))
    _hold(tx, row, ttl_s)
    return _lease(row)


def _lasting(run: str, ttl_s: float) -> None:
    if not TTL_MIN_S <= ttl_s <= TTL_MAX_S:
        raise AskInvalid(run=run, detail=f"a lease lasts {TTL_MIN_S} to {TTL_MAX_S:.0f} s")


def _hold(tx: Transaction, row: Row, ttl_s: float) -> None:
    tx.moved(row)
    row.until_ns = tx.now_ns + int(ttl_s * SECOND_NS)


def _lease(row: Row) -> Lease:
    return Lease(row.run, row.epoch, row.until_ns or 0, row.head, row.state, row.order)
