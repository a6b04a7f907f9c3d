"""Verdicts on a step's answer, as pure functions of the check, the answer and what it is held against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.contracts import citing
from trimtab.contracts.judging import RUBRIC, bounded, messages_of, word_of
from trimtab.contracts.validate import Validator
from trimtab.declare.checking import Agrees, Check, Cited, Judged, Sampled
from trimtab.declare.conditions import compiled
from trimtab.declare.paths import MISSING, value_at
from trimtab.journal.requests import canonical

MOST_DETAIL: Final = 900
MOST_SHOWN: Final = 80
MOST_FAULTS: Final = 3


class Verdict(Struct, frozen=True):
    """What a check found; `unclear` where it could not be made, which does not pass either."""

    passed: bool
    detail: str = ""
    unclear: bool = False


class Answer(Struct, frozen=True):
    """A step's answer: its text, and its value where that is JSON, else the text again; `is_data` of a function's."""

    text: str
    value: Any
    is_data: bool = False


PASSED: Final = Verdict(True)


def answer_of(text: str) -> Answer:
    """A text as an answer."""
    try:
        return Answer(text, msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Answer(text, text)


def data_of(content: bytes) -> Answer:
    """What a function gave, from JSON."""
    value = msgspec.json.decode(content)
    return Answer(value if isinstance(value, str) else content.decode(), value, is_data=True)


def by_schema(schema: str, answer: Answer) -> Verdict:
    """Whether an answer keeps a JSON Schema."""
    validator = _validator(schema)
    faults = validator.faults(answer.value) if answer.is_data else validator.check(answer.text).faults
    told = "; ".join(f"{one.path or 'the answer'} {one.message}" for one in faults[:MOST_FAULTS])
    return Verdict(not faults, told[:MOST_DETAIL])


def by_rule(rule: str, facts: Mapping[str, Any]) -> Verdict:
    """Whether a condition holds; one that stumbles over what it reads does not."""
    if compiled(rule).holds(facts, stumbled=False):
        return PASSED
    stumbled = compiled(rule).holds(facts, stumbled=True)
    return Verdict(False, f"{rule} {'cannot be told, as what it reads is not as it says' if stumbled else 'is false'}")


def by_agreement(agrees: Agrees, answer: Answer, other: Answer | None) -> Verdict:
    """Whether an answer says the same as another step's."""
    if other is None:
        return Verdict(False, f"there is no answer of {agrees.step} to hold it against", unclear=True)
    apart = []
    for here, there in agrees.fields:
        mine, theirs = value_at(answer.value, here), value_at(other.value, there)
        if mine is MISSING or theirs is MISSING or _form(mine) != _form(theirs):
            apart.append(
                f"{here or 'it'} is {_shown(mine)}, and {there or 'that'} of {agrees.step} is {_shown(theirs)}"
            )
    return Verdict(not apart, "; ".join(apart)[:MOST_DETAIL])


def by_citations(cited: Cited, answer: Answer, sources: Iterable[Any]) -> Verdict:
    """Whether what an answer cites stands in these values: what tools were given and what they answered."""
    if cited.field:
        value = value_at(answer.value, cited.field)
        found = [] if value is MISSING else citing.citations(value)
    else:
        found = citing.cited_in(citing.texts_of(answer.value))
    if len(found) < cited.least:
        return Verdict(False, f"it cites {len(found)} sources, and {cited.least} are asked for")
    missing = citing.unfounded(found, (citing.Source(citing.texts_of(one)) for one in sources))
    if not missing:
        return PASSED
    tools = ", ".join(cited.tools)
    more = f" and {len(missing) - MOST_FAULTS} more" if len(missing) > MOST_FAULTS else ""
    told = ", ".join(_shown(one) for one in missing[:MOST_FAULTS])
    return Verdict(False, f"{told}{more} stands in nothing that {tools} was given or answered"[:MOST_DETAIL])


def judge_messages(judge: Judged, asked: Any, answer: Answer) -> list[dict[str, str]]:
    """What the judging model is asked."""
    return messages_of(RUBRIC, judge.question, {"asked": bounded(asked), "answered": bounded(answer.text)})


def by_word(judge: Judged, text: str) -> Verdict:
    """What the judging model's answer says."""
    word = word_of(text, RUBRIC.words)
    if not word:
        return Verdict(False, f"{judge.model} said neither yes nor no", unclear=True)
    return Verdict(word == "yes", "" if word == "yes" else f"{judge.model} says no to: {judge.question}"[:MOST_DETAIL])


def by_samples(samples: Sampled, answer: Answer, others: Sequence[str | None]) -> Verdict:
    """Whether enough answers say what this one says; None is a request that got no answer."""
    mine = _said(answer, samples.fields)
    same = 1 + sum(other is not None and _said(answer_of(other), samples.fields) == mine for other in others)
    failed = sum(other is None for other in others)
    passed = same >= samples.agree * samples.count - 1e-9
    detail = f"{same} of {samples.count} answers say the same, and {samples.agree:.0%} are asked for"
    if failed:
        detail += f"; {failed} requests got no answer"
    could = same + failed >= samples.agree * samples.count - 1e-9
    return Verdict(passed, "" if passed else detail, unclear=not passed and could)


def by_function(name: str, said: Any) -> Verdict:
    """What a program's own function says: whether it passes, or in words what is wrong."""
    if isinstance(said, str):
        return Verdict(not said, said[:MOST_DETAIL])
    return Verdict(bool(said), "" if said else f"{name} says no")


def complaint(check: Check, detail: str) -> str:
    """What a model is told that is asked to mend its answer."""
    return (
        f'Your answer did not pass the check "{check.name}": {detail}\n'
        "Answer again so that it passes. Give the whole answer and nothing else."
    )


@lru_cache(maxsize=128)
def _validator(schema: str) -> Validator:
    return Validator(schema)


def _said(answer: Answer, fields: Sequence[str]) -> str:
    if not fields:
        return _form(answer.value.strip() if isinstance(answer.value, str) else answer.value)
    found = [value_at(answer.value, field) for field in fields]
    return _form([{} if one is MISSING else {"value": one} for one in found])


def _form(value: Any) -> str:
    """Equal for values that are the same JSON, whatever the order of keys and the way numbers are written."""
    return canonical("check", "", value).digest


def _shown(value: Any) -> str:
    if value is MISSING:
        return "not there"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 4]} ..."
