"""Edits of a response on its way to the client: log probabilities that only we asked for are taken out again."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from trimtab.gateway.surfaces.surface import NOT_JSON

NULL = Raw(b"null")

_fields = msgspec.json.Decoder(dict[str, Raw])
_objects = msgspec.json.Decoder(list[dict[str, Raw]])
_encode = msgspec.json.Encoder().encode


def response_without_logprobs(response: bytes, top_logprobs: Raw | None) -> bytes:
    """A response without log probabilities, and with the client's own `top_logprobs`."""
    return _encode(_response(response, top_logprobs))


def event_without_logprobs(payload: bytes, top_logprobs: Raw | None) -> bytes:
    """The data of an event without them, wherever in it they stand."""
    fields: dict[str, Any] = {**_fields.decode(payload)}
    if "logprobs" in fields:
        fields["logprobs"] = []
    if "part" in fields:
        fields["part"] = _part(_fields.decode(fields["part"]))
    if "item" in fields:
        fields["item"] = _item(_fields.decode(fields["item"]))
    if "response" in fields:
        fields["response"] = _response(fields["response"], top_logprobs)
    return _encode(fields)


def _response(response: bytes | Raw, top_logprobs: Raw | None) -> dict[str, Any]:
    fields: dict[str, Any] = {**_fields.decode(response)}
    if "top_logprobs" in fields:
        fields["top_logprobs"] = NULL if top_logprobs is None else top_logprobs
    output = fields.get("output")
    if output is not None and bytes(output) != b"null":
        fields["output"] = [_item(item) for item in _objects.decode(output)]
    return fields


def _item(item: dict[str, Raw]) -> dict[str, Any]:
    """An item whose content is no list of parts, as that of a call, has none."""
    try:
        parts = _objects.decode(item.get("content", b"null"))
    except NOT_JSON:
        return item
    return {**item, "content": [_part(part) for part in parts]}


def _part(part: dict[str, Raw]) -> dict[str, Any]:
    return {**part, "logprobs": []} if "logprobs" in part else part
