"""What a step asks for, in the one form by which a journal knows it again: canonical JSON without its volatile parts.

Two requests are the same step's when their digests are equal. White space, the order of keys and the way a number is
written do not count (RFC 8785, but a whole number beyond a double's stays as it is written). Ids of tool calls, which
some frameworks draw anew each time, are numbered in order of appearance, so that what belongs together still does; and
the paths that a project declares volatile are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
import rfc8785
from msgspec import Raw, Struct

from trimtab.journal.entries import StepKind

Path = tuple[str | int, ...]
"""Keys and indexes from the request's top; `EVERY` stands for each item of an array, or each value of an object."""
EVERY: Final = -1

_CALLS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_BEYOND_16_BITS: Final = re.compile("[\U00010000-\U0010ffff]")


class Canonical(Struct, frozen=True):
    """A request's sha256 (hexadecimal), and the JSON that it is over: `{"kind": .., "name": .., "request": ..}`."""

    digest: str
    shown: bytes


def canonical(kind: StepKind, name: str, request: object, volatile: Sequence[Path] = ()) -> Canonical:
    """The canonical form of what a step of this kind asks of the surface, tool or function called `name`.

    `request` is a request's body as bytes, or any value that is JSON (structs and dataclasses as msgspec writes them).
    Bytes that are no JSON stand for themselves by their sha256. Raises `ValueError` for a value that JSON cannot carry,
    such as NaN, and `TypeError` for one that is no data.
    """
    shown = _encode({"kind": kind, "name": name, "request": _read(request, volatile)})
    return Canonical(sha256(shown).hexdigest(), shown)


def _read(request: object, volatile: Sequence[Path]) -> Any:
    if isinstance(request, bytes):
        try:
            value = _decode(request)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {"sha256": sha256(request).hexdigest(), "size": len(request)}
    else:
        value = _decode(json.dumps(msgspec.to_builtins(request, str_keys=True), allow_nan=False))
    if isinstance(value, dict):
        _number_calls(value)
    for path in volatile:
        _leave_out(value, path)
    return value


def _float(text: str) -> Raw:
    """A number as RFC 8785 writes it; one that no double holds stays as it is written."""
    number = float(text)
    return Raw(rfc8785.dumps(number) if number - number == 0 else text.encode())


_decode = msgspec.json.Decoder(float_hook=_float).decode
_sorted = msgspec.json.Encoder(order="sorted").encode
_ordered = msgspec.json.Encoder().encode


def _encode(value: Any) -> bytes:
    """JSON with sorted keys; msgspec sorts them by code points and RFC 8785 by UTF-16 units, apart beyond U+FFFF."""
    found = _sorted(value)
    if found.isascii() or not any(_BEYOND_16_BITS.search(key) for key in _keys(value)):
        return found
    return _ordered(_by_units(value))


def _keys(value: Any) -> Iterator[str]:
    level = [value]
    while level:
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                yield from item
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below


def _by_units(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_units(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    return [_by_units(item) for item in value] if isinstance(value, list) else value


def _number_calls(request: dict[str, Any]) -> None:
    """Numbers the ids of tool calls where the surfaces have them, and nowhere else: not in arguments or texts."""
    numbers: dict[str, str] = {}

    def number(place: dict[str, Any], key: str) -> None:
        given = place.get(key)
        if isinstance(given, str):
            place[key] = numbers.setdefault(given, f"call {len(numbers) + 1}")

    for message in _objects(request.get("messages")):
        for call in _objects(message.get("tool_calls")):
            number(call, "id")
        number(message, "tool_call_id")
        for part in _objects(message.get("content")):
            if part.get("type") in _CALLS:
                number(part, "id")
            number(part, "tool_use_id")
    for item in _objects(request.get("input")):
        if "call_id" in item:
            number(item, "call_id")
            number(item, "id")


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield item


def _leave_out(value: Any, path: Path) -> None:
    """Takes away what lies at a path: a key goes, an item of an array becomes null, so that the others stay put."""
    places = [value]
    for step in path[:-1]:
        places = [inner for place in places for inner in _at(place, step)]
    for place in places:
        if isinstance(place, dict):
            for key in list(place) if path[-1] == EVERY else [path[-1]]:
                place.pop(key, None)
        elif isinstance(place, list) and isinstance(path[-1], int):
            for index in range(len(place)) if path[-1] == EVERY else [path[-1]]:
                if index < len(place):
                    place[index] = None


def _at(place: Any, step: str | int) -> list[Any]:
    if isinstance(place, dict):
        return list(place.values()) if step == EVERY else [place[step]] if step in place else []
    if not isinstance(place, list) or not isinstance(step, int):
        return []
    return list(place) if step == EVERY else place[step : step + 1]
