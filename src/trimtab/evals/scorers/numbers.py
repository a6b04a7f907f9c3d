"""The scorer of numbers: read out of text, compared as decimals within a tolerance."""

from __future__ import annotations

import re
import unicodedata
from decimal import Context, Decimal, localcontext
from typing import Any, Final

from trimtab.declare.evaluating import Scorer
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.marking import Unscorable, Wrong, expected, said

MOST_DIGITS: Final = 400
"""Of a number, its exponent included in value: a larger one is none."""
EXACT: Final = Context(prec=4 * MOST_DIGITS)
NUMBER: Final = re.compile(
    r"(?<![\w.])[-+]?"
    r"(?:[0-9]{1,3}(?:[ '\u2019][0-9]{3})+(?![0-9])(?:[.,][0-9]+)?|[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+)"
    r"(?:[eE][-+]?[0-9]+)?"
)
"""A number, with points, commas, spaces or apostrophes between its digits, and perhaps an exponent."""
GROUPED: Final = re.compile(r"[-+]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
DECIMAL_COMMA: Final = re.compile(r"[-+]?[0-9]*,[0-9]+")


class Numeric:
    """1 where the number of the answer, or of a field of it, is within the tolerance of what is expected.

    Of a text with several numbers, the last one counts.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._tolerance = Decimal(repr(scorer.tolerance))

    def __call__(self, case: Case, answer: Answer) -> float:
        """The mark."""
        wanted = number_in(expected(case, self._scorer))
        if wanted is None:
            raise Unscorable("the case expects no number")
        found = number_in(said(answer, self._scorer.field))
        if found is None:
            raise Wrong("the answer has no number")
        with localcontext(EXACT):
            allowed = self._tolerance * abs(wanted) if self._scorer.relative else self._tolerance
            return float(abs(found - wanted) <= allowed)


def number_in(value: Any) -> Decimal | None:
    """The number that a JSON value is, or the last one in a text; None where there is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**MOST_DIGITS else None
    if not isinstance(value, str):
        return None
    plain = unicodedata.normalize("NFKC", value).replace("\u2212", "-")
    last = None
    for found in NUMBER.finditer(plain):
        last = found[0]
    return None if last is None else read_number(last)


def read_number(text: str) -> Decimal | None:
    """A number as it is written: 1,234.5 and 1.234,5 and 1 234,5 and 1'234.5 are the same.

    Where points and commas both stand, the last one parts the decimals. A comma alone, or several, parts thousands
    where exactly three digits follow each; else it parts decimals. One point alone always parts decimals, several part
    thousands. None for what is none of these, and for more digits than 400 or an exponent beyond it.
    """
    mantissa, _, exponent = text.replace("E", "e").partition("e")
    digits = re.sub("[ '\u2019]", "", mantissa)
    if len(digits) > MOST_DIGITS:
        return None
    point, comma = digits.rfind("."), digits.rfind(",")
    if point >= 0 and comma >= 0:
        digits = digits.replace(",", "") if point > comma else digits.replace(".", "").replace(",", ".")
    elif GROUPED.fullmatch(digits):
        digits = digits.replace(",", "")
    elif DECIMAL_COMMA.fullmatch(digits):
        digits = digits.replace(",", ".")
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    if digits.count(".") > 1 or "," in digits:
        return None
    found = Decimal(digits)
    if not exponent or not found:
        return found
    power = int(exponent) if len(exponent) <= MOST_DIGITS else MOST_DIGITS + 1
    return found.scaleb(power, EXACT) if abs(power) <= MOST_DIGITS else None
