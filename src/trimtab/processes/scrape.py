"""Reads on a schedule what every replica says of itself, and the GPU exporters beside them.

Each replica as often as its model's `metrics_every` says, give or take a tenth, and for the first time within that time
of control's start; one that fails is asked half as often each time, down to every 5 minutes. What was read is kept for
pages, `/metrics` and alerts as it is now, and stored in telemetry; while that takes nothing, the latest `MAX_WAITING`
samples wait. A replica found started anew is a recorded change.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random
from typing import Final, NamedTuple

from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.errors import StoreError, UpstreamError
from trimtab.gateway.upstreams.origin import Origin
from trimtab.policy.snapshot import Snapshot
from trimtab.policy.watch import Watch
from trimtab.processes.changes import Changes
from trimtab.processes.desk import Desk
from trimtab.processes.logs import event
from trimtab.processes.scrape_client import MetricsClient, Place
from trimtab.signals.engine.aliases import Reading, Values, read
from trimtab.signals.engine.view import EngineRates, EngineView, Restart, Track
from trimtab.store.engine_samples import EngineSample, EngineSeries

KIND: Final = "replica_restarted"
LOOK_S: Final = 1.0
JITTER: Final = 0.1
LONGEST_S: Final = 300.0
TIMEOUT_S: Final = 5.0
AT_ONCE: Final = 16
STORE_S: Final = 10.0
MAX_WAITING: Final = 50_000
LARGE: Final = 128 << 10
"""From this many bytes on a page is read in a thread, so that control does not stand still."""
MIXED: Final = "several servers answer under this address in turn, so no rates can be told; declare each as a replica"

log = logging.getLogger("trimtab.control")

Pages = dict[tuple[str, str | None, str | None, str], asyncio.Task[bytes | str]]
"""What was fetched, by the way to it: the page, or why there is none."""
Store = Callable[[Sequence[EngineSample]], Awaitable[None]]


class Target(NamedTuple):
    """One replica whose metrics are read: its own, its GPU exporter's, or both."""

    model: str
    replica: str
    served_name: str
    every_s: float
    own: Place | None
    exporter: Place | None


class Standing:
    """How one replica stands: its view, what was read lately, and when it is asked again."""

    def __init__(self, target: Target, due: float) -> None:
        self.view = EngineView(target.model, target.replica)
        self.track = Track()
        self.due = due
        self.failed = 0


