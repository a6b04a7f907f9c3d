"""A JSON Schema inferred from answers: what all of them have in common, and not more.

A field that every object at its place had is required; a text is an enum only where its values are few and each was
seen often. Objects stay open: a field that was not seen is no mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

LEAST_ANSWERS: Final = 20
"""How many answers a schema is inferred from."""
MAX_DEPTH: Final = 8
MAX_FIELDS: Final = 40
"""An object with more different fields is a map, whose keys are data."""
MAX_ITEMS: Final = 200
"""Of an array that is longer nothing is said of its items."""
MOST_VALUES: Final = 8
LEAST_SEEN: Final = 5
"""How often each value of an enum was seen."""
LONGEST_VALUE: Final = 40
NAMES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def infer(answers: Sequence[Any]) -> dict[str, Any] | None:
    """The schema of answers given as JSON values; None where they do not agree.

    They agree if there are 20 of them, all are objects, some field is in every one, and each such field is of one type
    (or that and null).
    """
    if len(answers) < LEAST_ANSWERS or not all(isinstance(one, dict) for one in answers):
        return None
    place = _Place()
    for one in answers:
        place.add(one, MAX_DEPTH)
    if len(place.fields) > MAX_FIELDS:
        return None
    always = [one for one in place.fields.values() if one.times == place.objects]
    if not always or any(len(one.types - {"null"}) > 1 for one in always):
        return None
    return place.schema()


@dataclass
class _Place:
    """The values at one place of the answers."""

    times: int = 0
    objects: int = 0
    types: set[str] = field(default_factory=set)
    texts: Counter[str] | None = field(default_factory=Counter)
    fields: dict[str, _Place] = field(default_factory=dict)
    items: _Place | None = None
    is_cut: bool = False

    def add(self, value: Any, depth: int) -> None:
        """Takes a value in."""
        self.times += 1
        match value:
            case dict():
                self.types.add("object")
                self._add_fields(value, depth)
            case list():
                self.types.add("array")
                self._add_items(value, depth)
            case _:
                self.types.add(NAMES.get(type(value), "string"))
                if isinstance(value, str):
                    self._add_text(value)
        if {"integer", "number"} <= self.types:
            self.types.discard("integer")

    def _add_fields(self, value: dict[str, Any], depth: int) -> None:
        self.objects += 1
        if depth <= 1:
            self.is_cut = self.is_cut or bool(value)
            return
        for name, inner in value.items():
            if name not in self.fields and len(self.fields) > MAX_FIELDS:
                continue
            self.fields.setdefault(name, _Place()).add(inner, depth - 1)

    def _add_items(self, values: list[Any], depth: int) -> None:
        if depth <= 1 or len(values) > MAX_ITEMS:
            self.is_cut = self.is_cut or bool(values)
            return
        for one in values:
            self.items = self.items or _Place()
            self.items.add(one, depth - 1)

    def _add_text(self, text: str) -> None:
        if self.texts is None:
            return
        self.texts[text] += 1
        if len(text) > LONGEST_VALUE or len(self.texts) > MOST_VALUES:
            self.texts = None

    def schema(self) -> dict[str, Any]:
        """The schema of this place."""
        types = sorted(self.types)
        if len(self.types - {"null"}) > 1:
            return {"type": types}
        found: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
        if "string" in self.types and self._has_few_values():
            found["enum"] = [*sorted(self.texts or ()), *([None] if "null" in self.types else [])]
        if "array" in self.types and self.items is not None and not self.is_cut:
            found["items"] = self.items.schema()
        if "object" in self.types and not self.is_cut and len(self.fields) <= MAX_FIELDS:
            found |= self._of_object()
        return found

    def _has_few_values(self) -> bool:
        return self.texts is not None and len(self.texts) > 1 and min(self.texts.values()) >= LEAST_SEEN

    def _of_object(self) -> dict[str, Any]:
        found: dict[str, Any] = {"properties": {name: inner.schema() for name, inner in self.fields.items()}}
        required = [name for name, inner in self.fields.items() if inner.times == self.objects]
        return found | ({"required": required} if required else {})


def agreeing(counted: Iterable[tuple[str, int]], of: int, share: float = 0.9) -> str:
    """The text that at least this share of `of` calls had; empty for none."""
    best = max(counted, key=lambda one: one[1], default=("", 0))
    return best[0] if of and best[1] >= share * of else ""
