"""Reads the named statements of `sql/*.sql`."""

from __future__ import annotations

import re
from importlib import resources

HEAD = re.compile(r"^-- name: (?P<name>[a-z_]+)$", re.MULTILINE)


def load(file: str) -> dict[str, str]:
    """The statements of one file by name, without comments and the closing semicolon.

    Each begins with `-- name: NAME` and at least one line of purpose; raises `ValueError` where one is missing or a
    name is used twice.
    """
    text = resources.files("trimtab.store").joinpath("sql", file).read_text("utf-8")
    heads = list(HEAD.finditer(text))
    statements: dict[str, str] = {}
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else len(text)].strip()
        name = head["name"]
        lines = body.splitlines()
        purpose = [line for line in lines if line.startswith("--")]
        if name in statements or not purpose:
            raise ValueError(f"{file}: the statement {name} is named twice or has no line of purpose")
        statements[name] = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
    return statements


def schema() -> dict[str, str]:
    """Every statement of the schema; what calls come to in a slice is put in where it is used."""
    found = load("schema.sql") | load("signals_schema.sql") | load("slices_schema.sql") | load("search_schema.sql")
    return {name: with_slices(text, found) for name, text in found.items()}


def with_slices(text: str, found: dict[str, str]) -> str:
    """A statement with the columns and functions of slices in their place."""
    return text.replace("{functions}", found["slice_functions"]).replace("{columns}", found["slice_columns"])
