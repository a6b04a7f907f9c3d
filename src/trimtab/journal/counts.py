"""What keeper counts of its own work."""

from __future__ import annotations

from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Refused, Swept, Told
from trimtab.journal.frames import Healthy


class Counts:
    """What keeper tells of itself."""

    def __init__(self, since_ns: int) -> None:
        self.trouble = ""
        self._since_ns = since_ns
        self._asks = 0
        self._refused = 0
        self._unavailable = 0
        self._commits = 0
        self._commit_s = 0.0
        self._longest_s = 0.0
        self._expired = 0
        self._woken = 0

    def committed(self, took_s: float) -> None:
        """A commit was made, or failed."""
        self._commits += 1
        self._commit_s += took_s
        self._longest_s = max(self._longest_s, took_s)

    def answered(self, told: Told) -> None:
        """Somebody was told."""
        self._asks += 1
        if isinstance(told, Refused):
            self._refused += 1
            self._unavailable += told.error == JournalUnavailable.__name__

    def swept(self, told: Swept) -> None:
        """Time has brought something."""
        self._expired += len(told.expired)
        self._woken += len(told.woken)

    def told(self, connections: int, waiting: int) -> Healthy:
        """All of it, with what only keeper knows."""
        return Healthy(
            since_ns=self._since_ns,
            connections=connections,
            waiting=waiting,
            asks=self._asks,
            refused=self._refused,
            commits=self._commits,
            commit_s=self._commit_s,
            longest_commit_s=self._longest_s,
            unavailable=self._unavailable,
            expired=self._expired,
            woken=self._woken,
            trouble=self.trouble,
        )
