"""A journal that is read here and written elsewhere."""

from __future__ import annotations

from trimtab.journal.asks import Ask, Told
from trimtab.journal.client import BlockingAsking
from trimtab.journal.runs.reader import READS


class Divided:
    """Asks a reader beside keeper what only reads, and keeper the rest."""

    def __init__(self, reads: BlockingAsking, writes: BlockingAsking) -> None:
        self._reads = reads
        self._writes = writes

    def __repr__(self) -> str:
        return f"Divided({self._reads!r}, {self._writes!r})"

    def do(self, ask: Ask) -> Told:
        """What is told; raises `JournalRefusal`, `StoreError` by the reader and `JournalUnavailable` by keeper."""
        return (self._reads if isinstance(ask, READS) else self._writes).do(ask)
