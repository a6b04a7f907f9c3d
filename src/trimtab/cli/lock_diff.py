"""`trimtab lock diff`: what changed in the lock since a revision, and who changed it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from trimtab.cli.lock_text import Told, told
from trimtab.cli.screen import PROJECT, next_verb, safe, say_json
from trimtab.errors import GitFailed, LockMissing
from trimtab.lock.diff import differences
from trimtab.lock.git import find
from trimtab.lock.history import locked_at
from trimtab.lock.lockfile import FILE, Entry, Lock, read
from trimtab.lock.turn_diff import turn_changes, turns_of
from trimtab.lock.word_diff import Piece

SHORT: Final = 12
AROUND: Final = 1
"""Unchanged lines that are shown beside changed ones."""
MOST_LINES: Final = 200
MARKS: Final = {"out": ("[-", "-]", "red"), "in": ("{+", "+}", "green")}


class Author(Struct, frozen=True):
    """Who changed an entry last, and in which commit; empty while that is not committed."""

    author: str
    commit: str


class Compared(Struct, frozen=True):
    """What `lock diff --json` tells; `before_id` is empty where the revision had no lock."""

    revision: str
    commit: str
    before_id: str
    after_id: str
    differences: tuple[Told, ...]
    changed_by: dict[str, Author]


@click.command("diff", epilog="Exit status: 0 told, 1 it could not be told and the message says why, 2 not understood.")
@click.argument("revision", default="HEAD")
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(revision: str, project: Path, as_json: bool) -> None:
    """What changed in the lock since REVISION (HEAD unless given), with names, and prompts word by word."""
    after = read(project)
    if after is None:
        raise LockMissing(path=FILE, root=str(project))
    repository = find(project)
    if repository is None:
        raise GitFailed(detail="the project lies in no git repository, or there is no git")
    commit = repository.revision(revision)
    before = locked_at(repository, commit, revision)
    changed = tuple(told(one) for one in differences(before, after))
    if as_json:
        say_json(msgspec.json.encode(_compared(revision, commit, before, after, changed)))
    else:
        _say(revision, commit, before, after, changed)


def _compared(revision: str, commit: str, before: Lock | None, after: Lock, changed: tuple[Told, ...]) -> Compared:
    keys = {one.key for one in changed}
    authors = {one.key: Author(one.author, one.commit) for one in after.entries if one.key in keys}
    return Compared(revision, commit, before.lock_id if before else "", after.lock_id, changed, authors)


def _say(revision: str, commit: str, before: Lock | None, after: Lock, changed: tuple[Told, ...]) -> None:
    since = f"{safe(revision)} ({commit[:SHORT]})"
    if before is None:
        click.echo(f"{since} has no {FILE}: all {len(after.entries)} entries of {after.lock_id[:SHORT]} are new.")
        next_verb("trimtab lock why")
        return
    if not changed:
        click.echo(f"Nothing that is locked changed since {since}. The id is {after.lock_id[:SHORT]}.")
        next_verb("trimtab lock --check")
        return
    click.echo(f"Since {since} the lock went from {before.lock_id[:SHORT]} to {after.lock_id[:SHORT]}.")
    ordered = sorted(changed, key=lambda one: one.key)
    for key, some in groupby(ordered, key=lambda one: one.key):
        section, _, name = key.partition("/")
        old, new = _entry(before, section, name), _entry(after, section, name)
        click.echo(f"\n{safe(key)}{changed_by(new)}")
        for one in some:
            click.echo(f"  {safe(one.words.removeprefix(f'{key}: '))}")
        if section == "prompts" and old and new:
            for line in prompt_lines(old, new):
                click.echo(f"    {line}")
    next_verb(f"trimtab lock why {ordered[0].key}")


def changed_by(one: Entry | None) -> str:
    """Who changed an entry, and where, as the end of a line."""
    if one is None or not (one.author or one.commit):
        return ""
    where = safe(one.commit[:SHORT]) if one.commit else "not committed when it was locked"
    return f"  ({safe(one.author)}, {where})"


def prompt_lines(before: Entry, after: Entry) -> Iterator[str]:
    """The turns of a prompt that changed, word by word: what is gone stands in [- -], what is new in {+ +}."""
    for change in turn_changes(turns_of(before), turns_of(after)):
        if change.kind != "same":
            yield f"{safe(change.role)}:"
            yield from diff_lines(change.pieces)


def diff_lines(pieces: tuple[Piece, ...]) -> Iterator[str]:
    """The lines with changes, and one on either side of them."""
    lines: list[str] = [""]
    marked: list[bool] = [False]
    for kind, text in pieces:
        begin, end, colour = MARKS.get(kind, ("", "", None))
        for place, part in enumerate(text.split("\n")):
            if place:
                lines.append("")
                marked.append(False)
            if kind != "same":
                marked[-1] = True
            if part:
                lines[-1] += click.style(f"{begin}{safe(part)}{end}", fg=colour) if kind != "same" else safe(part)
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    kept = [place for place in range(len(lines)) if any(marked[max(0, place - AROUND) : place + AROUND + 1])]
    for count, place in enumerate(kept):
        if count == MOST_LINES:
            yield f"and {len(kept) - count} more lines"
            return
        if count and place != kept[count - 1] + 1:
            yield "..."
        yield f"  {lines[place]}"


def _entry(lock: Lock, section: str, name: str) -> Entry | None:
    return next((one for one in lock.entries if (one.section, one.name) == (section, name)), None)
