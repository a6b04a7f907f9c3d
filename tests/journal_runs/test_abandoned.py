"""Calls of runs that no driver sent, whose gateway worker is gone: closed, shown, and taken again as the same step."""

from __future__ import annotations

from typing import Any

from tests.journal_runs.world import World, finishing
from trimtab.journal.asks import Begin, Begun, Find, Holding, Sweep, Swept
from trimtab.journal.entries import Result, Tried
from trimtab.journal.run_counts import CountRuns, LiveRuns, RunsCounted, RunSums

GONE = ("g0-1",)


def call(world: World, call: str = "c1", holder: str = "g0-1", request: str = "aa", **facts: Any) -> Begun:
    """A call of run `g` through a worker."""
    ask = Begin("g", 0, "model", "chat", request, call=call, holder=holder, **facts)
    return world.told(ask, Begun)  # type: ignore[no-any-return]


def swept(world: World, **facts: Any) -> tuple[str, ...]:
    """The runs with calls that a sweep closed."""
    return world.told(Sweep(**facts), Swept).abandoned  # type: ignore[no-any-return]


def test_a_call_whose_worker_is_gone_is_closed_once(world: World) -> None:
    """It ends as cancelled and abandoned, at once, and a sweep that comes again finds nothing; others stay open."""
    world.calls("g")
    begun = call(world)
    other = call(world, "c2", "g1-1", "bb")
    assert swept(world, gone=GONE) == ("g",)
    assert swept(world, gone=GONE) == ()
    results = [one for one in world.entries("g") if isinstance(one, Result)]
    assert [(one.of, one.outcome, one.error) for one in results] == [(begun.seq, "cancelled", "abandoned")]
    assert (world.row("g").state, world.row("g").open) == ("running", 1)
    world.finish(other.seq, b"fine", "g", 0)
    assert (world.row("g").state, world.row("g").waits_for) == ("waiting", "calls")
    world.whole("g")


def test_who_is_there_keeps_what_it_has(world: World) -> None:
    """Without knowing who is there nothing is closed; then all that nobody there has under way."""
    world.calls("g")
    call(world)
    call(world, "c2", "g1-1", "bb")
    assert swept(world) == ()
    assert swept(world, here=("g0-1", "g1-1")) == ()
    assert swept(world, here=("g1-1",)) == ("g",)
    assert world.row("g").open == 1


def test_the_same_request_again_is_the_same_step(world: World) -> None:
    """It is sent again under its first intent, by the new call; its result takes the place of the unknown one."""
    world.calls("g")
    first = call(world)
    swept(world, gone=GONE)
    again = call(world, "c9", "g0-2")
    assert (again.seq, again.occurrence, again.found, again.again) == (first.seq, 0, "go", True)
    assert call(world, "c9", "g0-2").again
    assert (world.row("g").state, world.row("g").open) == ("running", 1)
    world.finish(again.seq, b"fine", "g", 0)
    row = world.row("g")
    assert (row.steps, row.asked, row.tried, row.open) == (1, 1, 2, 0)
    following = call(world, "c10", "g0-2")
    assert (following.seq > first.seq, following.occurrence) == (True, 1)
    world.whole("g")


def test_an_answer_that_came_late_counts(world: World) -> None:
    """A worker that was taken for gone and was not writes its result all the same."""
    world.calls("g")
    begun = call(world)
    swept(world, gone=GONE)
    world.finish(begun.seq, b"fine", "g", 0)
    assert world.row("g").open == 0
    assert isinstance(world.entries("g")[-1], Result)
    world.whole("g")


def test_a_call_of_an_ended_run_is_closed(world: World) -> None:
    """What was open when its run was stopped is closed after that, and the run stays stopped."""
    world.calls("g")
    call(world)
    world.order("stop", "g")
    assert swept(world, gone=GONE) == ("g",)
    assert (world.row("g").state, world.row("g").open) == ("stopped", 0)
    world.whole("g")


