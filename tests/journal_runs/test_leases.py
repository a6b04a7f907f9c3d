"""Leases: one driver at a time, and none that was fenced off writes again."""

from __future__ import annotations

import pytest

from tests.journal_runs.conftest import fresh
from tests.journal_runs.world import World, beginning, finishing
from trimtab.errors import StoreError
from trimtab.journal.asks import Claim, Note, Open, Release, Renew, Sweep, Swept, Written
from trimtab.journal.entries import Ended, Started, State, body_of


def test_a_driver_holds_its_run(world: World) -> None:
    """Nobody takes over a run while its lease lasts; then anybody may, under the next epoch."""
    lease = world.open(ttl_s=30.0)
    assert (lease.epoch, lease.until_ns - world.now, lease.head) == (1, 30_000_000_000, 2)
    assert world.refused(Claim("d2", "r")) == "LeaseHeld"
    world.nothing("t")
    world.clock.advance(20)
    assert world.renew().until_ns - world.now == 30_000_000_000
    world.clock.advance(29)
    world.nothing("t")
    world.clock.advance(1)
    assert world.claim("d2", "", "other", "t").epoch == 2
    assert world.kinds() == ["Started", "Leased", "Leased"]


def test_a_driver_that_was_fenced_off_writes_nothing(world: World) -> None:
    """A paused driver that wakes up after somebody took its run over is refused, whatever it asks."""
    world.open()
    world.begin()
    world.clock.advance(31)
    world.claim("d2", "r")
    asks = [
        beginning("look", "aa"),
        finishing(3, b"late", "r", 1, world.now),
        Renew("r", 1),
        Release("r", 1),
        Note("r", 1, State(world.now, "x", body_of(b"1"))),
        Note("r", 1, Ended(world.now, "completed")),
    ]
    assert [world.refused(ask) for ask in asks] == ["LeaseLost"] * len(asks)
    assert world.kinds() == ["Started", "Leased", "Intent", "Leased"]


def test_a_lease_that_ran_out_may_be_kept_while_nobody_took_the_run(world: World) -> None:
    """A slow machine loses nothing: its driver goes on, also after a sweep has told of it."""
    world.open()
    world.clock.advance(31)
    assert world.sweep().expired == ("r",)
    assert world.sweep().expired == ()
    assert world.begin().found == "go"
    assert world.renew().until_ns > world.now
    assert world.refused(Claim("d2", "r")) == "LeaseHeld"


def test_leases_of_a_driver_that_died_are_over(world: World) -> None:
    """Its runs are free at once; a lease that somebody took up since, that was given back or that is of no run is not
    touched, and those of others are held as before.
    """
    for run in ("dies", "taken", "back", "lives"):
        world.open(run)
    world.clock.advance(60)
    assert world.claim("d2", "taken").epoch == 2
    world.renew("dies")
    world.renew("lives")
    world.told(Release("back", 1), Written)
    swept = world.told(Sweep(dropped=tuple((run, 1) for run in ("dies", "taken", "back", "nowhere"))), Swept)
    assert swept.expired == ("dies",)
    assert world.told(Sweep(dropped=(("dies", 1),)), Swept).expired == ()
    assert world.claim("d2", "dies").epoch == 2
    assert world.refused(Renew("dies", 1)) == "LeaseLost"
    assert {world.refused(Claim("d3", run)) for run in ("taken", "lives")} == {"LeaseHeld"}


def test_a_driver_that_gave_its_run_back_begins_nothing(world: World) -> None:
    """After it let go a driver has to claim the run again."""
    world.open()
    world.release()
    world.release()
    assert world.refused(beginning()) == "LeaseLost"


def test_an_open_that_comes_again_gives_the_same_lease(world: World) -> None:
    """The answer was lost: the same driver gets its lease and no second one; after a step it is another matter."""
    assert world.open().epoch == world.open().epoch == 1
    assert len(world.entries()) == 2
    world.begin()
    assert world.refused(Open("r", Started(1, "t"), "d1")) == "LeaseHeld"
    world.release()
    assert world.claim("d2", "r").epoch == world.claim("d2", "r").epoch == 2


def test_a_run_is_begun_once_as_one_thing(world: World) -> None:
    """A run cannot be opened as something else; its input, task and parent are part of what it is."""
    world.open(input=body_of(b"1"))
    for facts in ({"input": body_of(b"2")}, {"input": body_of(b"1"), "key": "k"}):
        assert world.refused(Open("r", Started(1, "t", **facts), "d1")) == "RunExists"  # type: ignore[arg-type]
    assert world.refused(Open("r", Started(1, "u", input=body_of(b"1")), "d1")) == "RunExists"
    assert world.refused(Open("bad id", Started(1, "t"), "d1")) == "AskInvalid"


