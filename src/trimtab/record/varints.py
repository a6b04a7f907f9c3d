"""Unsigned integers of variable length, seven bits a byte, low bits first (LEB128): how chunk times are packed."""

from __future__ import annotations

from collections.abc import Iterable


def extend(packed: bytearray, values: Iterable[int]) -> None:
    """Puts `values` (none negative) behind the others."""
    append = packed.append
    for value in values:
        rest = value
        while rest > 0x7F:
            append(rest & 0x7F | 0x80)
            rest >>= 7
        append(rest)


def unpack(packed: bytes) -> list[int]:
    """The integers in order; raises ValueError when the last one is not whole."""
    values: list[int] = []
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            values.append(value)
            value = shift = 0
    if shift:
        raise ValueError(f"{len(packed)} bytes of packed integers end amid one")
    return values
