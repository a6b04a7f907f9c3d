"""Judgements that are not made yet, kept in `state.db` over restarts: of runs that go on, of calls a model is to be
asked about, and of calls that are not stored yet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec

from trimtab.database.connection import mapped, path_of, transaction
from trimtab.database.statements import statements
from trimtab.record.events import Score

MOST_RUNS: Final = 200_000
MOST_FOR_JUDGE: Final = 1_000
MOST_SCORES: Final = 10_000
"""What is kept of each at most; of more the oldest are let go."""
LATEST_NS: Final = 2**63 - 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Score).decode


class Run(NamedTuple):
    """A run of a task: how many calls it had, when its latest ended (ns since 1970), and what the rule says of that.

    `latest` is a score with all but the judgement filled in from that call.
    """

    run: str
    task: str
    calls: int
    last_ns: int
    latest: Score
    value: float | None


class Waiting(NamedTuple):
    """A call that a model is to be asked about, and how often that told nothing."""

    call: str
    tries: int
    score: Score


class Unjoined(NamedTuple):
    """A judgement whose call was not stored yet, and when it came (ns since 1970)."""

    added_ns: int
    score: Score


class Judgements:
    """Keeps them; used from one thread. Every operation raises `StoreError`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Works on a connection of its own, which it closes."""
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements("trimtab.journal", "judgements.sql")

    def __repr__(self) -> str:
        return f"Judgements({self._path})"

    @contextmanager
    def taking(self, token: str) -> Iterator[bool]:
        """Keeps all that is done within, or nothing; False if it was done before under this token."""
        with mapped(self._path), transaction(self._connection):
            row = self._connection.execute(self._sql["taken"]).fetchone()
            fresh = row is None or row[0] != token
            yield fresh
            if fresh:
                self._connection.execute(self._sql["take"], {"token": token})

    def add_call(self, run: str, task: str, at_ns: int) -> tuple[int, bool]:
        """Counts a call of a run; how many there are with it, and whether it is the latest. It must then be kept."""
        row = self._connection.execute(self._sql["run"], {"run": run, "task": task}).fetchone()
        if row is None:
            return 1, True
        if at_ns < row[1]:
            self._connection.execute(self._sql["count_call"], {"run": run, "task": task})
            return row[0] + 1, False
        return row[0] + 1, True

    def keep_run(self, run: Run) -> None:
        """A run with its latest call."""
        self._connection.execute(self._sql["keep_run"], {**run._asdict(), "latest": _encode(run.latest)})

    def quiet(self, task: str, before_ns: int, limit: int) -> tuple[Run, ...]:
        """Runs of a task that had no call since then and are not judged, the longest quiet first."""
        asked = {"task": task, "before_ns": before_ns, "limit": limit}
        with mapped(self._path):
            rows = self._connection.execute(self._sql["quiet_runs"], asked).fetchall()
        return tuple(Run(run, task, calls, ns, _decode(latest), value) for run, task, calls, ns, latest, value in rows)

    def judged(self, runs: Sequence[Run]) -> None:
        """These runs are judged."""
        with mapped(self._path), transaction(self._connection):
            for run in runs:
                keys = {"run": run.run, "task": run.task, "last_ns": run.last_ns}
                self._connection.execute(self._sql["judged"], keys)

    def asked_on(self, day: int, task: str) -> int:
        """How many calls of a task were put before a model on a day since 1970."""
        with mapped(self._path):
            row = self._connection.execute(self._sql["asked_today"], {"day": day, "task": task}).fetchone()
        return int(row[0]) if row else 0

    def put_before_judge(self, day: int, score: Score, added_ns: int) -> None:
        """A call that a model is to be asked about; it counts for its day."""
        kept = {"call": score.call, "added_ns": added_ns, "score": _encode(score)}
        with mapped(self._path):
            found = self._connection.execute(self._sql["wait_for_judge"], kept)
            if found.rowcount:
                self._connection.execute(self._sql["count_asked"], {"day": day, "task": score.task})
            self._connection.execute(self._sql["bound_judge"], {"most": MOST_FOR_JUDGE})

    def next_for_judge(self) -> Waiting | None:
        """The call that is to be asked about next."""
        with mapped(self._path):
            row = self._connection.execute(self._sql["next_for_judge"]).fetchone()
        return Waiting(row[0], row[1], _decode(row[2])) if row else None

    def tried(self, call: str) -> None:
        """The model was asked about a call and told nothing."""
        with mapped(self._path):
            self._connection.execute(self._sql["tried"], {"call": call})

    def drop_for_judge(self, call: str) -> None:
        """Nothing more is to be asked about a call."""
        with mapped(self._path):
            self._connection.execute(self._sql["drop_for_judge"], {"call": call})

    def wait(self, score: Score, added_ns: int) -> None:
        """A judgement that waits for its call."""
        kept = {"id": score.id, "added_ns": added_ns, "score": _encode(score)}
        with mapped(self._path):
            self._connection.execute(self._sql["wait_for_call"], kept)
            self._connection.execute(self._sql["bound_scores"], {"most": MOST_SCORES})

    def waiting(self, limit: int, now_ns: int = LATEST_NS) -> tuple[Unjoined, ...]:
        """Judgements that wait for their calls and are to be looked at by now, the longest due first."""
        asked = {"limit": limit, "now_ns": now_ns}
        with mapped(self._path):
            rows = self._connection.execute(self._sql["waiting_scores"], asked).fetchall()
        return tuple(Unjoined(row[1], _decode(row[2])) for row in rows)

    def look_again(self, score: str, due_ns: int) -> None:
        """The call of a judgement was not there: it is to be looked at again from then on."""
        with mapped(self._path):
            self._connection.execute(self._sql["look_again"], {"id": score, "due_ns": due_ns})

    def joined(self, score: str) -> None:
        """A judgement waits no longer."""
        with mapped(self._path):
            self._connection.execute(self._sql["drop_score"], {"id": score})

    def forget(self, before_ns: int, unjudged_ns: int, day: int) -> None:
        """Lets go of runs that were judged and ended before then, of others that ended before `unjudged_ns`, of days
        before a day since 1970, and of the oldest runs beyond their bound.
        """
        with mapped(self._path), transaction(self._connection):
            facts = {"before_ns": before_ns, "unjudged_ns": unjudged_ns}
            self._connection.execute(self._sql["forget_runs"], facts)
            self._connection.execute(self._sql["bound_runs"], {"most": MOST_RUNS})
            self._connection.execute(self._sql["forget_days"], {"day": day})

    def close(self) -> None:
        """Lets go of the database."""
        self._connection.close()
