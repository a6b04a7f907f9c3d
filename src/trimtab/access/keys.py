"""Keys of clients and of people: made and revoked in one place, looked up by digest in every process that needs them.

A secret is `tt_` and 32 random bytes in URL-safe base64. Only its sha256 is stored: 256 bits cannot be guessed, so
neither salt nor a slow hash would add anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from trimtab.clock import Clock
from trimtab.database.connection import connect_read_only, mapped, path_of, transaction
from trimtab.database.statements import statements
from trimtab.errors import KeyNameInvalid, KeyUnknown, StoreError
from trimtab.ids import IdSource

PREFIX = "tt_"
SECRET_BYTES = 32
LOOK_AGAIN_S = 0.02
NAME = re.compile(r"[a-z0-9._-]{1,64}")
ID = re.compile(r"[0-9a-f]{32}")
ROLES_SINCE = 4
"""The schema of `state.db` that brought roles."""

Role = Literal["client", "viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = ("client", "viewer", "operator", "admin")
"""From least to most: each may at control whatever those before it may. Calls are for clients' keys alone."""


class Key(Struct, frozen=True):
    """A key, without its secret. `tasks` are those it may use; empty for all.

    `role` is what it may do at control: a client gives feedback, a viewer reads, an operator acts, an admin makes keys.
    """

    id: str
    name: str
    created_ns: int
    revoked_ns: int | None = None
    tasks: tuple[str, ...] = ()
    role: Role = "client"


class KeyStore:
    """Makes, lists and revokes keys in `state.db`. One writer at a time: control, or the command line without it.

    Every method raises `StoreError` when the database fails.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Clock,
        ids: IdSource,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements("trimtab.access", "keys.sql")
        self._clock = clock
        self._ids = ids
        self._entropy = entropy

    def new(self, name: str, tasks: Sequence[str] = (), role: Role = "client") -> tuple[Key, str]:
        """Makes a key; returns it with its secret, which is told only here.

        A name may have several live keys, so that one can take over from another. Raises `KeyNameInvalid`.
        """
        for word in (name, *tasks):
            if not NAME.fullmatch(word) or ID.fullmatch(word):
                raise KeyNameInvalid(name=word[:80])
        secret = PREFIX + base64.urlsafe_b64encode(self._entropy(SECRET_BYTES)).rstrip(b"=").decode("ascii")
        now_ns = self._clock.wall_ns()
        key = Key(self._ids.new(now_ns), name, now_ns, None, tuple(dict.fromkeys(tasks)), role)
        with mapped(self._path):
            self._connection.execute(
                self._sql["insert_key"],
                (key.id, name, _digest(secret.encode("ascii")), json.dumps(key.tasks), role, now_ns),
            )
        return key, secret

    def list(self) -> tuple[Key, ...]:
        """All keys, revoked ones too, oldest first."""
        with mapped(self._path):
            rows = self._connection.execute(self._sql["all_keys"]).fetchall()
        return tuple(_key(row) for row in rows)

    def revoke(self, name_or_id: str) -> tuple[Key, ...]:
        """Revokes the live key of that id, or all live keys of that name; returns them.

        Raises `KeyUnknown` when there is none.
        """
        now_ns = self._clock.wall_ns()
        with mapped(self._path), transaction(self._connection):
            rows = self._connection.execute(self._sql["revoke_keys"], (now_ns, name_or_id, name_or_id)).fetchall()
        if not rows:
            raise KeyUnknown(name=name_or_id[:80])
        return tuple(sorted((_key(row) for row in rows), key=lambda key: (key.created_ns, key.id)))


class KeyDirectory:
    """The live keys as one worker knows them: a dictionary by digest, read again when the database has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sql = statements("trimtab.access", "keys.sql")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._seen: int | None = None
        self._live: dict[bytes, Key] = {}
        self._by_id: dict[str, Key] = {}

    def __repr__(self) -> str:
        return f"KeyDirectory({len(self._live)} live keys)"

    def find(self, secret: bytes) -> Key | None:
        """The live key with this secret, as of the latest refresh."""
        return self._live.get(_digest(secret))

    def live(self, key: str) -> Key | None:
        """The live key of this id, as of the latest refresh."""
        return self._by_id.get(key)

    def named(self, name: str) -> Key | None:
        """The live key of this name, as of the latest refresh."""
        return next((key for key in self._by_id.values() if key.name == name), None)

    def refresh(self) -> bool:
        """Reads the keys again if the database has changed; returns whether it has. Cheap enough for every 250 ms.

        Without a database there are no keys, also when there was one before. Raises `StoreError` when it cannot be
        read; what was known then stays in force, and the next refresh tries again.
        """
        with mapped(self._path):
            file = self._identity()
            if file != self._file:
                self.close()
            if file is None:
                had_keys, self._live, self._by_id = bool(self._live), {}, {}
                return had_keys
            return self._read(file)

    def close(self) -> None:
        """Closes the connection; what is known stays known."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._file = self._seen = None

    def _identity(self) -> tuple[int, int] | None:
        """Device and inode of the database, which tell when it was replaced by another one."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _read(self, file: tuple[int, int]) -> bool:
        if self._connection is None:
            self._connection, self._file = connect_read_only(self._path), file
        seen = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if seen == self._seen:
            return False
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        named = "live_keys" if version >= ROLES_SINCE else "live_keys_without_roles"
        rows = self._connection.execute(self._sql[named]).fetchall() if version else []
        self._live = {row[-1]: _key(row) for row in rows}
        self._by_id = {key.id: key for key in self._live.values()}
        self._seen = seen
        return True


class FreshKeys:
    """Finds keys in a directory, and looks into the database again for one that is not known: it may just be made.

    It looks at most once in 20 ms, so that wrong keys cost little; what cannot be read then is as it was.
    """

    def __init__(self, directory: KeyDirectory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._look_at = 0.0

    def __repr__(self) -> str:
        return f"FreshKeys({self._directory!r})"

    def find(self, secret: bytes) -> Key | None:
        """The live key with this secret."""
        found = self._directory.find(secret)
        now_s = self._clock.monotonic()
        if found is not None or now_s < self._look_at:
            return found
        self._look_at = now_s + LOOK_AGAIN_S
        try:
            changed = self._directory.refresh()
        except StoreError:
            return None
        return self._directory.find(secret) if changed else None


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _key(row: Sequence[Any]) -> Key:
    return Key(row[0], row[1], row[2], row[3], tuple(json.loads(row[4])), row[5])
