"""A side of an evaluation: a declaration with its lock, from a folder, a revision, or a lock that was committed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.load import PROJECT_FILE, load
from trimtab.declare.project import Model, Project, Secret
from trimtab.errors import BaseUnknown, DeclarationError, LockUnknown, RevisionUnknown
from trimtab.gateway.upstreams.auth import missing_extras
from trimtab.lock.git import File, Repository, find
from trimtab.lock.history import locks
from trimtab.lock.lockfile import FILE, Lock
from trimtab.lock.named import SHORT, named
from trimtab.policy.agreement import agreement, agreement_on_disk
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.snapshot import Snapshot

MOST_FILES: Final = 20_000
MOST_BYTES: Final = 512 << 20
"""Of a revision that is laid out in a folder."""
AT_ONCE_BYTES: Final = 32 << 20


@dataclass(frozen=True)
class Side:
    """What one arm serves, and for people where it comes from. `pins` is what it resolves to with its lock.

    `agrees` tells whether the declaration says what the lock beside it pins; `words` are the first differences.
    """

    project: Project
    snapshot: Snapshot
    source: str
    pins: Lock | None
    agrees: bool
    words: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """The folder of its declaration."""
        return Path(self.project.root)


def side(project: Project, source: str, lock: Lock | None = None) -> Side:
    """The side of a declaration, under the lock in its folder unless another is given. Raises `DeclarationError`."""
    missing = missing_extras(project.models)
    if missing:
        raise DeclarationError(project.root, missing)
    found = agreement_on_disk(project) if lock is None else agreement(project, lock)
    snapshot = compile_policy(project, found.pins, agrees=found.holds)
    return Side(project, snapshot, source, found.pins, found.holds, found.words)


@contextlib.contextmanager
def base_side(root: Path, name: str) -> Iterator[Side]:
    """The side that `name` means for the project in `root`: a folder with a declaration, a lock, or a revision.

    A lock stands for the declaration of a commit that has just this lock. Revisions are laid out in a folder that is
    gone afterwards; secrets in files that are not under version control are those of `root`.

    Raises `BaseUnknown` where nothing has that name or it cannot be laid out, `DeclarationError`, `LockInvalid` and
    `GitFailed`.
    """
    folder = Path(name)
    if (folder / PROJECT_FILE).is_file():
        yield side(load(folder), str(folder))
        return
    repository = find(root)
    commit, words = _commit(root, name, repository)
    if repository is None:
        raise BaseUnknown(name=name, detail="the project lies in no git repository")
    with tempfile.TemporaryDirectory(prefix="trimtab-base-") as made:
        lay_out(repository, commit, Path(made))
        if not (Path(made) / PROJECT_FILE).is_file():
            raise BaseUnknown(name=name, detail=f"{commit[:SHORT]} has no {PROJECT_FILE} here")
        yield side(with_secrets_of(load(Path(made)), root), words)


def _commit(root: Path, name: str, repository: Repository | None) -> tuple[str, str]:
    """The commit that a name stands for, and words for both."""
    if repository is not None and not Path(name).is_file():
        with contextlib.suppress(RevisionUnknown):
            commit = repository.revision(name)
            return commit, name if commit.startswith(name) else f"{name} ({commit[:SHORT]})"
    try:
        lock = named(root, name).lock
    except LockUnknown as unknown:
        raise BaseUnknown(name=name, detail=str(unknown.facts.get("detail", unknown))) from unknown
    for one, held in locks(repository) if repository is not None else ():
        if held is not None and held.lock_id == lock.lock_id:
            return one.hash, f"lock {lock.lock_id[:SHORT]} ({one.hash[:SHORT]})"
    detail = f"no commit of {FILE} has lock {lock.lock_id[:SHORT]}, so its declaration is not known"
    raise BaseUnknown(name=name, detail=detail)


def lay_out(repository: Repository, commit: str, folder: Path) -> None:
    """Writes the project's files as they were in a commit. Raises `BaseUnknown` for more than 20,000 or 512 MiB."""
    files = repository.files(commit)
    size = sum(one.size for one in files)
    if len(files) > MOST_FILES or size > MOST_BYTES:
        detail = f"it has {len(files):,} files of {size >> 20:,} MiB, over {MOST_FILES:,} or {MOST_BYTES >> 20} MiB"
        raise BaseUnknown(name=commit[:SHORT], detail=detail)
    for some in _portions(files):
        for (_, path), content in repository.contents((commit, one.path) for one in some).items():
            place = folder / path
            if ".." in Path(path).parts or Path(path).is_absolute():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


def _portions(files: tuple[File, ...]) -> Iterator[list[File]]:
    some: list[File] = []
    for one in files:
        some.append(one)
        if sum(each.size for each in some) > AT_ONCE_BYTES or len(some) >= 1000:
            yield some
            some = []
    if some:
        yield some


def with_secrets_of(project: Project, root: Path) -> Project:
    """The project with secrets in files that are not in its folder taken from the same place under `root`."""
    models = {name: _with_secrets(model, Path(project.root), root.absolute()) for name, model in project.models.items()}
    return replace(project, models=models)


def _with_secrets(model: Model, folder: Path, root: Path) -> Model:
    return replace(model, **{name: _moved(getattr(model, name), folder, root) for name in model.__struct_fields__})


def _moved(value: object, folder: Path, root: Path) -> object:
    if isinstance(value, Secret):
        place = Path(value.place)
        is_missing = value.kind == "file" and place.is_relative_to(folder) and not place.exists()
        return replace(value, place=str(root / place.relative_to(folder))) if is_missing else value
    if isinstance(value, Struct):
        return replace(value, **{name: _moved(getattr(value, name), folder, root) for name in value.__struct_fields__})
    return value
