"""The project's past for pages: git and files are read in a thread, one question at a time, and kept a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from trimtab.clock import Clock
from trimtab.console.history_desk import LockStanding
from trimtab.declare.masks import without_secrets
from trimtab.declare.parts import FOLDER
from trimtab.declare.project import Turn
from trimtab.declare.tasks import PROMPT_FILE, TASK_FILE
from trimtab.declare.values import NAME
from trimtab.errors import GitFailed, LockInvalid, StoreError
from trimtab.lock import lockfile
from trimtab.lock.git import find
from trimtab.lock.lock_history import KnownLock, LockChange, LockHistory, lock_change, lock_history, read_lock
from trimtab.lock.lockfile import Lock
from trimtab.lock.prompt_history import PromptHistory, prompt_history
from trimtab.lock.prompt_versions import Version
from trimtab.processes.status import read_standing

T = TypeVar("T")
KEPT_S: Final = 10.0
"""How long an answer is given again without a look at the files."""
MOST_KEPT: Final = 64
MOST_VERSIONS: Final = 100
MOST_PARTS: Final = 500
"""Shared parts of prompts whose files are looked at for changes."""
Stamp = tuple[object, ...]


class _Kept(NamedTuple):
    at_s: float
    answer: asyncio.Future[Any]


class ProjectHistory:
    """The past of the project in `root`; `run` is where the lock in force and what stands to it are written down."""

    def __init__(self, root: Path, run: Path, clock: Clock) -> None:
        self._root = root
        self._run = run
        self._in_force = run / lockfile.FILE
        self._clock = clock
        self._one = asyncio.Semaphore(1)
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._last: OrderedDict[Hashable, tuple[Stamp, Any]] = OrderedDict()

    def __repr__(self) -> str:
        return f"ProjectHistory({len(self._kept)} kept)"

    async def standing(self) -> LockStanding:
        """How what is declared stands to its lock."""
        found = await asyncio.to_thread(read_standing, self._run)
        drift = found.drift
        if drift is None:
            return LockStanding(found.lock, found.since_ns)
        return LockStanding(found.lock, found.since_ns, drift.differences, drift.count, drift.at_ns, drift.held_back)

    async def locks(self) -> LockHistory:
        """The locks that are known, newest first."""
        return await self._answer(("locks",), (), lambda: lock_history(self._root, self._in_force))

    async def change(self, lock: str, against: str = "") -> LockChange | None:
        """What a lock changed; None where it, or the one it is held against, is not known."""
        history = await self.locks()
        after = history.get(lock)
        before = history.get(against) if against else history.before(after.lock_id) if after else None
        if after is None or (against and before is None):
            return None
        key = ("change", after.lock_id, before.lock_id if before else "")
        return await self._answer(key, (), lambda: self._change(before, after))

    async def prompt(self, task: str) -> PromptHistory:
        """The versions of a task's prompt, with secrets masked; none for what is no name of a task."""
        if not NAME.fullmatch(task) or task in {".", ".."}:
            return PromptHistory(task, (), {})
        files = (f"tasks/{task}/{PROMPT_FILE}", f"tasks/{task}/{TASK_FILE}")
        return await self._answer(
            ("prompt", task), files, lambda: _masked(prompt_history(self._root, task, MOST_VERSIONS))
        )

    def _change(self, before: KnownLock | None, after: KnownLock) -> LockChange | None:
        old = self._read(before) if before is not None else None
        new = self._read(after)
        if new is None or (before is not None and old is None):
            return None
        return lock_change((before, old) if before is not None and old is not None else None, (after, new))

    def _read(self, known: KnownLock) -> Lock | None:
        return read_lock(self._root, known, self._in_force)

    async def _answer(self, key: Hashable, files: tuple[str, ...], read: Callable[[], T]) -> T:
        """An answer that was given a moment ago, or is on its way, is shared."""
        now_s = self._clock.monotonic()
        kept = self._kept.get(key)
        is_over = kept is None or now_s - kept.at_s >= KEPT_S
        if kept is None or is_over or (kept.answer.done() and (kept.answer.cancelled() or kept.answer.exception())):
            kept = _Kept(now_s, asyncio.ensure_future(self._looked(key, files, read)))
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return cast(T, await asyncio.shield(kept.answer))

    async def _looked(self, key: Hashable, files: tuple[str, ...], read: Callable[[], T]) -> T:
        """The answer of before where nothing changed on the disk, else a new one."""
        async with self._one:
            return await asyncio.to_thread(self._now, key, files, read)

    def _now(self, key: Hashable, files: tuple[str, ...], read: Callable[[], T]) -> T:
        try:
            stamp = self._stamp(files)
            last = self._last.get(key)
            if last is not None and last[0] == stamp:
                return cast(T, last[1])
            answer = read()
        except (GitFailed, LockInvalid, OSError) as failure:
            raise StoreError(store="the project's history", detail=str(failure)) from failure
        self._last[key] = (stamp, answer)
        self._last.move_to_end(key)
        while len(self._last) > MOST_KEPT:
            self._last.popitem(last=False)
        return answer

    def _stamp(self, files: tuple[str, ...]) -> Stamp:
        """What tells that nothing changed: the commit that is checked out, and the files that are read."""
        try:
            repository = find(self._root)
            commit: Stamp = (repository.head, repository.boundary) if repository is not None else ()
        except GitFailed as failure:
            commit = (str(failure),)
        paths = [self._in_force, self._root / lockfile.FILE, *(self._root / file for file in files)]
        if files:
            paths += sorted((self._root / FOLDER).glob("*"))[:MOST_PARTS]
        return (*commit, *map(_mark, paths))


def _mark(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, -1
    return str(path), found.st_mtime_ns, found.st_size


def _masked(history: PromptHistory) -> PromptHistory:
    """Without secrets, and without the diffs of files, in which they could stand too: pages show turns."""
    versions = tuple(
        Version(
            one.digest,
            one.commit,
            (),
            without_secrets(one.fault),
            tuple(Turn(turn.role, without_secrets(turn.template)) for turn in one.turns),
        )
        for one in history.versions
    )
    return PromptHistory(history.task, versions, history.locked, history.notes, history.left_out)
