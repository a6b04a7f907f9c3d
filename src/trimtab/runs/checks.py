"""Checks in Python: what a task.toml declares under `check`, as objects; and which of all hold for a step.

from trimtab import checks, run

@run(task="support", checks=[checks.rule("in range", "answer.cents < 5000", after="quote", on_failure="ask")])
async def answer(ticket: str) -> str: ...
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import msgspec

from trimtab.contracts.validate import Validator
from trimtab.declare import check_rules
from trimtab.declare.checking import (
    FACTS,
    MOST_REPAIRS,
    MOST_SAMPLES,
    Agrees,
    Check,
    Cited,
    Judged,
    OnFailure,
    Sampled,
    Then,
)
from trimtab.declare.conditions import condition
from trimtab.declare.reviewing import Otherwise
from trimtab.declare.values import Wrong
from trimtab.errors import SchemaInvalid
from trimtab.runs.faults import NotDeclared

__all__ = ["agrees", "cited", "holds", "judge", "rule", "samples", "schema"]


class FunctionCheck(Check, frozen=True, kw_only=True):
    """A check that a function of the program's makes; it may await, and take steps of its own."""

    function: Callable[[Any], Any]


class Kept(TypedDict, total=False):
    """What every check may say: `after` which step, and what becomes of an answer that does not pass."""

    after: str
    on_failure: OnFailure
    repairs: int
    then: Then
    branch: str
    roles: Sequence[str]
    expires_s: float | None
    otherwise: Otherwise


def schema(name: str, kept_by: str | Mapping[str, Any] | type, /, **kept: Unpack[Kept]) -> Check:
    """The answer keeps a JSON Schema: as text, as data, or that of a type. Raises `NotDeclared`."""
    if isinstance(kept_by, str):
        text = kept_by
    elif isinstance(kept_by, Mapping):
        text = json.dumps(kept_by)
    else:
        own = getattr(kept_by, "model_json_schema", None)
        text = json.dumps(own() if callable(own) else msgspec.json.schema(kept_by))
    try:
        Validator(text)
    except SchemaInvalid as unfit:
        raise NotDeclared(name=f"check {name}", detail=str(unfit)) from unfit
    return _made(name, kept, schema=text)


def rule(name: str, holds: str, /, **kept: Unpack[Kept]) -> Check:
    """A condition holds over `answer`, `arguments`, `state` and `step`. Raises `NotDeclared`."""
    return _made(name, kept, rule=_read(name, condition(*FACTS), holds))


def agrees(name: str, step: str, /, *fields: str, **kept: Unpack[Kept]) -> Check:
    """The latest answer of another step says the same: `"total = amount.cents"`, or one path for both.

    Raises `NotDeclared`.
    """
    if not fields:
        raise NotDeclared(name=f"check {name}", detail='it compares nothing; name fields, as "total = amount.cents"')
    pairs = tuple(_read(name, check_rules.field_pair, one) for one in fields)
    return _made(name, kept, agrees=Agrees(step, pairs))


def cited(name: str, *tools: str, field: str = "", least: int = 1, **kept: Unpack[Kept]) -> Check:
    """What the answer cites stands in what these tools were given or answered in the run. Raises `NotDeclared`."""
    if not tools:
        raise NotDeclared(name=f"check {name}", detail="it names no tool in whose answers citations are to stand")
    return _made(name, kept, cited=Cited(tools, _read(name, check_rules.answer_path, field), least))


def judge(name: str, model: str, question: str, /, **kept: Unpack[Kept]) -> Check:
    """A model, or a task, says yes to a question about the answer. Raises `NotDeclared`."""
    return _made(name, kept, judge=Judged(model, question))


def samples(name: str, count: int, /, *, agree: float = 0.8, fields: Sequence[str] = (), **kept: Unpack[Kept]) -> Check:
    """Of so many answers to the same request a share says what this one says. Raises `NotDeclared`."""
    if not 2 <= count <= MOST_SAMPLES or not 0 < agree <= 1:
        detail = f"samples are 2 to {MOST_SAMPLES}, of which a share above 0 and up to 1 agrees"
        raise NotDeclared(name=f"check {name}", detail=detail)
    return _made(name, kept, samples=Sampled(count, agree, tuple(fields)))


def holds(name: str, function: Callable[[Any], Any], /, **kept: Unpack[Kept]) -> Check:
    """A function of the answer says that it passes (true, or no words), or in words what is wrong.

    The answer is as JSON has it, or text. Raises `NotDeclared`.
    """
    made = _made(name, kept)
    return FunctionCheck(**{each: getattr(made, each) for each in made.__struct_fields__}, function=function)


def is_of(step: str, label: str) -> bool:
    """Whether a step of that label is called so, by itself or within `label(...)`."""
    return label == step or label.partition("/")[0] == step


def in_force(step: str, *groups: Sequence[Check]) -> tuple[Check, ...]:
    """All checks of some groups, in order; raises `NotDeclared` where two have one name."""
    found = [one for group in groups for one in group]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            detail = f"two checks of {step} are called so; give one of them another name"
            raise NotDeclared(name=f"check {name}", detail=detail)
    return tuple(found)


def _made(name: str, kept: Kept, **kind: Any) -> Check:
    said: dict[str, Any] = {**kept}
    _read(name, check_rules.check_name, name)
    for key, known in (("on_failure", check_rules.ON_FAILURE), ("then", check_rules.THEN)):
        if key in said:
            _read(name, known, said[key])
    if not 1 <= said.get("repairs", 1) <= MOST_REPAIRS:
        raise NotDeclared(name=f"check {name}", detail=f"repairs are 1 to {MOST_REPAIRS}")
    if "roles" in said:
        said["roles"] = tuple(said["roles"])
    return Check(name=name, **said, **kind)


def _read(name: str, read: Callable[[object], Any], value: object) -> Any:
    try:
        return read(value)
    except Wrong as wrong:
        raise NotDeclared(name=f"check {name}", detail=f"it has {wrong.what}; {wrong.instead}") from wrong
