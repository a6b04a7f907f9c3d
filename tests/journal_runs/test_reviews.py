"""Reviews: bound to what is asked about, decided once, used once, and never lost."""

from __future__ import annotations

import pytest

from tests.journal_runs.world import World, beginning
from trimtab.journal.asks import AskReview, Decide, Refused, Written
from trimtab.journal.entries import Asked, Decided, body_of


def asked(world: World, binds: str = "B1", after: int = 0, **facts: object) -> tuple[int, str]:
    """A step that waits, and its review."""
    step = world.begin("may I", "r1" if not after else f"r{after}", step="step", binds=binds, after=after)
    return step.seq, world.review(step.seq, binds, **facts).review


def paying(binds: str = "B1", after: int = 3, **facts: object) -> object:
    """The ask for the effect that was reviewed."""
    return beginning("pay", "p1", effect="write", binds=binds, after=after, **facts)


def test_an_effect_waits_for_its_review(world: World) -> None:
    """Nothing that is bound begins before somebody approves of it, and one approval lets it through once."""
    world.open()
    step, review = asked(world)
    assert world.row().state == "waiting"
    assert world.refused(paying()) == "NotApproved"  # type: ignore[arg-type]
    assert isinstance(world.decide(review), Written)
    paid = world.begin("pay", "p1", effect="write", binds="B1", after=step)
    assert paid.found == "go"
    world.finish(paid.seq)
    assert world.refused(paying(after=paid.seq)) == "NotApproved"  # type: ignore[arg-type]
    world.whole()


@pytest.mark.parametrize("verdict", ["rejected", "edited"])
def test_what_was_not_approved_never_begins(world: World, verdict: str) -> None:
    """A rejected action, and one in whose place another was put, cannot be written, now or after a restart."""
    world.open()
    _, review = asked(world)
    facts = {"edited": body_of(b'{"amount":4}'), "now": "B2"} if verdict == "edited" else {}
    assert isinstance(world.decide(review, verdict, **facts), Written)
    world.again()
    assert world.refused(paying("B1")) == "NotApproved"  # type: ignore[arg-type]
    if verdict == "edited":
        assert world.begin("pay", "p2", effect="write", binds="B2", after=3).found == "go"


def test_a_decision_is_made_once(world: World) -> None:
    """The same decision again changes nothing, another one is refused, and so is one about something else."""
    world.open()
    _, review = asked(world)
    assert world.decide(review, binds="B0") == Refused("BindingChanged", {"run": "r", "review": review})
    assert world.decide(review) == Written(5)
    assert world.decide(review) == Written(5, changed=False)
    for verdict, by in (("rejected", "ann"), ("approved", "bob")):
        told = world.decide(review, verdict, by=by)
        assert isinstance(told, Refused) and told.error == "ReviewDone"
        assert (told.facts["verdict"], told.facts["by"]) == ("approved", "ann")
    assert world.kinds().count("Decided") == 1
    assert world.refused(Decide(Decided(world.now, "nobody", "approved", "ann"), "B1")) == "ReviewUnknown"


def test_an_edit_comes_with_its_arguments(world: World) -> None:
    """An edited action without arguments or binding of its own is refused; expiry is not for persons."""
    world.open()
    _, review = asked(world)
    for verdict, facts in (("edited", {}), ("edited", {"edited": body_of(b"1")}), ("expired", {})):
        told = world.decide(review, verdict, **facts)
        assert isinstance(told, Refused) and told.error == "AskInvalid"


def test_samples_stand_behind_what_runs_wait_for(world: World) -> None:
    """A page of reviews is not filled by samples that nobody has looked at."""
    world.open()
    step = world.begin("look", "aa").seq
    sample = world.review(step, "S1", sampled=True).review
    world.clock.advance(1)
    _, review = asked(world, after=step)
    assert world.reviews() == [review, sample]
    assert world.reviews(limit=1) == [review]
    assert world.reviews(samples=False) == [review]


def test_a_decided_review_is_waited_for_by_nobody(world: World) -> None:
    """A run that was given back meanwhile waits for a driver, and is told and counted so."""
    world.open()
    _, review = asked(world)
    world.release()
    assert world.found(waits="review") == ["r"]
    world.decide(review)
    assert world.found(waits="review") == []
    assert (world.row().state, world.row().waits_for) == ("waiting", "")
    assert world.claim("d2", "", "t").epoch == 2


def test_what_was_superseded_is_asked_anew(world: World) -> None:
    """Where a lock that was put aside holds again, a person is asked again, and the run is not told that it was
    superseded.
    """
    world.open()
    step, first = asked(world)
    second = world.review(step, "B2").review
    third = world.review(step, "B1")
    assert third.review not in (first, second) and third.verdict is None
    assert world.reviews() == [third.review]
    assert world.row().waits_for == f"review {third.review}"
    assert isinstance(world.decide(third.review), Written)
    assert world.review(step, "B1").verdict == "approved"
    world.whole()


