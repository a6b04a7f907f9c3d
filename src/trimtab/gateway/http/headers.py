"""The fields of a head."""

from __future__ import annotations


class Headers:
    """The fields of one message, names in lower case, values without surrounding whitespace.

    `get` sees a repeated field as one value joined with ", " (RFC 9110, section 5.3); `items` keeps them apart.
    """

    __slots__ = ("_fields", "_values")

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        self._fields = fields
        self._values = dict(fields)
        if len(self._values) != len(fields):
            self._values = _joined(fields)

    def get(self, name: bytes) -> bytes | None:
        """The value of the field `name` (lower case), or None."""
        return self._values.get(name)

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
