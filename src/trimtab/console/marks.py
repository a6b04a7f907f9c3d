"""How a call ended, as a mark and a word that go together."""

from __future__ import annotations

from typing import Final, Literal

from markupsafe import Markup

from trimtab.console import format as written
from trimtab.console.text import shown
from trimtab.record.events import ABANDONED, CLIENT_GONE, OK

Kind = Literal["good", "bad", "warn", "idle", "ask"]
SIGNS: Final[dict[Kind, str]] = {"good": "\u2713", "bad": "!", "warn": "\u25b2", "idle": "\u00b7", "ask": "?"}
VERDICTS: Final[dict[str, Kind]] = {"valid": "good", "invalid": "bad", "truncated": "warn", "refused": "warn"}
TOOL_OUTCOMES: Final[dict[str, Kind]] = {"valid": "good"}


def mark(kind: Kind, word: str) -> Markup:
    """A sign with its word."""
    return Markup('<span class="state {}"><span class="sign" aria-hidden="true">{}</span> {}</span>').format(
        kind, SIGNS[kind], shown(word)
    )


def outcome_mark(outcome: str) -> Markup:
    """How a call ended: well, because its client went away, or in an error."""
    if outcome == OK:
        return mark("good", outcome)
    return mark("warn" if outcome in (CLIENT_GONE, ABANDONED) else "bad", outcome)


def verdict_mark(verdict: str) -> Markup:
    """What was found of an answer; nothing where none was to be held against a schema."""
    if not verdict:
        return Markup('<span class="none">{}</span>').format(written.NOTHING)
    return mark(VERDICTS.get(verdict, "warn"), verdict)