def test_asking_again_gives_the_same_review(world: World) -> None:
    """A driver that takes the run up again meets its review and what was said."""
    world.open()
    step, review = asked(world)
    world.release()
    world.nothing("t")
    world.decide(review, "rejected", reason="too much")
    assert world.claim("d2", "", "t").epoch == 2
    assert world.begin("may I", "r1", step="step", binds="B1", epoch=2).found == "go"
    again = world.review(step, epoch=2)
    assert (again.review, again.verdict, again.by, again.said) == (review, "rejected", "ann", "too much")


def test_a_changed_binding_supersedes(world: World) -> None:
    """Tool, arguments or lock changed while somebody thinks: the old review cannot be approved any more."""
    world.open()
    step, old = asked(world)
    new = world.review(step, "B2").review
    assert new != old
    told = world.decide(old)
    assert isinstance(told, Refused) and (told.error, told.facts["verdict"]) == ("ReviewDone", "superseded")
    assert world.refused(paying("B1")) == "NotApproved"  # type: ignore[arg-type]
    world.decide(new, binds="B2")
    assert world.begin("pay", "p1", effect="write", binds="B2", after=step).found == "go"


def test_nobody_decides(world: World) -> None:
    """What was declared for that case is decided at its time, and wakes the run; somebody else is told before."""
    world.open()
    later = world.now + 60_000_000_000
    _, review = asked(world, expires_ns=later, otherwise="rejected", escalates_ns=later - 30_000_000_000)
    world.release()
    world.clock.advance(29)
    assert world.sweep().escalated == ()
    world.clock.advance(1)
    assert world.sweep().escalated == (review,)
    assert world.sweep().escalated == ()
    world.clock.advance(30)
    assert world.sweep().decided == (review,)
    assert world.sweep().decided == ()
    assert world.claim("d2", "", "t").epoch == 2
    assert world.refused(paying(epoch=2)) == "NotApproved"  # type: ignore[arg-type]
    assert isinstance(world.decide(review), Refused)


def test_waiting_for_days(world: World) -> None:
    """A review outlives restarts of the writer and the lease of its driver."""
    world.open()
    step, review = asked(world)
    for _ in range(14):
        world.clock.advance(86_400)
        world.sweep()
        world.again()
    assert world.reviews(task="t") == [review]
    assert isinstance(world.decide(review), Written)
    assert world.claim("d2", "", "t").epoch == 2
    assert world.begin("may I", "r1", step="step", binds="B1", epoch=2).seq == step
    assert world.begin("pay", "p1", effect="write", binds="B1", after=step, epoch=2).found == "go"


def test_the_end_of_a_run_closes_its_reviews(world: World) -> None:
    """Nobody is asked about a run that has ended."""
    world.open()
    _, review = asked(world)
    world.end(state="failed")
    assert world.reviews() == []
    assert isinstance(world.decide(review), Refused)
    assert world.kinds()[-2:] == ["Decided", "Ended"]
    world.whole()


def test_a_sample_binds_nothing(world: World) -> None:
    """A step that is looked at afterwards stops no run, and what is said of it approves of nothing."""
    world.open()
    seq = world.step()
    world.end()
    sample = world.review(seq, sampled=True, epoch=0)
    assert (sample.sampled, sample.tool) == (True, "look")
    assert isinstance(world.decide(sample.review), Written)
    assert world.row().state == "completed"
    world.open("s", "d2")
    assert world.refused(beginning("pay", "p1", run="s", effect="write", binds="B1")) == "NotApproved"
    world.whole()


def test_lists_of_reviews(world: World) -> None:
    """Those that wait come first, the oldest first; then what was decided, the latest first."""
    world.open()
    found, after = [], 0
    for number in range(4):
        world.clock.advance(1)
        after, review = asked(world, f"B{number}", after)
        found.append(review)
    for number in (1, 2):
        world.clock.advance(1)
        world.decide(found[number], binds=f"B{number}")
    assert world.reviews() == [found[0], found[3]]
    assert world.reviews(waiting=False) == [found[0], found[3], found[2], found[1]]
    assert world.reviews(waiting=False, run="r", limit=3) == [found[0], found[3], found[2]]
    assert world.reviews(task="other", waiting=False) == []
    assert world.reviews(review=found[1]) == [found[1]]
    assert world.reviews(decided=True, limit=1) == [found[2]]
    sample = world.review(after, sampled=True, epoch=0).review
    world.clock.advance(1)
    _, late = asked(world, "B4", after)
    assert world.reviews() == [found[0], found[3], late, sample]


def test_a_review_is_of_a_step(world: World) -> None:
    """There is no review of what is not there, none without binding, and none of a driver that was fenced off."""
    world.open()
    world.begin("may I", step="step")
    for of, binds, epoch, error in ((9, "B", 1, "StepUnknown"), (3, "", 1, "AskInvalid"), (3, "B", 7, "LeaseLost")):
        told = world.ask(AskReview("r", epoch, Asked(world.now, "", of, binds), body_of(b"1")))
        assert isinstance(told, Refused) and told.error == error
