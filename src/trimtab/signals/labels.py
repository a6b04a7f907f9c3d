"""What follows from a label, a score or a corrected answer that somebody gave: completion, accuracy, calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from trimtab.record.events import Score, Settled
from trimtab.signals.readings.reading import ANY_ITEM, Said
from trimtab.signals.scores import RIGHT, WRONG, about, completion_of, score_id
from trimtab.statistics.calibration import bin_of
from trimtab.store.scores import ACCURACY

TRUTH_NAMES: Final = frozenset({"correct", ACCURACY})
"""Scores of these names tell by their value whether the answer was right."""
GENERAL_NAMES: Final = frozenset({"feedback", "label", *TRUTH_NAMES})
"""A label under one of these is of the answer's one category, whatever that is called."""
GOOD: Final = frozenset({"yes", "true", "pass", "passed", "done", "complete", "completed", "success", "good"})
BAD: Final = frozenset({"no", "false", "fail", "failed", "open", "incomplete", "failure", "bad"})
"""Labels that tell of completion, where no value does; case does not count."""
PASSES: Final = 0.5


@dataclass(frozen=True)
class Judged:
    """A judgement with its call.

    `answer` and `corrected` are JSON values or texts, None where the one is not known or the other not given; `said`
    and `corrected_said` what they say in the fields that the task's schema names. `known` are the categories of these
    fields by their JSON pointers. `completes` tells whether the judgement is the one that tells of completion.
    """

    score: Score
    call: Settled
    answer: Any = None
    corrected: Any = None
    said: Sequence[Said] = ()
    corrected_said: Sequence[Said] = ()
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    completes: bool = False


def scores_of(judged: Judged) -> Iterator[Score]:
    """The judgement with what it takes from its call, and the scores that follow from it, each under a fixed id."""
    score, call = judged.score, judged.call
    yield about(call, score)
    if judged.completes:
        value = _completion(score)
        if value is not None:
            yield completion_of(call, value, "feedback", score.at_ns, score.by)
    for place, is_right in _verdicts(judged).items():
        yield _accuracy(judged, place, is_right)
        confidence = call.confidence.get(place)
        if confidence is not None:
            yield _calibration(judged, place, is_right, confidence.mean)


def _completion(score: Score) -> float | None:
    if score.value is not None:
        return 1.0 if score.value >= PASSES else 0.0
    label = score.label.casefold()
    return 1.0 if label in GOOD else 0.0 if label in BAD else None


def _verdicts(judged: Judged) -> dict[str, bool]:
    """Whether the answer was right, under "", and each of its fields that can be told, by its JSON pointer."""
    score = judged.score
    found: dict[str, bool] = {}
    if score.name in TRUTH_NAMES and score.value is not None:
        found[""] = score.value >= PASSES
    if judged.corrected is not None and judged.answer is not None:
        found[""] = _alike(judged.answer, judged.corrected)
        right = {one.pointer: one.value for one in judged.corrected_said if ANY_ITEM not in one.pointer.split("/")}
        given = {one.pointer: one.value for one in judged.said}
        found |= {place: given.get(place) == value for place, value in right.items()}
    place = _labelled(score, judged.known)
    if place is not None and judged.said:
        told = next((one.value for one in judged.said if one.pointer == place), None)
        found[place] = told == score.label
        if len(judged.known) == 1:
            found.setdefault("", found[place])
    return found


def _labelled(score: Score, known: Mapping[str, frozenset[str]]) -> str | None:
    """The field that a label is of: the one the score is named after, or the only one that has such a category."""
    if not score.label:
        return None
    for place in known:
        if score.name in {place, place.removeprefix("/"), place.rpartition("/")[2]} and place:
            return place
    if score.name not in GENERAL_NAMES:
        return None
    having = [place for place, categories in known.items() if score.label in categories]
    return having[0] if len(having) == 1 else None


def _alike(answer: Any, corrected: Any) -> bool:
    """Whether two answers are the same: JSON by value, 1 and true apart; texts but for the space around them."""
    if isinstance(answer, str) and isinstance(corrected, str):
        return answer.strip() == corrected.strip()
    if isinstance(answer, dict) and isinstance(corrected, dict):
        return answer.keys() == corrected.keys() and all(_alike(answer[key], corrected[key]) for key in answer)
    if isinstance(answer, list) and isinstance(corrected, list):
        return len(answer) == len(corrected) and all(map(_alike, answer, corrected))
    return isinstance(answer, bool) == isinstance(corrected, bool) and bool(answer == corrected)


def _accuracy(judged: Judged, place: str, is_right: bool) -> Score:
    score = judged.score
    name = f"{ACCURACY}{place}"
    value = 1.0 if is_right else 0.0
    ours = Score(score_id(name, judged.call.admitted.call), score.at_ns, name, score.source, value=value, by=score.by)
    return about(judged.call, ours)


def _calibration(judged: Judged, place: str, is_right: bool, confidence: float) -> Score:
    """The confidence of what was right or wrong; another label for the same call takes its place."""
    score = judged.score
    told = Score(
        score_id("confidence", place, judged.call.admitted.call),
        score.at_ns,
        f"{RIGHT if is_right else WRONG}{place}",
        score.source,
        value=confidence,
        label=bin_of(confidence),
    )
    return replace(about(judged.call, told), by=score.by)
