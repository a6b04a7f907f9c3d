"""Finds keys that no declaration has, and says which one was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trimtab.declare.keys import PATTERNS, Key
from trimtab.declare.locate import Path
from trimtab.declare.mistakes import Mistakes, nearest, one_of
from trimtab.declare.source import Source
from trimtab.declare.table import dotted
from trimtab.declare.values import show

Tree = dict[str, "Tree"]


class Keys:
    """The keys one kind of file may have, as a tree."""

    def __init__(self, keys: Iterable[Key], planned: Iterable[str]) -> None:
        self._paths = tuple(key.path for key in keys)
        self._planned = frozenset(planned)
        self._tree: Tree = {}
        for path in self._paths:
            branch = self._tree
            for part in path.split("."):
                branch = branch.setdefault(part, {})

    def check(self, source: Source, mistakes: Mistakes) -> None:
        """Adds a mistake for every key of the file that is not among these."""
        self._check(source, mistakes, source.values, self._tree, ())

    def _check(self, source: Source, mistakes: Mistakes, values: dict[str, Any], tree: Tree, at: Path) -> None:
        for key, value in values.items():
            path = (*at, key)
            below = _branch(tree, key)
            if below is None:
                what, instead = self._explain(path, key, tree)
                mistakes.add(source.path, source.line(path), what, instead)
            elif below:
                for inner, where in _tables(value, path):
                    self._check(source, mistakes, inner, below, where)

    def _explain(self, path: Path, key: str, tree: Tree) -> tuple[str, str]:
        shown = show(dotted(path))
        if dotted(path) in self._planned:
            return f"{shown} is not available yet", "take it out until it is"
        if "<name>" in tree:
            return f"{shown} has a name that cannot be used", "use 1 to 64 of the characters a-z 0-9 . _ -"
        close = nearest(key, (part for part in tree if part not in PATTERNS))
        if close:
            return f"{shown} is an unknown key", f"did you mean {close}?"
        elsewhere = [known for known in self._paths if known.rpartition(".")[2] == key]
        if elsewhere:
            return f"{shown} is an unknown key", f"it belongs in {one_of(elsewhere)}"
        return f"{shown} is an unknown key", f"take it out; known here: {one_of(tree)}"


def _branch(tree: Tree, key: str) -> Tree | None:
    if key in tree and key not in PATTERNS:
        return tree[key]
    return next((tree[part] for part in tree if part in PATTERNS and PATTERNS[part].fullmatch(key)), None)


def _tables(value: object, path: Path) -> Iterable[tuple[dict[str, Any], Path]]:
    if isinstance(value, dict):
        return ((value, path),)
    if isinstance(value, list):
        return ((item, (*path, index)) for index, item in enumerate(value) if isinstance(item, dict))
    return ()
