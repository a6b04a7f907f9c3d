"""Takes the baseline of a model that later checks compare with: the same questions, alone and under load."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

import msgspec

from trimtab.declare.project import Model
from trimtab.errors import IdentityUntested
from trimtab.lock.identity import MAX_FINGERPRINTS
from trimtab.lock.identity_baseline import (
    Baseline,
    Exact,
    FirstTokens,
    Texts,
    answers_alike,
    exact_of,
    first_tokens_of,
    texts_of,
)
from trimtab.lock.identity_probes import EXACT, FIRST, FORMS, LOAD, TEXT, Form, Probe, Reading
from trimtab.lock.identity_rungs import FIRST_REFERENCE, TEXT_REFERENCE
from trimtab.processes.identity_ask import AT_ONCE, MAX_NAME, PAUSE_S, Interview

LOADERS: Final = 4
"""Requests that keep the server busy while the part of a baseline that is taken under load is taken."""
EXACT_ALONE: Final = 2
EXACT_LOADED: Final = 6
FIRST_ALONE: Final = 10
REFUSED: Final = frozenset({400, 422})
"""How servers answer a request with a field that they do not take."""


class Learned(NamedTuple):
    """A baseline, and what of the answers goes into the lock itself."""

    baseline: Baseline
    fingerprints: tuple[str, ...]
    served_model: str
    replica: str
    requests: int


async def take_baseline(interview: Interview, model: Model) -> Learned:
    """Asks the first replica that answers, alone and under load; raises `IdentityUntested` when none does.

    The fingerprints are those of all replicas that answer: a server's may tell its place on the disk too.
    """
    failures: list[IdentityUntested] = []
    for place, replica in enumerate(model.replicas):
        try:
            learned = await _take(interview, model, replica)
        except IdentityUntested as untested:
            failures.append(untested)
            continue
        others = [await _fingerprint(interview, model, one, learned) for one in model.replicas[place + 1 :]]
        fingerprints = sorted({*learned.fingerprints, *filter(None, others)})
        return learned._replace(fingerprints=tuple(fingerprints[:MAX_FINGERPRINTS]))
    raise failures[0]


async def _fingerprint(interview: Interview, model: Model, replica: str, learned: Learned) -> str:
    try:
        return (await interview.ask(model, replica, learned.baseline.form, FIRST[0])).fingerprint
    except IdentityUntested:
        return ""


async def _take(interview: Interview, model: Model, replica: str) -> Learned:
    server = await interview.server(model, replica)
    form, opening = await form_of(interview, model, replica)
    taking = _Taking(interview, model, replica, form)
    exact = await taking.exact()
    first = await taking.first() if opening.top else ()
    texts = await taking.texts() if not opening.top else ()
    if not all(map(answers_alike, first)):
        exact = ()
    baseline = Baseline(model.served_name, form, server, exact, tuple(first), tuple(texts))
    models = {reading.model for reading in taking.readings if reading.model}
    fingerprints = sorted({reading.fingerprint for reading in taking.readings if reading.fingerprint})
    served_model = models.pop() if len(models) == 1 else ""
    return Learned(
        baseline, tuple(fingerprints[:MAX_FINGERPRINTS]), served_model[:MAX_NAME], replica, len(taking.readings)
    )


async def form_of(interview: Interview, model: Model, replica: str) -> tuple[Form, Reading]:
    """The most telling form that the server takes, and its answer; raises `IdentityUntested`."""
    refusals: list[IdentityUntested] = []
    for form in FORMS[model.wire]:
        try:
            reading = await interview.ask(model, replica, form, FIRST[0])
        except IdentityUntested as refused:
            if refused.facts.get("status") not in REFUSED:
                raise
            refusals.append(refused)
            continue
        return (form if reading.top else msgspec.structs.replace(form, top_logprobs=0)), reading
    raise refusals[0]


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
