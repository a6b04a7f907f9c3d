"""The journal of runs for readers: beside its writer, in any process that may open the database."""

from __future__ import annotations

from typing import Final

from trimtab.journal import background
from trimtab.journal.asks import Ask, Find, FindReviews, Load, Read, Told
from trimtab.journal.erasing import FindShreds
from trimtab.journal.keeping import FindHolds
from trimtab.journal.refusals import AskInvalid
from trimtab.journal.run_counts import CountRuns, Standing, Verify
from trimtab.journal.runs.bodies import Reader
from trimtab.journal.runs.database import Database
from trimtab.journal.runs.store import HANDLERS
from trimtab.journal.runs.transaction import Transaction, internal

READS: Final = (Read, Load, Find, FindReviews, FindHolds, FindShreds, CountRuns, Standing, Verify, *background.READS)
"""What a reader can be asked."""


class RunReader:
    """Answers what only reads, from a database that somebody else writes; used from one thread at a time.

    An answer may be older than what the writer says at the same time, never torn: what is told was committed.
    """

    def __init__(self, database: Database, bodies: Reader) -> None:
        self._database = database
        self._bodies = _Read(bodies)

    def __repr__(self) -> str:
        return f"RunReader({self._database!r})"

    def do(self, ask: Ask) -> Told:
        """What the journal says; raises `JournalRefusal`, and `StoreError` when it cannot be read."""
        handler = HANDLERS.get(type(ask))
        if handler is None or not isinstance(ask, READS):
            raise AskInvalid(run=getattr(ask, "run", ""), detail=f"a reader does no {type(ask).__name__}; ask keeper")
        with self._database.mapped(), self._database.at_once():
            return handler(Transaction(self._database, self._bodies, 0, _no_ids), ask)

    def close(self) -> None:
        """Lets go of the database."""
        self._database.close()


class _Read:
    """Bodies that are only read."""

    def __init__(self, bodies: Reader) -> None:
        self._bodies = bodies

    def keep(self, content: bytes) -> None:
        """Nothing is kept by a reader."""
        raise internal(f"a reader was to keep {len(content)} bytes; report this")

    def sync(self) -> None:
        """Nothing was kept."""

    def finish(self) -> None:
        """Nothing was written."""

    def load(self, digest: str) -> bytes | None:
        """The body of that digest."""
        return self._bodies.read(digest)


def _no_ids() -> str:
    raise internal("a reader was to make an id; report this")
