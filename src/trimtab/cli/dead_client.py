"""Who deals with dead letters: control over its socket, or this process while nothing else runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from trimtab.cli.control_client import ControlClient, refusal
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.declare.load import read
from trimtab.errors import ControlUnreachable, DeclarationError, DirectoryInUse, StoreError, TrimtabError
from trimtab.journal.dead_letters import DeadLetter, DeadLetters, Letters, Tally
from trimtab.processes.dead import Redriven, Shown, delete_aside
from trimtab.processes.directory import DataDirectory
from trimtab.record.index import BodyIndex
from trimtab.reports.window import since_ns

T = TypeVar("T")
REDRIVE_S = 960.0
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
    reading = read(root)
    if reading.data_directory is None:
        raise DeclarationError(str(root), tuple(map(str, reading.mistakes)))
    places = DataDirectory(reading.data_directory)
    with ExitStack() as stack:
        try:
            stack.enter_context(places.hold())
        except DirectoryInUse:
            yield AskedOffice(ControlClient(places.control_socket, REDRIVE_S))
            return
        except OSError as failure:
            raise StoreError(store=str(places.root), detail=str(failure)) from failure
        if reading.project is None:
            raise DeclarationError(str(root), tuple(map(str, reading.mistakes)))
        connection = stack.enter_context(closing(open_state(places.state)))
        yield OwnOffice(DeadLetters(connection, reading.project.data.dead_letters), places)


class AskedOffice:
    """Control does it."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def list(self, wanted: Wanted) -> Listed:
        """The letters asked for, newest first."""
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value}
        return self._ask("GET", f"/api/dead?{urlencode(given)}", Listed)

    def show(self, letter: str) -> Shown:
        """One letter with its request."""
        return self._ask("GET", f"/api/dead/{quote(letter)}", Shown)

    def redrive(self, letter: str) -> Redriven:
        """Sends a letter's call again, or reads its records again."""
        return self._ask("POST", f"/api/dead/{quote(letter)}/redrive", Redriven)

    def drop(self, letters: tuple[str, ...]) -> tuple[str, ...]:
        """Takes letters out; the ids of those that were there."""
        return self._ask("POST", "/api/dead/drop", _Dropped, msgspec.json.encode({"ids": letters})).ids

    def _ask(self, method: str, target: str, kind: type[T], body: bytes | None = None) -> T:
        status, answer = self._client.ask(method, target, body)
        if status >= 300:
            raise DeadRefused(detail=refusal(answer).message)
        return msgspec.json.decode(answer, type=kind)


class _Dropped(Struct, frozen=True):
    ids: tuple[str, ...]


class OwnOffice:
    """This process does it, under the directory's lock; there is no gateway to send anything through."""

    def __init__(self, letters: DeadLetters, places: DataDirectory) -> None:
        self._letters = letters
        self._places = places

    def list(self, wanted: Wanted) -> Listed:
        """The letters asked for, newest first."""
        since = since_ns(wanted.since, SystemClock().wall_ns()) if wanted.since else 0
        narrowed = Letters(wanted.task, wanted.model, wanted.cause, since, limit=wanted.limit)
        return Listed(self._letters.list(narrowed), self._letters.tally())

    def show(self, letter: str) -> Shown:
        """One letter with its request."""
        found = self._letters.get(letter)
        if found is None:
            raise DeadRefused(detail=f"there is no dead letter {letter}; `trimtab dead list` lists them")
        admitted = found.admitted
        body = None
        if admitted is not None and admitted.request_body and found.kept:
            bodies = BodyIndex(self._places.bodies)
            bodies.update()
            body = bodies.read(admitted.request_body)
        return Shown(found, None if body is None else body.decode("utf-8", "replace"))

    def redrive(self, letter: str) -> Redriven:
        """Not without a gateway."""
        raise ControlUnreachable(socket=str(self._places.control_socket), detail="nothing runs here")

    def drop(self, letters: tuple[str, ...]) -> tuple[str, ...]:
        """Takes letters out; the ids of those that were there."""
        dropped = self._letters.drop(letters)
        delete_aside(self._places.spool, dropped)
        return dropped
