"""Data in and out of the journal: what Python functions take and give, as JSON and back as its declared type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


def encode(value: object) -> bytes:
    """A value as JSON, keys in their order; raises `TypeError` or `ValueError` for what is no data, such as NaN."""
    plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_dump)
    _no_strange_numbers(plain)
    return _encoder.encode(plain)


def to_plain(value: object) -> Any:
    """A value as what JSON has, keys and sets sorted; pydantic models and the like by their own dump."""
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_dump, order="deterministic")


def decoder(kind: Any = Any) -> Callable[[bytes], Any]:
    """Makes values of that type from JSON; that raises `msgspec.ValidationError` where it is none, and says where.

    Raises `TypeError` for a type that no data can have.
    """
    return msgspec.json.Decoder(kind, dec_hook=_load).decode


def _dump(value: object) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} is no data")


def _load(kind: type, value: object) -> Any:
    validate = getattr(kind, "model_validate", None)
    if callable(validate):
        return validate(value)
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} cannot be made from data")


def _no_strange_numbers(value: object) -> None:
    """msgspec writes NaN and infinities as null, which would not come back as they went."""
    level = [value]
    while level:
        below: list[object] = []
        for item in level:
            if isinstance(item, float) and item - item != 0:
                raise ValueError(f"{item} is no number that JSON has")
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, (list, tuple)):
                below.extend(item)
        level = below


_encoder = msgspec.json.Encoder()
