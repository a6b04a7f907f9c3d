"""Changes one text of a TOML file and leaves all else as it was written: comments, order, spaces, line ends.

The place is found by trying: each string near the key's line is exchanged, and that one is right after which the file
says exactly what it should. So nothing has to be known of the many ways in which TOML can write a table.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from trimtab.declare.locate import STRING, locate
from trimtab.declare.source import MARK

TRIED: Final = 64
"""Strings from the key's line on that are tried; in a table written on one line, others may stand before it."""
_PREFIX: Final = re.compile(r"[ \t]*(?:[^\s=\"'#{]+\.)?")


def with_text(text: str, path: Sequence[str], value: str) -> str | None:
    """The document with another text at a path, put beside the path's neighbours where it was not there yet.

    None where that cannot be done without writing the rest anew: somebody has to do it by hand.
    """
    mark = MARK if text.startswith(MARK) else ""
    body = text.removeprefix(MARK)
    before = _read(body)
    if before is None:
        return None
    wanted = copy.deepcopy(before)
    table: Any = wanted
    for key in path[:-1]:
        table = table.get(key) if isinstance(table, dict) else None
    if not isinstance(table, dict) or not isinstance(table.get(path[-1], ""), str):
        return None
    is_there = path[-1] in table
    table[path[-1]] = value
    written = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    tries = _exchanged(body, path, written) if is_there else _inserted(body, path, table, written)
    return next((mark + tried for tried in tries if _read(tried) == wanted), None)


def _exchanged(text: str, path: Sequence[str], written: str) -> Iterator[str]:
    for start, end in _strings(text, path):
        yield text[:start] + written + text[end:]


def _inserted(text: str, path: Sequence[str], table: dict[str, Any], written: str) -> Iterator[str]:
    """The text with a new key after each string of the same table: on the same line, or on one of its own."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    for neighbour in (key for key, value in table.items() if isinstance(value, str) and key != path[-1]):
        for _, end in _strings(text, (*path[:-1], neighbour)):
            yield f"{text[:end]}, {path[-1]} = {written}{text[end:]}"
            start = text.rfind("\n", 0, end) + 1
            stop = text.find("\n", end)
            stop = len(text) if stop < 0 else stop
            stop -= text[:stop].endswith("\r")
            found = _PREFIX.match(text, start)
            prefix = found[0] if found else ""
            for before in dict.fromkeys((prefix, prefix[: len(prefix) - len(prefix.lstrip())])):
                yield f"{text[:stop]}{line_end}{before}{path[-1]} = {written}{text[stop:]}"


def _strings(text: str, path: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the strings from a key's line on begin and end."""
    line = locate(text).get(tuple(path))
    if line is None:
        return
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    for match in islice(STRING.finditer(text, start), TRIED):
        yield match.span()


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return None
