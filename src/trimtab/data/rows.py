"""JSONL from anywhere, read row by row: each line is one JSON object that every reader understands alike, or a fault.

A row's number is its line's, from 1. Lines end at a line feed, with or without a carriage return before it; lines
without anything on them are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final, Literal, NamedTuple, NoReturn

MAX_ROW_BYTES: Final = 4 << 20
"""A longer line is refused, and read past without being held."""
DEEPEST: Final = 64
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
OTHER_ENCODINGS: Final = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
HALF_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")

FaultKind = Literal["encoding", "not_json", "not_an_object", "doubled_key", "number", "too_deep", "too_long"]


class Row(NamedTuple):
    """One row that could be read."""

    number: int
    value: dict[str, Any]


class RowFault(NamedTuple):
    """One row that could not be: what is wrong with it, in words that go on from "row 7 "."""

    number: int
    kind: FaultKind
    words: str


class _Refused(ValueError):
    def __init__(self, kind: FaultKind, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words


def read_rows(file: BinaryIO) -> Iterator[Row | RowFault]:
    """Every row of a file in its order; raises nothing but what reading the file does."""
    for number, line in enumerate(lines(file), 1):
        if line is None:
            yield RowFault(number, "too_long", f"is over {MAX_ROW_BYTES} bytes")
            continue
        if number == 1:
            encoding = OTHER_ENCODINGS.get(line[:2])
            if encoding is not None:
                yield RowFault(1, "encoding", f"begins a file in {encoding}; save it as UTF-8")
                return
        bare = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        if bare and not bare.isspace():
            yield read_row(bare, number)


def has_mark(start: bytes) -> bool:
    """Whether a file that begins so has a byte order mark, which many readers take for part of the first row."""
    return start.startswith(BYTE_ORDER_MARK)


def read_row(line: bytes, number: int) -> Row | RowFault:
    """One line as a row."""
    try:
        text = line.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
        )
        if not isinstance(value, dict):
            return RowFault(number, "not_an_object", f"is {_kind(value)}, not an object")
        if line.count(b"[") + line.count(b"{") > DEEPEST:
            _check_depth(value)
        if HALF_ESCAPE.search(line):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as wrong:
        return RowFault(number, "encoding", f"is not UTF-8 at its byte {wrong.start + 1}")
    except UnicodeEncodeError:
        return RowFault(number, "encoding", "holds half of a \\u pair")
    except json.JSONDecodeError as wrong:
        return RowFault(number, "not_json", f"is not JSON at its character {wrong.pos + 1}: {wrong.msg}")
    except RecursionError:
        return RowFault(number, "too_deep", f"is nested deeper than {DEEPEST} levels")
    except _Refused as wrong:
        return RowFault(number, wrong.kind, wrong.words)
    return Row(number, value)


def lines(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a file without their ends, blank ones too; None for one that is too long."""
    while line := file.readline(MAX_ROW_BYTES + 2):
        whole = line.endswith(b"\n")
        while not whole and len(line) > MAX_ROW_BYTES and (rest := file.readline(1 << 20)):
            whole = rest.endswith(b"\n")
        bare = line.removesuffix(b"\n").removesuffix(b"\r")
        yield bare if len(bare) <= MAX_ROW_BYTES else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for key in found if keys.count(key) > 1)
        raise _Refused("doubled_key", f"has the key {json.dumps(doubled[:60])} twice; readers differ on which counts")
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise _Refused("number", f"holds {constant}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise _Refused("number", f"holds {text[:20]}, which no double holds")
    return number


def _whole(text: str) -> int:
    if len(text) > 400:
        raise _Refused("number", f"holds a number of {len(text)} digits")
    return int(text)


def _check_depth(value: object) -> None:
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [
            one
            for container in level
            for one in (container.values() if isinstance(container, dict) else container)
            if isinstance(one, (dict, list))
        ]
        if not level:
            return
    raise _Refused("too_deep", f"is nested deeper than {DEEPEST} levels")


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "a number"


def good_rows(rows: Iterable[Row | RowFault]) -> Iterator[Row]:
    """Those that could be read."""
    return (row for row in rows if isinstance(row, Row))
