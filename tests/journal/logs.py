"""Logs of runs, written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from trimtab.journal.entries import (
    ROOT,
    Body,
    Ended,
    Entry,
    Intent,
    Logged,
    Result,
    Started,
    StepKind,
    body_of,
    digest_of,
    encode,
)

SECOND = 1_000_000_000
BEGAN = 1_790_000_000 * SECOND
"""2026-09-21."""


def logged(entries: Sequence[Entry]) -> tuple[Logged, ...]:
    """Entries in their places, chained."""
    before, found = ROOT, []
    for seq, entry in enumerate(entries, 1):
        before = digest_of(before, seq, encode(entry))
        found.append(Logged(seq, entry, before.hex()))
    return tuple(found)


@dataclass
class Writing:
    """A log that grows: each step takes a second, and its label and request give its occurrence."""

    task: str = "refund"
    through: str = "sdk"
    input: Any = None
    entries: list[Entry] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    seen: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.body(self.input) if self.input is not None else None
        self.add(Started(self.now, self.task, through=self.through, input=given))  # type: ignore[arg-type]

    @property
    def now(self) -> int:
        """The time of the next entry."""
        return BEGAN + len(self.entries) * SECOND

    def add(self, entry: Entry) -> int:
        """Writes an entry; its seq."""
        self.entries.append(entry)
        return len(self.entries)

    def body(self, value: Any) -> Body:
        """A value as a body that can be read again."""
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        body = body_of(content)
        self.bodies[body.digest] = content
        return body

    def begin(self, label: str, asked: Any = None, *, kind: StepKind = "step", branch: str = "", **more: Any) -> int:
        """Writes an intent; its seq."""
        body = self.body(asked)
        digest = sha256(self.bodies[body.digest]).hexdigest()
        occurrence = self.seen.get((label, digest), 0)
        self.seen[label, digest] = occurrence + 1
        return self.add(Intent(self.now, kind, label, digest, occurrence, branch=branch, input=body, **more))

    def finish(self, of: int, answered: Any = None, *, outcome: Any = "ok", **more: Any) -> int:
        """Writes a result; its seq."""
        return self.add(Result(self.now, of, outcome, self.body(answered), **more))

    def step(self, label: str, asked: Any = None, answered: Any = None, **more: Any) -> int:
        """Writes a step that is answered at once; the seq of its intent."""
        seq = self.begin(label, asked, **more)
        self.finish(seq, answered)
        return seq

    def end(self, answered: Any = None, state: Any = "completed") -> int:
        """Writes the end of the run."""
        return self.add(Ended(self.now, state, self.body(answered)))

    @property
    def log(self) -> tuple[Logged, ...]:
        """All of it."""
        return logged(self.entries)
