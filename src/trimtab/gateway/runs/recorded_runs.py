"""Recorded runs as a worker has read them, and their bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from trimtab.declare.changed import Change
from trimtab.declare.changed import decode as decode_changes
from trimtab.errors import ReplayDivergence
from trimtab.gateway.runs.served import Load, bytes_of
from trimtab.journal import requests
from trimtab.journal.asks import Ask, Entries, Loaded, Read, Told
from trimtab.journal.asks import Load as LoadBody
from trimtab.journal.difference import first_difference
from trimtab.journal.entries import Body, Intent
from trimtab.journal.recorded import RecordedSteps, Request, Step, nearest
from trimtab.journal.refusals import BodyUnknown, RunUnknown

MOST_RUNS: Final = 16
"""Runs that are kept; the one that was asked for the longest time ago goes first."""
MODEL: Final = "model"
MOST_NAMED: Final = 6
MOST_LOADED: Final = 64 << 20
"""Bytes of recorded requests that one which is not recorded is held against."""


class Asking(Protocol):
    """Keeper, as far as it is read."""

    async def do(self, ask: Ask) -> Told:
        """What was told; raises `JournalRefusal` and `JournalUnavailable`."""


class RecordedRuns:
    """The model's steps of the runs that are replayed here."""

    def __init__(self, keeper: Asking) -> None:
        self._keeper = keeper
        self._runs: dict[str, RecordedSteps] = {}
        self._changes: dict[str, tuple[Change, ...]] = {}

    def __repr__(self) -> str:
        return f"RecordedRuns({len(self._runs)} runs)"

    async def read(self, run: str) -> RecordedSteps:
        """The steps of a run, up to its latest, as they are now: it may have been erased, or removed and begun again.

        Raises `RunUnknown` and `JournalUnavailable`.
        """
        known = self._runs.pop(run, None) or RecordedSteps(run, MODEL)
        self._runs[run] = known
        while len(self._runs) > MOST_RUNS:
            del self._runs[next(iter(self._runs))]
        last = None
        while last is None or known.reached < last:
            told = await self._keeper.do(Read(run, known.reached + 1))
            if not isinstance(told, Entries) or (not told.entries and known.reached < told.last):
                raise RunUnknown(run=run)
            if told.last < known.reached:
                known = self._runs[run] = RecordedSteps(run, MODEL)
                continue
            known.take(told.entries)
            last = told.last
        return known

    async def changes(self, run: str, body: Body) -> tuple[Change, ...]:
        """What the steps of a fork are taken with. Raises `BodyUnknown` and `JournalUnavailable`."""
        found = self._changes.get(body.digest)
        if found is None:
            found = decode_changes(await bytes_of(body, self.loader(run)))
            if len(self._changes) >= MOST_RUNS:
                del self._changes[next(iter(self._changes))]
            self._changes[body.digest] = found
        return found

    def loader(self, run: str) -> Load:
        """Loads bodies of a run."""

        async def load(digest: str) -> bytes:
            told = await self._keeper.do(LoadBody(run, digest))
            if isinstance(told, Loaded):
                return told.content
            raise BodyUnknown(run=run, digest=digest)

        return load

    async def divergence(
        self, steps: RecordedSteps, label: str, asked: Request, volatile: Sequence[requests.Path]
    ) -> ReplayDivergence:
        """Names the step that a request was meant to be, which is not recorded, and how it differs from it."""
        bodies: list[tuple[Step, bytes]] = []
        load, loaded = self.loader(steps.run), 0
        for step in steps.near(label, len(asked.body)):
            if loaded > MOST_LOADED:
                break
            try:
                body = await bytes_of(step.intent.input, load)
            except BodyUnknown:
                continue
            loaded += len(body)
            if body:
                bodies.append((step, body))
        found = await asyncio.to_thread(_nearest, asked, bodies, volatile)
        if not found:
            return ReplayDivergence(run=steps.run, detail=f"nothing like this request ({label}) is recorded")
        step, request = found[0]
        told = difference(request.shown, asked.shown)
        if request.shown == asked.shown:
            told = f"it is asked for as {label!a}" if step.intent.label != label else "it has no answer"
        alike = ", ".join(str(other.seq) for other, _ in found[1:MOST_NAMED])
        also = f" (step {alike} is as near)" if alike else ""
        return ReplayDivergence(run=steps.run, detail=f"step {step.seq} ({step.intent.label}): {told}{also}")

    async def difference(
        self, run: str, seq: int, asked: requests.Canonical, volatile: Sequence[requests.Path]
    ) -> str | None:
        """How a request differs from the one that is recorded at `seq`; None where that one is not kept."""
        told = await self._keeper.do(Read(run, seq, 1))
        intent = told.entries[0].entry if isinstance(told, Entries) and told.entries else None
        if not isinstance(intent, Intent):
            return None
        try:
            body = await bytes_of(intent.input, self.loader(run))
        except BodyUnknown:
            return None
        return difference(requests.canonical(MODEL, intent.tool, body, volatile).shown, asked.shown)


def _nearest(
    asked: Request, bodies: Sequence[tuple[Step, bytes]], volatile: Sequence[requests.Path]
) -> Sequence[tuple[Step, Request]]:
    """The recorded requests that are nearest to one, the nearest first; too much work for an event loop."""
    forms = [
        (step, Request(body, requests.canonical(MODEL, step.intent.tool, body, volatile).shown))
        for step, body in bodies
    ]
    return nearest(asked, forms)


def difference(recorded: bytes, asked: bytes) -> str:
    """The first difference of two requests in their canonical form."""
    found = first_difference(recorded, asked)
    return "its request differs" if found is None else found.told()
