"""Control has keeper remove what is past its time, as it is declared."""

from __future__ import annotations

import asyncio

from trimtab.journal.asks import Ask, Find, Note, Open, Runs
from trimtab.journal.client import LocalKeeper
from trimtab.journal.entries import Ended, Started
from trimtab.journal.keeping import Retire
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes.run_retention import RunRetention, asked_of
from trimtab.testing import JumpingClock

DAY_S = 86_400.0


def test_what_is_declared_is_asked_of_keeper() -> None:
    """The project's times, those of tasks that have some, and that of records for the rest."""
    watch = Watch(tasks={"a": TaskWatch(keep={"failed": 5.0}), "b": TaskWatch()}, keep={"completed": 3.0}, kept_s=9.0)
    assert asked_of(watch) == Retire(9.0, {"completed": 3.0}, {"a": {"failed": 5.0}})


def test_all_that_is_past_its_time_goes_in_one_sweep(tmp_path) -> None:
    """However many portions it takes, with a pause between them."""
    clock, pauses = JumpingClock(), list[float]()
    store = RunStore(open_runs(tmp_path / "journal.db"), MemoryBodies(), clock)
    asks: list[Ask] = []
    for number in range(450):
        asks += [
            Open(f"r{number}", Started(clock.wall_ns(), "t"), "d"),
            Note(f"r{number}", 1, Ended(clock.wall_ns(), "completed")),
        ]
    store.do(asks)
    clock.advance(31 * DAY_S)
    store.do([Open("new", Started(clock.wall_ns(), "t"), "d")])

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    gone = asyncio.run(RunRetention(LocalKeeper(store), Watch, clock, pause).sweep())
    (told,) = store.do([Find(limit=1000)])
    assert (gone, [row.run for row in told.runs] if isinstance(told, Runs) else told) == (450, ["new"])
    assert len(pauses) >= 3
    store.close()