class EngineWatch:
    """The readings of one host. `run` works until it is cancelled; `views` may be asked for at any time."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        watch: Callable[[], Watch],
        client: MetricsClient,
        changes: Changes,
        clock: Clock,
        random: Random,
    ) -> None:
        self._snapshot = snapshot
        self._watch = watch
        self._client = client
        self._changes = changes
        self._clock = clock
        self._random = random
        self._standing: dict[tuple[str, str], Standing] = {}
        self._waiting: deque[EngineSample] = deque(maxlen=MAX_WAITING)
        self._stored = clock.monotonic()

    @property
    def views(self) -> tuple[EngineView, ...]:
        """Every replica that is declared to be read, by model and address."""
        return tuple(one.view for _, one in sorted(self._standing.items()))

    async def run(self, desk: Desk) -> None:
        """Looks every second for replicas that are due, and has the desk store what they said."""

        async def store(batch: Sequence[EngineSample]) -> None:
            await desk.ask(lambda stores: stores.telemetry.insert_engine_samples(batch))

        while True:
            await self.round()
            await self.keep(store)
            await asyncio.sleep(LOOK_S)

    async def round(self) -> None:
        """Asks every replica that is due, several at once."""
        try:
            found = targets(self._snapshot(), self._watch())
        except StoreError:
            return  # it is told where the watch is read for its own sake; the next look reads it again
        now = self._clock.monotonic()
        self._standing = {
            (one.model, one.replica): self._standing.get((one.model, one.replica))
            or Standing(one, now + self._random.random() * one.every_s)
            for one in found
        }
        due = [one for one in found if now >= self._standing[one.model, one.replica].due]
        gate = asyncio.Semaphore(AT_ONCE)
        pages: Pages = {}
        async with asyncio.TaskGroup() as group:
            for target in due:
                for place in (target.own, target.exporter):
                    if place is not None and place.way not in pages:
                        pages[place.way] = group.create_task(self._fetch(place, target.every_s, gate))
        for target in due:
            await self._take(target, pages)

    async def keep(self, store: Store) -> None:
        """Stores what waits, if it is time; what telemetry does not take waits on."""
        now = self._clock.monotonic()
        if not self._waiting or now < self._stored + STORE_S:
            return
        self._stored = now
        batch = tuple(self._waiting)
        try:
            await store(batch)
        except StoreError:
            return  # the desk says that telemetry is down
        for _ in batch:
            self._waiting.popleft()

    async def _fetch(self, place: Place, every_s: float, gate: asyncio.Semaphore) -> bytes | str:
        """A page, or why there is none."""
        async with gate:
            try:
                async with asyncio.timeout(min(TIMEOUT_S, every_s)):
                    return await self._client.fetch(place)
            except TimeoutError:
                return f"it did not answer within {min(TIMEOUT_S, every_s):g} s"
            except (OSError, UpstreamError, ValueError) as failure:
                return str(failure)

    async def _take(self, target: Target, pages: Pages) -> None:
        standing = self._standing[target.model, target.replica]
        own = await _reading(target.own, pages, target.served_name)
        gpus = await _reading(target.exporter, pages, "")
        trouble, exporter_trouble = own.trouble, gpus.trouble
        before = standing.view
        for said, was in ((trouble, before.trouble), (exporter_trouble, before.exporter_trouble)):
            if said and said != was:
                event(log, logging.WARNING, "metrics_unread", model=target.model, replica=target.replica, detail=said)
        failed = bool(trouble or exporter_trouble)
        standing.failed = standing.failed + 1 if failed else 0
        self._wait(standing, target)
        values, now_ns = {**gpus.values, **own.values}, self._clock.wall_ns()
        restart = standing.track.add(self._clock.monotonic(), own.values) if own.values else None
        if restart is not None:
            self._note(target, restart)
        standing.view = replace(
            before,
            server=own.server or before.server,
            at_ns=now_ns if values else before.at_ns,
            values=values,
            rates=standing.track.rates if own.values else EngineRates(),
            trouble=trouble or (MIXED if standing.track.is_mixed else ""),
            exporter_trouble=exporter_trouble,
            failures=before.failures + failed,
            restarts=before.restarts + (restart is not None),
        )
        self._waiting.extend(samples(target.model, target.replica, now_ns, values))

    def _note(self, target: Target, restart: Restart) -> None:
        subject = f"{target.model} {target.replica}"
        event(log, logging.WARNING, KIND, model=target.model, replica=target.replica, before=restart.before)
        self._changes.note(
            KIND, subject, "its own metrics began anew", before=restart.before, after=restart.after, by="control"
        )

    def _wait(self, standing: Standing, target: Target) -> None:
        wait_s = min(max(LONGEST_S, target.every_s), target.every_s * 2.0 ** min(standing.failed, 16))
        standing.due = self._clock.monotonic() + wait_s * (1 + JITTER * (2 * self._random.random() - 1))

    def __repr__(self) -> str:
        failing = sum(bool(one.view.trouble) for one in self._standing.values())
        return f"EngineWatch({len(self._standing)} replicas, {failing} not read, {len(self._waiting)} samples wait)"


async def _reading(place: Place | None, pages: Pages, served_name: str) -> Reading:
    if place is None:
        return Reading("", {})
    page = pages[place.way].result()
    if isinstance(page, str):
        return Reading("", {}, page)
    if len(page) > LARGE:
        return await asyncio.to_thread(read, page, served_name)
    return read(page, served_name)


def targets(snapshot: Snapshot, watch: Watch) -> list[Target]:
    """Every replica whose metrics are read, and where."""
    found = []
    for name, scrape in watch.scrapes.items():
        model = snapshot.models.get(name)
        if model is None:
            continue
        for number, replica in enumerate(model.replicas):
            url = scrape.urls[number] if number < len(scrape.urls) else f"{replica}{scrape.path}" if scrape.path else ""
            exporter = scrape.exporters[min(number, len(scrape.exporters) - 1)] if scrape.exporters else ""
            own = Place(url, model, _at_home(url, replica)) if url else None
            gpus = Place(exporter, model) if exporter else None
            found.append(Target(name, replica, model.served_name, scrape.every_s, own, gpus))
    return found


def _at_home(url: str, replica: str) -> bool:
    """Whether a URL leads to the replica itself, which may have the model's key."""
    one, other = Origin.parse(url), Origin.parse(replica)
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def samples(model: str, replica: str, at_ns: int, values: Values) -> Iterable[EngineSample]:
    """What was read as telemetry keeps it."""
    series: EngineSeries
    for series, value in values.items():
        yield EngineSample(at_ns, model, replica, series, value)
