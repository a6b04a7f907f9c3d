"""Dead letters as control deals with them: taken in from the records, shown, re-driven through the gateway, dropped.

A call is re-driven by sending its request again under its own names, with the operator's key of this life of the
gateway; what becomes of it, its new record tells. Records are re-driven by reading what is whole behind the damage.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.clock import Clock
from trimtab.declare.project import Listen
from trimtab.errors import InvalidRequest, StoreError, UpstreamError
from trimtab.gateway.pipeline import SURFACES
from trimtab.journal.dead_letters import DeadLetter, DeadLetters, Letters, Tally
from trimtab.policy.snapshot import UNDECLARED, Snapshot
from trimtab.processes.desk import Desk, Stores
from trimtab.record.events import Admitted
from trimtab.record.salvage import damage_at, salvage
from trimtab.store.ingest import SET_ASIDE, Observer
from trimtab.store.telemetry import Batch

ANSWER_S: Final = 900.0
ASIDE_KIND: Final = "segment_set_aside"
PATHS: Final = {surface.name: surface.path for surface in SURFACES}
BATCH_EVENTS: Final = 10_000

Whole = Callable[[], Iterable[str]]
"""The tasks whose request bodies are kept whole."""

log = logging.getLogger("trimtab.control")


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
    """One letter with the request it would send, as far as that is kept."""

    letter: DeadLetter
    request: str | None = None


def whole_tasks(snapshot: Snapshot) -> tuple[str, ...]:
    """The tasks of a snapshot whose request bodies are kept whole."""
    names = tuple(name for name, task in snapshot.tasks.items() if task.redaction == "full")
    return (*names, UNDECLARED) if snapshot.defaults.undeclared_redaction == "full" else names


def burying(letters: DeadLetters, spool: Path, whole: Whole) -> Observer:
    """What takes dead letters out of each batch of records."""

    def bury(batch: Batch) -> None:
        gone = letters.take(batch.calls, whole())
        if gone:
            facts = {"letters": len(gone), "remedy": "trimtab dead list, or raise [data] dead_letters"}
            log.warning("dead_letters_dropped", extra={"fields": facts})
        for change in batch.changes:
            if change.kind == ASIDE_KIND:
                path = next((found for found in _files(spool, change.subject) if found.exists()), None)
                size = 0 if path is None else path.stat().st_size
                letters.take_records(change.subject, change.detail, size, change.at_ns)

    return bury


def _files(spool: Path, segment: str) -> tuple[Path, Path]:
    """Where a damaged segment may lie: put aside, or not yet."""
    return spool / f"{segment}.seg{SET_ASIDE}", spool / f"{segment}.seg"


class Undertaker:
    """Lists, shows, re-drives and drops letters. `post` sends a request to the gateway and reads the answer whole."""

    def __init__(self, desk: Desk, post: Post, spool: Path, clock: Clock) -> None:
        self._desk = desk
        self._post = post
        self._spool = spool
        self._clock = clock
        self._busy: set[str] = set()

    async def list(self, wanted: Letters) -> tuple[DeadLetter, ...]:
        """The letters asked for, newest first."""
        return await self._desk.ask(lambda stores: letters_of(stores).list(wanted))

    async def tally(self) -> tuple[Tally, ...]:
        """How many there are, by kind, task and cause."""
        return await self._desk.ask(lambda stores: letters_of(stores).tally())

    async def show(self, letter: str) -> Shown | None:
        """One letter with its request; None if there is none of that id."""
        return await self._desk.ask(lambda stores: shown(stores, letter))

    async def drop(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Takes letters out; of records the damaged file too. The ids of those that were there."""
        dropped = await self._desk.ask(lambda stores: letters_of(stores).drop(ids))
        delete_aside(self._spool, dropped)
        return dropped

    async def redrive(self, letter_id: str) -> Redriven | None:
        """Re-drives a letter; None if there is none of that id. Raises `InvalidRequest` for one that cannot be."""
        if letter_id in self._busy:
            raise InvalidRequest(detail=f"{letter_id} is being re-driven already; wait for that")
        self._busy.add(letter_id)
        try:
            letter = await self._desk.ask(lambda stores: letters_of(stores).get(letter_id))
            if letter is None:
                return None
            if letter.kind == "records":
                return await self._desk.ask(lambda stores: self._salvage(stores, letter))
            return await self._send(letter)
        finally:
            self._busy.discard(letter_id)

    async def _send(self, letter: DeadLetter) -> Redriven:
        admitted = letter.admitted
        if admitted is None or admitted.surface not in PATHS:
            raise InvalidRequest(detail=f"{letter.id} is of no surface that this release serves; drop it")
        body = await self._desk.ask(lambda stores: body_of(stores, admitted))
        if body is None:
            detail = f"the request of {letter.id} is not kept whole (redaction of task {admitted.task}); drop it"
            raise InvalidRequest(detail=detail)
        sent = await asyncio.to_thread(self._post, PATHS[admitted.surface], labels(admitted), body)
        if sent.ok:
            await self._desk.ask(lambda stores: letters_of(stores).drop((letter.id,)))
        return Redriven(letter.id, sent.ok, sent.call, sent.status, sent.detail)

    def _salvage(self, stores: Stores, letter: DeadLetter) -> Redriven:
        """Stores what is whole behind the damage; the file goes when all of that is stored."""
        path = next((found for found in _files(self._spool, letter.id) if found.exists()), None)
        if path is None:
            raise InvalidRequest(detail=f"the file of {letter.id} is gone; drop the letter")
        damaged = damage_at(path)
        events = list(salvage(path, damaged)) if damaged >= 0 else []
        for start in range(0, len(events), BATCH_EVENTS):
            batch = Batch.of(events[start : start + BATCH_EVENTS])
            stores.telemetry.insert(batch, f"salvage/{letter.id}/{start}")
        letters_of(stores).drop((letter.id,))
        delete_aside(self._spool, (letter.id,))
        return Redriven(letter.id, True, events=len(events), detail=f"{len(events)} records behind the damage")

    def __repr__(self) -> str:
        return f"Undertaker({len(self._busy)} under way)"


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
    body = None if letter.admitted is None else body_of(stores, letter.admitted)
    return Shown(letter, None if body is None else body.decode("utf-8", "replace"))


