"""Prompts with their inputs filled in: the gateway, the SDK and the command line all render here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from jinja2 import Template, TemplateError, UndefinedError

from trimtab.declare import templates
from trimtab.declare.project import InputType, Prompt, Task, Turn
from trimtab.errors import InvalidRequest

CACHED_PROMPTS: Final = 1024
UNFIT: Final = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, *templates.NESTED)
"""What rendering raises when the inputs do not fit the template."""
DOMAIN: Final = b"trimtab rendered prompt 1\n"
TYPES: Final[dict[InputType, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Rendered(NamedTuple):
    """A prompt's messages, `role` and `content` each, and the sha256 (hexadecimal) of their canonical JSON."""

    messages: list[dict[str, str]]
    digest: str


def render_task(task: Task, inputs: Mapping[str, Any]) -> Rendered:
    """The messages that the gateway puts before the client's own when a call brings these inputs, as JSON.

    Raises `InvalidRequest` for a task without a prompt, for inputs that JSON cannot carry, and for those that do not
    fit the prompt.
    """
    if task.prompt is None:
        raise InvalidRequest(detail=f"task {task.name} has no prompt: write tasks/{task.name}/prompt.md")
    return rendered(task.prompt, _as_json(inputs))


def _as_json(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as they arrive at the gateway: a tuple is a list there, and keys are strings."""
    try:
        sent = json.dumps(dict(inputs), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as unfit:
        detail = f"the inputs cannot be sent as JSON ({str(unfit)[:200]})"
        raise InvalidRequest(detail=detail) from unfit
    found: dict[str, Any] = json.loads(sent)
    return found


def rendered(prompt: Prompt, inputs: Mapping[str, Any]) -> Rendered:
    """The prompt's messages as `render` makes them, with their digest (RFC 8785 canonical JSON, domain separated)."""
    messages = render(prompt, inputs)
    try:
        canonical = json.dumps(messages, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as half:
        raise InvalidRequest(detail="an input holds half a character (a lone surrogate), which JSON cannot") from half
    return Rendered(messages, hashlib.sha256(DOMAIN + canonical).hexdigest())


def render(prompt: Prompt, inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """The prompt's messages, `role` and `content` each, with the inputs filled in.

    Raises `InvalidRequest`, which names them, for inputs that are missing, that the prompt does not take or that are
    not of their declared type, and for values the template cannot work with. A rendering is bounded: 100,000 loop
    rounds and 8 Mi characters a turn.
    """
    unknown = sorted(set(inputs) - set(prompt.inputs))
    if unknown:
        takes = f"it takes {', '.join(prompt.inputs)}" if prompt.inputs else "it takes none"
        raise InvalidRequest(detail=f"the prompt has no input {_shown(unknown)}: {takes}")
    if prompt.types:
        _check_types(prompt.types, inputs)
    try:
        return [
            {"role": turn.role, "content": templates.render(template, inputs)}
            for turn, template in zip(prompt.turns, _compiled(prompt.turns), strict=True)
        ]
    except UndefinedError as failure:
        raise InvalidRequest(detail=_missing(prompt, inputs, failure)) from failure
    except UNFIT as failure:
        raise InvalidRequest(detail=_reason(failure)) from failure


@lru_cache(maxsize=CACHED_PROMPTS)
def _compiled(turns: tuple[Turn, ...]) -> tuple[Template, ...]:
    return tuple(templates.compiled(turn.template) for turn in turns)


def _check_types(types: Mapping[str, InputType], inputs: Mapping[str, Any]) -> None:
    """An input that is not given is for the template to miss."""
    wrong = [
        f"{name} must be {_article(types[name])}, not {_kind(value)}"
        for name, value in sorted(inputs.items())
        if not isinstance(value, TYPES[types[name]]) or (isinstance(value, bool) and types[name] != "boolean")
    ]
    if wrong:
        more = f", and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise InvalidRequest(detail=f"inputs are of the wrong type: {'; '.join(wrong[:10])}{more}")


def _article(type_: InputType) -> str:
    return f"{'an' if type_[0] in 'aio' else 'a'} {type_}"


def _kind(value: object) -> str:
    """What a value is, in the words of `[inputs]`; what JSON does not have, by its Python type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    for type_ in ("integer", "number", "string", "array", "object"):
        if isinstance(value, TYPES[type_]):
            return _article(type_)
    return f"a {type(value).__name__}"


def _missing(prompt: Prompt, inputs: Mapping[str, Any], failure: UndefinedError) -> str:
    """Which inputs are not there; an input that the template can do without is named only if another one is missing."""
    missing = sorted(set(prompt.inputs) - set(inputs))
    needed = [name for name in missing if str(failure) == f"{name!r} is undefined"]
    if not needed:
        return _reason(failure)
    also = [name for name in missing if name not in needed]
    return f"the prompt needs the input {_shown(needed)}" + (f"; not given either: {_shown(also)}" if also else "")


def _shown(names: list[str]) -> str:
    return ", ".join(name[:80] for name in names[:10])


def _reason(failure: Exception) -> str:
    return f"the prompt cannot be rendered with these inputs ({str(failure)[:200]})"
