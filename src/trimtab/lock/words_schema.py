"""What differs between two JSON Schemas, each difference with what it reaches.

validating: an answer or argument that was valid may be invalid now, or the other way round. visible: the model reads
it, or writes fields in its order. cosmetic: neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from trimtab.contracts.compiling import SCHEMA_LISTS, SCHEMAS, SCHEMAS_BY_NAME
from trimtab.contracts.findings import ASSERTIONS
from trimtab.lock.tree import Leaf, Path, Reach, leaves, pointer
from trimtab.lock.words import show
from trimtab.lock.words_text import changed_words

REACH: Final[dict[Reach, str]] = {
    "": "",
    "cosmetic": "cosmetic",
    "visible": "visible to the model",
    "validating": "validating",
}
_UNSEEN: Final = frozenset({"$anchor", "$comment", "$id", "$schema", "$vocabulary", "id"})
_DEFINITIONS: Final = frozenset({"$defs", "definitions"})


class SchemaChange(Struct, frozen=True):
    """One difference of two schemas: where it is in what is pinned of them, both sides, and a sentence."""

    leaf: Leaf
    reach: Reach
    words: str


class _Place(Struct, frozen=True):
    """A place in a schema: the subschema, its keyword, the name of a property or definition, what is below it."""

    at: Path
    keyword: str
    name: str | None = None
    below: Path = ()


def schema_changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[SchemaChange, ...]:
    """Every difference of two pinned schemas; one that is only written in another way gives one, a cosmetic one."""
    found = [_change(leaf) for leaf in leaves(before["schema"], after["schema"])]
    found += _reordered(before, after)
    if not found and before["sha256"] != after["sha256"]:
        leaf = Leaf(("sha256",), "changed", before["sha256"], after["sha256"])
        found = [SchemaChange(leaf, "cosmetic", "written in another way: order of keys, numbers (cosmetic)")]
    return tuple(found)


def _change(leaf: Leaf) -> SchemaChange:
    place = _locate(leaf.path)
    reach = _reach(place, leaf)
    return SchemaChange(
        Leaf(("schema", *leaf.path), leaf.kind, leaf.before, leaf.after), reach, _words(place, leaf, reach)
    )


def _locate(path: Path) -> _Place:
    at: Path = ()
    index = 0
    while index < len(path):
        keyword = str(path[index])
        rest = path[index + 1 :]
        if keyword in SCHEMAS_BY_NAME and rest:
            if len(rest) == 1:
                return _Place(at, keyword, str(rest[0]))
            at, index = path[: index + 2], index + 2
        elif keyword in SCHEMA_LISTS and len(rest) > 1:
            at, index = path[: index + 2], index + 2
        elif keyword in SCHEMAS and rest and not isinstance(rest[0], int):
            at, index = path[: index + 1], index + 1
        else:
            return _Place(at, keyword, None, rest)
    return _Place(at, "")


def _reach(place: _Place, leaf: Leaf) -> Reach:
    if place.keyword in _UNSEEN:
        return "cosmetic"
    if leaf.kind == "reordered" and place.keyword != "prefixItems":
        return "visible"
    if place.keyword in _DEFINITIONS and place.name is not None:
        return "visible"
    return "validating" if place.keyword in ASSERTIONS or not place.keyword else "visible"


def _words(place: _Place, leaf: Leaf, reach: Reach) -> str:
    where = f" at {pointer(place.at)}" if place.at else ""
    if place.name is not None:
        told = _of_name(place, leaf, where)
    elif leaf.kind == "reordered":
        told = f"{place.keyword}{where} is reordered: {show(leaf.before)} -> {show(leaf.after)}"
    elif place.keyword == "required" and place.below:
        told = _of_required(leaf, where)
    elif leaf.kind in {"added", "removed"} and place.below:
        side = f"{show(leaf.after)} is new" if leaf.kind == "added" else f"{show(leaf.before)} is gone"
        told = f"{place.keyword}{where} changed: {side}"
    elif leaf.kind == "added":
        told = f"{place.keyword}{where} is new: {show(leaf.after)}"
    elif leaf.kind == "removed":
        told = f"{place.keyword}{where} is gone, was {show(leaf.before)}"
    elif isinstance(leaf.before, str) and isinstance(leaf.after, str) and " " in leaf.before + leaf.after:
        told = f"{place.keyword}{where} changed: {changed_words(leaf.before, leaf.after)}"
    else:
        told = f"{place.keyword or 'schema'}{where} is {show(leaf.after)}, was {show(leaf.before)}"
    order = ", which sees the order" if leaf.kind == "reordered" and reach == "visible" else ""
    return f"{told} ({REACH[reach]}{order})"


_NAMED: Final = {"properties": "property", "patternProperties": "pattern of properties"}


def _of_name(place: _Place, leaf: Leaf, where: str) -> str:
    what = f"the {_NAMED.get(place.keyword, f'entry of {place.keyword}')} {show(place.name)}{where}"
    if leaf.kind == "added":
        return f"{what} is new: {show(leaf.after)}"
    if leaf.kind == "removed":
        return f"{what} is gone, was {show(leaf.before)}"
    return f"{what} is {show(leaf.after)}, was {show(leaf.before)}"


def _of_required(leaf: Leaf, where: str) -> str:
    told = []
    if leaf.before is not None:
        told.append(f"{show(leaf.before)}{where} is no longer required")
    if leaf.after is not None:
        told.append(f"{show(leaf.after)}{where} is required now")
    return ", ".join(told)


def _reordered(before: dict[str, Any], after: dict[str, Any]) -> Iterator[SchemaChange]:
    """Properties that both schemas have and write in different orders."""
    for at in sorted(before["order"].keys() | after["order"].keys()):
        old, new = _order(before, at), _order(after, at)
        kept, now = [name for name in old if name in new], [name for name in new if name in old]
        if kept != now:
            where = f" at {at}" if at else ""
            words = (
                f"the properties{where} are reordered: {show(kept)} -> {show(now)} "
                f"(visible to the model, which reads and writes them in this order)"
            )
            yield SchemaChange(Leaf(("order", at), "reordered", old, new), "visible", words)


def _order(pinned: dict[str, Any], at: str) -> list[str]:
    """The names of the properties of the object at a JSON Pointer, as they are written."""
    if at in pinned["order"]:
        return [str(name) for name in pinned["order"][at]]
    value = pinned["schema"]
    for part in at.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            value = value[int(key)] if key.isdecimal() and int(key) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    named = value.get("properties") if isinstance(value, dict) else None
    return sorted(named) if isinstance(named, dict) else []
