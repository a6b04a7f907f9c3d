"""All that runs say of an end user is taken out, and their logs can be verified all the same."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tests.journal_runs.world import World, beginning
from trimtab.journal.asks import Direct, Directed, FindReviews, Open, Reviews
from trimtab.journal.entries import Ended, Erased, Intent, Result, Started, State, body_of
from trimtab.journal.erasing import Erase, FindShreds, RunErased, Shred, Shreds
from trimtab.journal.run_counts import Standing, StandingOrder, Stands, Verified, Verify
from trimtab.journal.runs.database import SqliteDatabase, open_runs, open_runs_to_read
from trimtab.journal.runs.verify import verify_run

SECRET = "Zoe Miller, 4 Elm Street"
LONG = SECRET.encode() * 100


def theirs(world: World, run: str = "r", **facts: object) -> None:
    """A run of Zoe's, with her words wherever words can stand."""
    world.told(
        Open(run, Started(world.now, "t", SECRET, input=body_of(SECRET.encode()), key=SECRET, conversation=SECRET,
                          end_user="zoe", **facts), f"d-{run}"), object,
    )  # fmt: skip
    world.step("look", f"aa{run}", LONG + run.encode(), run=run, input=body_of(SECRET.encode()), key=SECRET)
    world.set("note", SECRET.encode(), run=run)
    world.tell(f"{SECRET}{run}", run=run, name="paid")
    begun = world.begin("ask", "bb", run=run, step="step", after=world.row(run).head)
    review = world.review(begun.seq, run=run)
    world.decide(review.review, reason=SECRET)


def erased(world: World, end_user: str = "zoe") -> list[RunErased]:
    """All that goes, run by run."""
    found: list[RunErased] = []
    while (told := world.told(Erase(end_user, "e1", "ann"), RunErased)).run:
        found.append(told)
        assert len(found) < 50
    return found


def everything(world: World) -> bytes:
    """Every row of every log and table, as text."""
    rows = [
        row
        for number in range(1, 9)
        for row in world.database.rows("entries", {"number": number, "since": 1, "limit": 1000})
    ]
    return repr(rows).encode() + repr([world.row(run) for run in world.found()]).encode()


def test_nothing_of_what_was_said_is_left_and_the_log_is_whole(world: World) -> None:
    """Kinds, places, outcomes and figures stay; words, digests of bodies and the person do not."""
    theirs(world)
    world.end()
    told = erased(world)
    assert [(one.run, one.reviews, one.bodies) for one in told] == [("r", 1, 1)]
    assert SECRET.encode() not in everything(world) and b"zoe" not in everything(world)
    assert world.reviews(waiting=False) == []
    entries = world.entries()
    assert told[0].entries == len(entries) - 1
    started, last = entries[0], entries[-1]
    assert isinstance(started, Started) and (started.task, started.end_user, started.input) == ("t", "", None)
    assert isinstance(last, Erased) and (last.erasure, last.by, last.entries) == ("e1", "ann", len(entries) - 1)
    assert [one.outcome for one in entries if isinstance(one, Result)] == ["ok"]
    assert [one.value.digest for one in entries if isinstance(one, State)] == [""]
    assert all(one.input is None and not one.request for one in entries if isinstance(one, Intent))
    world.whole()
    assert world.ask(Verify("r")) == Verified("r", len(entries), 0, ())
    assert world.found(end_user="zoe") == []


def test_what_is_left_cannot_be_changed_unseen(world: World) -> None:
    """What is left is sealed by a later entry: another word in it is told."""
    theirs(world)
    world.end()
    erased(world)
    (_, content, _) = world.database.rows("entries", {"number": 1, "since": 3, "limit": 1})[0]
    changed = bytes(content).replace(b'"look"', b'"took"')
    assert changed != content
    world.database.begin()
    world.database.run("erase_entry", {"number": 1, "seq": 3, "content": changed})
    world.database.commit()
    fault = verify_run(world.database, "r")
    assert fault is not None and "digest" in fault.detail


def test_a_run_that_goes_on_is_ended_and_its_driver_adds_nothing(world: World) -> None:
    """It is cancelled in the same commit."""
    theirs(world)
    erased(world)
    assert world.row().state == "cancelled"
    assert [one.error for one in world.entries() if isinstance(one, Ended)] == ["erased"]
    assert world.refused(beginning("more", "cc")) == "RunEnded"
    world.whole()


