"""What else a lock pins: `[retrieval]`, what tasks retrieve from, and `[lock]`, the project's own dependencies."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Final

from trimtab.declare import values
from trimtab.declare.files import contents, in_project
from trimtab.declare.keys import PATTERNS
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.open_text import open_text
from trimtab.declare.project import FileDigest, LockSettings, Retrieval
from trimtab.declare.source import read_text
from trimtab.declare.table import Table

DEPENDENCY_FILES: Final = ("pdm.lock", "poetry.lock", "requirements.lock", "requirements.txt", "uv.lock")
PYTHON_FILE: Final = ".python-version"
MAX_FILES: Final = 64
MAX_SETTINGS: Final = 256
MOST_DAYS: Final = 3650
LARGEST: Final = 2**53 - 1
"""The largest whole number that JSON carries exactly everywhere (RFC 8785)."""
Setting = str | int | float | bool


def read_retrieval(name: str, table: Table) -> Retrieval:
    """One table of `[retrieval]`."""
    return Retrieval(
        name=name,
        corpus=table.required("corpus", open_text, '"s3://corpus/2026-11-01"') or "",
        chunker=table.get("chunker", open_text, ""),
        embedding_model=table.get("embedding_model", open_text, ""),
        index=_read_index(table.table("index")),
    )


def read_lock(table: Table, root: Path, mistakes: Mistakes) -> LockSettings:
    """The `[lock]` table; what it does not say is looked for in the project's folder."""
    usual = LockSettings()
    given = tuple(file for _, file in table.elements("dependencies", in_project(root), most=MAX_FILES))
    days = tuple(day for _, day in table.elements("warn_days", values.whole(0, MOST_DAYS), most=16))
    return LockSettings(
        dependencies=tuple(sorted(given, key=_path)) if "dependencies" in table else _found(root, mistakes),
        python=table.get("python", open_text, "") if "python" in table else _python(root, mistakes),
        warn_days=tuple(sorted(days, reverse=True)) if "warn_days" in table else usual.warn_days,
    )


def _read_index(table: Table) -> dict[str, Setting]:
    if len(table) > MAX_SETTINGS:
        table.wrong("", f"the index has {len(table)} settings", f"write at most {MAX_SETTINGS}")
    found: dict[str, Setting] = {}
    for name in sorted(table)[:MAX_SETTINGS]:
        if PATTERNS["<setting>"].fullmatch(name):
            found[name] = table.get(name, _setting, "")
    return found


def _setting(value: object) -> Setting:
    if isinstance(value, str):
        return open_text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= LARGEST:
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return float(value)
    raise values.Wrong(values.show(value), "write a string, true, false, or a number that a double holds")


def _found(root: Path, mistakes: Mistakes) -> tuple[FileDigest, ...]:
    there = [name for name in DEPENDENCY_FILES if os.path.isfile(root / name)]  # noqa: PTH113 - it raises nothing
    found = []
    for name in there:
        try:
            found.append(FileDigest(name, contents(root, name).digest))
        except values.Wrong as wrong:
            instead = f"{wrong.instead}, or write lock.dependencies in trimtab.toml"
            mistakes.add(name, 1, f"the project's dependencies are {wrong.what}", instead)
    return tuple(found)


def _python(root: Path, mistakes: Mistakes) -> str:
    """What `.python-version` says, in one line."""
    text = read_text(root, PYTHON_FILE, mistakes, None)
    return " ".join((text or "").split())[:200]


def _path(file: FileDigest) -> str:
    return file.path
