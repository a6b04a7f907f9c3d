"""One table of a declaration under reading: its values, the line of each, and where mistakes go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from trimtab.declare.locate import Path
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.source import Source
from trimtab.declare.values import Read, Wrong, show

T = TypeVar("T")
D = TypeVar("D")


class Table:
    """Reads values by key; what is wrong becomes a mistake with its line, and the default is given instead."""

    __slots__ = ("_mistakes", "_source", "_values", "path")

    def __init__(self, source: Source, mistakes: Mistakes, values: dict[str, Any], path: Path = ()) -> None:
        self._source = source
        self._mistakes = mistakes
        self._values = values
        self.path = path

    @classmethod
    def whole(cls, source: Source, mistakes: Mistakes) -> Table:
        """A file as one table."""
        return cls(source, mistakes, source.values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Table({self._source.path} {dotted(self.path)})"

    @property
    def file(self) -> str:
        """The file it stands in, as mistakes name it."""
        return self._source.path

    def get(self, key: str, read: Read[T], default: D) -> T | D:
        """The value of `key`, or the default where there is none or it is wrong."""
        if key not in self._values:
            return default
        return self._read((key,), self._values[key], read, default)

    def required(self, key: str, read: Read[T], example: str) -> T | None:
        """The value of `key`; its absence is a mistake that shows `example`, the value as it could be written."""
        if key not in self._values:
            where = dotted(self.path) or "the file"
            self.wrong("", f"{where} has no `{key}`", f"write {key} = {example}")
            return None
        return self.get(key, read, None)

    def elements(
        self,
        key: str,
        read: Read[T],
        *,
        most: int = 256,
        single: bool = False,
        example: str = "",
        repeated: bool = False,
    ) -> tuple[tuple[int, T], ...]:
        """The right elements of a list, with their indexes; a wrong one is a mistake at its own line.

        So is one that stands there twice, unless `repeated`. With `single`, a lone value is a list of one. With
        `example`, a list that is absent or empty is a mistake.
        """
        values = self._values.get(key, [])
        if single and key in self._values and not isinstance(values, list):
            values = [values]
        if not isinstance(values, list):
            self.wrong(key, f"{self.name(key)} is {show(values)}, not a list", f"write {key} = [ ... ]")
            return ()
        if example and not values:
            missing = f"{self.name(key)} is empty" if key in self._values else f"{dotted(self.path)} has no `{key}`"
            self.wrong(key, missing, f"write {key} = [{example}]")
        if len(values) > most:
            self.wrong(key, f"{self.name(key)} has {len(values)} elements", f"write at most {most}")
        return tuple(self._right(key, values[:most], read, repeated=repeated))

    def each(self, key: str, read: Read[T], *, single: bool = False, example: str = "") -> tuple[T, ...]:
        """The right elements of a list, without their indexes."""
        return tuple(value for _, value in self.elements(key, read, single=single, example=example))

    def table(self, key: str) -> Table:
        """The table below `key`; an empty one where there is none or something else."""
        values = self._values.get(key, {})
        if not isinstance(values, dict):
            self.wrong(key, f"{self.name(key)} is {show(values)}, not a table", f"write {key} = {{ ... }}")
            values = {}
        return Table(self._source, self._mistakes, values, (*self.path, key))

    def tables(self, key: str) -> tuple[Table, ...]:
        """What stands below `key` as one table or as a list of tables."""
        values = self._values.get(key)
        if values is None:
            return ()
        if not isinstance(values, list):
            return (self.table(key),)
        found = []
        for index, value in enumerate(values):
            if isinstance(value, dict):
                found.append(Table(self._source, self._mistakes, value, (*self.path, key, index)))
            else:
                self.wrong_at((key, index), f"{self.name(key)} has {show(value)}", "write only tables in it")
        return tuple(found)

    def tables_or(self, key: str, read: Read[T]) -> tuple[tuple[int | None, T | Table], ...]:
        """What stands below `key`, one thing or a list of things: tables, and other values read.

        Each with its index, None for one that stands alone.
        """
        value = self._values.get(key, [])
        if isinstance(value, dict):
            return ((None, self.table(key)),)
        if not isinstance(value, list):
            alone = self._read((key,), value, read, None)
            return () if alone is None else ((None, alone),)
        found: list[tuple[int | None, T | Table]] = []
        for index, each in enumerate(value):
            if isinstance(each, dict):
                found.append((index, Table(self._source, self._mistakes, each, (*self.path, key, index))))
            elif (one := self._read((key, index), each, read, None)) is not None:
                found.append((index, one))
        return tuple(found)

    def name(self, key: str) -> str:
        """The key with the tables around it, as messages call it."""
        return dotted((*self.path, key))

    def line(self, *keys: str | int) -> int:
        """The line of a path below this table."""
        return self._source.line((*self.path, *keys))

    def wrong(self, key: str, what: str, instead: str) -> None:
        """Adds a mistake at the line of `key`; with no key, at that of the table."""
        self.wrong_at((key,) if key else (), what, instead)

    def wrong_at(self, keys: Path, what: str, instead: str) -> None:
        """Adds a mistake at the line of a path below this table."""
        self._mistakes.add(self._source.path, self.line(*keys), what, instead)

    def _right(self, key: str, values: list[object], read: Read[T], *, repeated: bool) -> Iterator[tuple[int, T]]:
        seen: list[T] = []
        for index, value in enumerate(values):
            found = self._read((key, index), value, read, None)
            if found is None:
                continue
            if found in seen and not repeated:
                self.wrong_at((key, index), f"{self.name(key)} has {show(value)} twice", "keep one of them")
                continue
            seen.append(found)
            yield index, found

    def _read(self, keys: Path, value: object, read: Read[T], default: D) -> T | D:
        try:
            return read(value)
        except Wrong as wrong:
            self.wrong_at(keys, f"{dotted((*self.path, *keys))} is {wrong.what}", wrong.instead)
            return default


def dotted(path: Path) -> str:
    """A path as people write it: `models.small.replicas[1]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")
