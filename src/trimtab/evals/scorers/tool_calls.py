"""The scorer of tool calls: which are called, and argument by argument with what, in any order."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from trimtab.contracts.jsontext import NotJson, parse
from trimtab.declare.evaluating import Scorer
from trimtab.declare.paths import MISSING, value_at
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.marking import Unscorable, expected, same
from trimtab.statistics.assignment import best_total

MOST_EXPECTED: Final = 32
MOST_MADE: Final = 256


class Call(Struct, frozen=True):
    """A call that is expected or was made; `arguments` is None where they are no JSON object."""

    name: str
    arguments: dict[str, Any] | None


class ToolCalls:
    """The mean mark of the calls, of as many as were expected or made, whichever is more.

    A call of another tool is worth nothing. One of the right tool is worth the share of its arguments that are right,
    of all that are expected or given; where none are, 1. Calls are matched so that they are worth most together.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, case: Case, answer: Answer) -> float:
        """The mark."""
        wanted = [one for one in self._wanted(case) if self._counts(one)]
        made = [Call(one.name, _arguments(one.arguments)) for one in answer.tool_calls[:MOST_MADE]]
        made = [one for one in made if self._counts(one)]
        if not wanted or not made:
            return float(not wanted and not made)
        worth = [[self._worth(one, other) for other in made] for one in wanted]
        return best_total(worth) / max(len(wanted), len(made))

    def _counts(self, call: Call) -> bool:
        return not self._scorer.tool or call.name == self._scorer.tool

    def _wanted(self, case: Case) -> list[Call]:
        if case.expected is None and not self._scorer.expected:
            raise Unscorable("the case says nothing of what is expected; write [] where no tool is to be called")
        found = expected(case, self._scorer)
        if isinstance(found, dict) and isinstance(found.get("tool_calls"), list):
            found = found["tool_calls"]
        calls = [_call(one) for one in (found if isinstance(found, list) else [found])]
        if len(calls) > MOST_EXPECTED:
            raise Unscorable(f"the case expects more than {MOST_EXPECTED} tool calls")
        return calls

    def _worth(self, wanted: Call, made: Call) -> float:
        if wanted.name != made.name or made.arguments is None:
            return 0.0
        right = wanted.arguments or {}
        paths = self._scorer.arguments
        if paths:
            pairs = [(value_at(right, path), value_at(made.arguments, path)) for path in paths]
        else:
            names = right.keys() | made.arguments.keys()
            pairs = [(right.get(name, MISSING), made.arguments.get(name, MISSING)) for name in names]
        looked_at = [pair for pair in pairs if pair != (MISSING, MISSING)]
        return sum(_agree(*pair) for pair in looked_at) / len(looked_at) if looked_at else 1.0


def _agree(one: Any, other: Any) -> bool:
    return one is not MISSING and other is not MISSING and same(one, other)


def _call(value: Any) -> Call:
    """A call that a case expects: `{"name", "arguments"}`, OpenAI's form of it, or the name alone."""
    if isinstance(value, str):
        return Call(value, {})
    found = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise Unscorable('the case expects no tool call: write {"name": ..., "arguments": {...}}, or a list of these')
    given = found.get("arguments", {})
    arguments = _arguments(given) if isinstance(given, str) else given
    if not isinstance(arguments, dict):
        raise Unscorable(f"the arguments that the case expects of {found['name']} are no object")
    return Call(found["name"], arguments)


def _arguments(text: str) -> dict[str, Any] | None:
    """What a model wrote as arguments; nothing at all stands for none."""
    try:
        found = parse(text) if text.strip() else {}
    except NotJson:
        return None
    return found if isinstance(found, dict) else None
