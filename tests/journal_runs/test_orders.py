"""Orders, findings about unknown outcomes, and forks."""

from __future__ import annotations

import pytest

from tests.journal_runs.world import World, beginning
from trimtab.journal.asks import Claim, Direct, Note, Open, Refused, Written
from trimtab.journal.entries import Ended, Started, body_of


def test_a_paused_run_takes_no_step(world: World) -> None:
    """It keeps what it has, tells its driver, is claimed by nobody, and goes on when somebody lets it."""
    world.open()
    begun = world.begin()
    assert world.order("pause", "r") == ("r",)
    assert world.order("pause", "r") == ()
    assert world.row().state == "paused"
    assert world.renew().order == "pause"
    assert world.refused(beginning(after=3)) == "Halted"
    world.finish(begun.seq)
    world.release()
    world.nothing("t")
    assert world.refused(Claim("d2", "r")) == "Halted"
    assert world.order("resume", "r") == ("r",)
    assert world.claim("d2", "", "t").epoch == 2
    assert world.begin(epoch=2).found == "recorded"
    world.whole()


def test_a_resumed_run_may_go_on_with_its_driver(world: World) -> None:
    """A driver that kept its lease meanwhile takes the next step."""
    world.open()
    world.order("pause", "r")
    world.order("resume")
    assert world.row().state == "running"
    assert world.begin().found == "go"


@pytest.mark.parametrize(("order", "state"), [("stop", "stopped"), ("cancel", "cancelled")])
def test_a_stopped_run_ends(world: World, order: str, state: str) -> None:
    """One without driver ends at once, one with a driver when that says so or loses its lease."""
    world.open("a")
    world.release("a")
    world.open("b", "d2")
    world.open("c", "d3")
    assert world.order(order, task="t") == ("a", "b", "c")  # type: ignore[arg-type]
    assert world.row("a").state == state
    assert world.row("b").state == "running"
    assert world.refused(beginning(run="b")) == "Halted"
    world.told(Note("b", 1, Ended(world.now, state)), Written)  # type: ignore[arg-type]
    world.clock.advance(31)
    assert world.sweep().expired == ("c",)
    assert [world.row(run).state for run in "abc"] == [state] * 3
    assert world.order(order) == ()  # type: ignore[arg-type]
    assert world.refused(Direct("stop", "ann", "a")) == "RunEnded"
    world.whole("a", "b", "c")


def test_a_stopped_run_that_is_given_back_ends(world: World) -> None:
    """Its driver left it without having heard of the order: nobody else would end it."""
    world.open()
    world.order("stop", "r")
    world.release(wake_ns=world.now + 10**12)
    assert world.row().state == "stopped"
    assert world.row().owner == ""
    world.release()
    world.whole()


def test_an_order_reaches_sub_runs(world: World) -> None:
    """What is said to a run holds for all it began, at any depth, and for no other."""
    world.open("a")
    world.open("b", parent="a")
    world.open("c", parent="b")
    world.open("d")
    assert set(world.order("pause", "a")) == {"a", "b", "c"}
    assert world.row("d").state == "running"


def test_calls_of_a_stopped_run(world: World) -> None:
    """A run of calls alone ends at once; no call of it begins after that."""
    world.calls()
    world.order("pause", "g")
    assert world.refused(beginning(run="g", epoch=0, branch="")) == "Halted"
    world.order("resume", "g")
    assert world.begin(run="g", epoch=0, branch="").found == "go"
    world.order("stop", "g")
    assert world.refused(beginning(run="g", epoch=0, branch="")) == "RunEnded"


def parked(world: World) -> int:
    """A run whose effect has an unknown outcome; the effect's seq."""
    world.open()
    seq = world.begin("pay", "p1", effect="write").seq
    world.release()
    world.claim("d2", "r")
    assert world.begin("pay", "p1", epoch=2, effect="write").found == "unknown"
    world.release(epoch=2)
    world.nothing("t")
    return seq


def test_an_unknown_outcome_that_happened(world: World) -> None:
    """A person says that it happened and what came of it: that is its result from then on."""
    seq = parked(world)
    assert world.row().waits_for == f"step {seq}"
    assert isinstance(world.reconcile(seq, "happened", output=b"paid"), Written)
    assert world.claim("d3", "", "t").epoch == 3
    met = world.begin("pay", "p1", epoch=3, effect="write")
    assert met.found == "recorded" and met.result is not None and met.result.output == body_of(b"paid")
    assert world.reconcile(seq, "repeat") == Refused("OutcomeKnown", {"run": "r", "seq": str(seq)})
    world.whole()


