"""What people said of answers, and a judge held against it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evals.scorers.test_judges import Scripted, shown
from trimtab.clock import SystemClock
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.errors import DataInvalid, EvaluationRefused
from trimtab.evals.asking import Wait
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.calibrating import Calibration, calibrate
from trimtab.evals.scorers.labels import read_labels
from trimtab.evals.scorers.ready import ready

RUBRIC = Scorer("helpful", "rubric", model="large", question="Is it right?", labels="tasks/t/cases")
PAIRWISE = Scorer("better", "pairwise", model="large", question="Which?", labels="tasks/t/cases")


def suite(scorer: Scorer) -> Evals:
    return Evals(scorers=(scorer,), concurrency=3)


def write(root: Path, rows: list[dict[str, Any]]) -> None:
    (root / "tasks" / "t").mkdir(parents=True, exist_ok=True)
    (root / "tasks" / "t" / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows(number: int) -> list[dict[str, Any]]:
    """Answers that are right by turns; the text says so."""
    texts = ("right", "wrong")
    return [{"inputs": {"q": str(n)}, "answer": f"{texts[n % 2]} {n}", "value": 1 - n % 2} for n in range(number)]


def held(root: Path, judge: Scripted, scorer: Scorer = RUBRIC, pin: str = "large@1") -> Calibration:
    labels = read_labels(root, suite(scorer), scorer)
    return calibrate(suite(scorer), scorer, labels, judge, pin, root / "judges", lambda _: None)


def test_labels_are_read(tmp_path: Path) -> None:
    """A row is what a judge sees and what people think of it, one or several of them."""
    write(
        tmp_path, [*rows(10), {"inputs": {"q": "x"}, "answer": {"text": "t"}, "values": [1, 0, True], "expected": "e"}]
    )
    found = read_labels(tmp_path, suite(RUBRIC), RUBRIC)
    assert (found.data_set, len(found.labels), found.digest[:7]) == ("tasks/t/cases", 11, "sha256:")
    last = found.labels[-1]
    assert (last.case.inputs, last.case.expected, last.answers[0].text) == ({"q": "x"}, "e", "t")
    assert last.human == pytest.approx(2 / 3)
    assert found.labels[0].case.expected is None


def test_labels_of_pairs(tmp_path: Path) -> None:
    """For pairwise a row has two answers."""
    write(tmp_path, [{"inputs": {"q": str(n)}, "first": "a", "second": "bc", "value": n % 3 / 2} for n in range(12)])
    label = read_labels(tmp_path, suite(PAIRWISE), PAIRWISE).labels[1]
    assert ([one.text for one in label.answers], label.human) == (["a", "bc"], 0.5)


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ({"inputs": {"q": "x"}, "value": 1}, "row 11 has no answer; write the text that was judged"),
        ({"inputs": {"q": "x"}, "answer": "a"}, "row 11 has no value from 0 to 1"),
        ({"inputs": {"q": "x"}, "answer": "a", "value": 2}, "row 11 has no value from 0 to 1"),
        ({"inputs": {"q": "x"}, "answer": "a", "values": []}, "row 11 has values that are no list"),
        ({"inputs": 3, "answer": "a", "value": 1}, "row 11 has inputs that are no object"),
        ({"inputs": {"q": "x"}, "answer": {"text": "t", "tool_calls": [1]}, "value": 1}, "row 11 has no answer"),
    ],
)
def test_wrong_rows_are_told(tmp_path: Path, row: dict[str, Any], detail: str) -> None:
    """A row that is no label is told with its line, before anything is asked."""
    write(tmp_path, [*rows(10), row])
    with pytest.raises(DataInvalid, match=detail):
        ready(suite(RUBRIC), tmp_path, Scripted("yes"), SystemClock(), task="t")


def test_labels_that_tell_nothing_are_told(tmp_path: Path) -> None:
    """Fewer than ten, and labels that are all the same."""
    write(tmp_path, rows(9))
    with pytest.raises(DataInvalid, match="people scored 9 answers; label at least 10"):
        read_labels(tmp_path, suite(RUBRIC), RUBRIC)
    write(tmp_path, [{**row, "value": 1} for row in rows(10)])
    with pytest.raises(DataInvalid, match="people say the same of all answers"):
        read_labels(tmp_path, suite(RUBRIC), RUBRIC)


def test_a_judge_is_held_against_people(tmp_path: Path) -> None:
    """One that says yes to 5 of 20 wrong answers, and to all right ones: 1 = a + b, 0.25 = a."""
    write(tmp_path, rows(40))
    lenient = {1, 9, 17, 25, 33}
    judge = Scripted(
        lambda seen: "yes" if seen["answered"][:5] == "right" or int(seen["answered"][6:]) in lenient else "no"
    )
    found = held(tmp_path, judge)
    assert found.errors.agreement == 35 / 40
    assert found.errors.slope == pytest.approx(0.75, abs=0.03)
    assert found.errors.intercept == pytest.approx(0.25, abs=0.03)
    assert (found.errors.tells, found.calls, found.unmarked) == (True, 40, 0)
    assert found.cost_usd == pytest.approx(0.4)


def test_a_judge_is_paid_once(tmp_path: Path) -> None:
    """What it said is kept: the same question to the same model about the same labels is asked no more; after a crash
    only what is lacking is, and once; another pin, question or label begins anew.
    """
    write(tmp_path, rows(20))

    def says(seen: dict[str, Any]) -> str:
        return "yes" if seen["answered"].startswith("right") else "no"

    first, again, other = Scripted(says), Scripted(says), Scripted(says)
    found = held(tmp_path, first)
    assert len(first.bodies) == 20
    assert held(tmp_path, again) == found
    assert again.bodies == []
    (kept,) = (tmp_path / "judges").iterdir()
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(lines[:15]) + lines[15][:7])
    assert held(tmp_path, again).errors == found.errors
    assert held(tmp_path, again).errors == found.errors
    assert len(again.bodies) == 5
    held(tmp_path, other, pin="large@2")
    assert len(other.bodies) == 20


def test_a_judge_that_has_to_wait_or_says_nothing(tmp_path: Path) -> None:
    """It is asked again after a wait; labels of which it cannot tell are counted; too few are told."""
    write(tmp_path, rows(20))
    waited: list[str] = []

    def says(seen: dict[str, Any]) -> Any:
        text = seen["answered"]
        if text == "right 0" and not waited:
            waited.append(text)
            return Wait(5.0)
        return "hm" if text == "wrong 19" else "yes" if text.startswith("right") else "no"

    found = held(tmp_path, Scripted(says))
    assert (waited, found.unmarked, found.errors.labels) == (["right 0"], 1, 19)
    with pytest.raises(EvaluationRefused, match="the judge large could tell of 0 of 20 labels"):
        held(tmp_path, Scripted("hm"), pin="other")


@pytest.mark.parametrize("scorer", [RUBRIC, PAIRWISE])
def test_a_judge_that_was_away_is_asked_again(tmp_path: Path, scorer: Scorer) -> None:
    """That nothing answered is not what it said: once it answers, labels that it did not answer count."""
    pairs = [{"inputs": {"q": str(n)}, "first": "a", "second": f"b{n}", "value": n % 2} for n in range(20)]
    write(tmp_path, rows(20) if scorer is RUBRIC else pairs)
    with pytest.raises(EvaluationRefused, match="the judge large could tell of 0 of 20 labels"):
        held(tmp_path, Scripted(Answer("j", "upstream_error")), scorer)
    back = Scripted("yes" if scorer is RUBRIC else "tie")
    assert held(tmp_path, back, scorer).unmarked == 0
    asked = len(back.bodies)
    assert asked == (20 if scorer is RUBRIC else 40)
    held(tmp_path, back, scorer)
    assert len(back.bodies) == asked


def test_pairs_are_asked_in_both_orders(tmp_path: Path) -> None:
    """A judge of positions makes a tie of everything: it may be no better than chance."""
    write(tmp_path, [{"inputs": {"q": str(n)}, "first": "a", "second": f"b{n}", "value": n % 2} for n in range(40)])
    judge = Scripted("first")
    found = held(tmp_path, judge, PAIRWISE)
    assert (len(judge.bodies), found.errors.tells, found.errors.centre) == (80, False, 0.5)
    assert {shown(body)["first"] == "a" for body in judge.bodies} == {True, False}
