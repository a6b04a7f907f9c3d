"""What all scorers share: what of an answer is marked, with what it is compared, and when two values are the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from trimtab.contracts.jsontext import NotJson, parse
from trimtab.declare.evaluating import Scorer
from trimtab.declare.paths import MISSING, value_at
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer, Mark

LONGEST: Final = 1_000_000
"""Characters of an answer that are marked; a longer one is wrong."""
MOST_WHY: Final = 200
OK: Final = "ok"


class Unscorable(Exception):
    """Nothing can be said of an answer; the message says why."""


class Wrong(Exception):
    """An answer is wrong whatever it is compared with; the message says why."""


class Scored(Struct, frozen=True):
    """A scorer that marks by a function of the case and the answer, which may raise `Unscorable` and `Wrong`.

    `is_amount`: what is marked is the call, and not what it delivered. Otherwise an answer that the client did not get,
    since it broke the task's contract, is wrong.
    """

    name: str
    value: Callable[[Case, Answer], float]
    is_amount: bool = False

    def mark(self, case: Case, answer: Answer) -> Mark:
        """The mark; never raises for what a model wrote."""
        try:
            if not self.is_amount:
                check(answer)
            return Mark(self.name, self.value(case, answer))
        except Wrong as wrong:
            return Mark(self.name, 0.0, cut(str(wrong)))
        except Unscorable as unknown:
            return Mark(self.name, None, cut(str(unknown)))


def check(answer: Answer) -> None:
    """Raises `Wrong` for what was not delivered, or is too long."""
    if answer.outcome != OK:
        raise Wrong(f"it was not delivered: {answer.outcome}")
    if len(answer.text) > LONGEST:
        raise Wrong(f"it is longer than {LONGEST:,} characters")


def cut(why: str) -> str:
    """A reason on one line and of a bounded length."""
    line = "".join(letter if letter.isprintable() else " " for letter in why[:MOST_WHY])
    return line if len(why) <= MOST_WHY else f"{line[:-3]}..."


def said(answer: Answer, field: str) -> Any:
    """What is marked: the answer's text, or what lies at a path of its JSON. Raises `Wrong` where nothing does."""
    if not field:
        return answer.text
    found = value_at(value_of(answer), field)
    if found is MISSING:
        raise Wrong(f"the answer has no {field}")
    return found


def value_of(answer: Answer) -> Any:
    """The answer as JSON (RFC 8259, strictly: no code fence, nothing around it). Raises `Wrong` where it is none."""
    try:
        return parse(answer.text)
    except NotJson as broken:
        raise Wrong(f"the answer is not JSON: {broken.detail}") from None


def expected(case: Case, scorer: Scorer) -> Any:
    """What of the case's expected answer is compared: what lies at `expected`, else at `field`.

    Where only `field` is told and what is expected has no fields, it is compared whole. Raises `Unscorable` where there
    is nothing.
    """
    if case.expected is None:
        raise Unscorable("the case says nothing of what is expected")
    path = scorer.expected or (scorer.field if isinstance(case.expected, dict | list) else "")
    found = value_at(case.expected, path)
    if found is MISSING:
        raise Unscorable(f"what the case expects has no {path}")
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: numbers by value (1 is 1.0), objects in any order, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return False
    return bool(one == other)


def text_of(value: Any) -> str:
    """A JSON value as text: a string as it is, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def texts_of(value: Any) -> list[str]:
    """The texts of a list, or the one that a value is."""
    return [text_of(one) for one in value] if isinstance(value, list) else [text_of(value)]
