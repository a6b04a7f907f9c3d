"""Cases of an evaluation side by side: what each arm answered, word by word, and what the scorers made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from trimtab.evals.case import Case
from trimtab.evals.report import CaseResult, Report
from trimtab.evals.sample import Answer, Mark, Sample
from trimtab.lock.word_diff import Piece, word_diff

MOST_FLIPPED: Final = 10
"""Cases that are shown side by side unless one is asked for."""
MOST_PAIRS: Final = 10
MOST_TEXT: Final = 4_000
"""Characters of an answer that are compared and shown; so many words are compared in milliseconds."""
MOST_INPUT: Final = 8_000
SHARE_WRONG: Final = 0.5


class AnswerShown(Struct, frozen=True):
    """An answer of one arm: its text with what tools it asked for, cut at 4,000 characters."""

    call: str
    outcome: str
    text: str
    left_out: int
    verdict: str
    marks: tuple[Mark, ...]
    length_tokens: int | None = None
    cost_usd: float | None = None


class PairShown(Struct, frozen=True):
    """The two answers to a case that were asked with the same seed; None where an arm has none."""

    number: int
    base: AnswerShown | None
    candidate: AnswerShown | None


class CaseShown(Struct, frozen=True):
    """One case under both arms. `inputs` and `expected` are JSON, as the data set in the project has them now."""

    result: CaseResult
    inputs: str
    expected: str
    pairs: tuple[PairShown, ...]
    more: int = 0


class Sides(NamedTuple):
    """Two texts, each with what differs from the other marked in it."""

    base: tuple[Piece, ...]
    candidate: tuple[Piece, ...]


def turned(report: Report) -> tuple[CaseResult, ...]:
    """The cases that came out otherwise, the worst first, and those that got better last."""
    changed = [one for one in report.cases if step(one)]
    return tuple(sorted(changed, key=lambda one: (step(one), one.case)))


def step(one: CaseResult) -> float:
    """By how much the candidate is better at a case."""
    return 0.0 if one.base is None or one.candidate is None else one.candidate - one.base


def chosen(report: Report, asked_for: str) -> tuple[CaseResult, ...]:
    """The case that was asked for; else those that turned, or that are always wrong where there is one arm."""
    if asked_for:
        return tuple(one for one in report.cases if one.case == asked_for)
    found = turned(report)
    if not found and report.base is None:
        found = tuple(one for one in report.cases if one.candidate is not None and one.candidate < SHARE_WRONG)
    return found[:MOST_FLIPPED]


def shown(
    those: Sequence[CaseResult], samples: Sequence[Sample], cases: Mapping[str, Case], scorer: str, most: int
) -> tuple[CaseShown, ...]:
    """Cases side by side, of each at most so many pairs: first those of which the first scorer thinks otherwise."""
    wanted = {one.case for one in those}
    by_case: dict[str, dict[int, dict[str, Sample]]] = {}
    for sample in samples:
        if sample.case in wanted:
            by_case.setdefault(sample.case, {}).setdefault(sample.number, {})[sample.arm] = sample
    return tuple(_case(one, by_case.get(one.case, {}), cases.get(one.case), scorer, most) for one in those)


def sides(pair: PairShown) -> Sides:
    """The answers of a pair, with what is in one alone marked as gone or new; of one alone nothing is."""
    if pair.base is None or pair.candidate is None:
        there = pair.base or pair.candidate
        alone = (Piece("same", there.text),) if there is not None and there.text else ()
        return Sides(alone if pair.base else (), alone if pair.candidate else ())
    pieces = word_diff(pair.base.text, pair.candidate.text)
    return Sides(tuple(one for one in pieces if one.kind != "in"), tuple(one for one in pieces if one.kind != "out"))


def _case(
    result: CaseResult, numbers: Mapping[int, Mapping[str, Sample]], case: Case | None, scorer: str, most: int
) -> CaseShown:
    def apart(number: int) -> float:
        values = [_mark(numbers[number].get(arm), scorer) for arm in ("base", "candidate")]
        return 0.0 if values[0] is None or values[1] is None else -abs(values[1] - values[0])

    order = sorted(numbers, key=lambda number: (apart(number), number))
    pairs = tuple(
        PairShown(number, _answer(numbers[number].get("base")), _answer(numbers[number].get("candidate")))
        for number in order[:most]
    )
    return CaseShown(result, _inputs(case), _written(case.expected if case else None), pairs, max(0, len(order) - most))


def _mark(sample: Sample | None, scorer: str) -> float | None:
    marks = sample.marks if sample is not None else ()
    return next((one.value for one in marks if one.scorer == scorer), None)


def _answer(sample: Sample | None) -> AnswerShown | None:
    if sample is None:
        return None
    answer, text = sample.answer, spoken(sample.answer)
    left_out = max(0, len(text) - MOST_TEXT)
    facts = (answer.verdict, sample.marks, answer.length_tokens, answer.cost_usd)
    return AnswerShown(answer.call, answer.outcome, text[:MOST_TEXT], left_out, *facts)


def spoken(answer: Answer) -> str:
    """What an answer says, its calls of tools a line each."""
    lines = [answer.text] if answer.text else []
    return "\n".join([*lines, *(f"{one.name}({one.arguments})" for one in answer.tool_calls)])


def _inputs(case: Case | None) -> str:
    if case is None:
        return ""
    both: dict[str, object] = {"inputs": case.inputs, "messages": case.messages}
    given = {name: value for name, value in both.items() if value}
    return _written(next(iter(given.values())) if len(given) == 1 else given)


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value[:MOST_INPUT]
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()[:MOST_INPUT]
    except (UnicodeEncodeError, RecursionError):
        return repr(value)[:MOST_INPUT]
