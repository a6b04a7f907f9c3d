"""The bodies of a call as far as they were kept: read in the thread of the stores, bounded in size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from trimtab.console.answered import is_stream, streamed_turns, whole_turns
from trimtab.console.parts import Stores
from trimtab.console.said import Part, Turn, request_turns, said_of, tool_names
from trimtab.data.glance import reply
from trimtab.errors import StoreError

MOST_READ: Final = 4 << 20
"""Bytes of a body that are looked at for a page."""
MOST_TAKEN: Final = 64 << 20
"""Bytes of a body that can be taken along: while it is read, nothing else is asked of the stores."""
MOST_RAW: Final = 20_000
"""Bytes of a body that are shown as they are."""
State = Literal["none", "gone", "large", "damaged", "kept"]


@dataclass(frozen=True)
class Body:
    """A body as it was found. `size` is that of what went over the wire, `content` what was kept of it."""

    state: State
    size: int
    digest: str = ""
    content: bytes = field(default=b"", repr=False)
    detail: str = ""


@dataclass(frozen=True)
class Said:
    """What a body says: its turns, and whether that is all of it. `raw` is how its bytes begin."""

    state: State
    size: int
    digest: str = ""
    turns: tuple[Turn, ...] = ()
    whole: bool = True
    read: bool = True
    raw: str = ""
    raw_left: int = 0
    tools: tuple[str, ...] = ()
    detail: str = ""


def read_body(stores: Stores, digest: str, size: int, most: int, *, is_short: bool = False) -> Body:
    """A body by its digest, of which `size` bytes went over the wire; `is_short` says that no more than a preview of it
    was kept, however large it was.
    """
    if not digest:
        return Body("none", size)
    if size > most and not is_short:
        return Body("large", size, digest)
    try:
        content = stores.bodies.read(digest) if stores.bodies is not None else None
    except StoreError as failure:
        return Body("damaged", size, digest, detail=str(failure))
    if content is None:
        return Body("gone", size, digest)
    return Body("kept", size, digest, content) if len(content) <= most else Body("large", size, digest)


def read_request(body: Body) -> Said:
    """What a request asked."""
    if body.state != "kept":
        return _unread(body)
    said = said_of(body.content)
    kept = _previewed(said)
    turns = request_turns(kept if kept is not None else said)
    if kept is None:
        return _read(body, turns, whole=True, tools=tool_names(said))
    if isinstance(kept, str):
        turns = (Turn("request", (Part("text", kept),)),)
    return _read(body, turns, whole=False, tools=tool_names(kept))


def read_answer(body: Body) -> Said:
    """What an answer said."""
    if body.state != "kept":
        return _unread(body)
    if is_stream(body.content):
        return _read(body, streamed_turns(body.content), whole=True)
    said = said_of(body.content)
    kept = _previewed(said)
    if kept is None:
        return _read(body, whole_turns(said), whole=True)
    turns = whole_turns(kept)
    found = reply(body.content, MOST_READ) if not turns else None
    if found is not None:
        turns = (Turn("assistant", (Part("text", found.text),)),)
    elif not turns and isinstance(kept, str):
        turns = (Turn("assistant", (Part("text", kept),)),)
    return _read(body, turns, whole=False)


def _previewed(said: Any) -> Any:
    """What the preview of a body shows; None for what is none."""
    is_preview = isinstance(said, dict) and said.get("redaction") == "preview" and "sha256" in said
    return said.get("body") if is_preview else None


def _unread(body: Body) -> Said:
    return Said(body.state, body.size, body.digest, detail=body.detail)


def _read(body: Body, turns: tuple[Turn, ...], *, whole: bool, tools: tuple[str, ...] = ()) -> Said:
    raw = body.content[:MOST_RAW].decode("utf-8", "replace")
    left = max(0, len(body.content) - MOST_RAW)
    return Said("kept", body.size, body.digest, turns, whole, bool(turns), raw, left, tools)
