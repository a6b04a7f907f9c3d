"""Who makes and revokes keys: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from trimtab.access.keys import Key, KeyStore, Role
from trimtab.cli.control_client import ControlClient, refusal
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.errors import DirectoryInUse, StoreError, TrimtabError
from trimtab.ids import IdSource
from trimtab.processes.directory import DataDirectory

T = TypeVar("T")


class KeyRefused(TrimtabError):
    """{detail}"""


class Keyring(Protocol):
    """What can be done with keys; every operation raises `TrimtabError` when it fails."""

    def new(self, name: str, tasks: tuple[str, ...] = (), role: Role = "client") -> tuple[Key, str]:
        """Makes a key; returns it with its secret."""

    def list(self) -> tuple[Key, ...]:
        """All keys, revoked ones too."""

    def revoke(self, name_or_id: str) -> tuple[Key, ...]:
        """Revokes the live keys of that name or id, and returns them."""


@contextmanager
def keyring(data_directory: Path) -> Iterator[Keyring]:
    """Whoever may write the keys of a data directory; raises `StoreError` when it cannot be used."""
    places = DataDirectory(data_directory)
    with ExitStack() as stack:
        try:
            stack.enter_context(places.hold())
        except DirectoryInUse:
            yield AskedKeyring(ControlClient(places.control_socket))
            return
        except OSError as failure:
            raise StoreError(store=str(data_directory), detail=str(failure)) from failure
        connection = stack.enter_context(closing(open_state(places.state)))
        yield KeyStore(connection, SystemClock(), IdSource())


class AskedKeyring:
    """Control does it."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def new(self, name: str, tasks: tuple[str, ...] = (), role: Role = "client") -> tuple[Key, str]:
        """Makes a key; returns it with its secret."""
        body = msgspec.json.encode({"name": name, "tasks": tasks, "role": role})
        made = self._ask("POST", "/api/keys", _Made, body)
        return made.key, made.secret

    def list(self) -> tuple[Key, ...]:
        """All keys, revoked ones too."""
        return self._ask("GET", "/api/keys", _Listed).keys

    def revoke(self, name_or_id: str) -> tuple[Key, ...]:
        """Revokes the live keys of that name or id, and returns them."""
        return self._ask("DELETE", f"/api/keys/{quote(name_or_id, safe='')}", _Revoked).revoked

    def _ask(self, method: str, target: str, kind: type[T], body: bytes | None = None) -> T:
        status, answer = self._client.ask(method, target, body)
        if status >= 300:
            raise KeyRefused(detail=refusal(answer).message)
        return msgspec.json.decode(answer, type=kind)


class _Made(Struct, frozen=True):
    key: Key
    secret: str


class _Listed(Struct, frozen=True):
    keys: tuple[Key, ...]


class _Revoked(Struct, frozen=True):
    revoked: tuple[Key, ...]
