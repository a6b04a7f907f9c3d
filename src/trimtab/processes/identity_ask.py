"""Puts the probes of a model's identity to a replica, and checks it with what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct

from trimtab.clock import Clock
from trimtab.declare.project import Model
from trimtab.errors import CallError, IdentityUntested
from trimtab.lock.identity import MORE, Check, check, compares_exactly, questions, wants_probabilities
from trimtab.lock.identity_baseline import Baseline, Server
from trimtab.lock.identity_probes import PATHS, Form, Probe, Reading, body, read
from trimtab.lock.identity_rungs import Pinned

ANSWER_S: Final = 60.0
TRIES: Final = 4
"""Of a question that a server is too busy for."""
PAUSE_S: Final = 1.0
"""After the first such answer; it doubles."""
BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
AT_ONCE: Final = 4
MAX_NAME: Final = 200

T = TypeVar("T")


class Asker(Protocol):
    """Sends requests to a replica with its model's key. Both raise `OSError` when no whole answer came, or
    `CallError` where there is nothing to authenticate with."""

    async def ask(self, model: Model, url: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of a POST."""

    async def fetch(self, model: Model, url: str, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""


class Answered(NamedTuple):
    """A probe that was answered: what it was, when (ns since 1970), how long it took, and how large both sides were."""

    model: Model
    replica: str
    probe: Probe
    at_ns: int
    duration_s: float
    request_bytes: int
    response_bytes: int
    reading: Reading


class _ModelCard(Struct):
    id: str = ""
    root: str | None = None
    max_model_len: int | None = None


class _Models(Struct):
    data: list[_ModelCard] = []


class _Version(Struct):
    version: str = ""


class Interview:
    """Asks replicas; `answered` hears of each answer, so that it is recorded and paid for."""

    def __init__(self, asker: Asker, clock: Clock, answered: Callable[[Answered], None] = lambda _: None) -> None:
        self._asker = asker
        self._clock = clock
        self._answered = answered

    async def server(self, model: Model, replica: str) -> Server:
        """What the server tells of itself; nothing of hosted services, which have no such routes.

        Raises `IdentityUntested` when it does not answer.
        """
        if model.wire != "openai" or model.engine == "openai" or model.auth.kind != "bearer":
            return Server()
        version = _told(await self._get(model, replica, "/version"), _Version())
        cards = _told(await self._get(model, replica, "/v1/models"), _Models()).data
        card = next((one for one in cards if one.id == model.served_name), _ModelCard())
        return Server(version.version[:MAX_NAME], _root(card.root or ""), card.max_model_len or 0)

    async def ask(self, model: Model, replica: str, form: Form, probe: Probe) -> Reading:
        """The answer to one probe; raises `IdentityUntested` for none, at once for a request that is refused."""
        request = body(form, model.served_name, probe)
        pause_s = PAUSE_S
        for left in reversed(range(TRIES)):
            began_s, at_ns = self._clock.monotonic(), self._clock.wall_ns()
            status, answer = await self._send(
                model, replica, self._asker.ask(model, replica, PATHS[form.wire], request)
            )
            if status == 200:
                reading = self._read(model, replica, answer)
                took_s = self._clock.monotonic() - began_s
                self._answered(Answered(model, replica, probe, at_ns, took_s, len(request), len(answer), reading))
                return reading
            if status not in BUSY or not left:
                break
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise IdentityUntested(model=model.name, replica=replica, detail=f"it answered HTTP {status}", status=status)

    async def ask_all(
        self, model: Model, replica: str, form: Form, probes: Iterable[Probe], at_once: int = AT_ONCE
    ) -> dict[Probe, list[Reading]]:
        """The answers to many probes, `at_once` of them under way together; raises `IdentityUntested`."""
        found: dict[Probe, list[Reading]] = {}
        waiting = iter(list(probes))

        async def work() -> None:
            for probe in waiting:
                found.setdefault(probe, []).append(await self.ask(model, replica, form, probe))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise _first(failures) from None
        return found

    async def _get(self, model: Model, replica: str, path: str) -> bytes:
        status, answer = await self._send(model, replica, self._asker.fetch(model, replica, path))
        return answer if status == 200 else b""

    async def _send(self, model: Model, replica: str, sending: Awaitable[tuple[int, bytes]]) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await sending
        except TimeoutError:
            detail = f"no answer within {ANSWER_S:g} s"
        except (OSError, CallError, ValueError) as failure:
            detail = str(failure)
        raise IdentityUntested(model=model.name, replica=replica, detail=detail)

    def _read(self, model: Model, replica: str, answer: bytes) -> Reading:
        try:
            return read(model.wire, answer)
        except ValueError as wrong:
            raise IdentityUntested(model=model.name, replica=replica, detail=str(wrong)) from None


async def examine(
    interview: Interview, model: Model, replica: str, baseline: Baseline, identity: Pinned, random: Random
) -> Check:
    """One check of a replica; asks for more where only a fingerprint is new. Raises `IdentityUntested`.

    A test that takes long to compute is done in a thread; an exact comparison takes no time.
    """
    server = await interview.server(model, replica)
    answers = await interview.ask_all(model, replica, baseline.form, questions(baseline))
    if not all(reading.tokens for told in answers.values() for reading in told) and wants_probabilities(baseline):
        detail = "it tells no log-probabilities any more, which its baseline has; run `trimtab lock --live`"
        raise IdentityUntested(model=model.name, replica=replica, detail=detail)

    def judge() -> Check:
        return check(baseline, identity, server, answers, random, self_hosted=model.engine == "vllm")

    async def judged() -> Check:
        return judge() if compares_exactly(baseline) else await asyncio.to_thread(judge)

    found = await judged()
    if found.wants_more:
        more = await interview.ask_all(model, replica, baseline.form, questions(baseline, MORE - 1))
        for probe, readings in more.items():
            answers.setdefault(probe, []).extend(readings)
        found = await judged()
    return found


def _told(answer: bytes, nothing: T) -> T:
    """What a route tells, or nothing where it tells something else."""
    try:
        return msgspec.json.decode(answer, type=type(nothing)) if answer else nothing
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return nothing


def _root(told: str) -> str:
    """The repository that a model came from; a path says nothing of it, and a lock holds none of a machine."""
    is_path = told.startswith(("/", "\\", "~", ".", "file:")) or told[1:3] == ":\\"
    return "" if is_path else told[:MAX_NAME]


def _first(failures: ExceptionGroup[Exception]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
