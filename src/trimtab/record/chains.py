"""Message lists as chains, and request bodies as what lies around their messages.

An agent sends its whole history with every call. Here each message of it is stored once, as a node that names the one
before it, and a body is the head of its chain plus the few bytes that are not messages: a history of n calls takes
space in proportion to n, not to n squared. The body's exact bytes can be made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

ROOT = bytes(32)
"""The parent of a chain's first node."""


class Gap(Struct, frozen=True, array_like=True):
    """Bytes that lie `times` times in a row between messages: as they are, or by the digest of a blob."""

    times: int
    text: bytes = b""
    blob: bytes = b""


class Around(Struct, frozen=True, array_like=True):
    """A request body of `size` bytes without its messages.

    `head` is the chain's last node, `messages` their number, `gaps` what lies before each and behind the last.
    """

    size: int
    head: bytes
    messages: int
    gaps: list[Gap]


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Around).decode


def decode(content: bytes) -> Around:
    """Reads what `encode` made of an `Around`; raises `msgspec.DecodeError`."""
    return _decode(content)


def node_digest(parent: bytes, message_digest: bytes) -> bytes:
    """The digest of a node."""
    return sha256(parent + message_digest).digest()


def gaps(body: bytes, messages: Sequence[bytes]) -> list[Gap] | None:
    """What lies in `body` before, between and behind the messages, equal neighbours counted together.

    None where the messages are not slices of the body in this order.
    """
    found: list[Gap] = []
    end, last, times = 0, b"", 0
    for message in messages:
        start = _find(body, message, end)
        if start < 0:
            return None
        gap = body[end:start]
        if times and gap == last:
            times += 1
        else:
            if times:
                found.append(Gap(times, last))
            last, times = gap, 1
        end = start + len(message)
    found.append(Gap(times, last))
    found.append(Gap(1, body[end:]))
    return found


def _find(body: bytes, message: bytes, start: int) -> int:
    """Where the message lies at or behind `start`; looks right behind a comma and a space first."""
    for near in (start + 1, start + 2):
        if body.startswith(message, near):
            return near
    return body.find(message, start)


def joined(size: int, texts: Sequence[tuple[int, bytes]], messages: Sequence[bytes]) -> bytes | None:
    """The body of `size` bytes again: gaps (how often, what) and messages in turn; None when they do not make it up."""
    if sum(times for times, _ in texts) != len(messages) + 1:
        return None
    if sum(times * len(text) for times, text in texts) + sum(map(len, messages)) != size:
        return None
    spread = [text for times, text in texts for _ in range(times)]
    parts = [spread[0]]
    for message, gap in zip(messages, spread[1:], strict=True):
        parts += (message, gap)
    return b"".join(parts)
