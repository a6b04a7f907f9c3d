"""Runs are kept for their time and no longer, and what holds one keeps it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.journal_runs.world import World
from trimtab.database.connection import connect
from trimtab.database.migrate import migrate
from trimtab.journal.asks import Direct, Directed, Open, Sweep, Written
from trimtab.journal.entries import Started, body_of
from trimtab.journal.keeping import FindHolds, Hold, Holds, Retire, Retired
from trimtab.journal.runs.bodies import PackedBodies
from trimtab.journal.runs.database import SqliteDatabase, migrations, open_runs
from trimtab.journal.runs.named import named_of
from trimtab.journal.runs.retention import kept_for
from trimtab.journal.runs.store import RunStore
from trimtab.record import packs
from trimtab.record.disk import Disk
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.testing import JumpingClock

DAY_S = 86_400.0
LONG = b"x" * 5000


def finished(world: World, run: str, state: str = "completed", **facts: object) -> None:
    """A run of one step that has ended."""
    world.open(run, owner=f"d-{run}", **facts)
    world.step("look", run, LONG + run.encode(), run=run)
    world.end(run, state=state)


def retired(world: World, keep: dict[str, float] | None = None, **facts: object) -> list[str]:
    """All that goes, portion by portion."""
    usual_s = 30 * DAY_S
    gone, ask = list[str](), Retire(usual_s, keep or {}, **facts)  # type: ignore[arg-type]
    for _ in range(1000):
        told: Retired = world.told(ask, Retired)
        gone += told.runs
        if not told.more:
            return gone
        ask = Retire(usual_s, keep or {}, ask.tasks, told.after_ns, told.after, ask.limit, ask.idle)
    raise AssertionError("it never ends")


def days(world: World, number: float) -> None:
    """Time passes, and another run begins so that none of the others is the newest."""
    world.clock.advance(number * DAY_S)
    world.open("newest", owner="d-newest")


def test_runs_go_when_their_time_is_over(world: World) -> None:
    """Those that ended longer ago than they are kept go, by how they ended; nothing of them is found any more."""
    finished(world, "old")
    finished(world, "failed", "failed")
    world.clock.advance(20 * DAY_S)
    finished(world, "young")
    days(world, 11)
    assert retired(world, {"failed": 90 * DAY_S}) == ["old"]
    assert set(world.found()) == {"failed", "young", "newest"}
    assert world.refused(Hold("old", "pinned", "ann")) == "RunUnknown"
    assert world.database.rows("span", {"number": 1}) == [(None, None)]
    world.whole("failed", "young", "newest")
    assert retired(world, {"failed": 90 * DAY_S}) == []


def test_a_run_that_is_not_over_stays(world: World) -> None:
    """Whatever its age, and so do its parent and its sub-runs as long as the other one goes on."""
    world.open("parent", owner="p")
    begun = world.begin("sub", "aa", run="parent", step="child")
    finished(world, "child", parent="parent", parent_seq=begun.seq)
    world.open("other", owner="o")
    step = world.begin("sub", "aa", run="other", step="child")
    world.open("living", owner="l", parent="other", parent_seq=step.seq)
    world.end("other")
    days(world, 400)
    assert retired(world) == []
    world.end("parent")
    world.end("living")
    world.clock.advance(400 * DAY_S)
    world.open("newer", owner="d-newer")
    assert sorted(retired(world)) == ["child", "living", "other", "parent"]


def test_the_origin_of_a_fork_stays_until_the_fork_has_gone(world: World) -> None:
    """A fork has its own log, and what it was forked off can still be looked at beside it."""
    finished(world, "origin")
    world.clock.advance(20 * DAY_S)
    world.told(Open("fork", Started(world.now, "t", fork_of="origin", fork_seq=3), "f"), object)
    days(world, 20)
    assert retired(world) == []
    world.end("fork")
    world.clock.advance(31 * DAY_S)
    assert retired(world) == ["fork"]
    assert retired(world) == ["origin"]


def test_a_run_that_somebody_keeps_stays_until_they_let_go(world: World) -> None:
    """Keeping it twice changes nothing, and who keeps it is told."""
    finished(world, "r")
    days(world, 400)
    assert world.told(Hold("r", "pinned", "ann", "a complaint"), Written).changed
    assert not world.told(Hold("r", "pinned", "bob"), Written).changed
    held = world.told(FindHolds(), Holds).holds
    assert [(one.run, one.kind, one.by, one.reason) for one in held] == [("r", "pinned", "ann", "a complaint")]
    assert retired(world) == []
    assert world.told(Hold("r", "pinned", "ann", off=True), Written).changed
    assert not world.told(Hold("r", "pinned", "ann", off=True), Written).changed
    assert retired(world) == ["r"]
    assert world.told(FindHolds(), Holds).holds == ()


def test_what_was_reviewed_or_exported_is_kept_longer_where_that_is_declared(world: World) -> None:
    """A decision of a person and an export lengthen the time; a review that was superseded does not."""
    world.open("reviewed", owner="a")
    begun = world.begin("ask", "aa", run="reviewed", step="step")
    review = world.review(begun.seq, run="reviewed")
    world.decide(review.review)
    world.end("reviewed")
    world.open("superseded", owner="b")
    begun = world.begin("ask", "aa", run="superseded", step="step")
    world.review(begun.seq, run="superseded")
    world.end("superseded")
    finished(world, "exported")
    world.told(Hold("exported", "exported", "ann"), Written)
    days(world, 40)
    keep = {"reviewed": 60 * DAY_S, "exported": 100 * DAY_S}
    assert retired(world, keep) == ["superseded"]
    world.clock.advance(30 * DAY_S)
    assert retired(world, keep) == ["reviewed"]
    assert world.reviews(waiting=False) == []
    world.clock.advance(40 * DAY_S)
    assert retired(world, keep) == ["exported"]


def test_a_class_and_a_task_have_times_of_their_own(world: World) -> None:
    """What a task declares goes before what holds for all; a class that nobody declared stays as long as any."""
    finished(world, "plain")
    finished(world, "of-task", task="refund")
    finished(world, "legal", retention="legal")
    finished(world, "unknown", retention="leagl")
    days(world, 8)
    facts = {"tasks": {"refund": {"completed": 20 * DAY_S}}}
    keep = {"completed": 7 * DAY_S, "legal": 300 * DAY_S}
    assert retired(world, keep, **facts) == ["plain"]
    world.clock.advance(13 * DAY_S)
    assert retired(world, keep, **facts) == ["of-task"]
    world.clock.advance(280 * DAY_S)
    assert sorted(retired(world, keep, **facts)) == ["legal", "unknown"]


@pytest.mark.parametrize(
    ("state", "retention", "more", "kept"),
    [
        ("completed", "", (), 7.0),
        ("stopped", "", (), 30.0),
        ("completed", "short", (), 1.0),
        ("completed", "short", ("reviewed",), 60.0),
        ("completed", "none of these", (), 90.0),
        ("failed", "", ("reviewed", "exported"), 90.0),
    ],
)
def test_how_long_a_run_is_kept(state: str, retention: str, more: tuple[str, ...], kept: float) -> None:
    """Its class, else how it ended; reviewed and exported only lengthen that."""
    keep = {"completed": 7.0, "failed": 90.0, "reviewed": 60.0, "short": 1.0}
    assert kept_for(keep, 30.0, state, retention, more) == kept


def test_a_long_log_goes_in_portions_and_a_restart_between_them_loses_nothing(world: World) -> None:
    """The run is gone with the first commit, its rows with later ones, whoever restarts between."""
    world.open("r")
    for number in range(2600):
        world.set("n", b"%d" % number)
    world.end("r")
    days(world, 40)
    finished(world, "beside")
    first: Retired = world.told(Retire(30 * DAY_S), Retired)
    assert (first.runs, first.rows, first.more) == (("r",), 0, True)
    world.again()
    assert set(world.found()) == {"beside", "newest"}
    portions = [world.told(Retire(30 * DAY_S), Retired).rows for _ in range(2)]
    assert portions == [2000, 603]  # started, leased, 2,600 values, ended
    assert world.database.rows("to_remove", {"limit": 1}) == []
    world.whole("beside", "newest")


def test_a_run_that_goes_is_unknown_to_the_asks_of_the_same_commit(world: World) -> None:
    """What was asked with the removal is not written into the log of a run that is gone."""
    finished(world, "r")
    days(world, 40)
    told = world.store.do([Hold("r", "exported", "ann"), Retire(30 * DAY_S), Hold("r", "pinned", "ann")])
    assert [type(one).__name__ for one in told] == ["Written", "Retired", "Refused"]


def test_the_newest_run_stays_so_that_no_number_is_given_twice(world: World) -> None:
    """A run that begins while rows of others are deleted has none of theirs."""
    finished(world, "a")
    finished(world, "b")
    world.clock.advance(40 * DAY_S)
    told: Retired = world.told(Retire(30 * DAY_S), Retired)
    assert told.runs == ("a",)
    world.open("c")
    assert [type(one).__name__ for one in world.entries("c")] == ["Started", "Leased"]
    assert retired(world) == ["b"]
    world.whole("c")


def test_bodies_that_runs_name_are_told(world: World) -> None:
    """Those of runs that may name what is as old, and of forks of any age; not those of runs that are gone."""
    finished(world, "old")
    world.clock.advance(DAY_S)
    before_ns = world.now
    world.clock.advance(DAY_S)
    finished(world, "later")
    world.told(Open("fork", Started(world.now, "t", fork_of="old", fork_seq=5), "f"), object)
    digests = {run: bytes.fromhex(body_of(LONG + run.encode()).digest) for run in ("old", "later", "nobody")}
    held = set(digests.values())
    assert named_of(world.database, held, before_ns) == {digests["old"]}
    assert named_of(world.database, held, world.now + 1) == {digests["old"], digests["later"]}
    world.end("fork")
    days(world, 40)
    assert retired(world) == ["later", "fork"] or set(world.found()) == {"old", "newest"}
    assert named_of(world.database, held, world.now) == {digests["old"]}
    assert retired(world) == ["old"]
    assert named_of(world.database, held, world.now) == set()


def test_the_room_of_what_was_removed_goes_back_to_the_disk(tmp_path: Path) -> None:
    """In SQLite, also in a journal that was made by a release that did not give it back."""
    path = tmp_path / "journal.db"
    with closing(connect(path)) as old:
        migrate(old, path, migrations()[:1])
    world = World(lambda: open_runs(path))
    world.open("r")
    for number in range(3000):
        world.set("n", b"%d" % number * 200)
    world.end("r")
    days(world, 40)
    assert retired(world) == ["r"]
    world.store.close()
    assert path.stat().st_size < 200_000


def test_a_run_of_calls_alone_goes_when_it_was_last_written_to_so_long_ago(world: World) -> None:
    """Nobody ends it: it counts as completed then. One with a call under way, and one that is still used, stay."""
    for run in ("quiet", "used", "open"):
        world.calls(run)
        begun = world.begin("ask", run, run=run, epoch=0, branch="", effect="idempotent", holder="g0-a")
        if run != "open":
            world.finish(begun.seq, LONG + run.encode(), run=run, epoch=0)
    world.clock.advance(20 * DAY_S)
    world.step("ask", "more", LONG, run="used", epoch=0, branch="", effect="idempotent")
    days(world, 11)
    assert retired(world) == []
    assert retired(world, idle=True) == ["quiet"]
    assert set(world.found()) == {"used", "open", "newest"}
    world.clock.advance(20 * DAY_S)
    assert retired(world, {"completed": 90 * DAY_S}, idle=True) == []
    assert retired(world, idle=True) == ["used"]
    world.whole("open", "newest")


def test_what_is_committed_stands_where_no_room_can_be_given_back(tmp_path: Path) -> None:
    """The disk fails while free pages are given back: runs are gone, and what was asked beside is told as done."""

    def opened() -> SqliteDatabase:
        connection = connect(tmp_path / "journal.db")
        migrate(connection, tmp_path / "journal.db", migrations())
        connection.set_authorizer(
            lambda _, name, *__: sqlite3.SQLITE_DENY if name == "incremental_vacuum" else sqlite3.SQLITE_OK
        )
        return SqliteDatabase(connection)

    world = World(opened)
    with closing(world.store):
        finished(world, "old")
        days(world, 31)
        assert world.told(Retire(30 * DAY_S), Retired).runs == ("old",)
        removed, ordered = world.store.do([Retire(30 * DAY_S), Direct("stop", "ann", "newest")])
        assert isinstance(removed, Retired) and removed.rows == 5
        assert ordered == Directed(("newest",))


def test_a_pack_is_finished_within_its_hour(tmp_path: Path) -> None:
    """Also where no other body comes after it, so that what is erased can be taken out of it."""
    clock = JumpingClock()
    log = RollingLog(tmp_path / "k-1", packs.PACK, clock, Disk(), max_bytes=1 << 20, max_age_s=3600.0)
    with closing(RunStore(open_runs(tmp_path / "journal.db"), PackedBodies(log, BodyIndex(tmp_path)), clock)) as store:
        store.do([Open("r", Started(0, "t", input=body_of(LONG)), "d1", content=LONG)])
        (pack,) = map(Path, packs.files(tmp_path))
        clock.advance(3599)
        store.do([Sweep()])
        assert not packs.finished(pack)
        clock.advance(1)
        store.do([Sweep()])
        assert packs.finished(pack)
        store.do([Open("s", Started(0, "t", input=body_of(LONG)), "d2", content=LONG)])
        assert len(packs.files(tmp_path)) == 2
        log.close()