def body_of(stores: Stores, admitted: Admitted) -> bytes | None:
    """The whole body of a request; None where it is not kept whole."""
    if stores.bodies is None or not admitted.request_body:
        return None
    body = stores.bodies.read(admitted.request_body)
    return body if body is not None and len(body) == admitted.request_bytes else None


def delete_aside(spool: Path, segments: Iterable[str]) -> None:
    """Deletes the damaged files of segments that somebody has dealt with; other ids are passed over."""
    for segment in segments:
        if "/" in segment:
            _files(spool, segment)[0].unlink(missing_ok=True)


def labels(admitted: Admitted) -> dict[str, str]:
    """The headers under which a call keeps its identity."""
    named = {
        "x-trimtab-redrive": admitted.redrive_of or admitted.call,
        "x-trimtab-redrive-key": admitted.key,
        "x-trimtab-task": "" if admitted.task == UNDECLARED else admitted.task,
        "x-trimtab-run": admitted.run,
        "x-trimtab-step": admitted.step,
        "x-trimtab-parent": admitted.parent,
        "x-trimtab-conversation": admitted.conversation,
        "x-trimtab-user": admitted.end_user,
        "traceparent": f"00-{admitted.trace_id}-{admitted.parent_span}-01" if admitted.trace_id else "",
    }
    return {name: value for name, value in named.items() if value}


class Sent(Struct, frozen=True):
    """How a request that was sent to the gateway ended."""

    ok: bool
    status: int
    call: str
    detail: str


Post = Callable[[str, dict[str, str], bytes], Sent]
"""POST (path, headers, body) to the gateway; blocks. Raises `UpstreamError` when it cannot be reached."""


def gateway_post(listen: Listen, operator_key: Callable[[], str]) -> Post:
    """A `Post` to the gateway of this host, which knows the operator's key of its present life."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104  compared, not bound

    def post(path: str, headers: dict[str, str], body: bytes) -> Sent:
        connection = _connection(listen, host)
        sent = {**headers, "authorization": f"Bearer {operator_key()}", "content-type": "application/json"}
        try:
            connection.request("POST", path, body, sent)
            answer = connection.getresponse()
            told = answer.read()
        except http.client.IncompleteRead as cut:
            return Sent(False, 200, answer.headers.get("x-trimtab-call", ""), _last_line(cut.partial))
        except (OSError, http.client.HTTPException) as failure:
            detail = getattr(failure, "strerror", None) or str(failure) or type(failure).__name__
            raise UpstreamError(replica=f"the gateway at {host}:{listen.port}", detail=detail) from failure
        finally:
            connection.close()
        ok = answer.status == http.client.OK
        return Sent(ok, answer.status, answer.headers.get("x-trimtab-call", ""), "" if ok else _last_line(told))

    return post


def _connection(listen: Listen, host: str) -> http.client.HTTPConnection:
    if listen.tls is None:
        return http.client.HTTPConnection(host, listen.port, timeout=ANSWER_S)
    context = ssl.create_default_context(cafile=listen.tls.cert)
    context.check_hostname = False  # the certificate itself is pinned
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(host, listen.port, timeout=ANSWER_S, context=context)


def _last_line(told: bytes) -> str:
    text = told.decode("utf-8", "replace").strip()
    return text[-500:]