def test_a_run_of_calls_has_no_lease(world: World) -> None:
    """Its calls may come from anywhere; opening it again changes nothing, and nobody claims it."""
    assert world.calls().epoch == 0
    assert world.calls().head == 1
    assert world.refused(Claim("d1", "g")) == "AskInvalid"
    assert world.begin(run="g", epoch=0, branch="").found == "go"
    assert world.refused(beginning(run="g", epoch=1, branch="")) == "LeaseLost"
    assert world.refused(Open("h", Started(1, through="gateway"), "d1")) == "AskInvalid"


def test_a_gateway_may_open_a_driver_s_run(world: World) -> None:
    """A call of a run that a driver holds changes nothing of the run's lease."""
    world.open()
    assert world.calls("r").epoch == 1
    assert world.refused(beginning(epoch=0)) == "LeaseLost"


def test_a_run_that_was_given_back_waits(world: World) -> None:
    """Without a time it waits for an event, with one for that time, whichever comes first."""
    world.open()
    world.release()
    world.nothing("t")
    world.tell("e1")
    assert world.claim("d2", "", "t").epoch == 2
    world.release(epoch=2, wake_ns=world.now + 5_000_000_000)
    assert world.row().wake_ns == world.now + 5_000_000_000
    world.nothing("t")
    world.clock.advance(5)
    assert world.sweep().woken == ("r",)
    assert world.claim("d3", "", "t").epoch == 3


def test_what_came_before_a_run_was_given_back_wakes_it(world: World) -> None:
    """No event falls between a driver's last look and its release."""
    world.open()
    world.tell("e1")
    world.release()
    assert world.claim("d2", "", "t").epoch == 2
    world.release(epoch=2)
    world.nothing("t")


def test_an_event_counts_once(world: World) -> None:
    """One that is delivered again under its id is not written twice."""
    world.open()
    assert world.tell("e1").changed
    assert not world.tell("e1").changed
    assert world.tell("e2").changed
    assert world.kinds().count("Arrived") == 2


def test_the_longest_ready_is_claimed_first(world: World) -> None:
    """Runs of several tasks are taken in the order in which they could go on."""
    for run, task in (("a", "t"), ("b", "u"), ("c", "t")):
        world.open(run, task=task)
        world.clock.advance(1)
    world.clock.advance(30)
    assert [world.claim("x", "", "t", "u").run for _ in range(3)] == ["a", "b", "c"]


def test_the_end(world: World) -> None:
    """A run that has ended takes no step and no lease, but a result of what was under way is still written."""
    world.open()
    begun = world.begin()
    world.end()
    assert world.row().state == "completed"
    assert world.refused(beginning(after=3)) == "RunEnded"
    assert world.refused(Claim("d2", "r")) == "RunEnded"
    assert world.refused(Open("r", Started(1, "t"), "d1")) == "RunEnded"
    assert not world.told(Note("r", 1, Ended(world.now, "completed")), Written).changed
    world.finish(begun.seq)
    world.whole()
    assert world.sweep().expired == ()


def test_a_parent_is_woken_by_the_end_of_its_child(world: World) -> None:
    """A run that was given back while a sub-run works goes on when that has ended."""
    world.open()
    world.open("c", "d2", parent="r", parent_seq=2)
    world.release()
    world.nothing("t")
    world.end("c")
    assert world.claim("d3", "", "t").run == "r"
    assert world.found(parent="r") == ["c"]


def test_notes_that_come_again(world: World) -> None:
    """A value that is set once is written once, also when the ask comes again."""
    world.open()
    assert world.set("x", b"1").seq == world.set("x", b"1").seq == 3
    assert world.set("x", b"2").seq == 4


def test_a_restart_forgets_nothing(world: World) -> None:
    """The writer restarts between any two asks: leases, steps and heads are as before."""
    world.open()
    world.again()
    first = world.begin()
    world.again()
    world.finish(first.seq)
    world.again()
    assert world.refused(Claim("d2", "r")) == "LeaseHeld"
    assert world.begin("pay", "bb", after=3).seq == 5
    world.whole()


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, 1e6, float("nan")])
def test_a_lease_has_bounds(world: World, ttl_s: float) -> None:
    """A lease that ends at once, or never, is refused."""
    assert world.refused(Open("r", Started(1, "t"), "d1", ttl_s)) == "AskInvalid"
    assert world.found() == []


@pytest.mark.postgres
def test_one_keeper_writes_at_a_time(server: str) -> None:
    """A second writer of the same PostgreSQL is refused while the first is there, and not any more when it is gone."""
    opened = fresh(server)
    first = opened()
    with pytest.raises(StoreError, match="another keeper"):
        opened()
    first.close()
    opened().close()
