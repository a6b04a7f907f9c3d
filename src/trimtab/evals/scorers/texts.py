"""Scorers that compare texts: as they are, without case, spaces and punctuation, and as parts of an answer."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from trimtab.contracts.jsontext import NotJson, parse
from trimtab.declare.evaluating import Scorer
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.marking import Unscorable, Wrong, expected, said, same, text_of, texts_of

DROPPED: Final = frozenset({"P", "Z", "C"})
"""Major categories of Unicode: punctuation, separators, and what is no character (controls, formats)."""
IN_NUMBERS: Final = re.compile(r"(?<=[0-9])[.,:/](?=[0-9])|(?<![^\s(])-(?=[.,]?[0-9])")
"""Punctuation that is part of a number: between two digits, and a minus that stands at the beginning of one."""


class Exact:
    """1 where the answer, or a field of its JSON, is just what is expected.

    A text is compared character by character. Where anything else is expected (a number, an object), the answer is read
    as JSON and compared by value.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, case: Case, answer: Answer) -> float:
        """The mark."""
        wanted = expected(case, self._scorer)
        if self._scorer.field or isinstance(wanted, str):
            return float(same(said(answer, self._scorer.field), wanted))
        try:
            return float(same(parse(answer.text), wanted))
        except NotJson as broken:
            raise Wrong(f"the answer is not JSON: {broken.detail}") from None


class Normalised:
    """1 where both are the same once case, spaces and punctuation are gone."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, case: Case, answer: Answer) -> float:
        """The mark."""
        wanted, found = text_of(expected(case, self._scorer)), text_of(said(answer, self._scorer.field))
        bare = normal(wanted)
        if not bare:
            return float(_compatible(found).strip() == _compatible(wanted).strip())
        return float(normal(found) == bare)


class Contains:
    """The share of the texts that stand in the answer, or in a field of it: the declared one, or those expected.

    Case matters.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, case: Case, answer: Answer) -> float:
        """The mark."""
        wanted = self._wanted(case)
        found = text_of(said(answer, self._scorer.field))
        return sum(one in found for one in wanted) / len(wanted)

    def _wanted(self, case: Case) -> list[str]:
        if self._scorer.pattern:
            return [self._scorer.pattern]
        wanted = [one for one in texts_of(expected(case, self._scorer)) if one]
        if not wanted:
            raise Unscorable("the case expects no text that could stand in an answer")
        return wanted


class Json:
    """1 where the answer's JSON, or a field of it, has the value that is expected."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, case: Case, answer: Answer) -> float:
        """The mark."""
        wanted = expected(case, self._scorer)
        return float(same(said(answer, self._scorer.field or "$"), _value(wanted)))


def _value(wanted: Any) -> Any:
    """What is expected, read where it is the text of an object or a list."""
    if isinstance(wanted, str) and wanted.lstrip()[:1] in {"{", "["}:
        try:
            return parse(wanted)
        except NotJson:
            return wanted
    return wanted


def normal(text: str) -> str:
    """A text without case, spaces and punctuation, in the compatible form of Unicode (NFKC, UAX 15).

    Accents and symbols ($, %, +) stay, and so does punctuation that is part of a number: 1.5 is not 15, -5 is not 5.
    """
    plain = _compatible(text)
    kept = {found.start() for found in IN_NUMBERS.finditer(plain)}
    return "".join(
        letter for at, letter in enumerate(plain) if at in kept or unicodedata.category(letter)[0] not in DROPPED
    )


def _compatible(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).replace("\u2212", "-")
