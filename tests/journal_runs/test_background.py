"""Background calls in the journal: each is taken in once, made under a lease, settled once, and kept for a while."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.journal_runs.world import World
from trimtab.journal.asks import Begin, Begun, Claim, Direct, Directed, Find, Finish, Nothing, Runs, Sweep, Swept
from trimtab.journal.background import (
    BRANCH,
    BackgroundCalls,
    BackgroundCounts,
    CountBackground,
    FindBackground,
    Limits,
    Poll,
    Polled,
    Redrive,
    Settle,
    Submit,
    Submitted,
    Take,
    Taken,
    ToldOf,
)
from trimtab.journal.entries import Result, Started, body_of

LIMITS = Limits(most_waiting=2, most_tries=3, life_s=3600.0, keep_s=86_400.0)
LONG = b'{"input": "' + b"x" * 2000 + b'"}'


def submission(
    world: World, run: str = "b1", key: str = "app", request: bytes = b'{"model": "t"}', **facts: Any
) -> Submit:
    body = body_of(request)
    started = Started(world.now, "t", through="background", input=body)
    content = request if body.inline is None else b""
    facts = {"limits": LIMITS, "content": content, **facts}
    return Submit(run, started, key, "answer", "chat_completions", "small", **facts)


def take(world: World, owner: str = "g0", busy: tuple[str, ...] = ()) -> Taken:
    return world.told(Take(owner, 15.0, busy), Taken)  # type: ignore[no-any-return]


def none_due(world: World) -> None:
    world.told(Take("g0", 15.0), Nothing)


def begin(world: World, taken: Taken, label: str = "t", request: str = "aa") -> Begun:
    run = taken.call.run
    ask = Begin(run, taken.epoch, "model", label, request, branch=BRANCH, after=taken.after, call=f"c{taken.epoch}")
    return world.told(ask, Begun)  # type: ignore[no-any-return]


def answer(world: World, taken: Taken, outcome: Any = "ok", output: bytes = b'{"choices": []}') -> int:
    """The call is made under the lease; the seq of its step."""
    seq = begin(world, taken).seq
    result = Result(world.now, seq, outcome, body_of(output), status=200 if outcome == "ok" else 502)
    world.ask(Finish(taken.call.run, taken.epoch, result))
    return seq


def settle(world: World, taken: Taken, how: Any, of: int = 0, **facts: Any) -> None:
    world.ask(Settle(taken.call.run, taken.epoch, how, of, **facts))


def poll(world: World, run: str = "b1", key: str = "app") -> Polled:
    return world.told(Poll(run, key), Polled)  # type: ignore[no-any-return]


def test_a_call_is_taken_made_and_polled(world: World) -> None:
    """Queued, in progress, completed: with the very answer, and its run ends with it."""
    world.told(submission(world, request=LONG, headers={"x-trimtab-step": "s"}), Submitted)
    assert poll(world).call.status == "queued"
    taken = take(world)
    assert (taken.content, taken.headers, taken.after, taken.epoch) == (LONG, {"x-trimtab-step": "s"}, 0, 1)
    assert poll(world).call.status == "in_progress"
    settle(world, taken, "done", answer(world, taken), status=200)
    polled = poll(world)
    assert (polled.call.status, polled.content, polled.call.tries) == ("completed", b'{"choices": []}', 1)
    assert world.row("b1").state == "completed"
    none_due(world)
    world.whole("b1")


def test_a_submission_that_comes_again_is_the_first_one(world: World) -> None:
    """By its id after a lost connection, by what its client calls it under another id; with another request it is
    refused, and under another key it is another one.
    """
    world.told(submission(world, repeat="order-7"), Submitted)
    assert not world.told(submission(world, repeat="order-7"), Submitted).changed
    again = world.told(submission(world, "b2", repeat="order-7"), Submitted)
    assert (again.call.run, again.changed) == ("b1", False)
    assert world.refused(submission(world, "b3", request=b"{}", repeat="order-7")) == "RepeatDiffers"
    assert world.refused(submission(world, "b1", request=b"{}")) == "RunExists"
    assert world.told(submission(world, "b4", "other", repeat="order-7"), Submitted).call.run == "b4"


def test_a_repeat_to_another_task_or_surface_is_refused(world: World) -> None:
    """Its body may be the same, and its answer is another one."""
    first = submission(world, repeat="order-7")
    world.told(first, Submitted)
    again = submission(world, "b2", repeat="order-7")
    other = replace(again.started, task="u")
    for differing in (
        replace(again, surface="messages"),
        replace(again, kind="response"),
        replace(again, started=other),
    ):
        assert world.refused(differing) == "RepeatDiffers"
    assert world.told(again, Submitted).call.run == "b1"


def test_a_key_has_so_many_waiting_and_no_more(world: World) -> None:
    """What is over does not count, nor what other keys have."""
    world.told(submission(world, "b1"), Submitted)
    world.told(submission(world, "b2"), Submitted)
    assert world.refused(submission(world, "b3")) == "TooManyWaiting"
    world.told(submission(world, "b4", "other"), Submitted)
    taken = take(world)
    settle(world, taken, "done", answer(world, taken))
    world.told(submission(world, "b3"), Submitted)


def test_only_its_key_sees_a_call(world: World) -> None:
    """Another key is told of it like of one that is not there."""
    world.told(submission(world), Submitted)
    assert world.refused(Poll("b1", "other")) == world.refused(Poll("b9", "app")) == "BackgroundUnknown"
    assert world.told(Poll("b1", anybody=True), Polled).call.key == "app"


def test_a_worker_that_dies_is_followed_by_another(world: World) -> None:
    """When its lease is over the call is sent again as the same step; the late worker is refused."""
    world.told(submission(world), Submitted)
    dead = take(world)
    first = begin(world, dead)
    none_due(world)
    world.clock.advance(15)
    taken = take(world, "g1")
    again = begin(world, taken)
    assert (again.seq, again.found, again.again) == (first.seq, "go", True)
    late = Result(world.now, first.seq, "ok", body_of(b"late"))
    assert world.refused(Finish("b1", dead.epoch, late)) == "LeaseLost"
    assert world.refused(Settle("b1", dead.epoch, "done", first.seq)) == "LeaseLost"
    settle(world, taken, "done", answer(world, taken))
    assert poll(world).content == b'{"choices": []}'


def test_a_worker_that_is_gone_is_followed_at_once(world: World) -> None:
    """Keeper knows by its connection: nobody waits for the end of its lease, nor of those of workers that are there."""
    world.told(submission(world), Submitted)
    world.told(submission(world, "b2"), Submitted)
    take(world, "g0")
    take(world, "g1")
    world.told(Sweep(here=("g0", "g1")), Swept)
    none_due(world)
    world.told(Sweep(gone=("g0",)), Swept)
    assert take(world, "g2").call.run == "b1"
    none_due(world)
    world.told(Sweep(here=("g2",)), Swept)
    assert take(world, "g2").call.run == "b2"


def test_an_answer_that_was_not_settled_is_not_asked_for_again(world: World) -> None:
    """A worker that died between the result and its settling leaves the answer to the next one."""
    world.told(submission(world), Submitted)
    answer(world, take(world))
    world.clock.advance(15)
    taken = take(world, "g1")
    found = begin(world, taken)
    assert (found.found, found.result.output if found.result else None) == ("recorded", body_of(b'{"choices": []}'))
    settle(world, taken, "done", found.seq)
    assert poll(world).call.status == "completed"


@pytest.mark.parametrize(("label", "request_"), [("renamed", "aa"), ("t", "bb")])
def test_a_try_goes_on_though_its_request_is_seen_as_another_one(world: World, label: str, request_: str) -> None:
    """Where the label of a task, or what of requests is volatile, was changed between two tries, the call is made."""
    world.told(submission(world), Submitted)
    taken = take(world)
    seq = begin(world, taken).seq
    settle(world, taken, "back")
    again = take(world)
    begun = begin(world, again, label, request_)
    assert (begun.seq, begun.found, begun.again) == (seq, "go", True)
    world.ask(Finish("b1", again.epoch, Result(world.now, seq, "ok", body_of(b"{}"), status=200)))
    settle(world, again, "back")
    assert begin(world, take(world), label, request_).found == "recorded"


def test_workers_that_die_at_every_try_make_a_dead_letter(world: World) -> None:
    """A request that kills whoever sends it is not sent for ever."""
    world.told(submission(world), Submitted)
    for _ in range(3):
        begin(world, take(world))
        world.clock.advance(15)
    none_due(world)
    call = poll(world).call
    assert (call.status, call.error, call.tries) == ("failed", "abandoned", 3)
    assert world.row("b1").state == "parked"


def test_tries_that_fail_are_counted_and_spaced(world: World) -> None:
    """Each is a step after the one before it; what could not be tried does not count; the last one is a dead letter."""
    world.told(submission(world), Submitted)
    for number in range(3):
        taken = take(world)
        assert taken.call.tries == number + 1
        seq = answer(world, taken, "error", b'{"error": {}}')
        settle(world, taken, "again", seq, delay_s=5.0, status=502, error="upstream_error")
        if number == 1:
            world.clock.advance(5)
            refused = take(world)
            assert refused.after == seq
            settle(world, refused, "again", counted=False, status=503, error="overloaded")
        elif not number:
            none_due(world)
            world.clock.advance(5)
    polled = poll(world)
    assert (polled.call.status, polled.call.error, polled.content) == ("failed", "upstream_error", b'{"error": {}}')
    assert world.kinds("b1").count("Intent") == 3


def test_a_dead_letter_is_made_again_under_its_id(world: World) -> None:
    """With all its tries; what it answered before does not count any more."""
    world.told(submission(world), Submitted)
    taken = take(world)
    settle(world, taken, "dead", answer(world, taken, "error"), status=400, error="invalid_request", told="{}")
    assert world.told(CountBackground(), BackgroundCounts) == BackgroundCounts(dead=1)
    world.clock.advance(1800)
    world.ask(Redrive("b1", "ana"))
    assert poll(world).call.status == "queued"
    again = take(world)
    assert (again.call.tries, again.call.deadline_ns) == (1, world.now + 3600 * 10**9)
    settle(world, again, "done", answer(world, again, output=b"good"))
    assert (poll(world).call.status, poll(world).content) == ("completed", b"good")
    assert world.refused(Redrive("b1", "ana")) == "AskInvalid"
    world.whole("b1")


@pytest.mark.parametrize(("order", "state"), [("cancel", "cancelled"), ("stop", "stopped")])
def test_an_order_ends_a_call(world: World, order: Any, state: str) -> None:
    """One that waits ends at once; one that is being made is told so at once, and stays so whatever comes."""
    world.told(submission(world), Submitted)
    world.told(submission(world, "b2"), Submitted)
    taken = take(world)
    seq = answer(world, taken)
    assert world.told(Direct(order, "ana", task="t"), Directed).runs == ("b1", "b2")
    assert [poll(world, run).call.status for run in ("b1", "b2")] == ["cancelled", "cancelled"]
    settle(world, taken, "done", seq)
    assert [poll(world, run).call.status for run in ("b1", "b2")] == ["cancelled", "cancelled"]
    assert [world.row(run).state for run in ("b1", "b2")] == [state, state]
    none_due(world)


def test_a_paused_call_waits(world: World) -> None:
    """Nobody takes it until it is resumed; one that was being made may end."""
    world.told(submission(world), Submitted)
    world.told(submission(world, "b2"), Submitted)
    taken = take(world)
    world.told(Direct("pause", "ana"), Directed)
    none_due(world)
    settle(world, taken, "done", answer_open(world, taken))
    assert poll(world).call.status == "completed"
    world.told(Direct("resume", "ana"), Directed)
    assert take(world).call.run == "b2"


def answer_open(world: World, taken: Taken) -> int:
    """A step that had begun before the pause."""
    world.told(Direct("resume", "ana", run=taken.call.run), Directed)
    seq = answer(world, taken)
    world.told(Direct("pause", "ana", run=taken.call.run), Directed)
    return seq


def test_a_dead_letter_that_is_paused_and_resumed_is_one_still(world: World) -> None:
    """An order for everything does not make it a call that waits."""
    world.told(submission(world), Submitted)
    settle(world, take(world), "dead", status=400, error="invalid_request")
    world.ask(Direct("pause", "ana"))
    world.ask(Direct("resume", "ana"))
    none_due(world)
    assert (poll(world).call.status, world.row("b1").state) == ("failed", "parked")
    world.ask(Redrive("b1", "ana"))
    assert take(world).call.run == "b1"


def test_a_call_that_is_not_done_in_time_fails(world: World) -> None:
    """Also one that waited all the time; a worker that has it is not interrupted here."""
    world.told(submission(world), Submitted)
    world.told(submission(world, "b2"), Submitted)
    world.clock.advance(3599)
    taken = take(world)
    world.clock.advance(2)
    world.told(Sweep(), Swept)
    assert (poll(world, "b2").call.error, poll(world, "b2").call.status_code) == ("deadline_total", 504)
    settle(world, taken, "again", status=502, error="upstream_error")
    assert poll(world).call.status == "failed"


def test_answers_are_kept_for_a_while(world: World) -> None:
    """Then they are forgotten, dead letters too; the runs stay, and have ended."""
    world.told(submission(world), Submitted)
    world.told(submission(world, "b2"), Submitted)
    taken = take(world)
    settle(world, taken, "done", answer(world, taken))
    settle(world, take(world), "dead", status=400, error="invalid_request")
    world.clock.advance(86_399)
    world.told(Sweep(), Swept)
    assert poll(world).call.status == "completed"
    world.clock.advance(1)
    world.told(Sweep(), Swept)
    assert [world.refused(Poll(run, "app")) for run in ("b1", "b2")] == ["BackgroundUnknown"] * 2
    assert [world.row(run).state for run in ("b1", "b2")] == ["completed", "failed"]
    assert world.refused(Redrive("b2", "ana")) == "AskInvalid"


def test_receivers_are_told_of_each_end_once(world: World) -> None:
    """Of a failure, and of what became of it when it was re-driven."""
    world.told(submission(world, receiver="ops"), Submitted)
    world.told(submission(world, "b2"), Submitted)
    assert world.told(FindBackground(untold=True), BackgroundCalls).calls == ()
    settle(world, take(world), "dead", status=400, error="invalid_request")
    [failed] = world.told(FindBackground(untold=True), BackgroundCalls).calls
    assert (failed.run, failed.status, failed.receiver) == ("b1", "failed", "ops")
    world.ask(ToldOf((("b1", failed.over_ns),)))
    assert world.told(FindBackground(untold=True), BackgroundCalls).calls == ()
    world.clock.advance(1)
    world.ask(Redrive("b1", "ana"))
    taken = take(world, busy=("large",))
    taken = taken if taken.call.run == "b1" else take(world)
    settle(world, taken, "done", answer(world, taken))
    [done] = world.told(FindBackground(untold=True), BackgroundCalls).calls
    assert (done.run, done.status) == ("b1", "completed")
    world.ask(ToldOf((("b1", failed.over_ns),)))
    assert len(world.told(FindBackground(untold=True), BackgroundCalls).calls) == 1


def test_busy_models_are_left_alone(world: World) -> None:
    """A call of a model that has much to do waits."""
    world.told(submission(world), Submitted)
    world.told(Take("g0", 15.0, ("small",)), Nothing)
    assert take(world, busy=("large",)).call.run == "b1"


def test_a_call_that_is_given_back_counts_no_try(world: World) -> None:
    """A worker that drains leaves it to the next one."""
    world.told(submission(world), Submitted)
    settle(world, take(world), "back")
    taken = take(world, "g1")
    assert taken.call.tries == 1


def test_drivers_of_runs_do_not_get_background_calls(world: World) -> None:
    """They share the task, and nothing else."""
    world.told(submission(world), Submitted)
    world.nothing("t")
    assert world.refused(Claim("d1", "b1")) == "AskInvalid"


def test_calls_are_listed_and_counted(world: World) -> None:
    """The latest first, by status; runs are found by what they are made of."""
    world.told(submission(world, "b1"), Submitted)
    world.clock.advance(10)
    world.told(submission(world, "b2"), Submitted)
    world.open("r")
    take(world)
    counts = world.told(CountBackground(), BackgroundCounts)
    assert counts == BackgroundCounts(queued=1, in_progress=1, oldest_ns=world.now - 10 * 10**9)
    listed = world.told(FindBackground(), BackgroundCalls).calls
    assert [(call.run, call.status) for call in listed] == [("b2", "queued"), ("b1", "in_progress")]
    assert [call.run for call in world.told(FindBackground(before="b2"), BackgroundCalls).calls] == ["b1"]
    assert [call.run for call in world.told(FindBackground(statuses=("queued",)), BackgroundCalls).calls] == ["b2"]
    assert world.told(FindBackground(task="other"), BackgroundCalls).calls == ()
    assert [row.run for row in world.told(Find(through="background"), Runs).runs] == ["b2", "b1"]
    assert [row.run for row in world.told(Find(task="t", through="sdk"), Runs).runs] == ["r"]


def test_all_of_it_is_there_after_a_restart(world: World) -> None:
    """The writer restarts at every point of a call's life."""
    world.told(submission(world, request=LONG), Submitted)
    world.again()
    taken = take(world)
    world.again()
    seq = answer(world, taken)
    world.again()
    settle(world, taken, "done", seq)
    world.again()
    assert poll(world).content == b'{"choices": []}'
