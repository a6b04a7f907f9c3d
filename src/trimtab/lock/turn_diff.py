"""What changed between the turns of two prompts, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from trimtab.lock.lockfile import Entry
from trimtab.lock.tree import stretches
from trimtab.lock.word_diff import Piece, word_diff


class Said(NamedTuple):
    """A turn: its role and its text."""

    role: str
    text: str


class TurnChange(NamedTuple):
    """A turn of the later prompt, or one that is gone from it, with the pieces of both texts.

    `was` is its role before, empty where that is the same or there was none.
    """

    role: str
    kind: Literal["same", "changed", "added", "removed"]
    pieces: tuple[Piece, ...]
    was: str = ""


def turns_of(entry: Entry | None) -> tuple[Said, ...]:
    """The turns that a lock pins of a prompt; none where they are not laid out as such."""
    turns = entry.pinned.get("turns") if entry is not None else None
    found = []
    for turn in turns if isinstance(turns, list) else ():
        lines = turn.get("text", []) if isinstance(turn, dict) else []
        if isinstance(turn, dict):
            text = "\n".join(map(str, lines)) if isinstance(lines, list) else str(lines)
            found.append(Said(str(turn.get("role", "")), text))
    return tuple(found)


def turn_changes(before: Sequence[Said], after: Sequence[Said]) -> tuple[TurnChange, ...]:
    """Every turn in its order, those that stayed as they were too; equal turns are paired first, then what lies between
    them by place.
    """
    found: list[TurnChange] = []
    at = 0
    keys = [[f"{one.role}\n{one.text}" for one in turns] for turns in (before, after)]
    for start, stop, first, last in stretches(*keys):
        found += map(_same, after[at:first])
        for step in range(max(stop - start, last - first)):
            old = before[start + step] if start + step < stop else None
            new = after[first + step] if first + step < last else None
            found.append(_change(old, new))
        at = last
    return (*found, *map(_same, after[at:]))


def _same(turn: Said) -> TurnChange:
    return TurnChange(turn.role, "same", (Piece("same", turn.text),) if turn.text else ())


def _change(old: Said | None, new: Said | None) -> TurnChange:
    if new is None:
        gone = old or Said("", "")
        return TurnChange(gone.role, "removed", word_diff(gone.text, ""))
    if old is None:
        return TurnChange(new.role, "added", word_diff("", new.text))
    return TurnChange(new.role, "changed", word_diff(old.text, new.text), old.role if old.role != new.role else "")
