"""Completion by rule: of calls with the batch they come in, of runs once they are quiet; each judged once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contents.place import ANSWER, Place, asked, chat, policy, snapshot
from trimtab.declare.alerting import Completion
from trimtab.record.events import Settled
from trimtab.store.telemetry import Batch

DONE = "outcome == 'ok' and answer.label != 'other'"
QUIET_S = 300.0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, completion=Completion(rule=DONE))


def values(place: Place) -> list[float | None]:
    return [one.value for one in place.scores("completion")]


@pytest.mark.parametrize(
    ("answer", "changed", "value"),
    [
        (ANSWER, {}, 1.0),
        (ANSWER | {"label": "other"}, {}, 0.0),
        ({"amount": 3}, {}, 0.0),
        ("no JSON", {}, 0.0),
        (ANSWER, {"outcome": "upstream_error"}, 0.0),
    ],
)
def test_a_call_without_a_run(place: Place, answer: object, changed: dict[str, str], value: float) -> None:
    """A call by itself is judged as it comes in; what the answer does not have is not done."""
    call = place.call(asked(), chat(answer), **changed)
    place.write(call)
    place.take_in()
    [score] = place.scores("completion")
    assert (score.value, score.source, score.call, score.run) == (value, "rule", call.admitted.call, "")
    assert (score.task, score.model, score.settled_ns, score.at_ns) == ("route", "small", call.at_ns, call.at_ns)
    assert (score.prompt, score.key) == ("ab" * 32, "k")


def test_a_call_that_answered_with_tools(place: Place) -> None:
    """A rule may say that an answer which only calls tools is not the end."""
    place.completion = Completion(rule="tool_calls == 0 or answer is defined")
    calls = json.dumps({"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]})
    place.write(place.call(asked(), calls.encode(), tool_calls=1, verdict=""))
    place.take_in()
    assert values(place) == [0.0]


@pytest.mark.parametrize(("redaction", "expected"), [("full", [1.0]), ("preview", [1.0]), ("digest", []), ("none", [])])
def test_an_answer_that_is_not_kept(tmp_path: Path, redaction: str, expected: list[float]) -> None:
    """Where the answer is not kept, a rule that reads it tells nothing, and one that does not still tells."""
    task = policy("route", redaction)  # type: ignore[arg-type]
    place = Place(tmp_path, snapshot=snapshot(task), completion=Completion(rule=DONE))
    place.write(place.call(asked(), chat(ANSWER)))
    place.take_in()
    assert values(place) == expected
    place.completion = Completion(rule="outcome == 'ok'")
    place.write(place.call(asked(), chat(ANSWER)))
    place.take_in()
    assert values(place) == [*expected, 1.0]


def in_run(place: Place, label: str, at_s: float, run: str = "r1") -> Settled:
    at_ns = place.clock.wall_ns() + round(at_s * 1e9)
    return place.call(asked(), chat(ANSWER | {"label": label}), run=run, at_ns=at_ns)


def test_a_run_is_judged_by_its_last_call_once_it_is_quiet(place: Place) -> None:
    """While calls of it come a run is not judged; then its latest call tells, in whatever order they were read."""
    first, last, middle = in_run(place, "other", 0), in_run(place, "billing", 20), in_run(place, "other", 10)
    place.write(first, last, middle)
    place.take_in()
    place.clock.advance(QUIET_S + 19)
    place.chores()
    assert values(place) == []
    place.clock.advance(2)
    place.chores()
    [score] = place.scores("completion")
    assert (score.value, score.run, score.call) == (1.0, "r1", last.admitted.call)
    assert score.at_ns == place.clock.wall_ns()
    assert score.settled_ns == last.at_ns
    place.clock.advance(1000)
    place.chores()
    assert len(place.telemetry._scores) == 1


def test_runs_that_come_in_late_are_judged_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After days in which telemetry was down runs are judged, more of them than one pass takes."""
    monkeypatch.setattr("trimtab.processes.completion.AT_ONCE", 2)
    place.write(*(in_run(place, "billing", second, run=f"r{second}") for second in range(5)))
    place.clock.advance(3 * 86_400)
    place.take_in()
    for _ in range(3):
        place.chores()
    assert sorted(one.run for one in place.scores("completion")) == ["r0", "r1", "r2", "r3", "r4"]


def test_how_many_calls_a_run_had(place: Place) -> None:
    """A rule may count the calls of the run so far, over batches and restarts."""
    place.completion = Completion(rule="calls == 3")
    for second in range(3):
        place.write(in_run(place, "other", second))
        place.take_in()
        place.again()
    place.write(in_run(place, "other", 0, run="r2"))
    place.take_in()
    place.clock.advance(QUIET_S + 10)
    place.chores()
    assert {one.run: one.value for one in place.scores("completion")} == {"r1": 1.0, "r2": 0.0}


def test_a_call_that_is_read_late(place: Place) -> None:
    """A call that ended before the latest one counts for its run, and does not tell how that ended."""
    place.completion = Completion(rule="answer.label == 'other' and calls < 3")
    place.write(in_run(place, "other", 10))
    place.take_in()
    place.write(in_run(place, "billing", 5))
    place.take_in()
    place.clock.advance(QUIET_S + 11)
    place.chores()
    assert values(place) == [1.0]
    place.write(in_run(place, "other", 0))
    place.take_in()
    place.clock.advance(QUIET_S + 1)
    place.chores()
    assert values(place) == [0.0]


def test_a_run_that_goes_on_is_judged_anew(place: Place) -> None:
    """A call after the judgement brings another, under the same id, which takes the place of the first."""
    place.write(in_run(place, "other", 0))
    place.take_in()
    place.clock.advance(QUIET_S + 1)
    place.chores()
    assert values(place) == [0.0]
    place.write(in_run(place, "billing", 0))
    place.take_in()
    place.clock.advance(QUIET_S + 1)
    place.chores()
    assert values(place) == [1.0]


def test_a_batch_that_comes_again(place: Place) -> None:
    """A crash between the insert and its end repeats the batch: no call of a run counts twice, no score is another."""
    calls = (in_run(place, "billing", 0), in_run(place, "billing", 1), place.call(asked(), chat(ANSWER)))
    place.completion = Completion(rule="calls <= 2")
    place.index.update()
    first = place.works.enrich(Batch(calls=calls))
    for keep in place.works.keepers:
        keep(first, "t1")
    place.again()
    place.index.update()
    again = place.works.enrich(Batch(calls=calls))
    for keep in place.works.keepers:
        keep(again, "t1")
    assert again.scores == first.scores
    place.clock.advance(QUIET_S + 10)
    place.chores()
    assert [one.value for one in place.scores("completion")] == [1.0]


def test_a_crash_before_a_judged_run_is_noted(place: Place) -> None:
    """The same judgement is made again under the same id and time."""
    place.write(in_run(place, "billing", 0))
    place.take_in()
    place.clock.advance(QUIET_S + 1)
    judged = place.works.judgements.judged
    place.works.judgements.judged = lambda runs: None  # type: ignore[method-assign]  # the process ends here
    place.chores()
    place.works.judgements.judged = judged  # type: ignore[method-assign]
    place.chores()
    assert len(place.telemetry._scores) == 2
    assert place.telemetry._scores[0] == place.telemetry._scores[1]


def test_a_task_without_completion(place: Place) -> None:
    """Where nothing is declared nothing is judged."""
    place.completion = None
    place.write(place.call(asked(), chat(ANSWER)), in_run(place, "billing", 0))
    place.take_in()
    place.clock.advance(QUIET_S + 1)
    place.chores()
    assert place.scores() == []
