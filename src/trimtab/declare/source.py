"""The files of a declaration as text and as tables, with the line of every key."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from trimtab.declare import locate
from trimtab.declare.mistakes import Mistakes

MAX_FILE_BYTES = 1 << 20
MARK = "\ufeff"
"""The byte order mark that some editors put before UTF-8."""
MAX_KEY_PARTS = 64
LONG_KEY = re.compile(rf"^[ \t]*(?:\[+[ \t]*)?[\w\"'-]+(?:[ \t]*\.[ \t]*[\w\"'-]+){{{MAX_KEY_PARTS},}}", re.MULTILINE)
"""The standard library's reader takes quadratic time for such a key."""
PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)")

Lines = dict[locate.Path, int]


class Source:
    """A file as it was read: its path in the project, its values and where each of them stands.

    Lines are looked for when the first is asked for: most declarations have no mistake.
    """

    def __init__(self, path: str, values: dict[str, Any], find_lines: Callable[[], Lines]) -> None:
        self.path = path
        self.values = values
        self._find_lines = find_lines

    @cached_property
    def lines(self) -> Lines:
        """The line of each path."""
        return self._find_lines()

    def __repr__(self) -> str:
        return f"Source({self.path})"

    def line(self, path: locate.Path) -> int:
        """The line of a path or, where it has none, of the nearest table around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_text(root: Path, path: str, mistakes: Mistakes, absent: str | None) -> str | None:
    """A file's text with line ends as `\\n`, or None and a mistake. A file is at most 1 MiB.

    `absent` says what to do when it is not there; with None, its absence is no mistake.
    """
    data = _read(root, path, mistakes, absent)
    text = None if data is None else _decoded(data, path, mistakes)
    return None if text is None else text.removeprefix(MARK).replace("\r\n", "\n")


def read_exact(root: Path, path: str, mistakes: Mistakes, absent: str | None) -> str | None:
    """The same for a file that is known by the digest of its bytes: other line ends than `\\n` are a mistake, and so
    is a byte order mark.
    """
    data = _read(root, path, mistakes, absent)
    text = None if data is None else _decoded(data, path, mistakes)
    if text is None:
        return None
    if text.startswith(MARK):
        mistakes.add(path, 1, "the file begins with a byte order mark", "save it as UTF-8 without one")
        return None
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        instead = "save the file with LF line ends (git: `* text eol=lf` in .gitattributes)"
        mistakes.add(path, line, "the line has a carriage return, which would change the prompt's digest", instead)
        return None
    return text


def _read(root: Path, path: str, mistakes: Mistakes, absent: str | None) -> bytes | None:
    try:
        with open(root / path, "rb", opener=_at_once) as file:
            is_plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_FILE_BYTES + 1) if is_plain else b""
    except FileNotFoundError:
        if absent is not None:
            mistakes.add(path, 1, "there is no such file", absent)
        return None
    except (OSError, ValueError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else str(failure)
        mistakes.add(path, 1, f"the file cannot be read ({reason})", "make it a plain file that you may read")
        return None
    if not is_plain:
        mistakes.add(path, 1, "it is no plain file", "make it a plain file that you may read")
        return None
    if len(data) > MAX_FILE_BYTES:
        mistakes.add(path, 1, f"the file is over {MAX_FILE_BYTES} bytes", "make it smaller")
        return None
    return data


def _at_once(path: str, flags: int) -> int:
    """Opens without waiting: a pipe has no end until somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _decoded(data: bytes, path: str, mistakes: Mistakes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        mistakes.add(path, line, f"byte {wrong.start} is not UTF-8", "save the file as UTF-8")
        return None


def read_toml(root: Path, path: str, mistakes: Mistakes, absent: str) -> Source | None:
    """A TOML file as tables, or None and a mistake. Numbers with a point are `Decimal`."""
    text = read_text(root, path, mistakes, absent)
    if text is None:
        return None
    long = LONG_KEY.search(text)
    if long:
        line = text.count("\n", 0, long.start()) + 1
        mistakes.add(path, line, f"a key has more than {MAX_KEY_PARTS} parts", "write it in tables")
        return None
    try:
        values = tomllib.loads(text, parse_float=Decimal)
        return Source(path, values, partial(locate.locate, text))
    except tomllib.TOMLDecodeError as wrong:
        place = PLACE.search(str(wrong))
        line = int(place["line"]) if place and place["line"] else max(1, len(text.splitlines()))
        mistakes.add(path, line, f"this is not TOML: {PLACE.sub('', str(wrong))}", "correct the syntax (toml.io)")
    except (ValueError, InvalidOperation, RecursionError) as wrong:
        detail = "nested too deep" if isinstance(wrong, RecursionError) else "a number is too long"
        mistakes.add(path, 1, f"this cannot be read as TOML: {detail}", "simplify it")
    return None
