"""Prompt files: split into turns by their role markers, with the shared parts they include put in.

Markers are read from the file before anything is put in or rendered, so no part and no input can ever make, end or
change a role.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from jinja2 import TemplateSyntaxError

from trimtab.declare import templates
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.parts import Expanded, Parts
from trimtab.declare.project import FileDigest, InputType, Prompt, Turn
from trimtab.declare.source import read_exact

Role = Literal["system", "user", "assistant"]
ROLES: Final[tuple[Role, ...]] = ("system", "user", "assistant")
MARKER: Final = {role: re.compile(rf"{role}:[ \t]*") for role in ROLES}
MARKERS: Final = "system:, user: or assistant:"
DOMAIN: Final = b"trimtab prompt 2\n"
"""Before what is digested of a prompt that is more than one text; version 1 is the text alone."""


class Part(NamedTuple):
    """A turn as it stands in the file: its role, and its text with the line that begins on."""

    role: Role
    line: int
    text: str


def read_prompt(
    parts: Parts, path: str, types: Mapping[str, InputType] | None = None, tuned_on: tuple[str, ...] = ()
) -> Prompt | None:
    """The prompt file at `path`; None where there is none, or where it is wrong, with a mistake for each fault."""
    mistakes = parts.mistakes
    text = read_exact(parts.root, path, mistakes, None)
    if text is None:
        return None
    before = len(mistakes)
    turns, inputs, included = [], set[str](), set[FileDigest]()
    for part in split(text, path, mistakes):
        expanded = parts.expand(part.text, path, part.line)
        if expanded is not None:
            turns.append(Turn(part.role, expanded.text))
            inputs |= _inputs(part, expanded, path, mistakes)
            included |= expanded.files
    if len(mistakes) > before:
        return None
    includes = tuple(sorted(included, key=lambda file: file.path))
    digest = _digest(text, includes, types or {})
    return Prompt(tuple(turns), tuple(sorted(inputs)), digest, includes, dict(types or {}), tuned_on)


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


def _inputs(part: Part, expanded: Expanded, path: str, mistakes: Mistakes) -> frozenset[str]:
    """The inputs that a turn names; lines of a text with shared parts in it are those of no file."""
    try:
        return templates.inputs_of(expanded.text)
    except TemplateSyntaxError as wrong:
        if expanded.files:
            what, line = "with what it includes, the turn's template cannot be read", part.line
        else:
            what, line = "the template cannot be read", part.line + wrong.lineno - 1
        mistakes.add(path, line, f"{what}: {wrong.message}", "correct it (docs: Prompts)")
        return frozenset()


def _digest(text: str, includes: tuple[FileDigest, ...], types: Mapping[str, InputType]) -> str:
    """Of the text alone, or of it with the shared parts' names and digests and the inputs' types."""
    of_text = hashlib.sha256(text.encode()).hexdigest()
    if not includes and not types:
        return of_text
    facts = {"text": of_text, "includes": [[file.path, file.digest] for file in includes], "types": dict(types)}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return hashlib.sha256(DOMAIN + canonical).hexdigest()
