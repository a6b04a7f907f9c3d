"""A candidate's calls against those beside it: what counts, what is set against what, and when there is an alarm."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from trimtab.policy.rollout import Rollout, below, place, unit_of
from trimtab.record.events import Admitted, Settled, ToolOutcome
from trimtab.signals.canary import Comparison, Kept, Waiting, not_refused, parsed, tools_valid, went_well

BASE, CANDIDATE = "b" * 64, "c" * 64
ROLLOUT = Rollout(
    "r1", "canary", "running", CANDIDATE, "2", BASE, "1", 0.1, "salt", 200, ("extract",), "HEAD", began_ns=100
)


def call(name: str, snapshot: str = BASE, task: str = "extract", user: str = "", **more: Any) -> Settled:
    admitted = Admitted(
        name, more.pop("at_ns", 100), "g0", "test", snapshot, task, "", "chat", "m", end_user=user,
        parent=more.pop("parent", ""),
    )  # fmt: skip
    return Settled(admitted, 200, **{"outcome": "ok", "status": 200, "attempts": 1, **more})


def looked(*calls: Settled) -> Comparison:
    found = Comparison(ROLLOUT)
    for one in calls:
        found.take(one)
    found.look()
    return found


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, (1.0, None, None, 1.0)),
        ({"outcome": "deadline_gap"}, (0.0, None, None, None)),
        ({"outcome": "client_gone"}, (None, None, None, None)),
        ({"outcome": "invalid_request"}, (0.0, None, None, None)),
        ({"outcome": "not_found"}, (0.0, None, None, None)),
        ({"outcome": "output_invalid", "verdict": "invalid"}, (0.0, 0.0, None, 1.0)),
        ({"verdict": "refused"}, (1.0, 0.0, None, 0.0)),
        ({"finish_reason": "content_filter"}, (1.0, None, None, 0.0)),
        ({"tool_outcomes": (ToolOutcome("a", "valid", 1), ToolOutcome("b", "bad_json", 1))}, (1.0, None, 0.5, 1.0)),
    ],
)
def test_measures(facts: dict[str, Any], expected: tuple[float | None, ...]) -> None:
    """Each is 1 where all is well, and says nothing of calls that it is not of."""
    one = call("a", **facts)
    assert (went_well(one), parsed(one), tools_valid(one), not_refused(one)) == expected


def test_others_calls_are_left_alone() -> None:
    """Calls of other tasks, of other snapshots, from before, and copies of those in force do not count."""
    found = looked(
        call("a", CANDIDATE, at_ns=99),
        call("b", CANDIDATE, task="route"),
        call("c", "e" * 64),
        call("d", BASE, task="(evaluation) extract"),
        call("e", CANDIDATE, outcome="upstream_error"),
    )
    assert not found.standings
    found.take(call("f"))
    found.look()
    [errors] = found.standings
    assert (errors.signal, errors.units, errors.difference) == ("error_rate", 1, -1.0)


def test_each_call_in_force_is_used_once() -> None:
    """Two users of the candidate against four others: each is set against two, and a user's calls are one mean."""
    others = [call(f"b{number}", outcome="ok" if number else "upstream_error") for number in range(4)]
    mine = [
        call("c1", CANDIDATE, user="u1"),
        call("c2", CANDIDATE, user="u1", outcome="upstream_error"),
        call("c3", CANDIDATE, user="u2"),
    ]
    found = looked(*others, *mine)
    [errors] = [one for one in found.standings if one.signal == "error_rate"]
    assert errors.units == 2
    assert errors.difference == pytest.approx(((0.5 - 0.5) + (1.0 - 1.0)) / 2)


def test_a_user_who_waits_for_the_other_side_takes_no_more_room() -> None:
    """However often one calls while nothing is in force beside it, a mean is kept, and counts once."""
    found = Waiting()
    found.add("u1", 0.0)
    tracemalloc.start()
    try:
        for _ in range(99_999):
            found.add("u1", 1.0)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found.base.append(1.0)
    assert kept < 10_000
    assert list(found.pairs()) == [pytest.approx(-1 / 100_000)]


def test_an_alarm_and_going_on_after_a_restart() -> None:
    """Every call of the candidate fails: the alarm names the measure, and what was kept goes on."""
    found = Comparison(ROLLOUT)
    alarm = None
    for number in range(20):
        found.take(call(f"b{number}"))
        found.take(call(f"c{number}", CANDIDATE, outcome="upstream_error"))
        if number == 2:
            assert found.look() is None
            found = Comparison(ROLLOUT, found.kept)
        alarm = alarm or found.look()
    assert alarm is not None
    assert (alarm.task, alarm.signal, alarm.difference) == ("extract", "error_rate", -1.0)
    assert 5 < alarm.units < 20
    assert "100.0 points worse" in alarm.words
    assert all(isinstance(one, Kept) for one in found.kept)


def test_copies_count_under_the_call_they_are_of() -> None:
    """A shadow's calls are the candidate's, each under its task and its own user."""
    found = looked(call("b"), call("s", CANDIDATE, "(shadow) extract", parent="b"))
    assert [(one.task, one.signal, one.units) for one in found.standings] == [
        ("extract", "error_rate", 1),
        ("extract", "refusal_rate", 1),
    ]


def test_units() -> None:
    """A conversation before an end user, an end user before the call; a salt draws others of the same share."""
    assert [unit_of("a", "b", "c"), unit_of("", "b", "c"), unit_of("", "", "c")] == ["c:a", "u:b", "i:c"]
    drawn = {salt: {one for one in range(4000) if place(salt, str(one)) < below(0.25)} for salt in ("x", "y")}
    assert all(850 < len(units) < 1150 for units in drawn.values())
    assert 180 < len(drawn["x"] & drawn["y"]) < 320
