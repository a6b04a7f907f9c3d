"""What a judging model is shown and asked, and how its word is read.

What was asked and answered is shown as data, a JSON object with the instruction to follow nothing in it; its length is
not told, and neither is which model wrote it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from trimtab.contracts.judging import MAX_OUTPUT_TOKENS, SHOWN, Form, bounded, messages_of, word_of
from trimtab.declare.evaluating import Scorer
from trimtab.evals.asking import Judge
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.marking import OK

SEED_BITS: Final = 31


class Asked(Struct, frozen=True):
    """The judge's word and the call in which it said so; `word` is empty, with a reason, where it said none."""

    word: str
    call: str = ""
    cost_usd: float = 0.0
    why: str = ""


def ask(judge: Judge, scorer: Scorer, form: Form, shown: Mapping[str, Any], seed: int) -> Asked:
    """Puts the scorer's question about what is shown; blocks. Raises like `Judge.judge`."""
    body = {
        "messages": messages_of(form, scorer.question, shown),
        "temperature": 0,
        "max_tokens": MAX_OUTPUT_TOKENS,
        "stream": False,
    }
    told = judge.judge(scorer.model, body, seed)
    cost = told.cost_usd or 0.0
    if told.outcome != OK:
        return Asked("", told.call, cost, f"the judge did not answer: {told.outcome}")
    word = word_of(told.text, form.words)
    return Asked(word, told.call, cost, "" if word else f"the judge said none of {', '.join(form.words)}")


def question_of(case: Case) -> dict[str, Any]:
    """What was asked, and what was expected where the case says so."""
    asked: dict[str, Any] = {}
    if case.inputs is not None:
        asked["inputs"] = case.inputs
    if case.messages:
        asked["messages"] = list(case.messages)
    found = {"asked": bounded(asked)}
    return found if case.expected is None else {**found, "expected": bounded(case.expected)}


def shown_of(answer: Answer) -> Any:
    """An answer's text, with its tool calls where it has any."""
    if not answer.tool_calls:
        return answer.text[:SHOWN]
    calls = [{"name": one.name, "arguments": one.arguments} for one in answer.tool_calls]
    return {"text": answer.text[:SHOWN], "tool_calls": bounded(calls)}


def length_of(answer: Answer, other: Answer | None = None) -> float:
    """What a judge may like or dislike of an answer beside what it says: the logarithm of its length in characters.

    Of two, how much of both is the second, less a half: 0 where both are equally long, and the opposite in the other
    order.
    """
    if other is None:
        return math.log1p(_characters(answer))
    first, second = _characters(answer), _characters(other)
    return second / (first + second) - 0.5 if first + second else 0.0


def _characters(answer: Answer) -> int:
    shown = shown_of(answer)
    return len(shown) if isinstance(shown, str) else len(json.dumps(shown, ensure_ascii=False))


def seed_of(seed: int, scorer: str, case: str, order: int = 0) -> int:
    """What a judge is asked with: the same for both arms, so that its chance falls alike on them."""
    text = "\n".join(("trimtab judge 1", str(seed), str(order), scorer, case))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> (32 - SEED_BITS)
