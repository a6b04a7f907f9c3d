"""Dead letters as control deals with them: taken in from the records, shown, re-driven, dropped.

A call is re-driven by sending its request through the gateway again; what becomes of it, its new record tells. Records
are re-driven by reading what is whole behind the damage.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.errors import CallError, FormatError, StoreError
from trimtab.journal.dead_letters import Damaged, DeadLetter, DeadLetters, Letters, Tally
from trimtab.policy.snapshot import UNDECLARED, Snapshot
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.resend import PATHS, Send, labels
from trimtab.store.ingest import Keeper
from trimtab.store.telemetry import Batch

ASIDE_KIND: Final = "segment_set_aside"
MOST_AT_ONCE: Final = 16
"""Letters that are re-driven at the same time; more are refused."""

Whole = Callable[[], Iterable[str]]
"""The tasks whose request bodies are kept whole."""
Again = Callable[[str], Awaitable[bool]]
"""Takes a telling of an alert up again that was given up; False where there is none such."""

log = logging.getLogger("trimtab.control")


class LetterRefused(CallError):
    """{detail}."""

    code = "invalid_request"
    status = 409


class Redriven(Struct, frozen=True):
    """What became of a letter: `ok` when the call was answered whole, `call` the id it was sent under.

    Of records, `events` is how many were read out of the damaged segment.
    """

    id: str
    ok: bool
    call: str = ""
    status: int = 0
    detail: str = ""
    events: int = 0


class Shown(Struct, frozen=True):
    """One letter with the request it would send; where there is none, `missing` says why."""

    letter: DeadLetter
    request: str | None = None
    missing: str = ""


def whole_tasks(snapshot: Snapshot) -> tuple[str, ...]:
    """The tasks of a snapshot whose request bodies are kept whole."""
    names = tuple(name for name, task in snapshot.tasks.items() if task.redaction == "full")
    return (*names, UNDECLARED) if snapshot.defaults.undeclared_redaction == "full" else names


def burying(letters: DeadLetters, spool: Path, whole: Whole) -> Keeper:
    """What takes dead letters out of each batch of records."""

    def bury(batch: Batch, token: str) -> None:
        damaged = [
            Damaged(change.subject, change.detail, _size(spool / f"{change.subject}.seg"), change.at_ns)
            for change in batch.changes
            if change.kind == ASIDE_KIND
        ]
        gone = letters.take(token, batch.calls, whole(), damaged)
        if gone:
            facts = {"letters": len(gone), "remedy": "trimtab dead list, or raise [data] dead_letters"}
            log.warning("dead_letters_dropped", extra={"fields": facts})

    return bury


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class Undertaker:
    """Lists, shows, re-drives and drops letters while the gateway runs; `send` sends a request through it, `again` has
    what was not delivered of an alert delivered.
    """

    def __init__(self, desk: Desk, send: Send, again: Again | None = None) -> None:
        self._desk = desk
        self._send = send
        self._again = again
        self._busy: set[str] = set()
        self._senders = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="redrive")

    def __repr__(self) -> str:
        return f"Undertaker({len(self._busy)} under way)"

    async def list(self, wanted: Letters) -> tuple[DeadLetter, ...]:
        """The letters asked for, newest first."""
        return await self._desk.ask(lambda stores: letters_of(stores).list(wanted))

    @property
    def waiting(self) -> tuple[Tally, ...]:
        """How many there are, by kind, task and cause."""
        return self._desk.dead

    async def show(self, letter: str) -> Shown | None:
        """One letter with its request; None if there is none of that id."""
        return await self._desk.ask(lambda stores: shown(stores, letter))

    async def drop(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Takes letters out, of records their file too; the ids of those that were there.

        Raises `LetterRefused` for records that are still being written.
        """
        return await self._desk.ask(lambda stores: dropped(stores, ids))

    async def redrive(self, letter_id: str) -> Redriven | None:
        """Re-drives a letter; None if there is none of that id. Raises `LetterRefused` for one that cannot be."""
        if letter_id in self._busy:
            raise LetterRefused(detail=f"{letter_id} is being re-driven already; wait for that")
        if len(self._busy) >= MOST_AT_ONCE:
            raise LetterRefused(detail=f"{MOST_AT_ONCE} letters are being re-driven already; wait for one of them")
        self._busy.add(letter_id)
        try:
            letter = await self._desk.ask(lambda stores: letters_of(stores).get(letter_id))
            if letter is None:
                return None
            if letter.kind == "records":
                return await self._desk.ask(lambda stores: salvaged(stores, letter))
            if letter.kind == "alert":
                return await self._told_again(letter)
            return await self._resend(letter)
        finally:
            self._busy.discard(letter_id)

    async def _told_again(self, letter: DeadLetter) -> Redriven:
        if self._again is None or not await self._again(letter.id):
            raise LetterRefused(detail=f"what {letter.id} was to tell is not kept any more; drop it")
        await self._desk.ask(lambda stores: letters_of(stores).refresh())
        return Redriven(letter.id, True, detail=f"it is delivered to {letter.last_call} again")

    async def _resend(self, letter: DeadLetter) -> Redriven:
        admitted = letter.admitted
        if admitted is None or admitted.surface not in PATHS:
            raise LetterRefused(detail=f"{letter.id} is of no surface that this release serves; drop it")
        body, missing = await self._desk.ask(lambda stores: request_of(stores, letter))
        if body is None:
            raise LetterRefused(detail=f"the request of {letter.id} cannot be sent again: {missing}; drop it")
        send = partial(self._send, PATHS[admitted.surface], labels(admitted), body)
        sent = await asyncio.get_running_loop().run_in_executor(self._senders, send)
        if sent.ok:
            await self._desk.ask(lambda stores: letters_of(stores).drop((letter.id,)))
        return Redriven(letter.id, sent.ok, sent.call, sent.status, sent.detail)

    def close(self) -> None:
        """Begins nothing more; what was sent ends with the gateway."""
        self._senders.shutdown(wait=False, cancel_futures=True)


