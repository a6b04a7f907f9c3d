"""The fields of a head."""

from __future__ import annotations

from collections.abc import Callable


class Headers:
    """The fields of one message, names in lower case, values without surrounding whitespace.

    `get(name)` is the value of the field `name` (lower case), or None; a repeated field is one value joined with ", "
    (RFC 9110, section 5.3). `items` keeps repeated fields apart.
    """

    __slots__ = ("_fields", "get")

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        self._fields = fields
        values = dict(fields)
        if len(values) != len(fields):
            values = _joined(fields)
        self.get: Callable[[bytes], bytes | None] = values.get

    def items(self) -> list[tuple[bytes, bytes]]:
        """The fields in the order they came; not to be changed."""
        return self._fields

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        """Names only: values may be secrets."""
        return f"Headers({', '.join(name.decode('latin-1') for name, _ in self._fields)})"


def _joined(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    gathered: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        gathered.setdefault(name, []).append(value)
    return {name: b", ".join(values) for name, values in gathered.items()}
