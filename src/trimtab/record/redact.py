"""What of a call may be kept: previews of bodies, and free text without the secrets that slipped into it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

Redaction = Literal["full", "preview", "digest", "none"]
"""full: bodies as they are; preview: the first 200 characters of each text; digest: sha256 only; none: not even it."""

PREVIEW_CHARACTERS = 200
PREVIEW_BYTES = 64 << 10
"""How much of a body is looked at for its preview."""
MAX_TEXTS = 64
REMOVED = "[redacted]"

_SECRET = re.compile(
    r"(?i)(?P<keep>\bbearer\s+)[\w.~+/=*-]{6,}"
    r"|(?P<basic>\bbasic\s+)[\w+/=]{16,}"
    r"|(?P<named>\b(?:api[-_ ]?key|authorization|access[-_ ]?token|secret|passw(?:or)?d)[\"']?\s*[:=]\s*[\"']?)"
    r"(?!bearer\b|basic\b)[^\s\"',;&]+"
    r"|(?P<scheme>://)[^\s/@:]*:[^\s/@]+(?=@)"
    r"|\b(?:sk|pk|rk|tt|hf|gsk|xai|ghp|gho|ghs|glpat|nvapi|pplx|xox[a-z])[-_][\w.*-]{6,}"
    r"|\b(?:AKIA[0-9A-Z]{12,}|AIza[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?)"
)


def scrub(text: str) -> str:
    """The text with everything that looks like a key, a token or a password replaced by `[redacted]`."""
    return _SECRET.sub(_without_secret, text)


def _without_secret(match: re.Match[str]) -> str:
    return next((kept for kept in match.groups() if kept), "") + REMOVED


def preview(head: bytes, digest: bytes, size: int) -> bytes:
    """A JSON document that shows a body of `size` bytes, sha256 `digest`, of which `head` is the beginning.

    `body` holds JSON with each string cut to 200 characters, or the first 200 characters of anything else. Of a stream
    of server-sent events it holds what the strings of all events say, joined by their place and cut likewise, so that
    the pieces of a streamed text do not each count as a text of their own.
    """
    shown: Any
    try:
        shown = _shortened(msgspec.json.decode(head))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        texts = _event_texts(head)
        shown = texts or head[: 4 * PREVIEW_CHARACTERS].decode(errors="replace")[:PREVIEW_CHARACTERS]
    return msgspec.json.encode({"redaction": "preview", "sha256": digest.hex(), "bytes": size, "body": shown})


def preview_of(body: bytes) -> bytes:
    """The preview of a whole body."""
    return preview(body, hashlib.sha256(body).digest(), len(body))


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value[:PREVIEW_CHARACTERS]
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    if isinstance(value, dict):
        return {name[:PREVIEW_CHARACTERS]: _shortened(one) for name, one in value.items()}
    return value


def _event_texts(head: bytes) -> dict[str, str]:
    """What the events of a stream say, by place; a string that is the same in all events counts once."""
    first: dict[str, str] = {}
    joined: dict[str, str] = {}
    changing: set[str] = set()
    for line in head.splitlines():
        if not line.startswith(b"data:"):
            continue
        try:
            strings = list(_strings(msgspec.json.decode(line[5:]), ""))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        for place, text in strings:
            if place not in first:
                if len(first) == MAX_TEXTS:
                    continue
                first[place] = text[:PREVIEW_CHARACTERS]
            elif not text.startswith(first[place]) or len(text) != len(first[place]):
                changing.add(place)
            joined[place] = (joined.get(place, "") + text[:PREVIEW_CHARACTERS])[:PREVIEW_CHARACTERS]
    return {place: joined[place] if place in changing else text for place, text in first.items()}


def _strings(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place.lstrip("."), value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _strings(one, f"{place}.{name[:PREVIEW_CHARACTERS]}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            index = one.get("index", number) if isinstance(one, dict) else number
            yield from _strings(one, f"{place}.{str(index)[:9]}")
