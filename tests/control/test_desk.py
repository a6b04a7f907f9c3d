"""The thread that owns telemetry: it waits out failures, does its chores, and leaves nothing in the spool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.store.samples import call
from tests.store.spools import SegmentWriter
from trimtab.errors import StoreError
from trimtab.processes.desk import CADENCE_S, LONGEST_DELAY_S, Chore, Desk, Stores
from trimtab.store.ingest import Bounds, Ingest
from trimtab.store.memory import MemoryTelemetry
from trimtab.testing import JumpingClock, JumpingLoop


class Scene:
    """A desk over a spool, in time that jumps."""

    def __init__(self, directory: Path) -> None:
        self.clock = JumpingClock()
        self.telemetry = MemoryTelemetry()
        self.spool = directory / "spool"
        self.chores: list[Chore] = []
        self.failures = 0
        self.opened_at: list[float] = []
        self.stop = asyncio.Event()
        self.tried = asyncio.Event()
        self._ingest = directory / "ingest"
        self.desk = Desk(self.open, self.clock)

    def open(self) -> Stores:
        self.opened_at.append(self.clock.monotonic())
        if len(self.opened_at) <= self.failures:
            raise StoreError(store="telemetry", detail="refused")
        ingest = Ingest(self.spool, self._ingest, self.telemetry, self.clock, bounds=Bounds(events=2))
        return Stores(self.telemetry, ingest, chores=self.chores)

    def live(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs `main` beside the desk, then stops the desk."""

        async def both() -> None:
            working = asyncio.create_task(self.desk.run(self.stop, self.tried.set))
            await self.tried.wait()
            await main()
            self.stop.set()
            await working

        with asyncio.Runner(loop_factory=lambda: JumpingLoop(self.clock, 0.05)) as runner:
            runner.run(both())

    def put(self, *names: str) -> None:
        writer = SegmentWriter(self.spool)
        writer.write(*(call(name) for name in names))

    async def until_up(self) -> None:
        while not self.desk.state.up:
            await asyncio.sleep(10)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_what_is_in_the_spool_is_stored_and_asked_for(scene: Scene) -> None:
    """Batches follow each other at once while more waits; questions are answered from the same thread."""
    scene.put("a", "b", "c", "d", "e")

    async def main() -> None:
        began = scene.clock.monotonic()
        while (await scene.desk.ask(lambda stores: stores.telemetry.count())).calls < 5:
            await asyncio.sleep(0)
        assert scene.clock.monotonic() == began
        thread = await scene.desk.ask(lambda stores: threading.current_thread().name)
        assert thread.startswith("telemetry")

    scene.live(main)


def test_a_store_that_does_not_open_is_tried_again(scene: Scene) -> None:
    """Waits double from half a second to half a minute, the state says why, and in the end everything is stored."""
    scene.failures = 9
    scene.put("a")

    async def main() -> None:
        state = scene.desk.state
        assert (state.up, "refused" in state.detail) == (False, True)
        with pytest.raises(StoreError, match="refused"):
            await scene.desk.ask(lambda stores: stores.telemetry.count())
        await scene.until_up()
        assert (await scene.desk.ask(lambda stores: stores.telemetry.count())).calls == 1
        assert scene.desk.state.detail == ""

    scene.live(main)
    waits = [later - earlier for earlier, later in zip(scene.opened_at, scene.opened_at[1:], strict=False)]
    assert waits == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30, 30], abs=0.01)
    assert LONGEST_DELAY_S == 30


def test_nothing_is_left_when_it_stops(scene: Scene) -> None:
    """What was written just before the end is stored before the desk closes, batch after batch."""

    async def main() -> None:
        scene.put(*(f"c{number}" for number in range(9)))

    scene.live(main)
    assert scene.telemetry.count().calls == 9


def test_stopping_while_telemetry_is_down_leaves_the_spool(scene: Scene) -> None:
    """A store that refuses does not hold up the end; the records stay where they are."""
    scene.failures = 10**9
    scene.put("a")

    async def main() -> None:
        assert scene.desk.state.up is False

    scene.live(main)
    assert list(scene.spool.glob("*/*.seg"))


def test_chores_are_done_in_their_time(scene: Scene) -> None:
    """A chore runs at the start and then once in its period; one that fails stops neither ingest nor its neighbours."""
    done: list[float] = []

    def fail() -> None:
        raise StoreError(store="packs", detail="no room")

    scene.chores += [Chore("fails", 10, fail), Chore("works", 10, lambda: done.append(scene.clock.monotonic()))]

    async def main() -> None:
        began = scene.clock.monotonic()
        await asyncio.sleep(24.5)
        assert [at - began for at in done] == pytest.approx([0, 10, 20], abs=CADENCE_S)
        assert scene.desk.state.up

    scene.live(main)


def test_a_chore_that_breaks_is_done_again_in_its_time(scene: Scene) -> None:
    """Not only a store may fail it; the desk works on, and so do the chores after it."""
    done: list[str] = []

    def breaks() -> None:
        done.append("breaks")
        raise ValueError("foreign bytes")

    scene.chores = [Chore("breaks", 5.0, breaks), Chore("works", 5.0, lambda: done.append("works"))]

    async def main() -> None:
        await asyncio.sleep(6)

    scene.live(main)
    assert done[:4] == ["breaks", "works"] * 2


def test_a_question_that_fails_is_the_askers_failure(scene: Scene) -> None:
    """An error of one question reaches who asked and harms nobody else."""

    def wrong(stores: Stores) -> None:
        raise StoreError(store="telemetry", detail="no such table")

    async def main() -> None:
        with pytest.raises(StoreError, match="no such table"):
            await scene.desk.ask(wrong)
        assert (await scene.desk.ask(lambda stores: stores.telemetry.count())).calls == 0

    scene.live(main)


def test_a_closed_desk_answers_nobody(scene: Scene) -> None:
    """After the end a question is a `StoreError`, and the store is closed."""

    async def main() -> None:
        await scene.until_up()

    scene.live(main)

    async def late() -> None:
        await scene.desk.ask(lambda stores: stores.telemetry.count())

    with pytest.raises(StoreError, match="closed"):
        asyncio.run(late())