@pytest.mark.parametrize("found", ["did_not_happen", "repeat"])
def test_an_unknown_outcome_that_is_sent_again(world: World, found: str) -> None:
    """The effect goes out once more, under its first intent; if the driver dies again, it is unknown again."""
    seq = parked(world)
    assert isinstance(world.reconcile(seq, found), Written)  # type: ignore[arg-type]
    world.claim("d3", "", "t")
    begun = world.begin("pay", "p1", epoch=3, effect="write")
    assert (begun.seq, begun.found, begun.again) == (seq, "go", True)
    world.release(epoch=3)
    world.claim("d4", "r")
    assert world.begin("pay", "p1", epoch=4, effect="write").found == "unknown"


@pytest.mark.parametrize(("found", "then"), [("happened", "recorded"), ("did_not_happen", "go")])
def test_a_write_that_its_program_cancelled(world: World, found: str, then: str) -> None:
    """It parks the run where its driver died right after; a person says what became of it, and the run goes on."""
    world.open()
    seq = world.begin("pay", "p1", effect="write").seq
    world.finish(seq, None, outcome="cancelled")
    world.clock.advance(31)
    world.claim("d2", "r")
    assert world.begin("pay", "p1", epoch=2, effect="write").found == "unknown"
    world.release(epoch=2)
    assert isinstance(world.reconcile(seq, found, output=b"paid"), Written)  # type: ignore[arg-type]
    assert world.claim("d3", "", "t").epoch == 3
    assert world.begin("pay", "p1", epoch=3, effect="write").found == then
    world.whole()


def test_a_cancelled_write_that_its_program_went_on_from(world: World) -> None:
    """Its outcome is known to the program, and nobody changes it."""
    world.open()
    seq = world.begin("pay", "p1", effect="write").seq
    world.finish(seq, None, outcome="cancelled")
    world.step(after=seq)
    world.release()
    assert world.reconcile(seq, "happened") == Refused("OutcomeKnown", {"run": "r", "seq": str(seq)})


def test_a_driver_that_asks_again_after_a_finding(world: World) -> None:
    """One whose lease ran out, and whose effect a person found not to have happened, takes it once more; nobody knows
    what became of that when it dies then.
    """
    world.open()
    seq = world.begin("pay", "p1", effect="write").seq
    world.clock.advance(31)
    assert isinstance(world.reconcile(seq, "did_not_happen"), Written)
    world.renew()
    assert world.begin("pay", "p1", effect="write").found == "go"
    world.clock.advance(31)
    world.claim("d2", "r")
    assert world.begin("pay", "p1", epoch=2, effect="write").found == "unknown"
    world.whole()


def test_a_driver_may_find_out_itself(world: World) -> None:
    """A hook of the driver that holds the run reconciles it; nobody does while a driver is at the step."""
    world.open()
    seq = world.begin("pay", "p1", effect="write").seq
    told = world.reconcile(seq, "happened")
    assert isinstance(told, Refused) and told.error == "AskInvalid"
    world.clock.advance(31)
    world.claim("d2", "r")
    assert world.begin("pay", "p1", epoch=2, effect="write").found == "unknown"
    assert isinstance(world.reconcile(seq, "happened", output=b"1"), Written)
    assert world.row().state == "running"
    assert world.begin("pay", "p1", epoch=2, effect="write").found == "recorded"


def test_pausing_a_parked_run(world: World) -> None:
    """It is parked again when it may go on."""
    seq = parked(world)
    world.order("pause", "r")
    world.order("resume", "r")
    assert world.row().state == "parked"
    world.nothing("t")
    world.order("pause", "r")
    world.reconcile(seq, "happened")
    assert world.row().state == "paused"
    world.order("resume", "r")
    assert world.claim("d3", "", "t").epoch == 3


def forked(world: World, before: int, run: str = "f", **facts: object) -> None:
    """A fork of run `r`."""
    told = world.ask(Open(run, Started(world.now, "t", fork_of="r", fork_seq=before), "d9", **facts))  # type: ignore[arg-type]
    assert not isinstance(told, Refused), told


