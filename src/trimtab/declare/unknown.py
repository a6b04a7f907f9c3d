"""Finds keys that no declaration has, and says which one was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from trimtab.declare.keys import PATTERNS, Key
from trimtab.declare.locate import Path
from trimtab.declare.mistakes import Mistakes, nearest, one_of
from trimtab.declare.source import Source
from trimtab.declare.table import dotted
from trimtab.declare.values import show

Tree = dict[str, "Tree"]
NAMES: Final = {
    "<name>": "use 1 to 64 of the characters a-z 0-9 . _ -",
    "<input>": "use 1 to 64 of the characters A-Z a-z 0-9 _, no digit first",
    "<variable>": "use 1 to 128 of the characters A-Z a-z 0-9 _, no digit first",
    "<file>": "write the path of a file, with / and without control characters",
    "<owner>": "write the owner as task.toml does, at most 128 characters",
    "<setting>": "use 1 to 64 of the characters A-Z a-z 0-9 . _ -",
}
"""What a name may be where the project, or somebody else, gives it."""


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
        named = next((part for part in tree if part in NAMES), None)
        if named is not None:
            return f"{shown} has a name that cannot be used", NAMES[named]
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
