"""An end user is taken out of all stores together, and a record is left that does not name them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.record.wiring import Worker
from tests.store.samples import call
from tests.store.spools import SegmentWriter
from trimtab.database.migrate import open_state
from trimtab.journal.asks import Begin, Find, Note, Open, RunRow, Runs
from trimtab.journal.client import LocalKeeper
from trimtab.journal.dead_letters import DeadLetters, Letters
from trimtab.journal.entries import Ended, Started
from trimtab.journal.erasing import Shred
from trimtab.journal.run_counts import Verified, Verify
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.processes.changes import Changes
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.erasure import ErasedPortion, Erasure, Shredder, digest_of
from trimtab.processes.installed_key import keep_key
from trimtab.record.disk import Disk
from trimtab.record.index import BodyIndex
from trimtab.record.kept import KeptBodies
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.store.ingest import Ingest
from trimtab.store.memory import MemoryTelemetry
from trimtab.testing import JumpingClock, JumpingLoop

USER = "zoe@example.org"


class Journal(LocalKeeper):
    """The journal in this process, as control has it."""

    async def find(self, wanted: Find) -> tuple[RunRow, ...]:
        told = await self.do(wanted)
        assert isinstance(told, Runs)
        return told.runs


class House:
    """All stores of a data directory with a call, a dead letter and a run of Zoe's, and as much of Bob's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = JumpingClock()
        self.telemetry = MemoryTelemetry()
        self.letters = DeadLetters(open_state(root / "state.db"), most=10)
        self.store = RunStore(open_runs(root / "journal.db"), MemoryBodies(), self.clock)
        self.journal = Journal(self.store)
        self.stop, self.tried = asyncio.Event(), asyncio.Event()
        self.desk = Desk(self.opened, self.clock)
        self.changes: list[tuple[str, ...]] = []
        packs = RollingLog(root / "bodies" / "control-1", PACK, self.clock, Disk(), max_bytes=1 << 20, max_age_s=3600.0)
        self.kept = KeptBodies(packs)
        worker = Worker(root)
        self.bodies = {name: b'{"of":"%s"}' % name.encode() * 100 for name in (USER, "bob", "both")}
        self.refs = {name: worker.request(body, None).body for name, body in self.bodies.items()}
        worker.recorder.close()
        calls = [self._call("c1", USER, USER), self._call("c2", "bob", "bob"), self._call("c3", USER, "both"),
                 self._call("c4", "bob", "both")]  # fmt: skip
        SegmentWriter(root / "fresh").write(*calls)
        self.letters.take("t", calls, (), ())
        for name in (USER, "bob"):
            run = f"run-{name[:3]}"
            self.store.do([Open(run, Started(1, "t", end_user=name), "d"), Begin(run, 1, "tool", "l", name, key=name)])
            self.store.do([Note(run, 1, Ended(1, "failed"))])

    def _call(self, name: str, end_user: str, body: str) -> Any:
        made = call(name, outcome="internal")
        return replace(made, admitted=replace(made.admitted, end_user=end_user, request_body=self.refs[body]))

    def opened(self) -> Stores:
        """The stores, in the desk's thread."""
        ingest = Ingest(self.root / "fresh", self.root / "ingest", self.telemetry, self.clock)
        return Stores(self.telemetry, ingest, letters=self.letters)

    def erasure(self) -> Erasure:
        """What erases, with what it notes caught."""
        noted = self.changes

        class Noted(Changes):
            def __init__(self) -> None:
                pass

            def note(self, kind: str, subject: str, detail: str = "", **facts: str) -> None:
                noted.append((kind, subject, detail, facts["by"]))

        return Erasure(self.desk, self.journal, Noted(), self.root / "erasure.key", (self.root / "data",))

    def shredder(self) -> Shredder:
        """What takes bodies out of packs."""
        return Shredder(self.journal, lambda digests, before_ns: set(), self.root / "bodies", self.kept)

    def live(self, main: Any) -> None:
        """Runs `main` beside the desk."""

        async def both() -> None:
            working = asyncio.create_task(self.desk.run(self.stop, self.tried.set))
            await self.tried.wait()
            while (await self.desk.ask(lambda stores: stores.telemetry.count())).calls < 4:
                await asyncio.sleep(0)
            await main()
            self.stop.set()
            await working

        with asyncio.Runner(loop_factory=lambda: JumpingLoop(self.clock, 0.05)) as runner:
            runner.run(both())
        self.store.close()
        self.kept.close()


