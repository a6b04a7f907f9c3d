"""Edits of an answer's JSON on its way to the client: what we asked for and it did not is taken out again."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

USAGE = b',"usage":{'

_fields = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[dict[str, Raw]])
_encode = msgspec.json.Encoder().encode


def without_logprobs(answer: bytes) -> bytes:
    """The answer, or an event's data, with the log probabilities of its choices taken out."""
    fields: dict[str, Any] = {**_fields.decode(answer)}
    choices = [{**choice} for choice in _list.decode(fields.get("choices", b"[]"))]
    for choice in choices:
        choice.pop("logprobs", None)
    return _encode({**fields, "choices": choices})


def without_usage(payload: bytes) -> bytes:
    """An event's data without its usage, which here stands behind other fields.

    The bytes `,"usage":{` are nowhere inside a string, since a quote in a string is escaped; the last of them begins
    the usage of the event, or of something inside it, and then the event is decoded.
    """
    start = payload.rfind(USAGE)
    end = _object_end(payload, start + len(USAGE) - 1) if start >= 0 else 0
    if end and (payload[end : end + 1] == b"," or payload[end:].strip() == b"}"):
        return payload[:start] + payload[end:]
    fields = _fields.decode(payload)
    fields.pop("usage", None)
    return _encode(fields)


def _object_end(text: bytes, start: int) -> int:
    """Where the object that begins at `start` ends; 0 if it holds a string with a brace, or has no end."""
    depth = 0
    for at in range(start, len(text)):
        byte = text[at]
        if byte == 0x7B:
            depth += 1
        elif byte == 0x7D:
            depth -= 1
            if depth == 0:
                return at + 1
        elif byte == 0x5C:
            return 0
    return 0


def with_fields(payload: bytes, changed: dict[str, Any]) -> bytes:
    """An event's data with some of its top-level fields replaced."""
    return _encode({**_fields.decode(payload), **changed})
