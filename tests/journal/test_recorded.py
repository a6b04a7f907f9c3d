"""Which recorded answer belongs to a request, and which step a changed request was meant to be."""

from __future__ import annotations

from typing import Any

import pytest

from trimtab.journal.entries import Body, Ended, Entry, Intent, Logged, Outcome, Result, Started
from trimtab.journal.recorded import RecordedSteps, Request, Step, nearest
from trimtab.journal.refusals import Ambiguous


def intent(label: str, request: str, size: int = 10, **more: Any) -> Intent:
    return Intent(1, "model", label, request, 0, input=Body("d", size), **more)


def result(of: int, digest: str, outcome: Outcome = "ok") -> Result:
    return Result(1, of, outcome, Body(digest, 5))


def recorded(*entries: Entry) -> RecordedSteps:
    steps = RecordedSteps("r", "model")
    steps.take(Logged(seq, entry, "") for seq, entry in enumerate((Started(1, "triage"), *entries), 1))
    return steps


def test_the_answer_of_a_request() -> None:
    """It is known by label and digest, wherever the step stands; steps of another kind are none."""
    steps = recorded(intent("a", "1"), intent("b", "2"), result(3, "y"), result(2, "x"))
    found = steps.find("a", "1")
    assert found is not None
    assert (found.seq, found.result) == (2, result(2, "x"))
    assert steps.find("b", "1") is None
    assert (steps.task, steps.reached) == ("triage", 5)
    assert RecordedSteps("r", "tool").find("a", "1") is None


def test_an_intent_without_a_result_has_no_answer() -> None:
    """Whoever asks for it again is not told something else instead."""
    assert recorded(intent("a", "1")).find("a", "1") is None


def test_different_answers_of_identical_requests() -> None:
    """They are ambiguous, unless a branch tells them apart or the others failed."""
    first, second = intent("a", "1", branch="x"), intent("a", "1", branch="y")
    steps = recorded(first, second, result(2, "x"), result(3, "y"))
    with pytest.raises(Ambiguous, match="2 identical requests 'a'"):
        steps.find("a", "1")
    found = steps.find("a", "1", "y")
    assert found is not None
    assert found.seq == 3
    again = recorded(first, second, result(2, "x", "error"), result(3, "y")).find("a", "1")
    assert again is not None
    assert again.seq == 3
    same = recorded(first, second, result(2, "x"), result(3, "x")).find("a", "1")
    assert same is not None
    assert same.seq == 2


def test_further_entries() -> None:
    """A run that goes on is read from where it was; what was read before counts once."""
    steps = recorded(intent("a", "1"))
    more = [Logged(2, intent("a", "1"), ""), Logged(3, result(2, "x"), ""), Logged(4, Ended(1, "completed"), "")]
    steps.take(more)
    assert (len(steps), steps.reached, steps.find("a", "1") is not None) == (1, 4, True)


def test_candidates_for_a_changed_request() -> None:
    """Those with its label, the nearest in size first; all of them where none has it."""
    steps = recorded(intent("a", "1", 100), intent("b", "2", 41), intent("b", "3", 60))
    assert [step.seq for step in steps.near("b", 58)] == [4, 3]
    assert [step.seq for step in steps.near("c", 99)] == [2, 4, 3]


def test_the_nearest_request() -> None:
    """One changed byte is nearer than a longer history; a key that sorts elsewhere is held against what was sent."""
    step = Step(2, intent("a", "1"))
    short, long = Request(b'["hi"]', b'["hi"]'), Request(b'["hi","yes"]', b'["hi","yes"]')
    both = [(step, short), (step, long)]
    assert nearest(Request(b'["ho","yes"]', b'["ho","yes"]'), both) == [(step, long)]
    assert nearest(Request(b'["ho"]', b'["ho"]'), both) == [(step, short)]
    sent = Request(b'{"m":"long text","z":1}', b'{"m":"long text","z":1}')
    moved = Request(b'{"zz":"long text","z":1}', b'{"z":1,"zz":"long text"}')
    assert nearest(moved, [(step, short), (step, sent)]) == [(step, sent)]
    others = [(step, Request(body, body)) for body in (b'["a"]', b'["b"]')]
    assert nearest(Request(b'["x"]', b'["x"]'), others) == others
    assert nearest(short, []) == []
