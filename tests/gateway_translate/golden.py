"""The recorded exchanges of `tests/engine/record_messages.py`."""

from __future__ import annotations

import re
from pathlib import Path

from trimtab.gateway.surfaces.surface import Reader

GOLDEN = Path(__file__).parent / "golden"
CHUNK = re.compile(rb".*?\n\n", re.DOTALL)


def names(prefix: str, suffix: str) -> list[str]:
    """The names of the recordings that begin and end so; never none."""
    found = sorted(path.name.split(".")[0] for path in GOLDEN.glob(f"{prefix}*{suffix}"))
    assert found
    return found


def request(name: str) -> bytes:
    """The body that was sent."""
    return (GOLDEN / f"{name}.request.json").read_bytes()


def answer(name: str) -> bytes:
    """The bytes that came back."""
    path = GOLDEN / f"{name}.answer.sse"
    return (path if path.exists() else GOLDEN / f"{name}.answer.json").read_bytes()


def chunks(data: bytes) -> list[bytes]:
    """A stream event by event, as a server sends it."""
    found = CHUNK.findall(data)
    assert b"".join(found) == data
    return found


def forwarded(reader: Reader, pieces: list[bytes]) -> bytes:
    """All that the client sees of an answer that comes in these pieces."""
    seen = []
    for piece in pieces:
        reader.feed(piece)
        seen.append(reader.forward)
    return b"".join(seen)
