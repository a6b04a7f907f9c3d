"""Where each key of a TOML document stands: `tomllib` gives values without their lines.

A document that `tomllib` has read is walked once more, by its grammar (TOML 1.0), with values skipped over. The two
must agree on every path, which is property-tested.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from typing import Final

Path = tuple[str | int, ...]
"""Keys and, inside arrays, indexes, from the root of the document."""

BLANK: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
SPACE: Final = re.compile(r"[ \t]*")
KEY: Final = re.compile(r"""[ \t]*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*""")
# No possessive quantifiers: around groups they match wrongly in Python before 3.11.5, which Debian 12 has.
STRING: Final = re.compile(
    r'''"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}'''
    r"""|'''(?:[^']|'{1,2}(?!'))*'{3,5}"""
    r'''|"(?:[^"\\]|\\.)*"'''
    r"""|'[^']*'"""
)
SCALAR: Final = re.compile(r"[^,\]}#\n]+")


def locate(text: str) -> dict[Path, int]:
    """The line, counted from 1, of every path of a valid document: of a key, its first mention; of an array's
    element, its beginning.

    What it says of a text that is not valid TOML means nothing; `LookupError` or `RecursionError` may be raised.
    """
    return _Walk(text).document()


class _Walk:
    """One pass over a document."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", self._text)]
        self._last_of: dict[Path, int] = {}
        self._found: dict[Path, int] = {}

    def document(self) -> dict[Path, int]:
        table: Path = ()
        self._skip(BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(BLANK)
        return self._found

    def _header(self) -> Path:
        line = self._line()
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        *parents, last = self._key()
        self._at += brackets
        path: Path = ()
        for part in parents:
            path = self._entered(self._note((*path, part), line))
        path = self._note((*path, last), line)
        if brackets == 1:
            return self._entered(path)
        self._last_of[path] = self._last_of.get(path, -1) + 1
        return self._note(self._entered(path), line)

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for part in self._key():
            path = self._note((*path, part), line)
        self._at += len("=")
        self._skip(SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._skip(STRING if first in "\"'" else SCALAR)

    def _array(self, path: Path) -> None:
        index = 0
        self._step()
        while self._text[self._at] != "]":
            self._value(self._note((*path, index), self._line()))
            index += 1
            self._skip_comma()
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._step()
        while self._text[self._at] != "}":
            self._pair(path)
            self._skip_comma()
        self._at += 1

    def _key(self) -> list[str]:
        parts = []
        while True:
            match = KEY.match(self._text, self._at)
            if match is None:
                raise LookupError(f"no key at {self._at}")
            parts.append(_unquoted(match[1]))
            self._at = match.end()
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _note(self, path: Path, line: int) -> Path:
        self._found.setdefault(path, line)
        return path

    def _entered(self, path: Path) -> Path:
        """The path itself or, where it is an array of tables, its latest element."""
        return (*path, self._last_of[path]) if path in self._last_of else path

    def _step(self) -> None:
        self._at += 1
        self._skip(BLANK)

    def _skip_comma(self) -> None:
        self._skip(BLANK)
        if self._text.startswith(",", self._at):
            self._step()

    def _skip(self, what: re.Pattern[str]) -> None:
        match = what.match(self._text, self._at)
        if match is None:
            raise LookupError(f"nothing to skip at {self._at}")
        self._at = match.end()

    def _line(self) -> int:
        return bisect_left(self._ends, self._at) + 1


def _unquoted(key: str) -> str:
    if key[0] not in "\"'":
        return key
    return next(iter(tomllib.loads(f"{key} = 0")))