def test_a_run_of_calls_rests_between_them(world: World) -> None:
    """While none is under way it waits for the next one; paused, it stays paused, and waits when it is let go on."""
    world.calls("g")
    begun = call(world)
    assert world.row("g").state == "running"
    world.order("pause", "g")
    world.finish(begun.seq, b"fine", "g", 0)
    assert world.row("g").state == "paused"
    world.order("resume", "g")
    assert world.row("g").state == "waiting"
    call(world, "c2", request="bb")
    assert (world.row("g").state, world.row("g").waits_for) == ("running", "")


def test_tries_are_counted(world: World) -> None:
    """Repairs, a client that asks again after an error, and tokens; two different requests are two."""
    world.calls("g")
    one = call(world)
    tried = (Tried("transport", "output_invalid", 1), Tried("repair", "output_invalid", 2))
    world.told(finishing(one.seq, b"no", "g", 0, world.now, outcome="error", tried=tried, input_tokens=7), object)
    two = call(world, "c2")
    world.told(finishing(two.seq, b"yes", "g", 0, world.now, input_tokens=7, output_tokens=3), object)
    three = call(world, "c3", request="bb")
    world.finish(three.seq, b"yes", "g", 0)
    row = world.row("g")
    assert (row.steps, row.asked, row.tried, row.requests, row.tokens) == (3, 2, 4, 4, 17)
    assert row.amplification == 2.0


def test_a_tool_tried_again_and_a_driver_that_died_are_counted(world: World) -> None:
    """A step that another driver takes again is a try more, and asked once; timers ask nothing."""
    world.open()
    begun = world.begin()
    world.release()
    world.claim("d2", "r")
    assert world.begin(epoch=2).again
    tries = (Tried("tool", "TimeoutError", 1), Tried("tool", "ok", 2))
    world.told(finishing(begun.seq, b"done", "r", 2, world.now, tried=tries), object)
    world.begin("rest", "t", epoch=2, step="timer", after=begun.seq)
    row = world.row()
    assert (row.asked, row.tried, row.requests, row.steps) == (1, 3, 0, 2)


def test_runs_are_counted_by_how_they_stand(world: World) -> None:
    """Those that have not ended by task, state and whom they wait for; and what those that began lately came to."""
    world.open("a", task="t")
    world.step("look", "aa", run="a")
    world.review(world.begin("ask", "q", run="a", step="step", after=3).seq, run="a")
    world.release("a")
    world.open("b", "d2", task="t")
    world.end("b")
    world.clock.advance(100)
    since = world.now
    world.open("c", "d3", task="u")
    told = world.told(CountRuns(since), RunsCounted)
    assert told.live == (LiveRuns("t", "waiting", "review", 1), LiveRuns("u", "running", "", 1))
    assert told.sums == (RunSums("u", 1, 0, 0, 0, 0, 0, 0),)
    assert world.told(CountRuns(), RunsCounted).sums == ()
    assert world.told(CountRuns(1), RunsCounted).sums[0] == RunSums("t", 2, 2, 2, 2, 0, 0, 0)
    assert world.found(states=("waiting",)) == ["a"]
    assert Find().states == ()


def test_an_end_that_was_lost_is_made(world: World) -> None:
    """A worker says what it has open: what it does not know is closed once a minute old, what it has is not."""
    world.calls("g")
    lost = call(world)
    call(world, "c2", request="bb")
    call(world, "c3", "g1-1", "cc")
    assert world.told(Holding("g0-1", ("c2",)), Swept).abandoned == ()
    world.clock.advance(60)
    assert world.told(Holding("g0-1", ("c2",)), Swept).abandoned == ("g",)
    results = [one for one in world.entries("g") if isinstance(one, Result)]
    assert [(one.of, one.error) for one in results] == [(lost.seq, "abandoned")]
    assert world.row("g").open == 2