def letters_of(stores: Stores) -> DeadLetters:
    """The dead letters; raises `StoreError` where they are not open."""
    if stores.letters is None:
        raise StoreError(store="dead letters", detail="they are not open here")
    return stores.letters


def shown(stores: Stores, letter_id: str) -> Shown | None:
    """A letter with its request."""
    letter = letters_of(stores).get(letter_id)
    if letter is None:
        return None
    body, missing = request_of(stores, letter)
    return Shown(letter, None if body is None else body.decode("utf-8", "replace"), missing)


def request_of(stores: Stores, letter: DeadLetter) -> tuple[bytes | None, str]:
    """The whole request of a letter's call, or why there is none."""
    admitted = letter.admitted
    if admitted is None:
        return None, ""
    if not letter.kept or stores.bodies is None:
        return None, f"the redaction of task {admitted.task} keeps no whole request"
    try:
        body = stores.bodies.read(admitted.request_body)
    except FormatError as damage:
        return None, f"what was kept of it is damaged ({damage.facts['detail']})"
    if body is None or len(body) != admitted.request_bytes:
        return None, "it is not kept any more, or was not because the disk was full"
    return body, ""


def salvaged(stores: Stores, letter: DeadLetter) -> Redriven:
    """Stores what is whole behind the damage in a segment, and drops its letter; the file goes with it.

    Raises `LetterRefused` where that cannot be, `StoreError` while telemetry does not take it.
    """
    state, events = stores.ingest.salvage(letter.id)
    if state == "in_use":
        raise LetterRefused(detail=_in_use(letter.id))
    if state == "gone":
        raise LetterRefused(detail=f"the file of {letter.id} is not there any more; drop the letter")
    letters_of(stores).drop((letter.id,))
    return Redriven(letter.id, True, events=events)


def dropped(stores: Stores, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Takes letters out, of records their file too; the ids of those that were there."""
    letters = letters_of(stores)
    for letter in ids:
        found = letters.get(letter)
        if found is not None and found.kind == "records" and stores.ingest.discard(letter) == "in_use":
            raise LetterRefused(detail=_in_use(letter))
    return letters.drop(ids)


def _in_use(segment: str) -> str:
    return f"segment {segment} is still being written; its worker begins another within 5 minutes, try again then"
