"""The journal as control reads it: what it keeps for the next look is what the journal has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from trimtab.journal.asks import Begin, Finish, Note, Open
from trimtab.journal.client import BlockingLocalKeeper
from trimtab.journal.entries import Ended, Result, Started, body_of
from trimtab.journal.erasing import Erase
from trimtab.journal.keeping import Retire
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs, open_runs_to_read
from trimtab.journal.runs.reader import RunReader
from trimtab.journal.runs.store import RunStore
from trimtab.processes.run_room import RunRoom
from trimtab.testing import JumpingClock


class Held:
    """Bodies in memory, as a reader sees them."""

    def __init__(self, bodies: MemoryBodies) -> None:
        self.read = bodies.load


class House:
    """A journal, and control's room beside it."""

    def __init__(self, path: Path) -> None:
        self.clock, bodies = JumpingClock(), MemoryBodies()
        self.journal = BlockingLocalKeeper(RunStore(open_runs(path), bodies, self.clock))
        self.room = RunRoom(lambda: RunReader(open_runs_to_read(path), Held(bodies)), self.journal, self.clock)

    def begin(self, run: str, said: str) -> None:
        """A run of Zoe's in which a model was asked."""
        at_ns = self.clock.wall_ns()
        self.journal.do(Open(run, Started(at_ns, "t", through="gateway", end_user="zoe")))
        asked, answered = body_of(said.encode()), body_of(said.encode())
        self.journal.do(Begin(run, 0, "model", "ask", asked.digest, asked, call=f"{run}-1"))
        self.journal.do(Finish(run, 0, Result(at_ns, 2, "ok", answered, status=200)))

    async def said(self, run: str) -> list[str | None]:
        """What the steps of a run asked."""
        _, log = await self.room.log(run)
        return [step.intent.input.inline if step.intent.input is not None else None for step in log.steps]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A journal without runs."""
    house = House(tmp_path / "journal.db")
    yield house
    await house.room.close()


async def test_what_was_erased_is_not_shown_again(house: House) -> None:
    """A log that was looked at before is read anew."""
    house.begin("r", "Elm Street")
    before = await house.said("r")
    house.journal.do(Erase("zoe", "e1", "ann"))
    assert (before, await house.said("r")) == (["Elm Street"], [None])


async def test_a_run_that_took_the_id_of_one_that_was_removed(house: House) -> None:
    """It is shown as it is, and not as the one before it was."""
    house.begin("r", "the first")
    house.begin("the-latest-stays", "")
    house.journal.do(Note("r", 0, Ended(house.clock.wall_ns(), "completed")))
    before = await house.said("r")
    house.clock.advance(3600.0)
    house.journal.do(Retire(60.0))
    house.begin("r", "the second")
    assert (before, await house.said("r")) == (["the first"], ["the second"])
