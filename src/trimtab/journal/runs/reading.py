"""What is read of runs: their entries, bodies and lists."""

from __future__ import annotations

from typing import Final

from trimtab.journal import entries
from trimtab.journal.asks import MOST_ENTRIES, Entries, Find, Load, Loaded, Read, RunRow, Runs
from trimtab.journal.entries import Logged
from trimtab.journal.refusals import BodyUnknown
from trimtab.journal.runs.transaction import Row, Transaction

MOST_RUNS: Final = 1000
MOST_SCANNED: Final = 100_000
"""Runs that one `Find` looks at; a page that would need more ends there."""


def read(tx: Transaction, ask: Read) -> Entries:
    """Entries of a run from one on."""
    row = tx.row(ask.run)
    limit = max(1, min(ask.limit, MOST_ENTRIES))
    found = tx.rows("entries", number=row.number, since=ask.since, limit=limit)
    logged = (Logged(seq, entries.decode(content), digest.hex()) for seq, content, digest in found)
    return Entries(tuple(logged), row.head)


def load(tx: Transaction, ask: Load) -> Loaded:
    """The bytes of a body."""
    tx.row(ask.run)
    content = tx.bodies.load(ask.digest)
    if content is None:
        raise BodyUnknown(run=ask.run, digest=ask.digest)
    return Loaded(content)


def find(tx: Transaction, ask: Find) -> Runs:
    """A page of runs, the latest first."""
    if ask.run:
        return Runs((tx.row(ask.run).told(),))
    limit = max(1, min(ask.limit, MOST_RUNS))
    started, run = ask.until_ns or (1 << 62), ""
    if ask.before:
        started, run = tx.row(ask.before).started_ns, ask.before
    facts = {
        "task": ask.task,
        "parent": ask.parent,
        "fork_of": ask.fork_of,
        "conversation": ask.conversation,
        "end_user": ask.end_user,
        "since_ns": ask.since_ns,
        "started_ns": started,
        "run": run,
        "states": "," + ",".join(ask.states) + "," if ask.states else "",
        "limit": limit,
    }
    return Runs(tuple(_told(found) for found in tx.many(_statement(ask), **facts)))


def _statement(ask: Find) -> str:
    for name in ("parent", "fork_of", "conversation", "end_user", "task"):
        if getattr(ask, name):
            return f"find_by_{name}"
    return "find"


def _told(found: tuple[object, ...]) -> RunRow:
    return Row(*found).told()  # type: ignore[arg-type]
