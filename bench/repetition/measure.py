"""What a detector says of a corpus: hits and misses with their intervals, by family and by kind."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.repetition.corpus import Answer, Part
from trimtab.guard.repetition import Repetition, Verdict
from trimtab.statistics.intervals import Interval, wilson


@dataclass(frozen=True)
class Judged:
    """An answer and what the detector said of it, after how many characters."""

    answer: Answer
    verdict: Verdict
    at: int

    @property
    def right(self) -> bool:
        """Whether the detector found what is there."""
        return bool(self.verdict) == self.answer.degenerate


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % interval of Wilson."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The proportion; 1 of nothing."""
        return self.count / self.of if self.of else 1.0

    @property
    def interval(self) -> Interval:
        """Its 95 % interval."""
        return wilson(self.count, self.of)


def chunks(text: str, draw: random.Random) -> Iterator[str]:
    """The text in pieces of the size of tokens."""
    at = 0
    while at < len(text):
        size = draw.choice((1, 2, 3, 4, 4, 5, 5, 6, 7, 9))
        yield text[at : at + size]
        at += size


def judge(answer: Answer) -> Judged:
    """Stream one answer through a detector."""
    detector, draw = Repetition(), random.Random(answer.number)
    for chunk in chunks(answer.text, draw):
        if detector.feed(chunk):
            break
    return Judged(answer, detector.verdict, detector.at)


def judge_all(answers: Iterable[Answer], part: Part | None = None) -> list[Judged]:
    """Every answer of a part of the corpus, or of all of it."""
    return [judge(answer) for answer in answers if part is None or answer.part == part]


def precision(judged: Sequence[Judged]) -> Share:
    """How many of the flagged answers are degenerate."""
    flagged = [each for each in judged if each.verdict]
    return Share(sum(each.answer.degenerate for each in flagged), len(flagged))


def recall(judged: Sequence[Judged]) -> Share:
    """How many of the degenerate answers are flagged."""
    degenerate = [each for each in judged if each.answer.degenerate]
    return Share(sum(bool(each.verdict) for each in degenerate), len(degenerate))


def right_by_family(judged: Sequence[Judged]) -> dict[str, Share]:
    """How many answers of each family were judged rightly."""
    families = sorted({each.answer.family for each in judged})
    counted = {family: [each.right for each in judged if each.answer.family == family] for family in families}
    return {family: Share(sum(rights), len(rights)) for family, rights in counted.items()}


def delays(judged: Sequence[Judged]) -> list[int]:
    """Characters from where repetition began to the verdict, sorted, where the beginning is known."""
    found = (each for each in judged if each.verdict and each.answer.degenerate and each.answer.onset >= 0)
    return sorted(each.at - each.answer.onset for each in found)
