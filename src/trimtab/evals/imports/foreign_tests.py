"""The files of a promptfoo configuration: YAML, JSON, JSON lines and CSV, none of them from outside its folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from trimtab.errors import ImportRefused
from trimtab.evals.imports.suite import Left, checked, read

PREFIX: Final = "file://"
MOST_FIELD: Final = 1 << 22
"""Characters of a cell of a CSV."""


def load(path: Path) -> Any:
    """A file as a value of JSON's types. Raises `ImportRefused`."""
    content, name = read(path), str(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        return checked(_json(content, name), name)
    if suffix == ".jsonl":
        return checked([_json(line, name) for line in content.splitlines() if line.strip()], name)
    if suffix == ".csv":
        return checked(_csv(content, name), name)
    if suffix in {".yaml", ".yml"}:
        return checked(_yaml(content, name), name)
    raise ImportRefused(file=name, detail="its kind is not known", instead="name a .yaml, .json, .jsonl or .csv file")


def _json(content: bytes, name: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise ImportRefused(file=name, detail=f"it is no JSON ({wrong})", instead="correct it") from wrong


def _yaml(content: bytes, name: str) -> Any:
    if find_spec("yaml") is None:
        instead = "install it with `pip install 'trimtab[yaml]'`, or turn the file into JSON"
        raise ImportRefused(file=name, detail="PyYAML, which reads it, is not installed", instead=instead)
    yaml = import_module("yaml")
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        detail = " ".join(str(wrong).split())[:300]
        raise ImportRefused(file=name, detail=f"it is no YAML ({detail})", instead="correct it") from wrong


def _csv(content: bytes, name: str) -> list[dict[str, str]]:
    before = csv.field_size_limit(MOST_FIELD)
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as wrong:
        raise ImportRefused(file=name, detail=f"it is no CSV in UTF-8 ({wrong})", instead="correct it") from wrong
    finally:
        csv.field_size_limit(before)
    return [{key: value for key, value in row.items() if key is not None and value is not None} for row in rows]


def tests_of(tests: Any, path: Path, left: Left) -> Iterator[dict[str, Any]]:
    """The tests of a configuration at `path`, those of the files that it names among them."""
    for one in tests if isinstance(tests, list) else [tests]:
        if isinstance(one, dict):
            yield one
        elif isinstance(one, str):
            yield from _of_file(one, path, left)
        elif one is not None:
            left.add("a test that is no table of keys")


def _of_file(name: str, path: Path, left: Left) -> Iterator[dict[str, Any]]:
    place = _inside(path.parent.resolve(), name.removeprefix(PREFIX))
    if place is None:
        left.add(f"the tests of {name}: only single files in the configuration's folder are read")
        return
    if place.suffix.lower() in {".py", ".js", ".ts", ".mjs", ".cjs"}:
        left.add(f"the tests of {name}: they come of a program, which is not run")
        return
    found = load(place)
    for one in found if isinstance(found, list) else [found]:
        if not isinstance(one, dict):
            left.add(f"a test of {name} that is no table of keys")
        else:
            yield _of_row(one) if place.suffix.lower() == ".csv" else one


def _inside(folder: Path, name: str) -> Path | None:
    """The file of this name in a folder; None for one outside of it, and for several."""
    if "://" in name or "*" in name:
        return None
    try:
        place = (folder / name).resolve()
    except (OSError, ValueError):  # a name that no file can have
        return None
    return place if place.is_relative_to(folder) else None


def _of_row(row: dict[str, Any]) -> dict[str, Any]:
    """A line of a CSV as a test: columns are variables, but for those that begin with two underscores."""
    asserted = [_of_cell(value) for key, value in row.items() if key.startswith("__expected") and value.strip()]
    inputs = {key: value for key, value in row.items() if not key.startswith("__")}
    return {"vars": inputs, "assert": asserted, "description": row.get("__description", "")}


def _of_cell(cell: str) -> dict[str, Any]:
    """`icontains:hello` as an assertion; a cell without a known word before the colon is the answer itself."""
    word, colon, rest = cell.strip().partition(":")
    known = word.replace("-", "").isalpha() and word == word.lower() and " " not in word
    if not colon or not known:
        return {"type": "equals", "value": cell.strip()}
    name, value = word.partition("(")[0], rest.strip()
    if name.removeprefix("not-") in {"contains-any", "contains-all", "icontains-any", "icontains-all"}:
        return {"type": name, "value": [part.strip() for part in value.split(",")]}
    return {"type": name, "value": value}
