"""Alerts, their history, silences and monitors in `state.db`: what a pass of the evaluation decides is kept whole or
not at all, what is to be delivered with it.

Bodies are bytes that their reader understands; what is asked by has a column of its own.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final, Literal, NamedTuple

from msgspec import Struct, structs

from trimtab.database.connection import mapped, path_of, transaction
from trimtab.database.statements import statements

SQL: Final = ("trimtab.journal", "alerts.sql")
MOST_RESOLVED: Final = 10_000
"""Resolved alerts that are kept; beyond that the oldest go."""
EVALUATED: Final = "telemetry"

Kind = Literal["opened", "resolved", "reminder", "escalated", "test"]


class AlertRow(Struct, frozen=True):
    """An alert as it is kept; `led_by` is the one that leads its group. Times are ns since 1970."""

    id: str
    place: str
    task: str
    rule: str
    signal: str
    severity: str
    state: str
    led_by: str
    found_ns: int
    changed_ns: int
    body: bytes


class StepRow(Struct, frozen=True):
    """One change of an alert's state."""

    alert: str
    at_ns: int
    before: str
    after: str
    by: str
    why: str


class SilenceRow(Struct, frozen=True):
    """A silence; empty fields match all."""

    id: str
    task: str
    signal: str
    rule: str
    from_ns: int
    until_ns: int
    by: str
    why: str


class MonitorRow(NamedTuple):
    """A monitor; `learned` None leaves what was kept of that."""

    place: str
    task: str
    body: bytes
    learned: bytes | None


class Outgoing(Struct, frozen=True):
    """Something for one receiver: about which group, and the JSON of it. It is due at `due_ns` at the earliest."""

    id: str
    alert: str
    kind: Kind
    receiver: str
    body: bytes
    made_ns: int
    due_ns: int


class AlertsAsked(Struct, frozen=True):
    """Which alerts are asked for; an empty field narrows nothing, `state` "active" is all but resolved ones. `tasks`
    are those that the asker may see.
    """

    task: str = ""
    rule: str = ""
    signal: str = ""
    state: str = ""
    since_ns: int = 0
    limit: int = 50
    tasks: tuple[str, ...] = ()


class Passed(Struct, frozen=True):
    """All that one pass decided. `minute` is that up to which all is evaluated now; None leaves it."""

    minute: int | None = None
    monitors: tuple[MonitorRow, ...] = ()
    gone: tuple[str, ...] = ()
    alerts: tuple[AlertRow, ...] = ()
    steps: tuple[StepRow, ...] = ()
    outgoing: tuple[Outgoing, ...] = ()


class AlertStore:
    """Keeps them; used from one thread at a time. Every operation raises `StoreError`."""

    def __init__(self, connection: sqlite3.Connection, most: int = MOST_RESOLVED) -> None:
        """Works on a connection of its own, which it closes."""
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements(*SQL)
        self._most = most

    def keep(self, passed: Passed) -> None:
        """Keeps what a pass decided, all at once."""
        with mapped(self._path), transaction(self._connection):
            for monitor in passed.monitors:
                name = "keep_monitor" if monitor.learned is None else "keep_learned"
                self._connection.execute(self._sql[name], monitor._asdict())
            self._connection.executemany(self._sql["forget_monitor"], [{"place": place} for place in passed.gone])
            self._connection.executemany(self._sql["keep_alert"], list(map(structs.asdict, passed.alerts)))
            self._connection.executemany(self._sql["add_step"], list(map(structs.asdict, passed.steps)))
            self._connection.executemany(self._sql["put"], list(map(structs.asdict, passed.outgoing)))
            if passed.minute is not None:
                facts = {"source": EVALUATED, "minute": passed.minute}
                self._connection.execute(self._sql["keep_evaluated"], facts)
            if any(one.state == "resolved" for one in passed.alerts):
                self._connection.execute(self._sql["over_bound"], {"most": self._most})

    def minute(self) -> int | None:
        """The minute since 1970 up to which all was evaluated; None before the first pass."""
        with mapped(self._path):
            row = self._connection.execute(self._sql["evaluated"], {"source": EVALUATED}).fetchone()
        return None if row is None else int(row[0])

    def monitors(self) -> tuple[tuple[bytes, bytes], ...]:
        """Every monitor with what it learned."""
        with mapped(self._path):
            return tuple(self._connection.execute(self._sql["monitors"]).fetchall())

    def get(self, alert: str) -> bytes | None:
        """One alert; None if there is none of that id."""
        with mapped(self._path):
            row = self._connection.execute(self._sql["one"], {"id": alert}).fetchone()
        return None if row is None else bytes(row[0])

    def living(self, since_ns: int) -> tuple[bytes, ...]:
        """The alerts that are not resolved, or were only since then, and those that lead the groups of such; the one
        found first first.
        """
        with mapped(self._path):
            return tuple(row[0] for row in self._connection.execute(self._sql["living"], {"since_ns": since_ns}))

    def list(self, wanted: AlertsAsked) -> tuple[bytes, ...]:
        """The alerts asked for, newest first, without those that were over before anybody was told."""
        facts = {**structs.asdict(wanted), "tasks": json.dumps(wanted.tasks)}
        with mapped(self._path):
            rows = self._connection.execute(self._sql["listed"], facts).fetchall()
        return tuple(row[0] for row in rows)

    def history(self, alert: str) -> tuple[StepRow, ...]:
        """The steps of an alert, the first one first."""
        with mapped(self._path):
            rows = self._connection.execute(self._sql["history"], {"alert": alert}).fetchall()
        return tuple(StepRow(alert, *row) for row in rows)

    def silence(self, silence: SilenceRow) -> None:
        """Keeps a silence; one that is there already has its end changed."""
        with mapped(self._path), transaction(self._connection):
            self._connection.execute(self._sql["keep_silence"], structs.asdict(silence))

    def silences(self, after_ns: int) -> tuple[SilenceRow, ...]:
        """The silences that end after a time, the next to end first."""
        with mapped(self._path):
            rows = self._connection.execute(self._sql["silences"], {"after_ns": after_ns}).fetchall()
        return tuple(SilenceRow(*row) for row in rows)

    def retain(self, since_ns: int) -> None:
        """Drops alerts that were resolved and silences that ended before then."""
        with mapped(self._path), transaction(self._connection):
            self._connection.execute(self._sql["older"], {"before_ns": since_ns})
            self._connection.execute(self._sql["forget_silences"], {"before_ns": since_ns})

    def close(self) -> None:
        """Lets go of the database."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"AlertStore({self._path})"
