"""Reads the fields of a request that is carried to another wire, so that none is dropped in silence.

Whoever carries an object takes its fields one by one; `end` refuses, by its name, the first that nobody took.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from trimtab.errors import InvalidRequest
from trimtab.gateway.surfaces.surface import NOT_JSON

NOTHING: tuple[object, ...] = (None, [], {})
"""Values that ask for nothing, whatever their field is called."""

_object = msgspec.json.Decoder(dict[str, Raw])


class Fields:
    """The fields of one JSON object; `place` is where it stands in the request, `to` the model it is carried to."""

    __slots__ = ("_left", "_place", "_to")

    def __init__(self, values: Raw | Mapping[str, Raw], to: str, place: str = "") -> None:
        self._to = to
        self._place = place
        if isinstance(values, Mapping):
            self._left = dict(values)
            return
        try:
            self._left = _object.decode(values)
        except NOT_JSON as wrong:
            self._malformed(place, wrong)

    def take(self, name: str, kind: Any = Any) -> Any:
        """The field's value as `kind`; None if it is absent or null. Raises `InvalidRequest` for another kind."""
        raw = self._left.pop(name, None)
        if raw is None:
            return None
        try:
            return msgspec.json.decode(raw, type=kind | None)
        except NOT_JSON as wrong:
            self._malformed(self.named(name), wrong)

    def raw(self, name: str) -> Raw | None:
        """The field's value as it was sent; None if it is absent or null."""
        raw = self._left.pop(name, None)
        return None if raw is None or bytes(raw) == b"null" else raw

    def items(self, name: str) -> list[Fields]:
        """The objects in a field that is a list of them; empty if it is absent or null."""
        raws = self.take(name, list[Raw]) or []
        return [Fields(raw, self._to, f"{self.named(name)}[{number}]") for number, raw in enumerate(raws)]

    def inner(self, name: str) -> Fields | None:
        """The object in a field; None if it is absent or null."""
        raw = self.raw(name)
        return None if raw is None else Fields(raw, self._to, self.named(name))

    def part(self, name: str, number: int | None, raw: Raw) -> Fields:
        """An object out of a field that was taken: the one at `number` of a list, or the field's value itself."""
        place = self.named(name) if number is None else f"{self.named(name)}[{number}]"
        return Fields(raw, self._to, place)

    def leave(self, *names: str) -> None:
        """Takes fields that need no carrying."""
        for name in names:
            self._left.pop(name, None)

    def leave_neutral(self, neutral: Mapping[str, tuple[Any, ...]]) -> None:
        """Takes the fields whose values ask for what happens anyway."""
        for name, values in neutral.items():
            if name in self._left and self._peek(name) in values:
                del self._left[name]

    def named(self, name: str) -> str:
        """The field's name with its place."""
        return f"{self._place}.{name}" if self._place else name

    def refuse(self, name: str, why: str = "") -> NoReturn:
        """Raises `InvalidRequest` for the field, or for the object itself if `name` is empty."""
        refuse(self.named(name) if name else self._place, self._to, why)

    def end(self) -> None:
        """Raises `InvalidRequest` for the first field that was not taken and holds something."""
        for name in self._left:
            if self._peek(name) not in NOTHING:
                self.refuse(name)

    def _peek(self, name: str) -> Any:
        try:
            return msgspec.json.decode(self._left[name])
        except NOT_JSON as wrong:
            self._malformed(self.named(name), wrong)

    def _malformed(self, name: str, wrong: Exception) -> NoReturn:
        raise InvalidRequest(detail=f"`{name}` is not what this API defines: {wrong}") from None


def refuse(name: str, to: str, why: str = "") -> NoReturn:
    """Raises `InvalidRequest` for what cannot be carried."""
    raise InvalidRequest(detail=f"`{name}` cannot be carried to model {to}" + (f": {why}" if why else ""))
