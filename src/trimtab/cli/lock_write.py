"""Writes `trimtab.lock`, and checks it against the declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from trimtab.cli.lock_text import Told, say_differences, say_warnings, today, told
from trimtab.cli.screen import next_verb, safe, say_json
from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.errors import GitFailed, LockInvalid, LockMissing, LockNewer, LockRefused
from trimtab.lock.diff import differences
from trimtab.lock.identity_files import whole_baselines
from trimtab.lock.lockfile import FILE, Lock, decode, encode, read
from trimtab.lock.resolve import Resolved, resolve

SHORT: Final = 12


class Checked(Struct, frozen=True):
    """What `lock --check --json` tells. `fault` says why the file itself is of no use."""

    ok: bool
    lock_id: str = ""
    declared_id: str = ""
    fault: str = ""
    differences: tuple[Told, ...] = ()
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Written(Struct, frozen=True):
    """What `lock --json` tells. `notes` are about what could not be kept or known."""

    lock_id: str
    written: bool
    differences: tuple[Told, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Held(Struct, frozen=True):
    """The lock that was there, and a note where it could not be used."""

    lock: Lock | None
    note: str = ""


def check_lock(root: Path, *, as_json: bool) -> bool:
    """Tells whether the lock is that of the declaration, and every difference; asks nobody but the project's files."""
    project = load(root)
    try:
        held = locked(root)
        whole_baselines(root, held)
    except (LockInvalid, LockMissing) as wrong:
        if not as_json:
            raise
        say_json(msgspec.json.encode(Checked(False, fault=str(wrong))))
        return False
    resolved = resolve(project, held, today=today())
    found = _checked(held, resolved)
    if as_json:
        say_json(msgspec.json.encode(found))
    else:
        _say_checked(found)
    return found.ok


def _checked(held: Lock, resolved: Resolved) -> Checked:
    changed = tuple(told(one) for one in differences(held, resolved.lock))
    refusals = tuple(one.words for one in resolved.refusals)
    return Checked(
        ok=not changed and not refusals,
        lock_id=held.lock_id,
        declared_id=resolved.lock.lock_id,
        differences=changed,
        refusals=refusals,
        warnings=tuple(one.words for one in resolved.warnings),
    )


def _say_checked(found: Checked) -> None:
    if found.ok:
        click.echo(f"Everything is as it was locked: {found.lock_id[:SHORT]}.")
    for refusal in found.refusals:
        click.echo(f"Cannot be locked: {safe(refusal)}")
    if found.differences:
        count = len(found.differences)
        click.echo(f"{count} {'thing is' if count == 1 else 'things are'} not as locked in {found.lock_id[:SHORT]}:")
        say_differences(found.differences, "trimtab lock --check --json")
    say_warnings(found.warnings)
    if not found.ok:
        next_verb("trimtab lock")


def write_lock(root: Path, *, as_json: bool, live: bool = False) -> bool:
    """Resolves the declaration and writes the lock, unless it is what stands there already; `live` asks servers first.

    Raises `LockRefused` for what cannot be locked, `LockUnwritten` where the file cannot be written.
    """
    project = load(root)
    held = held_lock(root)
    resolved = resolve(project, held.lock, today=today())
    asked: tuple[str, ...] = ()
    if live:
        from trimtab.cli.lock_live import learned, tidy  # noqa: PLC0415 - only this asks servers

        resolved, asked = learned(project, resolved)
    if resolved.refusals:
        raise LockRefused(tuple(one.words for one in resolved.refusals))
    lock, note = with_authors(project, root, resolved.lock, held.lock)
    changed = tuple(told(one) for one in differences(held.lock, lock))
    done = Written(
        lock_id=lock.lock_id,
        written=put(root, lock),
        differences=changed,
        warnings=tuple(one.words for one in resolved.warnings),
        notes=tuple(each for each in (held.note, note, *asked) if each),
    )
    if live:
        tidy(root, held.lock, lock)
    if as_json:
        say_json(msgspec.json.encode(done))
    else:
        _say_written(done, held.lock, lock)
    return True


def _say_written(done: Written, held: Lock | None, lock: Lock) -> None:
    if held is None:
        click.echo(f"{FILE} is written: {len(lock.entries)} entries. Its id is {done.lock_id[:SHORT]}.")
    elif done.differences:
        count = f"{len(done.differences)} change{'s' if len(done.differences) > 1 else ''}"
        click.echo(f"{FILE} is written with {count}. Its id is {done.lock_id[:SHORT]}.")
        say_differences(done.differences, "trimtab lock diff --json")
    elif done.written and held == lock:
        click.echo(f"Nothing changed; {FILE} is written anew in its own form. Its id is {done.lock_id[:SHORT]}.")
    elif done.written:
        click.echo(f"Nothing changed; {FILE} now tells who did the earlier changes, and where. {done.lock_id[:SHORT]}")
    else:
        click.echo(f"Nothing changed: {FILE} is up to date. Its id is {done.lock_id[:SHORT]}.")
    for note in done.notes:
        click.echo(f"Note: {safe(note)}")
    say_warnings(done.warnings)
    next_verb("trimtab lock diff" if done.differences and held is not None else "trimtab lock --check")


def locked(root: Path) -> Lock:
    """The lock that is there; raises `LockMissing` or `LockInvalid`."""
    held = read(root)
    if held is None:
        raise LockMissing(path=FILE, root=str(root))
    return held


def held_lock(root: Path) -> Held:
    """The lock that is there. In the place of one that cannot be used stands that of the commit that is checked out,
    for what was learned from servers; raises `LockNewer`.
    """
    try:
        return Held(read(root))
    except LockNewer:
        raise
    except LockInvalid as invalid:
        committed = _committed(root)
        kept = "from the last commit" if committed else "from nowhere: it has to be learned again"
        detail = invalid.facts["detail"]
        return Held(committed, f"{FILE} was of no use ({detail}) and is written anew; what servers told is {kept}")


def _committed(root: Path) -> Lock | None:
    from trimtab.lock.git import find  # noqa: PLC0415 - only a lock that cannot be read needs it

    try:
        repository = find(root)
        data = repository.content(repository.head, FILE) if repository and repository.head else None
        return decode(data) if data is not None else None
    except (GitFailed, LockInvalid):
        return None


def with_authors(project: Project, root: Path, lock: Lock, held: Lock | None) -> tuple[Lock, str]:
    """The lock with authors and commits, and a note where git cannot tell them."""
    from trimtab.lock.authors import signed  # noqa: PLC0415 - a check does without git
    from trimtab.lock.git import find  # noqa: PLC0415
    from trimtab.lock.origins import origins  # noqa: PLC0415

    try:
        return signed(lock, held, origins(project), root, find(root)), ""
    except GitFailed as failure:
        return signed(lock, held, {}, root, None), f"who changed what is not known: {failure.facts['detail']}"


def put(root: Path, lock: Lock) -> bool:
    """Writes the lock; False where the file says just that already."""
    from trimtab.lock.writing import write_file  # noqa: PLC0415 - a check writes nothing

    data = encode(lock)
    path = root / FILE
    try:
        if path.is_file() and path.read_bytes() == data:
            return False
    except OSError:
        pass
    write_file(path, data)
    return True
