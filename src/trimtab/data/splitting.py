"""A data set split into others: which rows go where, and the files and manifests of the sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.data.bags import Bags
from trimtab.data.cases import case
from trimtab.data.check import rows_of
from trimtab.data.manifest import (
    CASES_OF,
    FOLDER,
    MANIFEST,
    NAME,
    ROWS,
    Held,
    Manifest,
    ParentRef,
    Side,
    held,
    read_manifest,
    write_manifest,
    written,
)
from trimtab.data.near_duplicates import among
from trimtab.data.rows import BYTE_ORDER_MARK, Row, lines
from trimtab.data.split import split
from trimtab.errors import DataInvalid, DataNotTaken

MISSING: Final = "\0missing"


class Plan(Struct, frozen=True):
    """The side of each row by its number, and what stays together: clusters of near duplicates with more than a row."""

    of: str
    sides: dict[int, str]
    clusters: int
    clustered: int


class SplitSide(Struct, frozen=True):
    """One side as it was written; `strata` counts its rows by the field that the split was stratified by."""

    name: str
    side: str
    rows: int
    digest: str
    strata: dict[str, int] = {}


def plan(
    root: Path, one: Held, sides: Mapping[str, float], by: str, stratify: str, seed: int
) -> tuple[Plan, list[str]]:
    """Where each row goes, and its value of `stratify` as JSON. `by` and `stratify` are fields, with dots in them.

    Raises `DataInvalid` for a data set without rows or with rows that cannot be read.
    """
    if not one.has_rows:
        raise DataInvalid(name=one.name, detail="it has no rows here that could be split")
    bags = Bags()
    numbers: list[int] = []
    contents: list[bytes] = []
    groups: list[Hashable] = []
    strata: list[str] = []
    for row in rows_of(root, one):
        if not isinstance(row, Row):
            raise DataInvalid(name=one.name, detail=f"row {row.number} {row.words}")
        taken = case(row.value)
        numbers.append(row.number)
        contents.append(taken.inputs)
        groups.append(_value(row.value, by) if by else None)
        strata.append((_value(row.value, stratify) or "") if stratify else "")
        bags.take(taken.words, taken.texts)
    clusters = among(bags).clusters
    same = _same(contents)
    given = split(contents, [*clusters, *same], sides, groups=groups, strata=strata if stratify else None, seed=seed)
    whole = Plan(one.name, dict(zip(numbers, given, strict=True)), len(clusters), sum(map(len, clusters)))
    return whole, strata


def write(root: Path, one: Held, planned: Plan, strata: list[str]) -> tuple[SplitSide, ...]:
    """Writes each side, `data/NAME-SIDE.jsonl` with its manifest, the rows byte for byte as they were."""
    sides = list(dict.fromkeys(planned.sides.values()))
    names = {side: side_name(one.name, side) for side in sides}
    for side, name in names.items():
        _check_place(root, one, name, side)
    with ExitStack() as stack, (root / one.path).open("rb") as file:
        out = {side: stack.enter_context(written(root, f"{FOLDER}/{names[side]}{ROWS}")) for side in sides}
        for number, line in enumerate(lines(file), 1):
            if line is not None and number in planned.sides:
                bare = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
                out[planned.sides[number]].write(bare + b"\n")
    counts = {side: Counter[str]() for side in sides}
    for side, stratum in zip(planned.sides.values(), strata, strict=True):
        counts[side][stratum] += 1
    found = []
    for side, name in names.items():
        purpose = one.manifest.purpose if one.manifest else "cases"
        licence = one.manifest.licence if one.manifest else ""
        schema = one.manifest.schema if one.manifest else ""
        write_manifest(root, name, Manifest(digest="", file=f"{FOLDER}/{name}{ROWS}"))
        now = held(root, name)
        manifest = Manifest(
            digest=now.digest,
            file=now.path,
            rows=now.rows,
            schema=schema,
            parents=(ParentRef(one.name, one.digest),),
            licence=licence,
            purpose=purpose,
            split=Side(one.name, side),
        )
        write_manifest(root, name, manifest)
        told = dict(counts[side].most_common(20)) if any(strata) else {}
        found.append(SplitSide(name, side, counts[side].total(), now.digest, told))
    return tuple(found)


def side_name(name: str, side: str) -> str:
    """What the side of a data set is called: "tickets-dev", and "triage-dev" for the cases of the task triage."""
    cases = CASES_OF.fullmatch(name)
    return f"{cases[1] if cases else name}-{side}"


def _check_place(root: Path, one: Held, name: str, side: str) -> None:
    if not NAME.fullmatch(name):
        raise DataNotTaken(name=name, detail="that is no name for a data set", instead="choose shorter names of sides")
    if (root / FOLDER / f"{name}{MANIFEST}").exists():
        if read_manifest(root, name).split != Side(one.name, side):
            raise DataNotTaken(
                name=name, detail=f"it is there and is no {side} of {one.name}", instead="name the side otherwise"
            )
    elif (root / FOLDER / f"{name}{ROWS}").exists():
        raise DataNotTaken(name=name, detail=f"{FOLDER}/{name}{ROWS} is there already", instead="move that file away")


def _value(row: dict[str, Any], path: str) -> str | None:
    """The value at a path with dots, as JSON; None where there is none."""
    found: Any = row
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return None if found is None else msgspec.json.encode(found, order="sorted").decode()


def _same(contents: list[bytes]) -> list[list[int]]:
    """The rows with the same inputs; rows without a word are in no cluster of near duplicates."""
    places: dict[bytes, list[int]] = {}
    for place, content in enumerate(contents):
        places.setdefault(content, []).append(place)
    return [same for same in places.values() if len(same) > 1]