def test_why_a_run_was_stopped_goes_too(world: World) -> None:
    """What somebody gave as the reason of an order is told to nobody who asks which orders hold."""
    theirs(world)
    world.told(Direct("stop", "ann", "r", reason=f"{SECRET} complained"), Directed)
    world.release()
    erased(world)
    assert world.ask(Standing(("r",))) == Stands((StandingOrder("r", "stop", "ann"),))
    world.whole()


def test_forks_and_what_a_run_began_go_with_it(world: World) -> None:
    """Whoever they are said to be of; other runs stay, and nothing can be forked off what is empty."""
    theirs(world)
    begun = world.begin("sub", "cc", step="child", after=world.row().head)
    world.open("child", owner="c", parent="r", parent_seq=begun.seq)
    world.told(Open("fork", Started(world.now, "t", fork_of="r", fork_seq=5), "f"), object)
    world.open("other", owner="o", end_user="bob")
    assert sorted(one.run for one in erased(world)) == ["child", "fork", "r"]
    assert SECRET.encode() not in everything(world)
    world.whole("r", "child", "fork", "other")
    assert world.row("other").end_user == "bob"
    assert world.refused(Open("late", Started(world.now, "t", fork_of="r", fork_seq=3), "l")) == "AskInvalid"
    assert erased(world) == []


def test_a_restart_between_runs_goes_on_where_it_was(world: World) -> None:
    """Each run is one commit; what is left after a kill is found by the same question."""
    for number in range(3):
        theirs(world, f"r{number}")
    assert world.told(Erase("zoe", "e1", "ann"), RunErased).run == "r2"
    world.again()
    world.whole("r0", "r1", "r2")
    assert [one.run for one in erased(world)] == ["r1", "r0"]
    world.whole("r0", "r1", "r2")


def test_bodies_that_are_to_go_are_noted_with_the_run(world: World) -> None:
    """In the same commit, so that none is forgotten; each is noted once and crossed out when it is gone."""
    theirs(world)
    erased(world)
    digest = body_of(LONG + b"r").digest
    assert world.told(FindShreds(), Shreds).digests == (digest,)
    world.told(Shred(add=(digest, "ab" * 32)), Shreds)
    assert set(world.told(FindShreds(), Shreds).digests) == {digest, "ab" * 32}
    world.told(Shred(done=(digest,)), Shreds)
    assert world.told(FindShreds(), Shreds).digests == ("ab" * 32,)


def test_no_file_of_the_journal_holds_a_word_of_it(tmp_path: Path) -> None:
    """SQLite overwrites what it deletes, and its write-ahead log is emptied."""
    world = World(lambda: open_runs(tmp_path / "journal.db"))
    theirs(world)
    assert any(SECRET.encode() in path.read_bytes() for path in tmp_path.iterdir())
    erased(world)
    assert [path.name for path in tmp_path.iterdir() if SECRET.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("end_user", ["", "nobody"])
def test_nobody_is_nobody(world: World, end_user: str) -> None:
    """A run without an end user is not theirs whom nobody named."""
    world.open("r")
    if end_user:
        assert erased(world, end_user) == []
    else:
        assert world.refused(Erase("", "e1", "ann")) == "AskInvalid"
    assert world.told(FindReviews(), Reviews).reviews == ()
    assert world.row().state == "running"


def test_an_erasure_waits_for_no_reader(tmp_path: Path) -> None:
    """Somebody reads the journal for long meanwhile: the log is not emptied then, and nobody's commits are held up."""
    path = tmp_path / "journal.db"
    open_runs(path).close()
    patient = sqlite3.connect(path, timeout=3600, isolation_level=None, check_same_thread=False)
    database, reader = SqliteDatabase(patient), open_runs_to_read(path)
    with reader.at_once():
        reader.rows("run", {"run": "r"})
        database.begin()
        database.run("shred", {"digest": "aa"})
        database.commit()
        purging = threading.Thread(target=database.purge, daemon=True)
        purging.start()
        purging.join(30)
        assert not purging.is_alive()
    assert patient.execute("PRAGMA busy_timeout").fetchone() == (3_600_000,)
    database.purge()
    assert (tmp_path / "journal.db-wal").stat().st_size == 0
    reader.close()
    database.close()
