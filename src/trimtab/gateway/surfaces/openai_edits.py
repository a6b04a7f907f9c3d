"""Edits of an answer's JSON on its way to the client: what we asked for and it did not is taken out again."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

USAGE: Final = re.compile(
    rb',"usage":\{(?:"\w+":(?:\d+|null|\{(?:"\w+":(?:\d+|null),?)*\}),?)*\}(?=[,}])',
)
"""The usage of an event behind other fields, as compact JSON has it: counts, and counts by name."""

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
    """An event's data without its usage.

    Where it stands behind other fields and is as plain as usage is, it is cut out: the bytes `,"usage":{` are nowhere
    inside a string, since a quote in a string is escaped. Else the event is decoded.
    """
    usage = USAGE.search(payload) if payload.count(b'"usage"') == 1 else None
    if usage is not None:
        return payload[: usage.start()] + payload[usage.end() :]
    fields = _fields.decode(payload)
    fields.pop("usage", None)
    return _encode(fields)


def without_role(payload: bytes) -> bytes:
    """An event's data without the role of its deltas."""
    if b'"role"' not in payload:
        return payload
    fields: dict[str, Any] = {**_fields.decode(payload)}
    choices: list[dict[str, Any]] = [{**choice} for choice in _list.decode(fields.get("choices", b"[]"))]
    for choice in choices:
        delta = bytes(choice.get("delta", b""))
        if delta.startswith(b"{"):
            choice["delta"] = {name: value for name, value in _fields.decode(delta).items() if name != "role"}
    return _encode({**fields, "choices": choices})


def with_fields(payload: bytes, changed: dict[str, Any]) -> bytes:
    """An event's data with some of its top-level fields replaced."""
    return _encode({**_fields.decode(payload), **changed})
