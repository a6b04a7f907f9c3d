"""Evaluations of the live system as they are kept in `state.db` over restarts: which slots of time were taken, what was
asked in them, what is known of each scorer, and which users' calls are still to be scored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from trimtab.database.connection import mapped, path_of, transaction
from trimtab.database.statements import statements

State = Literal["planned", "asking", "answered", "marked", "failed"]
Purpose = Literal["schedule", "online"]
MOST_WAITING: Final = 1_000
"""Users' calls that wait to be scored; of more the oldest are let go."""

_marks = msgspec.json.Decoder(dict[str, float])


class Slot(NamedTuple):
    """A slot of time of a task, by the second since 1970 at which it begins; `about` is the digest of what is asked."""

    task: str
    start_s: int
    about: str


class Ask(NamedTuple):
    """One case of a slot. `marks` are those of the scorers that could tell, once it is `marked`."""

    place: int
    name: str
    canary: bool
    state: State = "planned"
    call: str = ""
    at_ns: int = 0
    marks: Mapping[str, float] = {}


class Monitored(NamedTuple):
    """What is known of a scorer, as it is stored."""

    task: str
    scorer: str
    body: bytes


class Online(NamedTuple):
    """A user's call that waits to be scored, and since when (ns since 1970)."""

    call: str
    task: str
    added_ns: int


class LiveEvaluations:
    """Keeps them; used from one thread. Every operation raises `StoreError`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Works on a connection of its own, which it closes."""
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements("trimtab.journal", "evaluations.sql")

    def __repr__(self) -> str:
        return f"LiveEvaluations({self._path})"

    def take(self, slot: Slot, asks: Iterable[Ask], day: int, calls: int) -> bool:
        """Takes a slot with what is to be asked in it, and counts so many calls for its day; False if it was taken."""
        of = {"task": slot.task, "start_s": slot.start_s}
        with mapped(self._path), transaction(self._connection):
            if not self._connection.execute(self._sql["take_slot"], slot._asdict()).rowcount:
                return False
            for ask in asks:
                kept = {**of, "place": ask.place, "name": ask.name, "canary": int(ask.canary)}
                self._connection.execute(self._sql["plan"], kept)
            self._count(day, slot.task, "schedule", calls)
        return True

    def open_slots(self, task: str) -> tuple[Slot, ...]:
        """The slots of a task that are not done, the oldest first."""
        with mapped(self._path):
            return tuple(Slot(*row) for row in self._connection.execute(self._sql["open_slots"], {"task": task}))

    def asks(self, slot: Slot) -> tuple[Ask, ...]:
        """What is asked in a slot."""
        with mapped(self._path):
            rows = self._connection.execute(self._sql["asks"], {"task": slot.task, "start_s": slot.start_s}).fetchall()
        return tuple(
            Ask(place, name, bool(canary), state, call, at_ns, _marks.decode(marks) if marks else {})
            for place, name, canary, state, call, at_ns, marks in rows
        )

    def asking(self, slot: Slot, place: int, at_ns: int) -> bool:
        """A case is about to be asked; False if it was before."""
        kept = {"task": slot.task, "start_s": slot.start_s, "place": place, "at_ns": at_ns}
        with mapped(self._path):
            return self._connection.execute(self._sql["asking"], kept).rowcount > 0

    def settle(self, slot: Slot, ask: Ask) -> None:
        """What became of a case."""
        kept = {"task": slot.task, "start_s": slot.start_s, "place": ask.place, "state": ask.state, "call": ask.call}
        marks = msgspec.json.encode(ask.marks) if ask.marks else None
        with mapped(self._path):
            self._connection.execute(self._sql["settle"], {**kept, "marks": marks})

    def interrupted(self) -> None:
        """What an earlier life was asking when it ended counts as asked, without an answer."""
        with mapped(self._path):
            self._connection.execute(self._sql["interrupted"])

    def done(self, slot: Slot, monitors: Iterable[Monitored]) -> None:
        """A slot is over, with what is known of its scorers now; all of it or nothing."""
        with mapped(self._path), transaction(self._connection):
            self._connection.execute(self._sql["slot_done"], {"task": slot.task, "start_s": slot.start_s})
            for one in monitors:
                self._connection.execute(self._sql["keep_monitor"], one._asdict())

    def keep(self, monitor: Monitored) -> None:
        """What is known of a scorer now."""
        with mapped(self._path):
            self._connection.execute(self._sql["keep_monitor"], monitor._asdict())

    def drop(self, task: str, scorer: str) -> None:
        """A scorer is not watched any more."""
        with mapped(self._path):
            self._connection.execute(self._sql["drop_monitor"], {"task": task, "scorer": scorer})

    def monitors(self) -> tuple[bytes, ...]:
        """What is known of all scorers."""
        with mapped(self._path):
            return tuple(row[0] for row in self._connection.execute(self._sql["monitors"]))

    def asked_on(self, day: int, task: str, purpose: Purpose) -> int:
        """How much was asked for a task on a day since 1970."""
        asked = {"day": day, "task": task, "purpose": purpose}
        with mapped(self._path):
            row = self._connection.execute(self._sql["asked_on"], asked).fetchone()
        return int(row[0]) if row else 0

    def put_online(self, call: Online, day: int) -> None:
        """A user's call that is to be scored; it counts for its day."""
        with mapped(self._path), transaction(self._connection):
            if self._connection.execute(self._sql["wait_online"], call._asdict()).rowcount:
                self._count(day, call.task, "online", 1)
            self._connection.execute(self._sql["bound_online"], {"most": MOST_WAITING})

    def waiting(self, limit: int) -> tuple[Online, ...]:
        """The users' calls that have waited longest to be scored."""
        with mapped(self._path):
            return tuple(
                Online(*row) for row in self._connection.execute(self._sql["waiting_online"], {"limit": limit})
            )

    def scored(self, call: str) -> None:
        """A user's call waits no longer."""
        with mapped(self._path):
            self._connection.execute(self._sql["drop_online"], {"call": call})

    def forget(self, start_s: int, day: int) -> None:
        """Lets go of slots that began before then, and of days before a day since 1970."""
        with mapped(self._path), transaction(self._connection):
            self._connection.execute(self._sql["forget_asks"], {"start_s": start_s})
            self._connection.execute(self._sql["forget_slots"], {"start_s": start_s})
            self._connection.execute(self._sql["forget_days"], {"day": day})

    def close(self) -> None:
        """Lets go of the database."""
        self._connection.close()

    def _count(self, day: int, task: str, purpose: Purpose, calls: int) -> None:
        kept = {"day": day, "task": task, "purpose": purpose, "calls": calls}
        self._connection.execute(self._sql["count_asked"], kept)
