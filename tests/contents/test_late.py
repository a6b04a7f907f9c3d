"""Judgements made late: they count when they are made, and none waits for ever behind those that came after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contents.place import ANSWER, Place, asked, chat
from trimtab.declare.alerting import Completion
from trimtab.record.events import Score
from trimtab.store.telemetry import MINUTE_NS

DAY_S = 86_400


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, completion=Completion(rule="outcome == 'ok'", feedback="thumbs"))


def given(place: Place, name: str, call: str) -> Score:
    """A judgement of a call that is not stored yet."""
    return Score(name, place.clock.wall_ns(), "thumbs", "feedback", call=call, value=1.0, by="shop")


def test_a_run_judged_long_after_it_was_over_counts_when_it_is_judged(place: Place) -> None:
    """Its records came in two hours late: by then alerts have looked at the minute in which its time was over."""
    place.write(place.call(asked(), chat(ANSWER), run="r1"))
    place.clock.advance(7200)
    place.take_in()
    place.chores()
    [score] = place.scores("completion")
    assert score.at_ns == place.clock.wall_ns()


def test_feedback_that_waited_for_its_call_counts_when_it_joins_it(place: Place) -> None:
    """So does what follows from it; no other score is left where it was first given."""
    call = place.ended(run="")
    place.noted.record(given(place, "s1", call.admitted.call))
    place.take_in()
    place.clock.advance(600)
    place.write(call)
    place.take_in()
    place.chores()
    found = {one.name: one for one in place.scores() if one.source == "feedback"}
    assert {name: one.at_ns for name, one in found.items()} == {
        "thumbs": place.clock.wall_ns(),
        "completion": place.clock.wall_ns(),
    }


def test_many_that_wait_hold_up_none(place: Place) -> None:
    """1,200 came after it and wait for calls that never come; the first one joins its call within one round of all."""
    call = place.ended(run="")
    place.noted.record(given(place, "first", call.admitted.call))
    place.clock.advance(1)
    place.noted.record(*(given(place, f"s{number}", f"none-{number}") for number in range(1200)))
    place.take_in()
    place.clock.advance(120)
    place.write(call)
    place.take_in()
    for _ in range(1201 // 50 + 1):
        place.chores()
    assert [one.id for one in place.scores("thumbs") if one.task == "route"] == ["first"]


def test_many_that_wait_are_let_go_after_a_day(place: Place) -> None:
    """However many there are, none stays; at most 50 are looked at in one pass."""
    place.noted.record(*(given(place, f"s{number}", f"none-{number}") for number in range(1200)))
    place.take_in()
    place.clock.advance(DAY_S + 1)
    for left in range(1150, -1, -50):
        place.chores()
        assert len(place.works.judgements.waiting(2000)) == left


def test_one_that_waits_is_looked_at_often_at_first(place: Place) -> None:
    """With each pass for a minute, then every 20 minutes; what comes meanwhile joins then."""
    call = place.ended(run="")
    place.noted.record(given(place, "s1", call.admitted.call))
    place.take_in()
    judgements, now_ns = place.works.judgements, place.clock.wall_ns()
    place.chores()
    assert len(judgements.waiting(10, now_ns)) == 1
    place.clock.advance(61)
    place.chores()
    now_ns = place.clock.wall_ns()
    assert judgements.waiting(10, now_ns + 20 * MINUTE_NS - 1) == ()
    assert len(judgements.waiting(10, now_ns + 20 * MINUTE_NS)) == 1
