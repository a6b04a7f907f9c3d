"""JSON text as RFC 8259 has it and as every reader understands it alike.

Refused besides what is no JSON: a name twice in one object (RFC 8259 section 4: readers differ on which one counts),
NaN and Infinity, numbers beyond a double, integers of more than 4,300 digits, half a surrogate pair (section 8.2) and
nesting deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

MAX_DEPTH = 128

_PERHAPS_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPES = re.compile(r"\\(?:u([0-9a-fA-F]{4})(?:\\u([0-9a-fA-F]{4}))?|.)", re.DOTALL)
_HIGH, _LOW, _AFTER = 0xD800, 0xDC00, 0xE000


class NotJson(ValueError):
    """A text that is not JSON; `at` is the character at which it breaks, None where that is not known."""

    def __init__(self, detail: str, at: int | None = None) -> None:
        self.detail = detail
        self.at = at
        super().__init__(detail)


def parse(text: str) -> object:
    """The value of a JSON text, white space around it allowed; raises `NotJson` and nothing else."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as broken:
        detail = broken.msg[:1].lower() + broken.msg[1:]
        raise NotJson(detail, broken.pos) from None
    except RecursionError:
        raise _too_deep() from None
    except NotJson:
        raise
    except ValueError:
        raise NotJson("an integer has more than 4,300 digits") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and depth(value) > MAX_DEPTH:
        raise _too_deep()
    if not text.isascii() or _PERHAPS_SURROGATE.search(text):
        _refuse_half_pairs(text)
    return value


def depth(value: object) -> int:
    """How many arrays and objects lie in one another; a scalar has 0."""
    deepest, level = 0, [value]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        deepest += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return deepest


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"an object has the name {json.dumps(twice)[:80]} twice")
    return found


def _constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not a JSON number")


def _float(digits: str) -> float:
    number = float(digits)
    if number - number != 0.0:
        raise NotJson(f"the number {digits[:40]} is beyond the range of a double")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def _too_deep() -> NotJson:
    return NotJson(f"it is nested deeper than {MAX_DEPTH} levels")


def _refuse_half_pairs(text: str) -> None:
    """Backslashes stand only in strings of a JSON text, so that escapes can be read without its structure."""
    try:
        text.encode()
    except UnicodeEncodeError as broken:
        raise NotJson("half a surrogate pair stands in a string", broken.start) from None
    at = 0
    while found := _ESCAPES.search(text, at):
        at = found.end()
        if found[1] is None:
            continue
        first = int(found[1], 16)
        if found[2] is not None and not (_HIGH <= first < _LOW <= int(found[2], 16) < _AFTER):
            at = found.end(1)
        elif found[2] is not None:
            continue
        if _HIGH <= first < _AFTER:
            raise NotJson(f"half a surrogate pair (\\u{found[1]}) stands in a string", found.start())
