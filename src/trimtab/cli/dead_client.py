"""Who deals with dead letters: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.own_stores import own_stores
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.errors import ControlUnreachable, TrimtabError
from trimtab.journal.dead_letters import DeadLetter, Letters, Tally
from trimtab.journal.outbox import Outbox
from trimtab.processes.dead import Redriven, Shown, dropped, letters_of, salvaged, shown
from trimtab.processes.desk import Stores
from trimtab.processes.directory import DataDirectory
from trimtab.processes.resend import ANSWER_S as GATEWAY_S
from trimtab.reports.window import since_ns

T = TypeVar("T")
ANSWER_S = GATEWAY_S + 60.0
"""Longer than control waits for the gateway."""


class DeadRefused(TrimtabError):
    """{detail}"""


class Wanted(Struct, frozen=True):
    """Which letters a verb is about; an empty field narrows nothing."""

    task: str = ""
    model: str = ""
    cause: str = ""
    since: str = ""
    limit: int = 50


class Listed(Struct, frozen=True):
    """Letters, and how many there are of each kind, task and cause."""

    letters: tuple[DeadLetter, ...]
    tally: tuple[Tally, ...]


class DeadOffice(Protocol):
    """What can be done with letters; every operation raises `TrimtabError` when it fails."""

    def list(self, wanted: Wanted) -> Listed:
        """The letters asked for, newest first."""

    def show(self, letter: str) -> Shown:
        """One letter with its request."""

    def redrive(self, letter: str) -> Redriven:
        """Sends a letter's call again, or reads its records again."""

    def drop(self, letters: tuple[str, ...]) -> tuple[str, ...]:
        """Takes letters out; the ids of those that were there."""


@contextmanager
def dead_office(root: Path) -> Iterator[DeadOffice]:
    """Whoever may write the dead letters of the project in `root`.

    Raises `DeclarationError` for a project that cannot be read, `StoreError` when the letters cannot be used.
    """
    with own_stores(root) as (places, stores):
        yield AskedOffice(places.control_socket) if stores is None else OwnOffice(stores, places)


class AskedOffice:
    """Control does it."""

    def __init__(self, socket: Path) -> None:
        self._client = ControlClient(socket)
        self._patient = ControlClient(socket, ANSWER_S)

    def list(self, wanted: Wanted) -> Listed:
        """The letters asked for, newest first."""
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value}
        return self._ask("GET", f"/api/dead?{urlencode(given)}", Listed)

    def show(self, letter: str) -> Shown:
        """One letter with its request."""
        return self._ask("GET", f"/api/dead/{quote(letter)}", Shown)

    def redrive(self, letter: str) -> Redriven:
        """Sends a letter's call again, or reads its records again."""
        status, answer = self._patient.ask("POST", f"/api/dead/{quote(letter)}/redrive")
        return _read(status, answer, Redriven)

    def drop(self, letters: tuple[str, ...]) -> tuple[str, ...]:
        """Takes letters out; the ids of those that were there."""
        return self._ask("POST", "/api/dead/drop", _Dropped, msgspec.json.encode({"ids": letters})).ids

    def _ask(self, method: str, target: str, kind: type[T], body: bytes | None = None) -> T:
        return _read(*self._client.ask(method, target, body), kind)


def _read(status: int, answer: bytes, kind: type[T]) -> T:
    if status >= 300:
        raise DeadRefused(detail=refusal(answer).message)
    return msgspec.json.decode(answer, type=kind)


class _Dropped(Struct, frozen=True):
    ids: tuple[str, ...]


class OwnOffice:
    """This process does it, under the directory's lock; there is no gateway to send anything through."""

    def __init__(self, stores: Stores, places: DataDirectory) -> None:
        self._stores = stores
        self._places = places
        self._one_at_a_time = Lock()

    def list(self, wanted: Wanted) -> Listed:
        """The letters asked for, newest first."""
        since = since_ns(wanted.since, SystemClock().wall_ns()) if wanted.since else 0
        letters = letters_of(self._stores)
        return Listed(
            letters.list(Letters(wanted.task, wanted.model, wanted.cause, since, wanted.limit)), letters.waiting
        )

    def show(self, letter: str) -> Shown:
        """One letter with its request."""
        found = shown(self._stores, letter)
        if found is None:
            raise _missing(letter)
        return found

    def redrive(self, letter: str) -> Redriven:
        """Reads records again, and lets the next control tell of an alert again; calls want a gateway."""
        found = letters_of(self._stores).get(letter)
        if found is None:
            raise _missing(letter)
        if found.kind == "alert":
            return self._told_again(found)
        if found.kind == "call":
            raise ControlUnreachable(socket=str(self._places.control_socket), detail="nothing runs here")
        with self._one_at_a_time:
            return salvaged(self._stores, found)

    def drop(self, letters: tuple[str, ...]) -> tuple[str, ...]:
        """Takes letters out; the ids of those that were there."""
        return dropped(self._stores, letters)

    def _told_again(self, found: DeadLetter) -> Redriven:
        with self._one_at_a_time, closing(Outbox(open_state(self._places.state))) as outbox:
            if not outbox.again(found.id, SystemClock().wall_ns()):
                raise DeadRefused(detail=f"What {found.id} was to tell is not kept any more; drop it.")
            letters_of(self._stores).refresh()
        return Redriven(found.id, True, detail=f"it is delivered to {found.last_call} once `trimtab up` runs")


def _missing(letter: str) -> DeadRefused:
    return DeadRefused(detail=f"There is no dead letter {letter}; `trimtab dead list` lists them.")
