"""The versions of a task's prompt, as git has them: each is another digest, by the rules a project is read by."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.declare.mistakes import Mistakes
from trimtab.declare.parts import DEEPEST, FOLDER, Parts, names_in
from trimtab.declare.project import Prompt, Turn
from trimtab.declare.prompts import read_prompt
from trimtab.declare.source import MAX_FILE_BYTES, read_toml
from trimtab.declare.table import Table
from trimtab.declare.tasks import PROMPT_FILE, TASK_FILE, read_inputs
from trimtab.lock.git import Commit, Repository
from trimtab.lock.history import locks
from trimtab.lock.word_diff import Piece, word_diff

MAX_COMMITS: Final = 300
"""Commits of the prompt, its shared parts and its task that are looked at."""
Reads = Callable[[Iterable[str]], Mapping[str, bytes]]


class State(Struct, frozen=True):
    """The prompt at one time: its texts by their files, its digest, and why it could not be read, if that is empty.

    `prompt` is None where it could not be read; its turns have the shared parts put in.
    """

    texts: dict[str, str]
    digest: str
    fault: str = ""
    prompt: Prompt | None = None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Its turns."""
        return self.prompt.turns if self.prompt is not None else ()


class FileChange(Struct, frozen=True):
    """What changed in a file against the version before, word by word."""

    path: str
    pieces: tuple[Piece, ...]


class Version(Struct, frozen=True):
    """A version of a prompt: the commit that brought it, None while it is not committed, what it changed, and how it
    reads.
    """

    digest: str
    commit: Commit | None
    changes: tuple[FileChange, ...] = ()
    fault: str = ""
    turns: tuple[Turn, ...] = ()


class LockedIn(Struct, frozen=True):
    """The lock that pinned a version first, and the commit that brought it; empty while it is not committed."""

    lock: str
    commit: str
    at_s: int = 0


def versions(root: Path, repository: Repository | None, task: str) -> tuple[tuple[Version, ...], bool]:
    """The versions, newest first, and whether there may be older ones than are known; raises `GitFailed`."""
    now = state_in(root, task)
    if repository is None:
        alone = _version(now, None, None)
        return ((alone,) if alone else ()), False
    paths = (f"tasks/{task}/{PROMPT_FILE}", f"tasks/{task}/{TASK_FILE}", FOLDER)
    commits = repository.history(paths[0], MAX_COMMITS, *paths[1:])
    revisions = [revision for commit in commits for revision in (commit.hash, f"{commit.hash}^")]
    states = _states(repository, list(filter(None, [repository.head, *revisions])), task)
    found = [_version(now, states.get(repository.head), None)] if now else []
    found += [_version(states[commit.hash], states[f"{commit.hash}^"], commit) for commit in commits]
    may_be_older = len(commits) == MAX_COMMITS or bool({commit.hash for commit in commits} & repository.boundary)
    return tuple(one for one in found if one is not None), may_be_older


def locked_in(root_lock: tuple[str, str] | None, repository: Repository | None, task: str) -> dict[str, LockedIn]:
    """The first lock of each version, by the prompt's digest; `root_lock` is what the lock in the folder has of it: its
    id and the digest. Raises `GitFailed`.
    """
    found: dict[str, LockedIn] = {}
    if root_lock is not None:
        found[root_lock[1]] = LockedIn(root_lock[0], "")
    for commit, lock in locks(repository) if repository is not None else ():
        one = lock.get("prompts", task) if lock is not None else None
        if lock is not None and one is not None:
            found[str(one.pinned.get("sha256", ""))] = LockedIn(lock.lock_id, commit.hash, commit.at_s)
    return found


def state_in(root: Path, task: str) -> State | None:
    """The prompt as it is in the folder; None where there is none."""

    def reads(paths: Iterable[str]) -> dict[str, bytes]:
        return {path: data for path in paths if (data := _file(root / path)) is not None}

    [found] = _states_of([reads], task)
    return found


