"""JSON files of a declaration: read strictly, with the line of every key and element."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from pathlib import Path
from typing import Any, Final, NoReturn

from trimtab.declare import locate
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.source import Source, read_text
from trimtab.declare.values import show

DEEPEST: Final = 64
TOKEN: Final = re.compile(r"""[ \t\r\n]*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<mark>[\[{\]},:])|[^ \t\r\n,:\[\]{}"]+)""")


def read_json(root: Path, path: str, mistakes: Mistakes, absent: str | None) -> Source | None:
    """A file that holds one JSON object (RFC 8259), or None and its mistakes.

    A key that stands twice in an object, nesting deeper than 64 levels, `NaN` and numbers that are no doubles are
    mistakes. `absent` is as in `read_text`.
    """
    text = read_text(root, path, mistakes, absent)
    if text is None:
        return None
    try:
        repeats = _Repeats()
        values = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=repeats.object)
        json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
        walk = _Walk(text, path, mistakes)
        if (repeats.found or _is_deep(values)) and walk.document() is None:
            return None
    except json.JSONDecodeError as wrong:
        line = min(wrong.lineno, max(1, len(text.splitlines())))
        mistakes.add(path, line, f"this is not JSON: {wrong.msg}", "correct the syntax (json.org)")
        return None
    except UnicodeEncodeError:
        mistakes.add(path, 1, "a \\u escape is half a character", "write both halves, or the character itself")
        return None
    except ValueError:
        mistakes.add(path, 1, "a number is not finite or too long", "write numbers that a double holds")
        return None
    except (RecursionError, _TooDeep) as deep:
        line = deep.line if isinstance(deep, _TooDeep) else 1
        mistakes.add(path, line, f"this is nested deeper than {DEEPEST} levels", "simplify it")
        return None
    if not isinstance(values, dict):
        mistakes.add(path, 1, f"this is {_kind(values)}, not an object", "write { ... }")
        return None
    return Source(path, values, lambda: walk.document() or {})


def pointer(path: locate.Path) -> str:
    """A path as a JSON Pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


class _Repeats:
    """Makes objects, and notes whether one has a key twice."""

    def __init__(self) -> None:
        self.found = False

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        self.found = self.found or len(made) < len(pairs)
        return made


def _is_deep(value: object) -> bool:
    """Whether objects and lists are nested beyond the limit."""
    layer = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in layer)
        layer = [one for some in inner for one in some if isinstance(one, (dict, list))]
    return bool(layer)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def _kind(value: object) -> str:
    return "null" if value is None else "a number" if isinstance(value, float) else show(value)


class _TooDeep(Exception):
    """Nesting beyond the limit, and its line."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Walk:
    """One pass over a document that `json` has read, for the lines alone; it is made once."""

    def __init__(self, text: str, path: str, mistakes: Mistakes) -> None:
        self._text = text
        self._path = path
        self._mistakes = mistakes
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._found: dict[locate.Path, int] = {}
        self._at = 0
        self._right = True

    def document(self) -> dict[locate.Path, int] | None:
        """The line, from 1, of each key and element; None and mistakes where a key is repeated or nesting too deep."""
        self._value(self._next(), ())
        return self._found if self._right else None

    def _value(self, token: re.Match[str], path: locate.Path) -> None:
        mark = token["mark"]
        if mark is None:
            return
        if len(path) >= DEEPEST:
            raise _TooDeep(self._line(token))
        if mark == "{":
            self._object(path)
        else:
            self._array(path)

    def _object(self, path: locate.Path) -> None:
        token, seen = self._next(), set[str]()
        while token["mark"] != "}":
            if token["mark"] == ",":
                token = self._next()
            key = json.loads(token["text"])
            if key in seen:
                self._right = False
                what = f"the key {show(key)} stands here a second time"
                self._mistakes.add(self._path, self._line(token), what, "keep one of them")
            seen.add(key)
            self._found[*path, key] = self._line(token)
            self._next()
            self._value(self._next(), (*path, key))
            token = self._next()

    def _array(self, path: locate.Path) -> None:
        token, index = self._next(), 0
        while token["mark"] != "]":
            if token["mark"] == ",":
                token = self._next()
            self._found[*path, index] = self._line(token)
            self._value(token, (*path, index))
            token, index = self._next(), index + 1

    def _next(self) -> re.Match[str]:
        token = TOKEN.match(self._text, self._at)
        if token is None:
            raise LookupError(f"no token at {self._at}")
        self._at = token.end()
        return token

    def _line(self, token: re.Match[str]) -> int:
        return bisect_left(self._ends, token.end()) + 1
