"""What is to be delivered of alerts and reviews: put here with what was decided, taken out by whoever delivers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from trimtab.database.connection import mapped, path_of, transaction
from trimtab.database.statements import statements
from trimtab.journal.alerts import Kind

MAX_WHY: Final = 500
MOST_DEAD: Final = 1000
"""Dead letters of alerts that are kept; beyond that the oldest go."""
BEYOND_NS: Final = 7200 * 1_000_000_000
"""Longer than any try is put off: what is due later was put off by a clock that was ahead, and is due now."""
UNDELIVERED: Final = "undelivered"


class Letter(Struct, frozen=True):
    """One telling for one receiver: `body` is JSON, `why` the reason for which the last try failed. ns since 1970."""

    id: str
    alert: str
    kind: Kind
    receiver: str
    body: bytes
    made_ns: int
    due_ns: int
    tries: int
    state: Literal["waiting", "delivered", "dead"]
    why: str


class Outbox:
    """The outbox in `state.db`; used from one thread at a time. Every operation raises `StoreError`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Works on a connection of its own, which it closes."""
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements("trimtab.journal", "outbox.sql")

    def put(self, letters: Iterable[Letter]) -> None:
        """Takes letters in that are to be delivered; one whose id was there before changes nothing."""
        with mapped(self._path), transaction(self._connection):
            for letter in letters:
                facts = {
                    "id": letter.id,
                    "alert": letter.alert,
                    "kind": letter.kind,
                    "receiver": letter.receiver,
                    "body": letter.body,
                    "made_ns": letter.made_ns,
                    "due_ns": letter.due_ns,
                }
                self._connection.execute(self._sql["put"], facts)

    def due(self, now_ns: int, limit: int) -> tuple[Letter, ...]:
        """What is to be delivered by now, up to `limit` of each receiver, the longest due first."""
        return self._read("due", {"now_ns": now_ns, "beyond_ns": now_ns + BEYOND_NS, "limit": limit})

    def get(self, letter: str) -> Letter | None:
        """One of them; None if there is none of that id."""
        return next(iter(self._read("one", {"id": letter})), None)

    def of_alert(self, alert: str, limit: int = 100) -> tuple[Letter, ...]:
        """What was or is to be told of the group that an alert leads, the newest first."""
        return self._read("of_alert", {"alert": alert, "limit": limit})

    def delivered(self, letter: str) -> None:
        """Notes that it arrived."""
        self._change("delivered", {"id": letter})

    def failed(self, letter: str, why: str, next_due_ns: int) -> None:
        """Notes that a try failed, and when the next one is due."""
        self._change("failed", {"id": letter, "why": why[:MAX_WHY], "due_ns": next_due_ns})

    def dead(self, letter: str, why: str, now_ns: int) -> None:
        """Gives one up: it is a dead letter from then on, under the same id."""
        with mapped(self._path), transaction(self._connection):
            found = self._connection.execute(self._sql["dead"], {"id": letter, "why": why[:MAX_WHY]}).fetchone()
            if found is None:
                return
            alert, receiver, _, tries = found
            task = self._connection.execute(self._sql["task_of"], {"alert": alert}).fetchone()
            facts = {
                "id": letter,
                "task": task[0] if task else "",
                "cause": UNDELIVERED,
                "detail": why[:MAX_WHY],
                "tries": tries,
                "at_ns": now_ns,
                "receiver": receiver,
                "size_bytes": 0,
            }
            self._connection.execute(self._sql["bury"], facts)
            self._connection.execute(self._sql["over_bound"], {"most": MOST_DEAD})

    def again(self, letter: str, now_ns: int) -> bool:
        """Takes one up that was given up, and drops its dead letter; False where there is none such."""
        with mapped(self._path), transaction(self._connection):
            found = self._connection.execute(self._sql["again"], {"id": letter, "now_ns": now_ns}).fetchone()
            if found is not None:
                self._connection.execute(self._sql["unbury"], {"id": letter})
        return found is not None

    def waiting(self) -> int:
        """How many wait."""
        with mapped(self._path):
            return int(self._connection.execute(self._sql["waiting"]).fetchone()[0])

    def retain(self, since_ns: int) -> None:
        """Drops what was delivered or given up, and was made before then."""
        self._change("older", {"before_ns": since_ns})

    def close(self) -> None:
        """Lets go of the database."""
        self._connection.close()

    def _read(self, name: str, facts: dict[str, object]) -> tuple[Letter, ...]:
        with mapped(self._path):
            return tuple(Letter(*row) for row in self._connection.execute(self._sql[name], facts).fetchall())

    def _change(self, name: str, facts: dict[str, object]) -> None:
        with mapped(self._path), transaction(self._connection):
            self._connection.execute(self._sql[name], facts)

    def __repr__(self) -> str:
        return f"Outbox({self._path})"
