"""Answers that people label, and what they said of them, kept in `state.db`.

Until as many reviewers as a set asks for have labelled a row, none of them is told what another said of it: `Row` has
what is known of a row, and `told` what of it somebody may see.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct, structs

from trimtab.database.connection import mapped, path_of, transaction
from trimtab.database.statements import statements
from trimtab.errors import InvalidRequest

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
MOST_SETS: Final = 200
MOST_ROWS: Final = 2_000
MOST_LINE: Final = 256 << 10
MOST_QUESTION: Final = 2_000
MOST_NOTE: Final = 500
MOST_SCALE: Final = 9
MOST_REVIEWERS: Final = 5
Kind = Literal["rubric", "pairwise"]


class Labelling(Struct, frozen=True):
    """A set of answers of a task and the question that is asked of each.

    `scale` is how many values there are: 2 is yes or no, 5 is one to five; of `pairwise` there are three: the first,
    the second, neither. `reviewers` label each row by themselves. Raises `InvalidRequest` for what is no such set.
    """

    name: str
    task: str
    question: str
    kind: Kind = "rubric"
    scale: int = 2
    reviewers: int = 2
    by: str = ""
    at_ns: int = 0

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise InvalidRequest(detail="a set's name has 1 to 64 of a-z 0-9 _ -; choose another")
        if not 0 < len(self.question.strip()) <= MOST_QUESTION:
            raise InvalidRequest(detail=f"a question has 1 to {MOST_QUESTION:,} characters; write what is to be judged")
        if self.kind == "pairwise" and self.scale != 3:
            raise InvalidRequest(detail="two answers are compared on a scale of 3: the first, the second, neither")
        if not 2 <= self.scale <= MOST_SCALE:
            raise InvalidRequest(detail=f"a scale has 2 to {MOST_SCALE} values, one for each key")
        if not 1 <= self.reviewers <= MOST_REVIEWERS:
            raise InvalidRequest(detail=f"1 to {MOST_REVIEWERS} reviewers label each row; two are a good rule")

    @property
    def keys(self) -> dict[str, tuple[str, float]]:
        """The keys to label with, each with its word and its value from 0 to 1."""
        if self.kind == "pairwise":
            return {"1": ("the first is better", 0.0), "2": ("the second is better", 1.0), "3": ("neither", 0.5)}
        if self.scale == 2:
            return {"y": ("yes", 1.0), "n": ("no", 0.0)}
        return {str(one + 1): (str(one + 1), one / (self.scale - 1)) for one in range(self.scale)}


class LabelItem(Struct, frozen=True):
    """A row that is labelled: `line` is the JSON of what a judge sees of it, `place` counts from 0 in its set."""

    id: str
    labelling: str
    place: int
    line: str
    source: str = ""


class Label(Struct, frozen=True):
    """What one reviewer said of one row; `reviewer` is their key's id, `who` their name, `value` from 0 to 1."""

    item: str
    reviewer: str
    who: str
    value: float
    note: str
    at_ns: int


class Row(Struct, frozen=True):
    """A row of a set by its id, with all that was said of it, the first first."""

    id: str
    place: int
    labels: tuple[Label, ...]

    def is_open(self, reviewers: int) -> bool:
        """Whether what was said of it is still kept apart."""
        return len(self.labels) < reviewers

    def is_disputed(self, reviewers: int) -> bool:
        """Whether its reviewers disagree, and nobody beyond them has decided."""
        return len(self.labels) == max(2, reviewers) and len({one.value for one in self.labels}) > 1

    def by(self, reviewer: str) -> Label | None:
        """What somebody said of it."""
        return next((one for one in self.labels if one.reviewer == reviewer), None)


