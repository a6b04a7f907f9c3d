"""Calibration figures out of stored scores, and what follows from labels that are less than plain."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.samples import NOON_NS, SECOND_NS, call
from trimtab.record.events import Confidence, Score
from trimtab.signals.calibration import reliabilities
from trimtab.signals.labels import Judged, scores_of
from trimtab.signals.readings.reading import Said
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.scores import ScoreQuery
from trimtab.store.telemetry import Batch

KNOWN = {"/label": frozenset({"null", "billing", "access"})}
SURE = {"": Confidence(0.9, 0.9), "/label": Confidence(0.8, 0.8)}


def judged(name: str = "label", **told: Any) -> dict[str, float | None]:
    """What follows from a score on an answer that says billing, by name; the score itself is left out."""
    more = {
        key: told.pop(key)
        for key in ("answer", "corrected", "said", "corrected_said", "known", "completes")
        if key in told
    }
    score = Score("s1", NOON_NS, name, "feedback", call="c1", by="shop", **told)
    facts: dict[str, Any] = {
        "answer": {"label": "billing"},
        "said": (Said("/label", "category", "billing"),),
        "known": KNOWN,
    }
    found = list(scores_of(Judged(score, call("c1", confidence=SURE), **{**facts, **more})))
    assert {one.task for one in found} == {"route"}
    return {one.name: one.value for one in found[1:]}


def test_a_label_of_the_one_category() -> None:
    """It is held against the field that has such a value, and as that is the only one, it tells of the whole answer."""
    right = {"accuracy/label": 1.0, "confidence.right/label": 0.8, "accuracy": 1.0, "confidence.right": 0.9}
    assert judged("feedback", label="billing") == right
    assert judged("feedback", label="access") == {
        name.replace("right", "wrong"): 0.0 if name.startswith("accuracy") else value for name, value in right.items()
    }


@pytest.mark.parametrize(
    ("name", "label", "known"),
    [
        ("feedback", "great", KNOWN),
        ("mood", "billing", KNOWN),
        ("feedback", "S", {**KNOWN, "/size": frozenset({"S"}), "/items": frozenset({"S"})}),
        ("label", "billing", {}),
    ],
)
def test_labels_that_are_of_no_field(name: str, label: str, known: dict[str, frozenset[str]]) -> None:
    """A word that is no value of a field, or of more than one, tells nothing of the answer."""
    assert judged(name, label=label, known=known) == {}


def test_a_label_by_the_name_of_its_field() -> None:
    """Where the score is named after a field, the label is of that field, whether or not it is one of its values."""
    known = {**KNOWN, "/size": frozenset({"S", "L"})}
    assert judged("label", label="refund", known=known) == {"accuracy/label": 0.0, "confidence.wrong/label": 0.8}
    assert judged("size", label="S", known=known) == {"accuracy/size": 0.0}


@pytest.mark.parametrize(("value", "expected"), [(1.0, 1.0), (0.5, 1.0), (0.4, 0.0)])
def test_a_score_that_says_it_itself(value: float, expected: float) -> None:
    """A score named correct is the accuracy."""
    side = "right" if expected else "wrong"
    assert judged("correct", value=value) == {"accuracy": expected, f"confidence.{side}": 0.9}


@pytest.mark.parametrize(
    ("answer", "corrected", "alike"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([1, 2], [2, 1], False),
        (" Hello ", "Hello\n", True),
        ("Hello", "hello", False),
        ("1", 1, False),
    ],
)
def test_when_an_answer_is_right(answer: Any, corrected: Any, alike: bool) -> None:
    """JSON is held against JSON by value, texts but for the space around them."""
    found = judged("feedback", answer=answer, corrected=corrected, said=(), corrected_said=(), known={})
    assert found["accuracy"] == (1.0 if alike else 0.0)


def test_an_answer_that_is_not_known() -> None:
    """Without the answer nothing can be said of it."""
    assert judged("feedback", answer=None, corrected="x", said=(), known={}) == {}


def test_the_latest_label_of_a_call_counts() -> None:
    """Labels of one call by different people have one id: the last one takes the place."""
    ids = [
        {one.id for one in scores_of(Judged(Score(name, NOON_NS, "correct", "feedback", value=value), call("c1")))}
        - {name}
        for name, value in (("a", 1.0), ("b", 0.0))
    ]
    assert ids[0] == ids[1]


def test_reliability_of_stored_labels() -> None:
    """Four of five labels at 0.9 right: the share lies 0.125 under the bin's middle, and labels came a minute late."""
    telemetry = MemoryTelemetry()
    calls = [call(f"c{number}", confidence={"/label": Confidence(0.9, 0.9)}) for number in range(5)]
    scores = [
        one
        for number, of_call in enumerate(calls)
        for one in scores_of(
            Judged(
                Score(
                    f"s{number}",
                    NOON_NS + 60 * SECOND_NS,
                    "label",
                    "feedback",
                    label="access" if number == 4 else "billing",
                ),
                of_call,
                said=(Said("/label", "category", "billing"),),
                known=KNOWN,
            )
        )
    ]
    telemetry.insert(Batch(scores=tuple(scores)), "t")
    [found] = reliabilities(telemetry.scores(ScoreQuery(0, NOON_NS + 3600 * SECOND_NS)))
    assert (found.task, found.pointer, found.calibration.n) == ("route", "/label", 5)
    assert found.calibration.ece == pytest.approx(0.125)
    assert found.calibration.brier == pytest.approx((4 * 0.01 + 0.81) / 5)
    assert found.lag_p50_s == pytest.approx(60, rel=0.01)
