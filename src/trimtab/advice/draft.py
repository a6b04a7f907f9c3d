"""A proposal while it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trimtab.advice.seen import ProposedFile
from trimtab.advice.toml_text import Setting


@dataclass
class Draft:
    """The settings of the task.toml, the files beside it, and what could not be proposed."""

    settings: list[Setting] = field(default_factory=list)
    files: list[ProposedFile] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def say(self, line: str, *says: str) -> None:
        """A line of the task.toml, under what it comes from."""
        self.settings.append(Setting(says, line))

    def leave_out(self, says: str) -> None:
        """Something that is not proposed, and why."""
        self.left_out.append(says)


def by_count(counted: Mapping[str, int]) -> list[str]:
    """The names, those counted most first."""
    return sorted(counted, key=lambda name: (-counted[name], name))


def json_text(value: Any) -> str:
    """A JSON file's text; characters that nobody would see are escaped in it."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