def state_at(repository: Repository, commit: str, task: str) -> State | None:
    """The prompt as it was in a commit; None where there was none. Raises `GitFailed`."""
    return _states(repository, [commit], task)[commit]


def _file(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return None


def _states(repository: Repository, revisions: list[str], task: str) -> dict[str, State | None]:
    """The prompt in each commit; "HASH^" is the commit before, on the branch that a merge went into."""
    held: dict[tuple[str, str], bytes] = {}

    def at(revision: str) -> Reads:
        def reads(paths: Iterable[str]) -> dict[str, bytes]:
            return {path: held[revision, path] for path in paths if (revision, path) in held}

        return reads

    first = (f"tasks/{task}/{PROMPT_FILE}", f"tasks/{task}/{TASK_FILE}")
    wanted = {(revision, path) for revision in revisions for path in first}
    for _ in range(DEEPEST + 1):
        got = repository.contents(sorted(wanted))
        held |= got
        wanted = {
            (revision, part) for (revision, path), data in got.items() for part in _included(path, data)
        } - held.keys()
        if not wanted:
            break
    return dict(zip(revisions, _states_of([at(revision) for revision in revisions], task), strict=True))


def _states_of(readers: Iterable[Reads], task: str) -> Iterator[State | None]:
    """The prompt as each reader of files gives it, read as a project is."""
    known: dict[tuple[tuple[str, bytes], ...], State | None] = {}
    for reads in readers:
        files = _files(reads, task)
        key = tuple(sorted(files.items()))
        if key not in known:
            known[key] = _state(files, task)
        yield known[key]


def _files(reads: Reads, task: str) -> dict[str, bytes]:
    found = dict(reads((f"tasks/{task}/{PROMPT_FILE}", f"tasks/{task}/{TASK_FILE}")))
    fresh = dict(found)
    for _ in range(DEEPEST + 1):
        parts = {part for path, data in fresh.items() for part in _included(path, data)} - found.keys()
        fresh = dict(reads(sorted(parts)))
        if not fresh:
            break
        found |= fresh
    return found


def _included(path: str, data: bytes) -> tuple[str, ...]:
    """The shared parts that a file may include, by their paths."""
    if path.endswith(TASK_FILE) or len(data) > MAX_FILE_BYTES:
        return ()
    return tuple(f"{FOLDER}/{name}" for name in names_in(data.decode("utf-8", "replace")))


def _state(files: Mapping[str, bytes], task: str) -> State | None:
    prompt_file, task_file = f"tasks/{task}/{PROMPT_FILE}", f"tasks/{task}/{TASK_FILE}"
    if prompt_file not in files:
        return None
    texts = {path: data.decode("utf-8", "replace") for path, data in files.items() if path != task_file}
    with tempfile.TemporaryDirectory(prefix="trimtab-") as folder:
        root, mistakes, unheard = Path(folder), Mistakes(), Mistakes()
        for path, data in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        toml = read_toml(root, task_file, unheard, "") if task_file in files else None
        types = read_inputs(Table.whole(toml, unheard).table("inputs")) if toml is not None else {}
        prompt = read_prompt(Parts(root, mistakes), prompt_file, types)
    if prompt is None:
        return State(texts, "", str(next(iter(mistakes), "it cannot be read")))
    used = {prompt_file, *(file.path for file in prompt.includes)}
    return State({path: text for path, text in texts.items() if path in used}, prompt.digest, prompt=prompt)


def _key(state: State) -> tuple[str, dict[str, str]]:
    return (state.digest, {}) if state.digest else ("", state.texts)


def _version(state: State | None, before: State | None, commit: Commit | None) -> Version | None:
    """What a commit made of the prompt; None where it left it as it was, or took it out."""
    if state is None or (before is not None and _key(before) == _key(state)):
        return None
    old, new = before.texts if before else {}, state.texts
    changed = [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)] if before else []
    changes = (FileChange(path, word_diff(old.get(path, ""), new.get(path, ""))) for path in changed)
    return Version(state.digest, commit, tuple(changes), state.fault, state.turns)
