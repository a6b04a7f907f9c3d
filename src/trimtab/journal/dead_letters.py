"""Dead letters: calls that failed for good, and records that could not be ingested, until somebody deals with them.

A letter holds who called and how it ended; the request's body lies in the body store like every other, so that a letter
can be re-driven only where its task's redaction keeps whole bodies. There are `most` letters of calls at the most, and
`MOST_SEGMENTS` of records: beyond that the oldest go.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from trimtab.database.connection import mapped, path_of, transaction
from trimtab.database.statements import statements
from trimtab.record.ends import FATAL
from trimtab.record.events import OK, Admitted, Settled
from trimtab.record.purposes import is_ours

PASSTHROUGH: Final = "passthrough"
MAX_DETAIL: Final = 500
MOST_SEGMENTS: Final = 1000
UNREADABLE: Final = "unreadable"
"""The cause of a letter of records."""


class DeadLetter(Struct, frozen=True):
    """One letter. `id` is the call's, or the segment's of records; `kept` says whether its request can be sent again.

    `attempts` counts tries at replicas, `redrives` how often it was re-driven in vain; `last_call` is the latest call
    that failed. `admitted` tells who called, and is None for records.
    """

    id: str
    kind: Literal["call", "records", "alert"]
    task: str
    model: str
    cause: str
    detail: str
    attempts: int
    first_ns: int
    last_ns: int
    redrives: int
    last_call: str
    size_bytes: int
    kept: bool
    admitted: Admitted | None = None


class Letters(Struct, frozen=True):
    """Which letters are asked for; an empty field narrows nothing. Times are when a letter came, ns since 1970."""

    task: str = ""
    model: str = ""
    cause: str = ""
    since_ns: int = 0
    limit: int = 50


class Tally(Struct, frozen=True):
    """How many letters a task has of one cause."""

    kind: str
    task: str
    cause: str
    letters: int


class Damaged(Struct, frozen=True):
    """A segment of records that cannot be read to its end, named `EPOCH/NUMBER`."""

    segment: str
    detail: str
    size_bytes: int
    at_ns: int


class DeadLetters:
    """The letters in `state.db`. One writer at a time: control, or the command line without it.

    Every method but `waiting` raises `StoreError` when the database fails.
    """

    def __init__(self, connection: sqlite3.Connection, most: int) -> None:
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements("trimtab.journal", "dead_letters.sql")
        self._most = most
        self._waiting = self._counted()

    @property
    def waiting(self) -> tuple[Tally, ...]:
        """How many there are, by kind, task and cause; may be asked for in any thread."""
        return self._waiting

    def refresh(self) -> None:
        """Counts anew: alerts that could not be delivered are put here by another connection."""
        self._waiting = self._counted()

    def take(
        self, token: str, calls: Iterable[Settled], whole: Iterable[str], damaged: Sequence[Damaged] = ()
    ) -> tuple[str, ...]:
        """Takes in what failed for good of a batch of records, and lets go of what a re-driven call has made good.

        `whole` names the tasks whose request bodies are kept whole. A batch that comes again, under the token that came
        last, changes nothing. Gives the ids of the letters that had to go because there are too many.
        """
        telling = [call for call in calls if call.outcome in FATAL or call.admitted.redrive_of]
        if not telling and not damaged:
            return ()
        kept = frozenset(whole)
        with self._changing():
            if self._connection.execute(self._sql["taken"]).fetchone() == (token,):
                return ()
            self._connection.execute(self._sql["take"], {"token": token})
            for call in telling:
                self._take(call, kept)
            for segment in damaged:
                self._take_segment(segment)
            return self._bound("call", self._most) + self._bound("records", MOST_SEGMENTS)

    def get(self, letter: str) -> DeadLetter | None:
        """One letter; None if there is none of that id."""
        with mapped(self._path):
            row = self._connection.execute(self._sql["one"], {"id": letter}).fetchone()
        return None if row is None else _letter(row)

    def list(self, wanted: Letters) -> tuple[DeadLetter, ...]:
        """The letters asked for, newest first."""
        with mapped(self._path):
            rows = self._connection.execute(self._sql["listed"], msgspec.structs.asdict(wanted)).fetchall()
        return tuple(map(_letter, rows))

    def drop(self, letters: Sequence[str]) -> tuple[str, ...]:
        """Takes letters out; the ids of those that were there."""
        with self._changing():
            return tuple(
                row[0]
                for letter in letters
                for row in self._connection.execute(self._sql["drop"], {"id": letter}).fetchall()
            )

    def retain(self, since_ns: int) -> tuple[str, ...]:
        """Takes out the letters that came before, since their bodies go; the ids of those of records."""
        with self._changing():
            rows = self._connection.execute(self._sql["older"], {"before_ns": since_ns}).fetchall()
        return tuple(letter for letter, kind in rows if kind == "records")

    def close(self) -> None:
        """Lets go of the database."""
        self._connection.close()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """A transaction, after which what waits is counted again if anything has changed."""
        before = self._connection.total_changes
        with mapped(self._path), transaction(self._connection):
            yield
        if self._connection.total_changes != before:
            self._waiting = self._counted()

    def _counted(self) -> tuple[Tally, ...]:
        with mapped(self._path):
            return tuple(Tally(*row) for row in self._connection.execute(self._sql["counted"]).fetchall())

    def _take(self, call: Settled, whole: frozenset[str]) -> None:
        admitted = call.admitted
        if admitted.surface == PASSTHROUGH or is_ours(admitted.task):
            return
        if admitted.redrive_of and call.outcome == OK:
            self._connection.execute(self._sql["drop"], {"id": admitted.redrive_of})
            return
        facts: dict[str, Any] = {
            "cause": call.outcome,
            "detail": call.detail[:MAX_DETAIL],
            "attempts": call.attempts,
            "at_ns": call.at_ns,
            "last_call": admitted.call,
        }
        if admitted.redrive_of:
            self._connection.execute(self._sql["failed_again"], {**facts, "id": admitted.redrive_of})
            return
        self._connection.execute(
            self._sql["bury"],
            {
                **facts,
                "id": admitted.call,
                "kind": "call",
                "task": admitted.task,
                "model": call.model or admitted.model,
                "size_bytes": admitted.request_bytes,
                "kept": bool(admitted.request_body) and admitted.task in whole,
                "admitted": msgspec.msgpack.encode(admitted),
            },
        )

    def _take_segment(self, found: Damaged) -> None:
        self._connection.execute(
            self._sql["bury"],
            {
                "id": found.segment,
                "kind": "records",
                "task": "",
                "model": "",
                "cause": UNREADABLE,
                "detail": found.detail[:MAX_DETAIL],
                "attempts": 0,
                "at_ns": found.at_ns,
                "last_call": "",
                "size_bytes": found.size_bytes,
                "kept": True,
                "admitted": b"",
            },
        )

    def _bound(self, kind: str, most: int) -> tuple[str, ...]:
        rows = self._connection.execute(self._sql["over_bound"], {"kind": kind, "most": most}).fetchall()
        return tuple(row[0] for row in rows)

    def __repr__(self) -> str:
        return f"DeadLetters({self._path}, at most {self._most})"


def _letter(row: Sequence[Any]) -> DeadLetter:
    facts = dict(zip(DeadLetter.__struct_fields__, row, strict=True))
    admitted = msgspec.msgpack.decode(row[-1], type=Admitted) if row[-1] else None
    return DeadLetter(**{**facts, "kept": bool(facts["kept"]), "admitted": admitted})
