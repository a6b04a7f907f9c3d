"""What differs between two locks: field by field, each in a sentence that names the thing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, Literal

from msgspec import Struct

from trimtab.lock.lockfile import Entry, Lock
from trimtab.lock.schema_form import is_schema
from trimtab.lock.tree import Leaf, Path, Reach, leaves, pointer, stretches
from trimtab.lock.words import dotted, sentence, show
from trimtab.lock.words_text import changed_words, quote

MOST: Final = 100
"""Differences of one entry that are told one by one; what is beyond is counted."""
LONGEST: Final = 2_000
"""Characters of JSON that a side of a difference may have; a longer one is cut to its beginning, as text."""


class Difference(Struct, frozen=True):
    """One difference. `key` is the entry's, `path` the JSON Pointer in what is pinned ("" the entry itself).

    `before` and `after` are JSON, None where there is nothing on that side. `reach` is for schemas: "validating",
    "visible" (to the model) or "cosmetic".
    """

    key: str
    kind: Literal["added", "removed", "changed"]
    path: str
    before: Any
    after: Any
    words: str
    reach: Reach = ""


class _Told(Struct, frozen=True):
    leaf: Leaf
    words: str
    reach: Reach = ""


def differences(before: Lock | None, after: Lock) -> tuple[Difference, ...]:
    """Everything that differs between two locks, in the order of entries and fields; empty for equal lock ids."""
    if before is not None and before.lock_id == after.lock_id:
        return ()
    old = {one.key: one for one in before.entries} if before else {}
    new = {one.key: one for one in after.entries}
    return tuple(found for key in sorted(old.keys() | new.keys()) for found in _between(old.get(key), new.get(key)))


def _between(old: Entry | None, new: Entry | None) -> Iterator[Difference]:
    if old is None and new is not None:
        yield Difference(new.key, "added", "", None, _short(new.pinned), f"{new.key} is new{_summary(new)}")
    elif old is not None and new is None:
        yield Difference(old.key, "removed", "", _short(old.pinned), None, f"{old.key} is gone")
    elif old is not None and new is not None and old.digest != new.digest:
        told = list(_entry(old, new)) or list(_plainly(old, new))
        for one in told[:MOST]:
            yield _difference(new.key, one)
        if len(told) > MOST:
            more = f"{new.key}: and {len(told) - MOST} more differences"
            yield Difference(new.key, "changed", "", None, None, more)


def _difference(key: str, told: _Told) -> Difference:
    leaf = told.leaf
    kind: Literal["added", "removed", "changed"] = "changed" if leaf.kind == "reordered" else leaf.kind
    path = pointer(leaf.path)
    return Difference(key, kind, path, _short(leaf.before), _short(leaf.after), f"{key}: {told.words}", told.reach)


def _entry(old: Entry, new: Entry) -> Iterator[_Told]:
    """What differs in one entry; a digest of what is pinned in full is told only where nothing else differs."""
    before, after = old.pinned, new.pinned
    if new.section == "data" and before.get("sha256") != after.get("sha256"):
        yield _of_data(before, after)
        before, after = _without(before, "sha256", "rows"), _without(after, "sha256", "rows")
        yield from _fields(old, before, after)
        return
    if new.section != "prompts":
        yield from _fields(old, before, after)
        return
    found = [
        *_turns(_list(before, "turns"), _list(after, "turns")),
        *_fields(old, _without(before, "sha256", "turns"), _without(after, "sha256", "turns")),
    ]
    if not found:
        leaf = Leaf(("sha256",), "changed", before.get("sha256"), after.get("sha256"))
        found = [_Told(leaf, "the prompt's file changed around its turns alone, in white space at their ends (sha256)")]
    yield from found


def _plainly(old: Entry, new: Entry) -> Iterator[_Told]:
    """What differs in an entry that is not laid out as its section is."""
    for leaf in leaves(old.pinned, new.pinned):
        yield _Told(leaf, sentence(new.section, leaf))


def _fields(entry: Entry, before: dict[str, Any], after: dict[str, Any], at: Path = ()) -> Iterator[_Told]:
    for key in sorted(before.keys() | after.keys()):
        path = (*at, key)
        old, new = before.get(key), after.get(key)
        if is_schema(old) and is_schema(new):
            yield from _schema(entry, old, new, path)
        elif path == ("served",) and isinstance(old, dict) and isinstance(new, dict):
            yield from _flags(_list(old, "flags"), _list(new, "flags"))
            yield from _fields(entry, _without(old, "flags"), _without(new, "flags"), path)
        elif key in before and key in after:
            for leaf in leaves(old, new, path):
                yield _Told(leaf, sentence(entry.section, leaf))
        else:
            leaf = Leaf(path, "added" if key in after else "removed", old, new)
            yield _Told(leaf, sentence(entry.section, leaf))


def _schema(entry: Entry, old: Any, new: Any, at: Path) -> Iterator[_Told]:
    from trimtab.lock.words_schema import schema_changes  # noqa: PLC0415 - only a schema that changed needs its imports

    place = "" if entry.section == "schemas" else f"{dotted(at)}: "
    for change in schema_changes(old, new):
        leaf = Leaf((*at, *change.leaf.path), change.leaf.kind, change.leaf.before, change.leaf.after)
        yield _Told(leaf, f"{place}{change.words}", change.reach)


def _of_data(before: dict[str, Any], after: dict[str, Any]) -> _Told:
    leaf = Leaf(("sha256",), "changed", before.get("sha256"), after.get("sha256"))
    old, new = before.get("rows"), after.get("rows")
    rows = (
        f"{_counted(new, 'row')}, was {old}"
        if old != new
        else f"still {_counted(new, 'row')}"
        if new is not None
        else "no rows to count"
    )
    return _Told(leaf, f"the data changed (sha256 {show(leaf.before)} -> {show(leaf.after)}): {rows}")


def _turns(old: list[Any], new: list[Any]) -> Iterator[_Told]:
    """The turns of a prompt: those that stand at one place by their words, others as new or gone."""
    at: Path = ("turns",)
    before, after = ([json.dumps(turn, sort_keys=True) for turn in turns] for turns in (old, new))
    if before == after:
        return
    if sorted(before) == sorted(after):
        roles = " -> ".join(", ".join(_role(turn) for turn in turns) for turns in (old, new))
        yield _Told(Leaf(at, "reordered", old, new), f"the turns are in another order: {roles}")
        return
    for i, j, k, m in stretches(before, after):
        paired = min(j - i, m - k)
        for step in range(paired):
            yield from _turn(old[i + step], new[k + step], (*at, k + step), new)
        for index in range(i + paired, j):
            words = f"the {_role(old[index])} turn {index + 1} is gone, was {quote(_text(old[index]))}"
            yield _Told(Leaf((*at, index), "removed", old[index], None), words)
        for index in range(k + paired, m):
            words = f"the {_role(new[index])} turn {index + 1} is new: {quote(_text(new[index]))}"
            yield _Told(Leaf((*at, index), "added", None, new[index]), words)


def _turn(old: Any, new: Any, at: Path, turns: list[Any]) -> Iterator[_Told]:
    role = _role(new)
    alone = [_role(turn) for turn in turns].count(role) == 1
    which = f"the {role} turn" if alone else f"the {role} turn {int(at[-1]) + 1}"
    if _role(old) != role:
        words = f"turn {int(at[-1]) + 1} is of the role {role}, was {_role(old)}"
        yield _Told(Leaf((*at, "role"), "changed", _role(old), role), words)
    before, after = _text(old), _text(new)
    if before != after:
        leaf = Leaf((*at, "text"), "changed", before, after)
        yield _Told(leaf, f"{which} changed: {changed_words(before, after)}")


def _role(turn: Any) -> str:
    return str(turn.get("role", "")) if isinstance(turn, dict) else ""


def _text(turn: Any) -> str:
    lines = turn.get("text", []) if isinstance(turn, dict) else []
    return "\n".join(map(str, lines)) if isinstance(lines, list) else str(lines)


def _flags(old: list[Any], new: list[Any]) -> Iterator[_Told]:
    """The server's flags by their names; where only their order differs, that."""
    at: Path = ("served", "flags")
    before, after = _options(old), _options(new)
    if before == after:
        if old != new:
            words = f"the server's flags are reordered (served.flags): {show(old)} -> {show(new)}"
            yield _Told(Leaf(at, "reordered", old, new), words)
        return
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        what = f"the server's flag {name} (served.flags)"
        if was is None:
            yield _Told(Leaf(at, "added", None, now), f"{what} is new{_valued(now)}")
        elif now is None:
            yield _Told(Leaf(at, "removed", was, None), f"{what} is gone{_valued(was, ', was')}")
        else:
            yield _Told(Leaf(at, "changed", was, now), f"{what} is {show(' '.join(now))}, was {show(' '.join(was))}")


