"""`trimtab lock why`: what an entry pins, where it comes from, who changed it last and whom that touches."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.cli.lock_text import Told, told
from trimtab.cli.screen import PROJECT, next_verb, safe, say_json
from trimtab.declare.load import read as read_project
from trimtab.declare.project import Project
from trimtab.errors import EntryUnknown, GitFailed, LockMissing
from trimtab.lock.authors import last_changes
from trimtab.lock.diff import differences
from trimtab.lock.evidence_files import FOLDER, evidence_of
from trimtab.lock.git import Repository, find
from trimtab.lock.history import dependents, last_step
from trimtab.lock.lockfile import FILE, Entry, Lock, read
from trimtab.lock.lockfile import lock as locked
from trimtab.lock.origins import origins

SHORT: Final = 12
MOST_LINES: Final = 60
MOST_NAMED: Final = 10


class Why(Struct, frozen=True):
    """What `lock why --json` tells of an entry; what is not known is empty.

    `author`, `commit`, `at` and `subject` are those of the last change of its files, which is `uncommitted` where it is
    in the folder alone; `locked_in` is the commit that brought this state of it into the lock, and `changes` are what
    changed then. `shipped_on` are the verdicts of `lock upgrade --sample`, and the file they are in.
    """

    key: str
    digest: str
    author: str = ""
    commit: str = ""
    at: str = ""
    subject: str = ""
    uncommitted: bool = False
    files: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    locked_in: str = ""
    changes: tuple[Told, ...] = ()
    shipped_on: str = ""
    notes: tuple[str, ...] = ()
    pinned: dict[str, Any] = {}


@click.command("why", epilog="Exit status: 0 told, 1 there is no such entry or no lock, 2 not understood.")
@click.argument("entry", default="")
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(entry: str, project: Path, as_json: bool) -> None:
    """What ENTRY pins ("prompts/triage", or a part of that which no other has); all entries without it.

    Tells its digest, who changed it last, in which commit and when, the files it comes from, the tasks that depend on
    it, and what changed then.
    """
    lock = read(project)
    if lock is None:
        raise LockMissing(path=FILE, root=str(project))
    if entry:
        found = why(project, lock, named(lock, entry))
        say_json(msgspec.json.encode(found)) if as_json else _say(found)
    elif as_json:
        say_json(msgspec.json.encode([Why(one.key, one.digest, one.author, one.commit) for one in lock.entries]))
    else:
        _say_all(lock)


def named(lock: Lock, asked: str) -> Entry:
    """The entry of a name, or the only one whose name has this in it; raises `EntryUnknown`."""
    ways = (
        lambda one: one.key == asked,
        lambda one: one.name == asked,
        lambda one: asked in one.key,
    )
    for fits in ways:
        found = [one for one in lock.entries if fits(one)]
        if len(found) == 1:
            return found[0]
        if found:
            keys = [safe(one.key) for one in found[:MOST_NAMED]]
            more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
            raise EntryUnknown(asked=asked, meant=f" alone: it may be {', '.join(keys)}{more}")
    raise EntryUnknown(asked=asked, meant="")


def why(root: Path, lock: Lock, one: Entry) -> Why:
    """All that is known of an entry."""
    found = Why(one.key, one.digest, one.author, one.commit, tasks=dependents(lock, one), pinned=one.pinned)
    shipped = evidence_of(root, one.key, one.digest)
    if shipped is not None:
        verdicts = ", ".join(f"{task} {report.get('verdict')}" for task, report in sorted(shipped.reports.items()))
        found = replace(found, shipped_on=f"{safe(verdicts)} ({FOLDER}/{safe(shipped.lock[:SHORT])}.json)")
    project = read_project(root).project
    if project is None:
        found = _noted(found, "the project has mistakes, so that its files are not told; see `trimtab check`")
    else:
        files = tuple(dict.fromkeys(each.path for each in origins(project).get(one.key, ())))
        found = replace(found, files=files)
        if not files:
            found = _noted(found, "the project does not declare it any more; `trimtab lock` takes it out")
    try:
        repository = find(root)
        if repository is None:
            return _noted(found, "the project lies in no git repository, so that nothing is told of earlier changes")
        return _with_changes(_with_author(found, root, project, repository), repository, one)
    except GitFailed as failure:
        return _noted(found, f"git cannot tell more: {failure.facts['detail']}")


def _with_author(found: Why, root: Path, project: Project | None, repository: Repository) -> Why:
    """With who changed the entry's files; a commit that the lock does not tell yet is looked up."""
    if not found.commit and project is not None:
        asked = {found.key: origins(project).get(found.key, ())}
        change = last_changes(root, repository, asked).get(found.key)
        if change is not None and change.commit is not None:
            found = replace(found, author=change.commit.author, commit=change.commit.hash)
        elif change is not None:
            found = replace(found, uncommitted=True)
    commit = repository.commit(found.commit)
    if commit is None:
        missing = "which this clone does not have" if found.commit else ""
        return _noted(found, f"it was changed in {safe(found.commit[:SHORT])}, {missing}") if missing else found
    at = datetime.fromtimestamp(commit.at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return replace(found, at=at, subject=commit.subject)


def _with_changes(found: Why, repository: Repository, one: Entry) -> Why:
    step = last_step(repository, one)
    if step is None:
        return _noted(found, "its last change in the lock is older than what is looked at here")
    before = locked([step.before]) if step.before else None
    changes = tuple(map(told, differences(before, locked([one]))))
    return replace(found, locked_in=step.commit.hash if step.commit else "", changes=changes)


def _noted(found: Why, note: str) -> Why:
    return replace(found, notes=(*found.notes, note))


def _say(found: Why) -> None:
    click.echo(f"{safe(found.key)}  sha256:{found.digest}\n")
    unnamed = "not committed yet" if found.uncommitted else "in a commit that is not known here"
    where = safe(found.commit[:SHORT]) if found.commit else unnamed
    when = f", {found.at}" if found.at else ""
    subject = f': "{safe(found.subject)}"' if found.subject else ""
    click.echo(f"Changed last by {safe(found.author) or 'somebody'}, {where}{when}{subject}")
    if found.files:
        click.echo(f"From            {', '.join(map(safe, found.files))}")
    click.echo(f"Used by         {_tasks(found.tasks)}")
    if found.changes:
        click.echo(f"Locked in       {found.locked_in[:SHORT] or 'not committed yet'}")
        for change in found.changes[:MOST_LINES]:
            click.echo(f"  {safe(change.words.removeprefix(f'{found.key}: '))}")
    if found.shipped_on:
        click.echo(f"Shipped on      {found.shipped_on}")
    for note in found.notes:
        click.echo(f"Note: {note}")
    click.echo()
    lines = json.dumps(found.pinned, indent=2, ensure_ascii=False, sort_keys=True).split("\n")
    for line in lines[:MOST_LINES]:
        click.echo(safe(line))
    if len(lines) > MOST_LINES:
        click.echo(f"and {len(lines) - MOST_LINES} more lines: trimtab lock why {safe(found.key)} --json")
    next_verb("trimtab lock diff")


def _tasks(tasks: tuple[str, ...]) -> str:
    if not tasks:
        return "no task"
    more = f" and {len(tasks) - MOST_NAMED} more" if len(tasks) > MOST_NAMED else ""
    return ", ".join(map(safe, tasks[:MOST_NAMED])) + more


def _say_all(lock: Lock) -> None:
    width = max((len(one.key) for one in lock.entries), default=0)
    for one in lock.entries:
        by = f"{safe(one.author)}, {safe(one.commit[:SHORT])}".strip(", ")
        click.echo(f"{safe(one.key):{width}}  {one.digest[:SHORT]}  {by}".rstrip())
    next_verb("trimtab lock why ENTRY")
