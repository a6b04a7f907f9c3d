"""What records tell of the things a lock pins: under which lock calls were made, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_KINDS: Final = 10_000
"""How many kinds of calls one question is answered with; those with fewest calls are left out."""


@dataclass(frozen=True)
class LockUse:
    """The calls that were made under one lock; `lock` is empty where what served agreed with none.

    `first_ns` and `last_ns` are when the first and the last of them ended, in ns since 1970. `snapshots` counts the
    snapshots they were made under.
    """

    lock: str
    calls: int
    snapshots: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True)
class PromptUse:
    """When the first and the last call for which a task's prompt was rendered ended, in ns since 1970."""

    task: str
    prompt: str
    first_ns: int
    last_ns: int


@dataclass(frozen=True)
class CallKind:
    """Calls of one task that are alike in all that a lock pins and a record tells.

    `served_by` is our name of the model that served, empty where none did, and `upstream_model` what its server called
    itself. `shortened` counts calls of which
    the context strategy dropped messages; `messages` and `dropped` add up messages, `tokens` and `dropped_tokens`
    tokens, over all calls that a strategy looked at (`looked_at`).
    """

    task: str
    lock: str
    prompt: str
    served_by: str
    upstream_model: str
    system_fingerprint: str
    schema: str
    context_strategy: str
    context_digest: str
    calls: int
    looked_at: int = 0
    shortened: int = 0
    messages: int = 0
    dropped: int = 0
    tokens: int = 0
    dropped_tokens: int = 0
    first_ns: int = 0
    last_ns: int = 0


@dataclass(frozen=True)
class CallKinds:
    """The kinds, those with most calls first, at most `MAX_KINDS`; `calls` counts all calls, those left out too."""

    kinds: tuple[CallKind, ...] = ()
    calls: int = 0