def _options(flags: list[Any]) -> dict[str, list[str]]:
    """What stands at each flag ("--dtype=half", or the words after "--dtype"), in order where it stands twice."""
    found: dict[str, list[str]] = {}
    last = "(first)"
    for word in map(str, flags):
        if word.startswith("-"):
            last, sign, value = word.partition("=")
            found.setdefault(last, []).extend([value] if sign else [])
        else:
            found.setdefault(last, []).append(word)
    return found


def _valued(words: list[str] | None, before: str = ":") -> str:
    return f"{before} {show(' '.join(words))}" if words else ""


def _summary(new: Entry) -> str:
    """What is new, in a few words."""
    pinned = new.pinned
    if new.section == "models":
        return f": {show(pinned.get('resolved'))}"
    if new.section == "prompts":
        return f": {_counted(len(_list(pinned, 'turns')), 'turn')}"
    if new.section == "data":
        return f": {_counted(pinned.get('rows'), 'row')}" if pinned.get("rows") is not None else ""
    return f": {quote(str(pinned.get('description')))}" if new.section == "tools" else ""


def _counted(count: Any, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _without(pinned: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in pinned.items() if key not in keys}


def _list(pinned: dict[str, Any], key: str) -> list[Any]:
    value = pinned.get(key)
    return value if isinstance(value, list) else []


def _short(value: Any) -> Any:
    """A side of a difference, cut to its beginning where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text)} characters)"
