"""What comes of an import: cases, the `evals` table, and what could not be taken over."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from datetime import date, time
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.declare.evaluating import Scorer
from trimtab.errors import ImportRefused

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of a file that is imported."""
MOST_NODES: Final = 2_000_000
"""Values in it, those behind a YAML alias counted each time: a small file can stand for a very large one."""
MOST_DEPTH: Final = 64
MOST_WHOLE: Final = 2**63 - 1
MOST_LEFT: Final = 200
"""Things not taken over that are told one by one."""


class Imported(Struct, frozen=True):
    """Rows for `cases.jsonl`, the scorers and samples of the suite, and what could not be taken over, in words.

    `concurrency` is None where the other tool does not say.
    """

    rows: tuple[dict[str, Any], ...]
    scorers: tuple[Scorer, ...]
    samples: int = 1
    concurrency: int | None = None
    left: tuple[str, ...] = ()

    def cases(self) -> bytes:
        """The rows as a data set, a JSON object on each line."""
        return b"".join(msgspec.json.encode(row) + b"\n" for row in self.rows)

    def table(self) -> str:
        """The `evals` table of task.toml."""
        lines = ["[evals]", f"samples = {self.samples}"]
        if self.concurrency is not None:
            lines.append(f"concurrency = {self.concurrency}")
        for one in self.scorers:
            lines += ["", "[[evals.scorers]]", *_scorer(one)]
        return "\n".join(lines) + "\n"


def _scorer(one: Scorer) -> Iterable[str]:
    plain = Scorer(name="", kind=one.kind)
    yield f"kind = {_text(one.kind)}"
    for name in one.__struct_fields__:
        value = getattr(one, name)
        if name in {"kind", "digest"} or value == getattr(plain, name):
            continue
        if isinstance(value, bool):
            yield f"{name} = {str(value).lower()}"
        elif isinstance(value, tuple):
            yield f"{name} = [{', '.join(map(_text, value))}]"
        else:
            yield f"{name} = {_text(value) if isinstance(value, str) else repr(value)}"


def _text(value: str) -> str:
    """A string of TOML: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


class Left:
    """Gathers what could not be taken over; each thing is told once, at most 200 of them."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Left({len(self._told)} things)"

    def add(self, words: str) -> None:
        """Notes one."""
        if words in self._told or len(self._told) < MOST_LEFT:
            self._told[words] = self._told.get(words, 0) + 1
        else:
            self._told["and more of these"] = self._told.get("and more of these", 0) + 1

    def words(self) -> tuple[str, ...]:
        """All of them, with how often each was met."""
        return tuple(f"{words} ({times} times)" if times > 1 else words for words, times in self._told.items())


class Ids:
    """Gives each case an id of its own: the second of one name is `NAME 2`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._times: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"Ids({len(self._taken)} taken)"

    def own(self, name: str) -> str:
        """The name, printable, if no case has it yet; else with a number that makes it one."""
        plain = found = printable(name)
        while found in self._taken:
            self._times[plain] += 1
            found = f"{plain} {self._times[plain] + 1}"
        self._taken.add(found)
        return found


def printable(name: str) -> str:
    """A name as an id can be: what cannot be printed stands as ?."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def checked(value: Any, file: str) -> Any:
    """A foreign value in the types of JSON: dates as text, keys as text, sets as lists.

    Raises `ImportRefused` for more than 64 levels, more than two million values, and what a data set cannot hold.
    """
    left = [MOST_NODES]

    def walk(one: Any, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > MOST_DEPTH:
            detail = f"it has more than {MOST_DEPTH} levels or {MOST_NODES:,} values"
            raise ImportRefused(file=file, detail=detail, instead="divide it, or write out what it repeats")
        if isinstance(one, dict):
            return {walk(str(key), depth): walk(inner, depth + 1) for key, inner in one.items()}
        if isinstance(one, list | tuple | set | frozenset):
            return [walk(inner, depth + 1) for inner in one]
        if isinstance(one, bool) or one is None:
            return one
        return _scalar(one, file)

    return walk(value, 0)


def _scalar(one: Any, file: str) -> Any:
    if isinstance(one, int | float):
        if abs(one) > MOST_WHOLE if isinstance(one, int) else not math.isfinite(one):
            detail = "it holds NaN, an infinite number or a whole one beyond 64 bits"
            raise ImportRefused(file=file, detail=detail, instead="write it as text")
        return one
    text = one.isoformat() if isinstance(one, date | time) else str(one)
    try:
        text.encode()
    except UnicodeEncodeError as wrong:
        detail = "it holds half a surrogate pair, which is no character"
        raise ImportRefused(file=file, detail=detail, instead="correct that text") from wrong
    return text


def read(path: Path) -> bytes:
    """A file's bytes. Raises `ImportRefused` for one that cannot be read, or is larger than 64 MiB."""
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
    except OSError as wrong:
        detail = wrong.strerror or "it cannot be read"
        raise ImportRefused(file=str(path), detail=detail, instead="name a file that can be read") from wrong
    if len(found) > MOST_BYTES:
        detail = f"it is larger than {MOST_BYTES >> 20} MiB"
        raise ImportRefused(file=str(path), detail=detail, instead="divide it")
    return found
