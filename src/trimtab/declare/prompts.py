"""Prompt files: split into turns by their role markers, and rendered turn by turn.

Markers are read from the file before anything is rendered, so no input can ever make, end or change a role.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from jinja2 import Template, TemplateError, TemplateSyntaxError, UndefinedError

from trimtab.declare import templates
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.project import Prompt, Turn
from trimtab.declare.source import read_text
from trimtab.errors import InvalidRequest

Role = Literal["system", "user", "assistant"]
ROLES: Final[tuple[Role, ...]] = ("system", "user", "assistant")
MARKER: Final = {role: re.compile(rf"{role}:[ \t]*") for role in ROLES}
MARKERS: Final = "system:, user: or assistant:"
CACHED_PROMPTS: Final = 1024
UNFIT: Final = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What rendering raises when the inputs do not fit the template."""


class Part(NamedTuple):
    """A turn as it stands in the file: its role, and its text with the line that begins on."""

    role: Role
    line: int
    text: str


def read_prompt(root: Path, path: str, mistakes: Mistakes) -> Prompt | None:
    """The prompt file at `path`; None where there is none, or where it is wrong, with a mistake for each fault."""
    text = read_text(root, path, mistakes, None)
    if text is None:
        return None
    parts = split(text, path, mistakes)
    inputs: set[str] = set()
    for part in parts:
        try:
            inputs |= templates.inputs_of(part.text)
        except TemplateSyntaxError as wrong:
            line = part.line + wrong.lineno - 1
            mistakes.add(path, line, f"the template cannot be read: {wrong.message}", "correct it (docs: Prompts)")
    turns = tuple(Turn(part.role, part.text) for part in parts)
    return Prompt(turns, tuple(sorted(inputs)), hashlib.sha256(text.encode()).hexdigest())


def split(text: str, path: str, mistakes: Mistakes) -> tuple[Part, ...]:
    """The turns of a prompt's text: a marker alone on a line begins one, the next marker ends it."""
    lines = text.split("\n")
    roles = {number: role for number, line in enumerate(lines) for role in ROLES if MARKER[role].fullmatch(line)}
    starts = [*roles, len(lines)]
    before = next((number for number in range(starts[0]) if lines[number].strip()), None)
    if before is not None or not roles:
        what = "text stands before the first role" if roles else "the prompt has no role"
        mistakes.add(path, (before or 0) + 1, what, f"begin with a line {MARKERS}")
    return tuple(_part(roles[start], lines, start + 1, end, path, mistakes) for start, end in pairwise(starts))


def _part(role: Role, lines: list[str], start: int, end: int, path: str, mistakes: Mistakes) -> Part:
    """The turn whose text is among the lines from `start` to `end`, blank ones at both ends left out."""
    written = [number for number in range(start, end) if lines[number].strip()]
    if not written:
        mistakes.add(path, start, f"the {role} turn is empty", "write its text, or take the marker out")
        return Part(role, start + 1, "")
    return Part(role, written[0] + 1, "\n".join(lines[written[0] : written[-1] + 1]).rstrip())


def render(prompt: Prompt, inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """The prompt's messages, `role` and `content` each, with the inputs filled in.

    Raises `InvalidRequest`, which names them, for inputs that are missing or that the prompt does not take, and for
    values the template cannot work with. A rendering is bounded: 100,000 loop rounds and 8 Mi characters a turn.
    """
    unknown = sorted(set(inputs) - set(prompt.inputs))
    if unknown:
        takes = f"it takes {', '.join(prompt.inputs)}" if prompt.inputs else "it takes none"
        raise InvalidRequest(detail=f"the prompt has no input {_shown(unknown)}: {takes}")
    try:
        return [
            {"role": turn.role, "content": templates.render(template, inputs)}
            for turn, template in zip(prompt.turns, _compiled(prompt), strict=True)
        ]
    except UndefinedError as failure:
        raise InvalidRequest(detail=_missing(prompt, inputs, failure)) from failure
    except UNFIT as failure:
        raise InvalidRequest(detail=_reason(failure)) from failure


@lru_cache(maxsize=CACHED_PROMPTS)
def _compiled(prompt: Prompt) -> tuple[Template, ...]:
    return tuple(templates.compiled(turn.template) for turn in prompt.turns)


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
