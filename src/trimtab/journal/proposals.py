"""What a person is shown of a proposed action beside its arguments: what it does, what it touches, and why.

It lies with the review, not in the run's log, and short of a bound it lies there whole.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.journal.entries import Body

MOST_BYTES: Final = 64 << 10
"""Longer ones lose evidence, then the schema, until they fit."""


class Background(Struct, frozen=True, omit_defaults=True):
    """`what` will happen in words, what it `touches`, and the `evidence` for it, a line each.

    `schema` is the JSON Schema of the arguments as text, which edited ones are held against, and `effect` what
    repeating the action would do. `cost_usd` is what the run has cost so far.
    """

    what: str = ""
    touches: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    schema: str = ""
    effect: str = ""
    cost_usd: float | None = None


def context_of(background: Background) -> Body:
    """The background as `AskReview.context` takes it: always beside the review, at most 64 KiB of it."""
    content = msgspec.json.encode(background)
    if len(content) > MOST_BYTES:
        background = msgspec.structs.replace(background, evidence=())
        content = msgspec.json.encode(background)
    if len(content) > MOST_BYTES:
        content = msgspec.json.encode(Background(background.what[:1000], effect=background.effect))
    return Body(sha256(content).hexdigest(), len(content), content.decode())


def background_of(context: bytes | None) -> Background:
    """What a review says beside its arguments; empty where it says nothing, or something else."""
    if not context:
        return Background()
    try:
        return msgspec.json.decode(context, type=Background)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Background()