class LabelStore:
    """Keeps them; used from one thread. Every operation raises `StoreError`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Works on a connection that it shares, and leaves open."""
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements("trimtab.journal", "labels.sql")

    def __repr__(self) -> str:
        return f"LabelStore({self._path})"

    def all(self) -> tuple[Labelling, ...]:
        """All sets, by name."""
        with mapped(self._path):
            return tuple(Labelling(*row) for row in self._connection.execute(self._sql["sets"]).fetchall())

    def get(self, name: str) -> Labelling | None:
        """A set by its name."""
        return next((one for one in self.all() if one.name == name), None)

    def make(self, wanted: Labelling) -> None:
        """Keeps a new set; raises `InvalidRequest` where there is one of that name, or too many."""
        with mapped(self._path), transaction(self._connection):
            known = self.all()
            if wanted.name in {one.name for one in known}:
                raise InvalidRequest(detail=f"there is a set {wanted.name} already; choose another name")
            if len(known) >= MOST_SETS:
                raise InvalidRequest(detail=f"there are {MOST_SETS} sets already; drop one first")
            self._connection.execute(self._sql["make"], structs.asdict(wanted))

    def drop(self, name: str) -> bool:
        """Lets go of a set and all that was said in it; whether there was one."""
        with mapped(self._path):
            return self._connection.execute(self._sql["drop"], {"name": name}).rowcount > 0

    def add(self, name: str, lines: Sequence[str], source: str) -> int:
        """Puts rows into a set, each once; returns how many are new. Raises `InvalidRequest` beyond the bounds."""
        with mapped(self._path), transaction(self._connection):
            size: int = self._connection.execute(self._sql["size"], {"name": name}).fetchone()[0]
            before = size
            for line in lines:
                if len(line) > MOST_LINE:
                    raise InvalidRequest(detail=f"a row has over {MOST_LINE >> 10} KiB; leave it out")
                found = {"id": _digest(name, line), "labelling": name, "place": size, "line": line, "source": source}
                size += self._connection.execute(self._sql["add"], found).rowcount
            if size > MOST_ROWS:
                detail = f"a set has at most {MOST_ROWS:,} rows, and this would be {size:,}; add fewer"
                raise InvalidRequest(detail=detail)
            return size - before

    def item(self, item: str) -> LabelItem | None:
        """One row with its text."""
        with mapped(self._path):
            row = self._connection.execute(self._sql["item"], {"id": item}).fetchone()
            return LabelItem(*row) if row is not None else None

    def items(self, name: str) -> tuple[LabelItem, ...]:
        """The rows of a set with their texts."""
        with mapped(self._path):
            return tuple(LabelItem(*row) for row in self._connection.execute(self._sql["rows"], {"name": name}))

    def rows(self, name: str) -> tuple[Row, ...]:
        """The rows of a set with all that was said of them: `told` is what of it somebody may see."""
        with mapped(self._path):
            given: dict[str, list[Label]] = {}
            for row in self._connection.execute(self._sql["given"], {"name": name}).fetchall():
                given.setdefault(row[0], []).append(Label(*row))
            places = self._connection.execute(self._sql["places"], {"name": name}).fetchall()
            return tuple(Row(item, place, tuple(given.get(item, ()))) for item, place in places)

    def waiting(self) -> dict[str, int]:
        """How many rows wait for labels, by task."""
        with mapped(self._path):
            return dict(self._connection.execute(self._sql["waiting"]).fetchall())

    def put(self, label: Label) -> None:
        """Keeps what somebody says of a row, in the place of what they said before."""
        with mapped(self._path):
            self._connection.execute(self._sql["put"], structs.asdict(label))


def next_for(labelling: Labelling, rows: Sequence[Row], reviewer: str) -> Row | None:
    """The row that somebody should label next: one that others began, then a new one, then one that is disputed."""
    open_rows = [one for one in rows if one.by(reviewer) is None and one.is_open(labelling.reviewers)]
    begun = max(open_rows, key=lambda one: (len(one.labels), -one.place), default=None)
    if begun is not None:
        return begun
    return next((one for one in rows if one.by(reviewer) is None and one.is_disputed(labelling.reviewers)), None)


def told(labelling: Labelling, row: Row, reviewer: str) -> Row:
    """A row as somebody may see it: what others said only once as many as the set asks for have labelled it."""
    if not row.is_open(labelling.reviewers):
        return row
    own = row.by(reviewer)
    return structs.replace(row, labels=(own,) if own is not None else ())


def _digest(name: str, line: str) -> str:
    return hashlib.sha256(f"{name}\n{line}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
