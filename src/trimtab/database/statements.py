"""Named SQL statements: each `.sql` file lies beside the one module that speaks for it."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

STATEMENT = re.compile(r"^-- name: (?P<name>[a-z_]+)\n(?P<purpose>(?:--[^\n]*\n)+)(?P<sql>[^;]+);", re.MULTILINE)


@cache
def statements(package: str, file: str) -> dict[str, str]:
    """The statements of `file` in `package` by name; each has a name, a line of purpose and a closing semicolon."""
    text = (resources.files(package) / file).read_text("utf-8")
    return {match["name"]: match["sql"].strip() for match in STATEMENT.finditer(text)}
