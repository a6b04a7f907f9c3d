"""Sessions of people at the console: a cookie with a random token stands for the key that was entered.

Only the sha256 of a token is stored. A session ends when it is as old as `LASTS_S`, at sign-out, and with its key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from trimtab.access.keys import Key
from trimtab.clock import Clock
from trimtab.database.connection import mapped, path_of, transaction
from trimtab.database.statements import statements

LASTS_S: Final = 12 * 3600
MOST: Final = 1000
"""Open at a time; the one begun first ends when another begins beyond them."""
MOST_OF_A_KEY: Final = 100
"""The same of one key, so that nobody can end the sessions of others by signing in again and again."""
TOKEN_BYTES: Final = 32


class Session(Struct, frozen=True):
    """Who is signed in: the id of the key, and until when."""

    key: str
    began_ns: int
    ends_ns: int


class SessionStore:
    """Begins, finds and ends sessions in `state.db`; one process has them, and knows them all.

    `begin` and `end` raise `StoreError` when the database fails.
    """

    def __init__(
        self, connection: sqlite3.Connection, clock: Clock, entropy: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements("trimtab.access", "sessions.sql")
        self._clock = clock
        self._entropy = entropy
        with mapped(self._path):
            rows = connection.execute(self._sql["live_sessions"], (clock.wall_ns(), MOST)).fetchall()
        self._open = OrderedDict((row[0], Session(row[1], row[2], row[3])) for row in reversed(rows))

    def __repr__(self) -> str:
        return f"SessionStore({len(self._open)} open)"

    def begin(self, key: Key) -> str:
        """Signs the owner of a key in; returns the token for the cookie, which is told only here."""
        token = base64.urlsafe_b64encode(self._entropy(TOKEN_BYTES)).rstrip(b"=").decode("ascii")
        now_ns = self._clock.wall_ns()
        session = Session(key.id, now_ns, now_ns + LASTS_S * 1_000_000_000)
        digest = _digest(token)
        mine = [one for one, known in self._open.items() if known.key == key.id]
        oldest = mine[: max(0, len(mine) + 1 - MOST_OF_A_KEY)]
        others = [one for one in self._open if one not in oldest]
        oldest += others[: max(0, len(others) + 1 - MOST)]
        with mapped(self._path), transaction(self._connection):
            self._connection.execute(self._sql["sweep_sessions"], (now_ns,))
            self._connection.executemany(self._sql["end_session"], [(one,) for one in oldest])
            self._connection.execute(
                self._sql["insert_session"], (digest, session.key, session.began_ns, session.ends_ns)
            )
        for one in oldest:
            del self._open[one]
        self._open[digest] = session
        return token

    def find(self, token: str) -> Session | None:
        """The session of this token, unless it has ended."""
        digest = _digest(token)
        session = self._open.get(digest)
        if session is not None and session.ends_ns <= self._clock.wall_ns():
            del self._open[digest]
            return None
        return session

    def end(self, token: str) -> None:
        """Ends the session of this token, if there is one."""
        digest = _digest(token)
        if self._open.pop(digest, None) is not None:
            with mapped(self._path):
                self._connection.execute(self._sql["end_session"], (digest,))


def form_token(token: str) -> str:
    """What a form of this session must bring along, so that no other site can send one in its name."""
    return hmac.new(token.encode(), b"trimtab form", hashlib.sha256).hexdigest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