async def all_of(erasure: Erasure) -> list[ErasedPortion]:
    """Portion by portion until nothing is left."""
    found: list[ErasedPortion] = []
    while not found or not found[-1].done:
        found.append(await erasure.portion(USER, "ann"))
        assert len(found) < 10
    return found


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_everything_of_one_end_user_goes_and_nothing_of_others(house: House) -> None:
    """Calls first, then runs; what went is counted, and files that still name them are told."""
    (house.root / "data").mkdir()
    (house.root / "data" / "cases.jsonl").write_text(f'{{"meta":{{"user":"{USER}"}}}}\n')

    async def main() -> None:
        erasure = house.erasure()
        first, second, last = await all_of(erasure)
        assert (first.calls, first.letters, first.bodies, first.runs) == (2, 2, 2, 0)
        assert (second.calls, second.runs, second.entries) == (0, 1, 4)
        assert (last.done, last.calls, last.runs) == (True, 0, 0)
        assert first.beyond == (str(house.root / "data" / "cases.jsonl"),)
        assert {one.admitted.end_user for one in house.telemetry._calls} == {"bob"}
        assert [one.id for one in house.letters.list(Letters())] == ["c4", "c2"]
        rows = await house.journal.find(Find(limit=10))
        assert {row.run: row.end_user for row in rows} == {"run-zoe": "", "run-bob": "bob"}
        told = await house.journal.do(Verify("run-zoe"))
        assert isinstance(told, Verified) and (told.faults, told.gone) == ((), 0)

    house.live(main)


def test_the_record_of_it_names_nobody(house: House) -> None:
    """It stands for the end user by an HMAC under a key of this installation that only its owner can read."""

    async def main() -> None:
        await all_of(house.erasure())

    house.live(main)
    key = house.root / "erasure.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert keep_key(key) == keep_key(key)
    assert house.changes == [
        ("erasure", digest_of(keep_key(key), USER), "2 calls, 2 letters, 2 bodies", "ann"),
        ("erasure", digest_of(keep_key(key), USER), "1 runs, 4 entries", "ann"),
    ]
    assert USER.encode() not in (house.root / "journal.db").read_bytes()


def test_bodies_go_but_for_those_that_somebody_else_named_too(house: House) -> None:
    """As soon as nobody writes their pack."""

    async def main() -> None:
        await all_of(house.erasure())
        shredder = house.shredder()
        assert await shredder.look(house.desk) == 2
        assert await shredder.look(house.desk) == 0

    house.live(main)
    index = BodyIndex(house.root / "bodies")
    index.update()
    kept = {name: index.read(digest) for name, digest in house.refs.items()}
    assert kept == {USER: None, "bob": house.bodies["bob"], "both": house.bodies["both"]}


def test_bodies_behind_many_that_cannot_go_have_their_turn(house: House) -> None:
    """Those that a damaged pack may hold stay noted, and those behind them do not wait: one goes, one is Bob's too."""
    damaged = house.root / "bodies" / "w-9" / "00000000.pack"
    damaged.parent.mkdir()
    damaged.write_bytes(b"no pack at all" * 100)

    async def main() -> None:
        await house.journal.do(Shred(add=tuple(f"{number:064x}" for number in range(10_000))))
        await all_of(house.erasure())
        shredder = house.shredder()
        assert [await shredder.look(house.desk), await shredder.look(house.desk)] == [0, 1]

    house.live(main)
    damaged.unlink()
    index = BodyIndex(house.root / "bodies")
    index.update()
    assert index.read(house.refs[USER]) is None


def test_a_body_that_control_wrote_goes_within_the_hour(house: House) -> None:
    """Also where control writes no other one behind it, which would begin the next pack."""
    answer = b"what Zoe should have been told" * 100
    digest = house.kept.keep(answer)

    async def main() -> None:
        await house.journal.do(Shred(add=(digest,)))
        shredder = house.shredder()
        house.clock.advance(3599)
        assert await shredder.look(house.desk) == 0
        house.clock.advance(1)
        assert await shredder.look(house.desk) == 1

    house.live(main)
    index = BodyIndex(house.root / "bodies")
    index.update()
    assert index.read(digest) is None


@pytest.mark.parametrize("portions", [1, 2])
def test_broken_off_anywhere_it_goes_on_where_it_was(house: House, portions: int) -> None:
    """What is left is found by asking again: no store remembers whose erasure it was."""

    async def main() -> None:
        for _ in range(portions):
            await house.erasure().portion(USER, "ann")
        await all_of(house.erasure())
        assert {one.admitted.end_user for one in house.telemetry._calls} == {"bob"}
        assert await house.journal.find(Find(end_user=USER)) == ()

    house.live(main)
