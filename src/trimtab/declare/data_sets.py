"""Data sets: the manifests `data/NAME.json`, and the `cases.jsonl` of each task, which needs none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final

from trimtab.declare import values
from trimtab.declare.files import Contents, contents, in_project, place
from trimtab.declare.json_source import read_json
from trimtab.declare.keys import DATA_KEYS
from trimtab.declare.library import Library
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.names import data_set_name
from trimtab.declare.open_text import open_text
from trimtab.declare.project import DataSet, FileDigest, Parent, Purpose
from trimtab.declare.table import Table
from trimtab.declare.unknown import Keys

FOLDER: Final = "data"
CASES_FILE: Final = "cases.jsonl"
ROWS_ENDING: Final = ".jsonl"
SCHEMA_ENDING: Final = ".schema.json"
"""A data set's schema may lie beside its manifest."""
MAX_SETS: Final = 10_000
MAX_ROWS: Final = 10**9
PURPOSE: Final[values.Read[Purpose]] = values.choice("cases", "training", "few_shot", "other")


def read_data_sets(root: Path, tasks: Iterable[str], library: Library, mistakes: Mistakes) -> dict[str, DataSet]:
    """The project's data sets by their names, sorted; what is wrong with one is a mistake, and it is left out."""
    keys = Keys(DATA_KEYS, ())
    found = {name: _read_set(root, name, library, mistakes, keys) for name in manifests(root, mistakes)}
    found |= {f"tasks/{task}/cases": _read_cases(root, task, mistakes) for task in tasks}
    return {name: data_set for name, data_set in sorted(found.items()) if data_set is not None}


def manifests(root: Path, mistakes: Mistakes) -> tuple[str, ...]:
    """The names of the data sets that have a manifest, whether it is right or not."""
    try:
        found = [entry.name for entry in (root / FOLDER).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as failure:
        mistakes.add(FOLDER, 1, f"the folder cannot be read ({failure.strerror})", "make it a folder that you may read")
        return ()
    names = sorted(
        Path(name).stem
        for name in found
        if name.endswith(".json") and not name.startswith(".") and not name.endswith(SCHEMA_ENDING)
    )
    if len(names) > MAX_SETS:
        mistakes.add(FOLDER, 1, f"there are {len(names)} data sets", f"declare at most {MAX_SETS}")
    for name in names[:MAX_SETS]:
        if not values.NAME.fullmatch(name):
            what = f"{values.show(name)} is no name of a data set"
            mistakes.add(f"{FOLDER}/{name}.json", 1, what, "use 1 to 64 of a-z 0-9 . _ -, or keep the file elsewhere")
    return tuple(name for name in names[:MAX_SETS] if values.NAME.fullmatch(name))


def _read_set(root: Path, name: str, library: Library, mistakes: Mistakes, keys: Keys) -> DataSet | None:
    source = read_json(root, f"{FOLDER}/{name}.json", mistakes, None)
    if source is None:
        return None
    keys.check(source, mistakes)
    table = Table.whole(source, mistakes)
    pinned = table.required("digest", values.hexadecimal, '"sha256:..."')
    path = table.get("file", place, "")
    rows = table.get("rows", values.whole(0, MAX_ROWS), None)
    found = _contents(table, root, path) if path else None
    if found is not None and found.digest == pinned and rows is not None and path.endswith(ROWS_ENDING):
        _check_rows(table, rows, found)
    _check_freshness(table)
    read = DataSet(
        name=name,
        file=FileDigest(path, found.digest if found else pinned or ""),
        pinned=pinned or "",
        rows=found.rows if found and path.endswith(ROWS_ENDING) else rows,
        columns=library.schema(schema.path) if (schema := table.get("schema", in_project(root), None)) else None,
        parents=tuple(parent for each in table.tables("parents") if (parent := _read_parent(each))),
        transform=table.get("transform", in_project(root), None),
        licence=table.get("licence", open_text, ""),
        source=table.get("source", open_text, ""),
        purpose=table.get("purpose", PURPOSE, "cases"),
    )
    return read if pinned and (found or not path) else None


def _check_freshness(table: Table) -> None:
    """Reads what `trimtab data` writes for itself: it is in no lock, and a mistake in it is one like others."""
    table.get("source_seen", _day, None)
    table.get("fresh_for", values.duration(), None)
    split = table.table("split")
    split.get("of", data_set_name, "")
    split.get("side", values.name, "")


def _day(value: object) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise values.Wrong(f"{values.show(value)}, not a day", 'write year-month-day, such as "2026-11-01"') from None


def _contents(table: Table, root: Path, path: str) -> Contents | None:
    try:
        return contents(root, path)
    except values.Wrong as wrong:
        table.wrong("file", f"file is {wrong.what}", wrong.instead)
        return None


def _check_rows(table: Table, rows: int, found: Contents) -> None:
    if rows != found.rows:
        table.wrong("rows", f"rows is {rows}, and the file has {found.rows}", "correct it")


def _read_parent(table: Table) -> Parent | None:
    name = table.required("name", data_set_name, '"tickets"')
    digest = table.required("digest", values.hexadecimal, '"sha256:..."')
    return Parent(name, digest) if name and digest else None


def _read_cases(root: Path, task: str, mistakes: Mistakes) -> DataSet | None:
    path = f"tasks/{task}/{CASES_FILE}"
    if not (root / path).exists():
        return None
    try:
        found = contents(root, path)
    except values.Wrong as wrong:
        mistakes.add(path, 1, f"the task's cases are {wrong.what}", wrong.instead)
        return None
    return DataSet(f"tasks/{task}/cases", FileDigest(path, found.digest), rows=found.rows)
