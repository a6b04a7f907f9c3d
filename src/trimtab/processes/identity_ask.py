"""Puts the probes of a model's identity to a replica, and takes the baseline that later checks compare with."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct

from trimtab.clock import Clock
from trimtab.declare.project import Model
from trimtab.errors import CallError, IdentityUntested
from trimtab.lock.identity import FIRST_REFERENCE, MAX_FINGERPRINTS, TEXT_REFERENCE
from trimtab.lock.identity_baseline import (
    Baseline,
    Exact,
    FirstTokens,
    Server,
    Texts,
    exact_of,
    first_tokens_of,
    texts_of,
)
from trimtab.lock.identity_probes import EXACT, FIRST, FORMS, LOAD, PATHS, TEXT, Form, Probe, Reading, body, read

ANSWER_S: Final = 60.0
TRIES: Final = 4
"""Of a question that a server is too busy for."""
PAUSE_S: Final = 1.0
"""After the first such answer; it doubles."""
BUSY: Final = frozenset({408, 429, 500, 502, 503, 504})
AT_ONCE: Final = 4
LOADERS: Final = 4
"""Requests that keep the server busy while the part of a baseline that is taken under load is taken."""
EXACT_ALONE: Final = 2
EXACT_LOADED: Final = 6
FIRST_ALONE: Final = 10
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


class Learned(NamedTuple):
    """A baseline, and what of the answers goes into the lock itself."""

    baseline: Baseline
    fingerprints: tuple[str, ...]
    served_model: str
    replica: str
    requests: int


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
            status, answer = await self._send(model, replica, self._asker.ask(model, replica, PATHS[form.wire], request))
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


async def take_baseline(interview: Interview, model: Model) -> Learned:
    """Asks the first replica that answers, alone and under load; raises `IdentityUntested` when none does."""
    failure: IdentityUntested | None = None
    for replica in model.replicas:
        try:
            return await _take(interview, model, replica)
        except IdentityUntested as untested:
            failure = failure or untested
    assert failure is not None, "a model has at least one replica"
    raise failure


async def _take(interview: Interview, model: Model, replica: str) -> Learned:
    server = await interview.server(model, replica)
    form, opening = await _form(interview, model, replica)
    taking = _Taking(interview, model, replica, form)
    exact = await taking.exact()
    first = await taking.first() if opening.top else ()
    texts = await taking.texts() if not opening.top else ()
    baseline = Baseline(
        model.served_name,
        form,
        server,
        exact=exact,
        first=tuple(first),
        texts=tuple(texts),
    )
    models = {reading.model for reading in taking.readings if reading.model}
    fingerprints = sorted({reading.fingerprint for reading in taking.readings if reading.fingerprint})
    served_model = models.pop() if len(models) == 1 else ""
    return Learned(
        baseline, tuple(fingerprints[:MAX_FINGERPRINTS]), served_model[:MAX_NAME], replica, len(taking.readings)
    )


async def _form(interview: Interview, model: Model, replica: str) -> tuple[Form, Reading]:
    """The most telling form that the server takes, and its answer; raises `IdentityUntested`."""
    refusal: IdentityUntested | None = None
    for form in FORMS[model.wire]:
        try:
            reading = await interview.ask(model, replica, form, FIRST[0])
        except IdentityUntested as refused:
            if refused.facts.get("status") not in {400, 422}:
                raise
            refusal = refusal or refused
            continue
        return (form if reading.top else msgspec.structs.replace(form, top_logprobs=0)), reading
    assert refusal is not None, "every wire has forms"
    raise refusal


class _Taking:
    """A baseline as it is taken; `readings` are all answers so far."""

    def __init__(self, interview: Interview, model: Model, replica: str, form: Form) -> None:
        self.readings: list[Reading] = []
        self._interview = interview
        self._model = model
        self._replica = replica
        self._form = form

    async def exact(self) -> tuple[Exact, ...]:
        """Greedy answers that are alike alone and under load; none where one prompt's are not."""
        if not self._form.temperature:
            return ()
        alone, loaded = await self._both(EXACT, EXACT_ALONE, EXACT_LOADED)
        found = [exact_of(probe.prompt, [*alone[probe], *loaded[probe]]) for probe in EXACT]
        return tuple(one for one in found if one is not None) if all(found) else ()

    async def first(self) -> list[FirstTokens]:
        """One-token answers, a quarter of them alone."""
        alone, loaded = await self._both(FIRST, FIRST_ALONE, FIRST_REFERENCE - FIRST_ALONE)
        return [first_tokens_of(probe.prompt, alone[probe], loaded[probe]) for probe in FIRST]

    async def texts(self) -> list[Texts]:
        """Sampled answers."""
        found = await self._asked(TEXT * TEXT_REFERENCE, AT_ONCE)
        return [texts_of(probe.prompt, found[probe]) for probe in TEXT]

    async def _both(
        self, probes: Sequence[Probe], alone: int, loaded: int
    ) -> tuple[dict[Probe, list[Reading]], dict[Probe, list[Reading]]]:
        quiet = await self._asked([*probes] * alone, 1)
        async with self._load():
            return quiet, await self._asked([*probes] * loaded, AT_ONCE)

    async def _asked(self, probes: Sequence[Probe], at_once: int) -> dict[Probe, list[Reading]]:
        found = await self._interview.ask_all(self._model, self._replica, self._form, probes, at_once)
        self.readings.extend(reading for told in found.values() for reading in told)
        return found

    @contextlib.asynccontextmanager
    async def _load(self) -> AsyncIterator[None]:
        """Keeps the server busy with other prompts; one that it has no room for is let go."""

        async def keep_busy(place: int) -> None:
            while True:
                probe = LOAD[place % len(LOAD)]
                try:
                    await self._interview.ask(self._model, self._replica, self._form, probe)
                except IdentityUntested:
                    await asyncio.sleep(PAUSE_S)

        busy = [asyncio.ensure_future(keep_busy(place)) for place in range(LOADERS)]
        try:
            yield
        finally:
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)


def _told(answer: bytes, nothing: T) -> T:
    """What a route tells, or nothing where it tells something else."""
    try:
        return msgspec.json.decode(answer, type=type(nothing)) if answer else nothing
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return nothing


def _root(told: str) -> str:
    """A repository's name as it is; of a path only its digest, since a lock holds no paths of machines."""
    if told.startswith(("/", "\\", "~", ".", "file:")) or told[1:3] == ":\\":
        return f"path:{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    return told[:MAX_NAME]


def _first(failures: ExceptionGroup[Exception]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