def test_a_fork_of_all_of_a_run_goes_on(world: World) -> None:
    """It has all steps and results of a run that has ended, also what came after the end, and not the end itself."""
    world.open()
    first = world.step()
    second = world.begin("look", "bb", after=first).seq
    world.end()
    world.finish(second, b"late")
    forked(world, world.row().head + 1)
    assert world.kinds("f") == ["Started", "Leased", "Intent", "Result", "Intent", "Result", "Leased"]
    met = world.begin("look", "bb", run="f", after=first)
    assert met.found == "recorded" and met.result is not None and met.result.output == body_of(b"late")
    world.step("look", "cc", run="f", after=second)
    world.whole("r", "f")


def test_a_fork_has_what_came_before(world: World) -> None:
    """Steps before the place of the fork are recorded there under the same seqs; from there on it is live."""
    world.open()
    first = world.step("look", "aa", b"one")
    second = world.step("pay", "bb", b"two", after=first)
    world.step("tell", "cc", b"three", after=second)
    forked(world, second)
    met = world.begin("look", "aa", run="f")
    assert met.found == "recorded" and met.result is not None and met.result.output == body_of(b"one")
    assert world.begin("other", "dd", run="f", after=first).found == "go"
    assert world.found(fork_of="r") == ["f"]
    assert world.row().steps == 3
    world.whole("r", "f")
    with_second = second + 2
    forked(world, with_second, "h")
    assert world.begin("look", "aa", run="h").found == "recorded"
    assert world.refused(beginning("pay", "b0", run="h", after=first)) == "Divergence"
    assert world.begin("pay", "bb", run="h", after=first).found == "recorded"
    assert world.begin("tell", "cc", run="h", after=second).found == "go"
    world.whole("h")


def test_results_that_came_later_belong_to_a_fork_too(world: World) -> None:
    """Of steps side by side one ended after the place of the fork: it is not taken again."""
    world.open()
    left = world.begin("look", "aa", branch="left").seq
    right = world.begin("look", "bb", branch="right").seq
    world.finish(right, b"R")
    world.finish(left, b"L")
    forked(world, right + 1)
    for branch, request, output in (("left", "aa", b"L"), ("right", "bb", b"R")):
        met = world.begin("look", request, run="f", branch=branch)
        assert met.found == "recorded" and met.result is not None and met.result.output == body_of(output)
    world.whole("f")


def test_an_event_that_a_fork_has_changes_nothing_when_it_is_told_again(world: World) -> None:
    """One that came before its place is in its log already; one that came behind it is new there."""
    world.open()
    before = world.tell("e1").seq
    behind = world.tell("e2").seq
    forked(world, behind)
    assert world.tell("e1", "f") == Written(before, changed=False)
    assert world.tell("e2", "f").changed
    assert world.kinds("f").count("Arrived") == 2
    world.whole("r", "f")


def test_a_fork_of_calls(world: World) -> None:
    """Its calls get what is recorded before its place, each once, and go out after that."""
    world.calls("r")
    for number, request in enumerate(("aa", "bb")):
        begun = world.begin("chat", request, run="r", epoch=0, branch="", call=f"c{number}")
        world.finish(begun.seq, b"%d" % number, "r", 0)
    world.ask(Open("f", Started(world.now, "t", through="gateway", fork_of="r", fork_seq=4)))
    assert world.begin("chat", "aa", run="f", epoch=0, branch="", call="d0").found == "recorded"
    assert world.begin("chat", "bb", run="f", epoch=0, branch="", call="d1").found == "go"
    assert world.begin("chat", "aa", run="f", epoch=0, branch="", call="d2").found == "go"
    world.whole("f")


def test_a_fork_leaves_at_an_entry(world: World) -> None:
    """A place that is not in the log is refused, and so is a run that is not there."""
    world.open()
    for before, error in ((0, "AskInvalid"), (4, "AskInvalid")):
        assert world.refused(Open("f", Started(1, "t", fork_of="r", fork_seq=before), "d")) == error
    assert world.refused(Open("f", Started(1, "t", fork_of="x", fork_seq=1), "d")) == "RunUnknown"
    assert world.refused(Open("f", Started(1, "t", parent="x"), "d")) == "RunUnknown"
