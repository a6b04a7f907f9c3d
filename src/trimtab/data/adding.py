"""Taking a file in as a data set, and a changed file of one that is there."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.data.changes import RowChanges, row_changes
from trimtab.data.manifest import (
    CASES_OF,
    FOLDER,
    MANIFEST,
    NAME,
    ROWS,
    Held,
    Manifest,
    ParentRef,
    Purpose,
    Side,
    held,
    read_manifest,
    write_manifest,
    written,
)
from trimtab.data.rows import read_rows
from trimtab.data.snapshots import Snapshots
from trimtab.declare.files import contents, is_inside
from trimtab.declare.values import Wrong, duration
from trimtab.errors import DataInvalid, DataNotTaken

DEEPEST: Final = 32
"""Generations of parents that are followed."""


class Facts(Struct, frozen=True):
    """What is told of a data set; None for what is not told, which an update then leaves as it was."""

    parents: tuple[str, ...] | None = None
    transform: Path | None = None
    schema: Path | None = None
    licence: str | None = None
    source: str | None = None
    purpose: Purpose | None = None
    source_seen: str | None = None
    fresh_for: str | None = None
    split: Side | None = None


class Added(Struct, frozen=True):
    """A data set after it was taken in; `changes` only where rows of before were there to compare with."""

    held: Held
    changes: RowChanges | None = None


def add(
    root: Path, file: Path, name: str, facts: Facts, snapshots: Snapshots, today: date, *, update: bool = False
) -> Added:
    """Takes a file in under a name, copied into `data/` if it lies elsewhere; writes the manifest last.

    Raises `DataNotTaken` and `DataInvalid`, and changes nothing then.
    """
    before = _known(root, name, update=update)
    if not file.is_file():
        raise DataNotTaken(name=name, detail=f"{file} is no plain file", instead="name one that you may read")
    manifest = _told(root, name, facts, before or Manifest(digest=""), today)
    place = _place(root, file, name)
    if before is None and (root / place).exists() and not _is_same(root / place, file):
        raise DataNotTaken(name=name, detail=f"{place} is there already", instead="add that file itself, or move it")
    changes = _changes(root, name, before, file, snapshots) if before is not None and place.endswith(ROWS) else None
    if not _is_same(root / place, file):
        with written(root, place) as out, file.open("rb") as source:
            shutil.copyfileobj(source, out, 1 << 20)
    try:
        found = contents(root, place)
    except Wrong as wrong:
        raise DataInvalid(name=name, detail=f"its file is {wrong.what}; {wrong.instead}") from None
    rows = found.rows if place.endswith(ROWS) else None
    taken = _replaced(manifest, file=place, digest=f"sha256:{found.digest}", rows=rows)
    write_manifest(root, name, taken)
    return Added(Held(name, place, taken.digest, rows, taken), changes)


def ancestors(root: Path, name: str) -> tuple[str, ...]:
    """The names of all that a data set was made from, nearest first; what is not there has none of its own."""
    found: dict[str, None] = {}
    level = [name]
    for _ in range(DEEPEST):
        above: list[str] = []
        for each in level:
            if not CASES_OF.fullmatch(each):
                try:
                    above += [parent.name for parent in read_manifest(root, each).parents]
                except DataInvalid:
                    continue
        level = [each for each in dict.fromkeys(above) if each not in found]
        if not level:
            break
        found.update(dict.fromkeys(level))
    return tuple(found)


def _known(root: Path, name: str, *, update: bool) -> Manifest | None:
    if CASES_OF.fullmatch(name):
        instead = f"edit {name}{ROWS} itself"
        raise DataNotTaken(name=name, detail="the cases of a task need no manifest", instead=instead)
    if not NAME.fullmatch(name) or name.endswith(".schema"):
        instead = "use 1 to 64 of a-z 0-9 . _ -, no point first, not .schema last"
        raise DataNotTaken(name=name, detail="that is no name for a data set", instead=instead)
    is_there = (root / FOLDER / f"{name}{MANIFEST}").exists()
    if is_there and not update:
        raise DataNotTaken(name=name, detail="there is one already", instead="say --update to take in a changed file")
    return read_manifest(root, name) if update else None


def _told(root: Path, name: str, facts: Facts, before: Manifest, today: date) -> Manifest:
    """The manifest with what was told; parents get the digests they have now."""
    changed: dict[str, object] = {
        field: value
        for field in ("licence", "source", "purpose", "source_seen", "fresh_for", "split")
        if (value := getattr(facts, field)) is not None
    }
    for field in ("transform", "schema"):
        path: Path | None = getattr(facts, field)
        if path is not None:
            changed[field] = _in_project(root, path, name, field)
    names = facts.parents if facts.parents is not None else tuple(parent.name for parent in before.parents)
    for parent in names:
        if name in {parent, *ancestors(root, parent)}:
            raise DataNotTaken(name=name, detail=f"{parent} was itself made from it", instead="name another parent")
    changed["parents"] = tuple(ParentRef(parent, held(root, parent).digest) for parent in names)
    if facts.fresh_for and not facts.source_seen and not before.source_seen:
        changed["source_seen"] = today.isoformat()
    manifest = _replaced(before, **changed)
    try:
        if manifest.fresh_for:
            duration()(manifest.fresh_for)
        if manifest.source_seen:
            date.fromisoformat(manifest.source_seen)
    except (Wrong, ValueError) as wrong:
        raise DataNotTaken(name=name, detail=str(wrong), instead="write 90d and 2026-11-01, say") from None
    return manifest


def _replaced(manifest: Manifest, **changed: object) -> Manifest:
    fields = {field: getattr(manifest, field) for field in Manifest.__struct_fields__}
    return Manifest(**(fields | changed))


def _in_project(root: Path, path: Path, name: str, what: str) -> str:
    try:
        if is_inside(root, path):
            return path.resolve().relative_to(root.resolve()).as_posix()
    except OSError as failure:
        detail = f"the {what} {path} cannot be read ({failure.strerror})"
        raise DataNotTaken(name=name, detail=detail, instead="name a file of the project") from None
    raise DataNotTaken(name=name, detail=f"the {what} {path} lies elsewhere", instead="copy it into the project first")


def _place(root: Path, file: Path, name: str) -> str:
    """Where the file will lie: where it is, if that is in `data/`, else there under the data set's name."""
    folder = (root / FOLDER).resolve()
    if file.resolve().is_relative_to(folder):
        return f"{FOLDER}/{file.resolve().relative_to(folder).as_posix()}"
    ending = file.suffix if file.suffix[1:].isalnum() and file.suffix != MANIFEST else ".data"
    return f"{FOLDER}/{name}{ending}"


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and one.samefile(other)


def _changes(root: Path, name: str, before: Manifest, file: Path, snapshots: Snapshots) -> RowChanges | None:
    """The changes from the rows that the manifest tells of, where these are still somewhere."""
    old = snapshots.place(before.digest)
    if not old.is_file():
        if not before.file or held(root, name).digest != before.digest:
            return None
        old = root / before.file
    with old.open("rb") as one, file.open("rb") as other:
        return row_changes(read_rows(one), read_rows(other))
