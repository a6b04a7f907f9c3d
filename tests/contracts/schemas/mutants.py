"""Texts near the valid instances of a schema, which an engine that constrains too little is likely to let through."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

TEXTS = (
    "", "x", "X", "0", "maybe", "x" * 300, "2025-02-29", "2026-02-30", "2026-02-30T10:00:00Z", "2025-02-29T10:00:00Z",
    "2026-02-28T10:00:60Z", "10:00:60Z", "25:00:00Z", "192.0.2.017", "1::2::3", "::ffff:1.2.3.04",
    ".".join(["a" * 60] * 5), f"{'a' * 65}@example.org", "a@-b.org",
    f"a@{'b' * 64}.org", "abcdefgh", "1.2.3a", "\u2028", "\u00a0", "\ufeff", "\r", "A\u0085204", '"\\"', "1.2.",
)  # fmt: skip
CHARACTERS = (
    "\u2028",
    "\u00a0",
    "\ufeff",
    "\u0085",
    "\r",
    "\n",
    "\t",
    '"',
    "\\",
    "\x1b",
    "é",
    " ",
    "a",
    "A",
    "1",
    "-",
    ".",
)
RAW = ('"', "\\", "\t", "\x1b", "\n")
NUMBERS = (0, -1, 1, 2, 3, 4, 5, 7, 1000, 1001, 0.5, 0.001, -0.01, 1.5, -91, 181, -300, 10**20, 10**22, 99999)


def texts(valid: list[Any], seed: int, most: int) -> Iterator[str]:
    """Different texts, each a valid instance with one or two things changed; some are no JSON.

    First every string in turn becomes each of `TEXTS`, gets each of `CHARACTERS` and, unescaped, each of `RAW`; then
    `most` texts are changed at random.
    """
    chance = random.Random(seed)
    seen: set[str] = set()
    for text in (*_systematic(valid), *(_mutant(valid, chance) for _ in range(most if valid else 0))):
        if text not in seen:
            seen.add(text)
            yield text


def _systematic(valid: list[Any]) -> Iterator[str]:
    for value in valid:
        for path in list(_places(value, ()))[:12]:
            held = _at(value, path)
            if isinstance(held, dict):
                yield from _raw_names(value, path)
            if not isinstance(held, str):
                continue
            yield _dumped(_with(value, path, "\ue000")).replace("\ue000", held)
            middle = len(held) // 2
            others = [held + char for char in "-.a1 "]
            others += [held[:middle] + char + held[middle + replaced :] for char in CHARACTERS for replaced in (0, 1)]
            for other in (*TEXTS, *others):
                yield _dumped(_with(value, path, other))
            for char in RAW:
                marked = _dumped(_with(value, path, held[:middle] + "\ue000" + held[middle + 1 :]))
                yield marked.replace("\ue000", char)


def _raw_names(value: Any, path: tuple[Any, ...]) -> Iterator[str]:
    held = _at(value, path)
    for name in list(held)[:3]:
        renamed = {("\ue000" if key == name else key): inner for key, inner in held.items()}
        for char in RAW:
            yield _dumped(_with(value, path, renamed)).replace("\ue000", name[:-1] + char)


def _mutant(valid: list[Any], chance: random.Random) -> str:
    value = copy.deepcopy(chance.choice(valid))
    for _ in range(chance.choice((1, 1, 1, 2))):
        value = _changed(value, chance)
    return _dumped(value)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = copy.deepcopy(value)
    _at(copied, path[:-1])[path[-1]] = new
    return copied


def _changed(value: Any, chance: random.Random) -> Any:
    path = chance.choice(list(_places(value, ())))
    return _with(value, path, _other(_at(value, path), chance))


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _other(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        return _other_object(value, chance)
    if isinstance(value, list):
        return _other_list(value, chance)
    if chance.random() < 0.1:
        return chance.choice((None, True, 1, "x", [], {}))
    if isinstance(value, str):
        return _other_text(value, chance)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return chance.choice((*NUMBERS, value + 1, value - 1, value + 0.5, value * 2, -value))
    return chance.choice((None, True, False, "x", 0))


def _other_object(value: dict[str, Any], chance: random.Random) -> Any:
    how = chance.choice(("drop", "drop", "add", "empty", "copy", "scalar"))
    if how == "drop" and value:
        dropped = chance.choice(list(value))
        return {key: inner for key, inner in value.items() if key != dropped}
    if how in ("add", "copy"):
        name = chance.choice(("a", "b", "x-a", "extra", "ab", "A", "longer_name", "card", "mail", "zip"))
        copied = (
            copy.deepcopy(chance.choice(list(value.values()))) if value and how == "copy" else chance.choice((1, "x"))
        )
        return {**value, name: copied}
    return {} if how == "empty" else chance.choice((5, "x", None))


def _other_list(value: list[Any], chance: random.Random) -> Any:
    how = chance.choice(("double", "drop", "empty", "mixed", "longer"))
    if how == "double" and value:
        return [*value, copy.deepcopy(value[-1])]
    if how == "drop" and value:
        return value[:-1]
    if how == "longer" and value:
        return value * 4
    return [*value, chance.choice((1, "x", None, 1.5))] if how == "mixed" else []


def _other_text(value: str, chance: random.Random) -> str:
    how = chance.choice(("known", "replace", "replace", "insert", "append", "longer", "shorter"))
    if how == "known":
        return chance.choice(TEXTS)
    if how == "longer":
        return value + value[-1:] * chance.choice((1, 10, 250))
    if how == "shorter":
        return value[: len(value) // 2]
    at = chance.randrange(len(value) + 1) if how != "append" else len(value)
    return value[:at] + chance.choice(CHARACTERS) + value[at + (how == "replace") :]
