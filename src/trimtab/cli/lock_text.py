"""Differences and warnings of locks, as lines for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import click
from msgspec import Struct

from trimtab.cli.screen import safe
from trimtab.clock import SystemClock
from trimtab.lock.diff import Difference

MOST: Final = 50
"""Differences that are shown; the rest is counted."""


class Told(Struct, frozen=True):
    """A difference as `--json` gives it: the entry, the place in it, both sides, and the sentence.

    `reach` is for schemas: validating, visible (to the model) or cosmetic.
    """

    key: str
    kind: str
    path: str
    before: Any
    after: Any
    words: str
    reach: str


def told(one: Difference) -> Told:
    """A difference as it is shown."""
    return Told(one.key, one.kind, one.path, one.before, one.after, one.words, one.reach)


def say_differences(found: Sequence[Told], all_of_them: str) -> None:
    """Each difference in a line, the first 50; `all_of_them` is the command that has the rest."""
    for one in found[:MOST]:
        click.echo(f"  {safe(one.words)}")
    if len(found) > MOST:
        click.echo(f"  and {len(found) - MOST} more: {all_of_them}")


def say_warnings(warnings: Sequence[str]) -> None:
    """What should be looked at before it becomes a fault."""
    for words in warnings:
        click.echo(f"Warning: {safe(words)}")


def today() -> date:
    """The day it is, in UTC: what days of retirement are held against."""
    return datetime.fromtimestamp(SystemClock().wall_ns() // 1_000_000_000, UTC).date()
