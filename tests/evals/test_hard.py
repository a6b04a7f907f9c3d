"""Parts of cases that are harder than the rest, found with as few false ones as is said."""

from __future__ import annotations

import random

from trimtab.evals.case import Case
from trimtab.evals.hard import hard_parts


def cases(number: int, seed: int = 1) -> list[Case]:
    """Cases with a length, a language, a number and a flag that have nothing to do with each other."""
    chance = random.Random(seed)
    return [
        Case(
            f"c{at}",
            {
                "ticket": "word " * chance.randint(1, 60),
                "language": chance.choice(["de", "en", "fr"]),
                "items": chance.randint(0, 20),
                "urgent": chance.random() < 0.5,
            },
        )
        for at in range(number)
    ]


def test_a_planted_language_is_found() -> None:
    """Where nine of ten German cases are wrong and nine of ten others right, the language is named first."""
    these, chance = cases(200), random.Random(3)
    scores = {
        one.id: float(chance.random() < (0.1 if (one.inputs or {})["language"] == "de" else 0.9)) for one in these
    }
    found = hard_parts(these, scores)
    assert (found.parts[0].signal, found.parts[0].is_so) == ("inputs.language", "is de")
    assert found.parts[0].p_value <= 0.001 + 1e-9
    assert found.parts[0].score < 0.3 < 0.7 < found.parts[0].others


def test_a_planted_length_is_found() -> None:
    """Where long cases are wrong a cut of the length is named, with the cases above it worse."""
    these = cases(200)
    scores = {one.id: float(len((one.inputs or {})["ticket"].split()) <= 40) for one in these}
    best = hard_parts(these, scores).parts[0]
    assert best.signal in {"length in words", "length of inputs.ticket"}
    assert best.is_so.startswith("above")
    assert best.score < best.others


def test_by_chance_a_part_is_named_one_time_in_twenty() -> None:
    """Over 30 sets of scores that have nothing to do with the inputs, a part comes out below 5 % at most 5 times.

    With a rate of 5 % more than 5 of 30 happen by chance in fewer than one run of 300; without a correction for the
    many parts most of them would.
    """
    these, false = cases(60), 0
    for seed in range(30):
        chance = random.Random(seed)
        scores = {one.id: float(chance.random() < 0.7) for one in these}
        found = hard_parts(these, scores, seed=seed)
        false += bool(found.parts) and found.parts[0].p_value <= 0.05
    assert false <= 5


def test_of_a_group_one_case_counts() -> None:
    """Copies of one case in one group are no evidence: 40 rows of two groups are two cases, too few for any part."""
    these = [Case(f"c{at}", {"kind": "a" if at < 20 else "b"}, group="ga" if at < 20 else "gb") for at in range(40)]
    found = hard_parts(these, {one.id: float(at < 20) for at, one in enumerate(these)})
    assert (found.cases, found.left_out, found.parts) == (2, 38, ())


def test_scores_that_do_not_vary_tell_nothing() -> None:
    """Where all are right, and where there are no cases, no part is named."""
    these = cases(30)
    assert hard_parts(these, {one.id: 1.0 for one in these}).parts == ()
    assert hard_parts([], {}).parts == ()


def test_further_signals_may_be_given() -> None:
    """A signal by name, such as a language that was found, is looked at like the others."""
    these = [Case(f"c{at}", {"x": str(at)}) for at in range(40)]
    scores = {f"c{at}": float(at % 2) for at in range(40)}
    found = hard_parts(these, scores, {"odd": lambda one: str(int(one.id[1:]) % 2)})
    assert found.parts[0].signal == "odd"
    assert {found.parts[0].score, found.parts[0].others} == {0.0, 1.0}
