"""What there is to tell of a data set: lineage upward, fields, splits, and where it is used."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from trimtab.data.check import rows_of
from trimtab.data.columns import Column, columns
from trimtab.data.examples import uses
from trimtab.data.manifest import Manifest, Purpose, held, names, read_manifest
from trimtab.data.snapshots import Snapshots
from trimtab.declare.project import Project
from trimtab.errors import DataInvalid

DEEPEST = 32


class Brief(Struct, frozen=True):
    """A data set in a line; `wrong` says why it cannot be used, empty where it can."""

    name: str
    purpose: Purpose = "cases"
    path: str = ""
    rows: int | None = None
    digest: str = ""
    parents: tuple[str, ...] = ()
    wrong: str = ""


class Ancestor(Struct, frozen=True):
    """A data set that another was made from, so many generations up; `changed` where it is not what it was then."""

    name: str
    generation: int
    of: str
    changed: bool
    transform: str = ""
    licence: str = ""
    source: str = ""
    wrong: str = ""


class Shown(Struct, frozen=True):
    """All of a data set; `kept` are the digests of it that can be brought back."""

    data_set: Brief
    manifest: Manifest | None
    lineage: tuple[Ancestor, ...]
    columns: tuple[Column, ...]
    splits: tuple[Brief, ...]
    uses: tuple[str, ...]
    kept: tuple[str, ...]
    project_read: bool


def brief(root: Path, name: str) -> Brief:
    """A data set in a line, whatever state it is in."""
    try:
        one = held(root, name)
    except DataInvalid as wrong:
        return Brief(name, wrong=str(wrong.facts["detail"]))
    parents = tuple(parent.name for parent in one.manifest.parents) if one.manifest else ()
    changed = one.manifest is not None and bool(one.path) and one.manifest.digest != one.digest
    told = "the file is not the one its manifest tells of" if changed else ""
    return Brief(name, one.purpose, one.path, one.rows, one.digest, parents, told)


def shown(root: Path, name: str, project: Project | None, snapshots: Snapshots) -> Shown:
    """All there is to tell of a data set; raises `DataInvalid` where it cannot be used."""
    one = held(root, name)
    digests = {one.digest, one.manifest.digest if one.manifest else one.digest}
    return Shown(
        data_set=brief(root, name),
        manifest=one.manifest,
        lineage=_lineage(root, name, one.manifest),
        columns=columns(rows_of(root, one)) if one.has_rows else (),
        splits=tuple(brief(root, each) for each in names(root) if _is_side(root, each, name)),
        uses=uses(project, name) if project else (),
        kept=tuple(sorted(digest for digest in digests if digest and snapshots.has(digest))),
        project_read=project is not None,
    )


def _lineage(root: Path, name: str, manifest: Manifest | None) -> tuple[Ancestor, ...]:
    found: list[Ancestor] = []
    seen = {name}
    level = [(name, manifest)]
    for generation in range(1, DEEPEST + 1):
        above: list[tuple[str, Manifest | None]] = []
        for of, each in level:
            for parent in each.parents if each else ():
                ancestor, its = _ancestor(root, parent.name, parent.digest, generation, of)
                found.append(ancestor)
                if parent.name not in seen:
                    seen.add(parent.name)
                    above.append((parent.name, its))
        level = above
    return tuple(found)


def _ancestor(root: Path, name: str, digest: str, generation: int, of: str) -> tuple[Ancestor, Manifest | None]:
    try:
        one = held(root, name)
    except DataInvalid as wrong:
        return Ancestor(name, generation, of, True, wrong=str(wrong.facts["detail"])), None
    its = one.manifest
    told = (its.transform, its.licence, its.source) if its else ("", "", "")
    return Ancestor(name, generation, of, one.digest != digest, *told), its


def _is_side(root: Path, name: str, of: str) -> bool:
    if name.startswith("tasks/"):
        return False
    try:
        side = read_manifest(root, name).split
    except DataInvalid:
        return False
    return side is not None and side.of == of
