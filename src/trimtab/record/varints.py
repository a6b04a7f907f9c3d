"""Unsigned integers of variable length, seven bits a byte, low bits first (LEB128): how chunk times are packed."""

from __future__ import annotations


def append(packed: bytearray, value: int) -> None:
    """Puts `value` (not negative) behind the others."""
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)


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
