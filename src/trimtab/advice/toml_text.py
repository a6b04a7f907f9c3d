"""The text of a task.toml: settings, each under what it comes from."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

WIDTH: Final = 110
LONGEST_WORDS: Final = 60
SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True)
class Setting:
    """One line of a task.toml, and what is said of it in comments above; without a line, the comment alone."""

    says: Sequence[str]
    line: str = ""


def written(settings: Sequence[Setting]) -> str:
    """The whole text."""
    parts = ["\n".join([*_comments(one.says), *([one.line] if one.line else [])]) for one in settings]
    return "\n\n".join(parts) + "\n"


def quoted(text: str) -> str:
    """A string of TOML."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def listed(texts: Sequence[str]) -> str:
    """A list of strings of TOML."""
    return "[" + ", ".join(map(quoted, texts)) + "]"


def inline(values: Mapping[str, str]) -> str:
    """An inline table of values that are TOML already."""
    return "{ " + ", ".join(f"{name} = {value}" for name, value in values.items()) + " }"


def words(text: str, most: int = LONGEST_WORDS) -> str:
    """Words of others for a comment: one line of printable characters, cut."""
    line = " ".join(text[: 4 * most].split())
    line = line if len(line) <= most else line[: most - 3].rstrip() + "..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def minute(at_ns: int) -> str:
    """A time as a comment tells it: `2026-11-26 02:14` (UTC)."""
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M")


def _comments(says: Sequence[str]) -> list[str]:
    return [f"# {line}" for one in says for line in textwrap.wrap(one, WIDTH - 2, break_on_hyphens=False)]
