"""Which tools came with a call outside any task, as a digest by which such calls are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from trimtab.gateway.surfaces.surface import NOT_JSON, Asked, OfferedTool, Surface

REMEMBERED: Final = 256
"""How many sets of tools are known by the bytes they were sent as."""

_decode = msgspec.json.Decoder().decode
_sorted = msgspec.json.Encoder(order="sorted").encode


class ToolSets:
    """Digests of tools. Clients send the same ones again and again: they are read once, then known by their bytes."""

    def __init__(self) -> None:
        self._known: dict[bytes, str] = {}

    def __repr__(self) -> str:
        return f"ToolSets({len(self._known)} known)"

    def digest(self, surface: Surface, asked: Asked) -> str:
        """`sha256:` and the digest over names and schemas of a request's tools, whatever their order and spaces.

        It is empty where there are none. Descriptions of tools are no part of it. Tools that cannot be read, which the
        model's server will refuse, have a digest of their bytes.
        """
        if not asked.tools:
            return ""
        sent = hashlib.sha256(surface.name.encode())
        for tool in asked.tools:
            sent.update(b"\n")
            sent.update(tool)
        key = sent.digest()
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            known = self._known[key] = "sha256:" + _digest(surface, asked, sent.hexdigest())
        return known


def _digest(surface: Surface, asked: Asked, unread: str) -> str:
    try:
        return digest(surface.offered(asked))
    except NOT_JSON:
        return unread


def digest(tools: Sequence[OfferedTool]) -> str:
    """The digest of a set of tools by their names and schemas."""
    lines = sorted(_sorted([tool.name]) + b" " + _canonical(tool.schema) for tool in tools)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _canonical(schema: bytes) -> bytes:
    """The schema with sorted keys and without spaces; as it was sent if it cannot be read so."""
    try:
        return _sorted(_decode(schema)) if schema else b""
    except (*NOT_JSON, ValueError, TypeError):
        return schema
