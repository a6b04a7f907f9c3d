"""Which calls a case is drawn from: conditions on named fields of a call, all of which must hold.

    outcome = ok and repairs > 0

A condition is a field, one of `= != > >= < <= ~` (`~`: contains), and a value, in quotes if there are spaces in it.
Conditions are joined by `and`. Nothing else can be said: no brackets, no functions, no code.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from trimtab.record.events import Settled

CONDITION: Final = re.compile(
    r"""\s*(?P<field>[a-z_]{1,40})\s*(?P<operator>!=|>=|<=|=|>|<|~)\s*
    (?:"(?P<double>[^"]{0,1000})"|'(?P<single>[^']{0,1000})'|(?P<bare>[^\s"'<>=!~]{1,1000}))\s*""",
    re.VERBOSE,
)
AND: Final = re.compile(r"and\b", re.IGNORECASE)
MOST: Final = 32
Value = str | int | float | bool | None
OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
FIELDS: Final[dict[str, Callable[[Settled], Value]]] = {
    "outcome": lambda call: call.outcome,
    "verdict": lambda call: call.verdict,
    "status": lambda call: call.status,
    "finish_reason": lambda call: call.finish_reason,
    "repetition": lambda call: call.repetition,
    "attempts": lambda call: call.attempts,
    "repairs": lambda call: call.repairs,
    "tool_calls": lambda call: call.tool_calls,
    "total_s": lambda call: call.total_s,
    "ttft_s": lambda call: call.ttft_s,
    "input_tokens": lambda call: (
        call.usage.input + call.usage.cache_read + call.usage.cache_write if call.usage else None
    ),
    "output_tokens": lambda call: call.usage.output if call.usage else None,
    "cost_usd": lambda call: call.cost_pusd / 1e12 if call.cost_pusd is not None else None,
    "request_bytes": lambda call: call.admitted.request_bytes,
    "model": lambda call: call.model or call.admitted.model,
    "replica": lambda call: call.replica,
    "surface": lambda call: call.admitted.surface,
    "stream": lambda call: call.admitted.stream,
    "environment": lambda call: call.admitted.environment,
    "key": lambda call: call.admitted.key,
    "owner": lambda call: call.admitted.owner,
    "run": lambda call: call.admitted.run,
    "conversation": lambda call: call.admitted.conversation,
    "end_user": lambda call: call.admitted.end_user,
    "prompt": lambda call: call.admitted.prompt,
    "lock": lambda call: call.admitted.lock,
}
"""Every field that can be named, and what it is of a call; None for what is not known."""


class Condition(Struct, frozen=True):
    """A field held against a value; what is not known holds for `!=` alone."""

    field: str
    operator: str
    value: str

    def holds(self, call: Settled) -> bool:
        """Whether a call keeps it."""
        found = FIELDS[self.field](call)
        if self.operator == "~":
            return found is not None and self.value.casefold() in str(found).casefold()
        if found is None:
            return self.operator == "!="
        if isinstance(found, (str, bool)):
            return OPERATORS[self.operator](str(found).casefold(), self.value.casefold())
        return OPERATORS[self.operator](found, float(self.value))


def conditions(text: str) -> tuple[Condition, ...]:
    """The conditions of a text. Raises `ValueError`, which says what to write, for anything else."""
    found: list[Condition] = []
    at = 0
    while True:
        match = CONDITION.match(text, at)
        if match is None:
            raise ValueError(f"{text[at : at + 40]!r} is no condition; write outcome = ok and repairs > 0, say")
        found.append(_condition(match))
        if len(found) > MOST:
            raise ValueError(f"there are more than {MOST} conditions")
        at = match.end()
        if at == len(text):
            return tuple(found)
        joint = AND.match(text, at)
        if joint is None:
            raise ValueError(
                f"{text[at : at + 40]!r} stands where `and` should; there is no `or` and there are no brackets"
            )
        at = joint.end()


def _condition(match: re.Match[str]) -> Condition:
    field, sign = match["field"], match["operator"]
    if field not in FIELDS:
        raise ValueError(f"{field!r} is no field of a call; there are {', '.join(sorted(FIELDS))}")
    value = next(part for part in (match["double"], match["single"], match["bare"]) if part is not None)
    if field in NUMBERS and sign != "~":
        _check_number(field, value)
    elif field not in NUMBERS and sign in {">", ">=", "<", "<="}:
        raise ValueError(f"{field} is no number; use = != or ~")
    return Condition(field, sign, value)


def _check_number(field: str, value: str) -> None:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{field} is a number, and {value[:40]!r} is none")


NUMBERS: Final = frozenset(
    "status attempts repairs tool_calls total_s ttft_s input_tokens output_tokens cost_usd request_bytes".split()  # noqa: SIM905
)
