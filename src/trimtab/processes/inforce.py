"""The declaration in force: read, compiled and published once by the supervisor, for all processes of the host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from trimtab.clock import Clock
from trimtab.declare.load import load
from trimtab.declare.project import FileDigest, Project
from trimtab.errors import DeclarationError, LockInvalid, NotLocked, StoreError
from trimtab.gateway.upstreams.auth import missing_extras
from trimtab.lock import lockfile
from trimtab.lock.diff import differences
from trimtab.lock.lockfile import Lock
from trimtab.policy.agreement import SHOWN, Agreement, agreement_on_disk, told
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.publish import publish, publish_watch
from trimtab.policy.snapshot import PRODUCTION, Snapshot
from trimtab.policy.watch import Watch, watch_of
from trimtab.processes.roster import write_json

Kind = Literal["same", "switched", "refused", "held_back", "needs_restart"]


class Refusal(Struct, frozen=True):
    """An edit that could not be used, and why; `at_ns` is nanoseconds since 1970."""

    at_ns: int
    mistakes: tuple[str, ...]


class Drift(Struct, frozen=True):
    """That the declaration and trimtab.lock do not say the same; `at_ns` is when that was seen (ns since 1970).

    `differences` are the first of `count` in sentences. In production the edit is `held_back`, and what was in force
    stays in force; elsewhere it serves, under no lock.
    """

    at_ns: int
    differences: tuple[str, ...]
    count: int
    held_back: bool = False


class Standing(Struct, frozen=True):
    """`run/declaration.json`: what is in force since when, and what was not taken of the latest edit.

    `lock` is the id of the lock in force; empty where what serves agrees with none, as `drift` tells.
    """

    digest: str
    since_ns: int
    refused: Refusal | None = None
    needs_restart: tuple[str, ...] = ()
    lock: str = ""
    drift: Drift | None = None


class LockChange(NamedTuple):
    """That another lock came in force: the ids before and after, empty for none, and what differs in sentences."""

    before: str
    after: str
    words: str


class Renewal(NamedTuple):
    """What reading the declaration again led to; `lines` are the mistakes, the differences from the lock, or the
    settings that need a restart.

    `lock` tells of a lock that came in force, `drift` of a difference from it that was not there before, `watched` of
    other rules on what control watches for: their digest.
    """

    kind: Kind
    before: str
    after: str
    lines: tuple[str, ...] = ()
    lock: LockChange | None = None
    drift: Drift | None = None
    watched: str = ""


class Candidate(NamedTuple):
    """A declaration as it was read from the disk, compiled, and how it stands to its lock."""

    project: Project
    snapshot: Snapshot
    agreement: Agreement


class InForce:
    """Holds the project and snapshot in force; `renew` takes an edit whole or not at all.

    `started` tells of the lock in force at the start, if that differs from the one of an earlier life.
    """

    def __init__(self, project: Project, run: Path, standing_path: Path, clock: Clock) -> None:
        """Compiles and publishes a project that has been read.

        Raises `DeclarationError`, `StoreError`, and `NotLocked` in production for one that its lock does not pin.
        """
        self._run = run
        self._standing_path = standing_path
        self._clock = clock
        self._lock = _kept(run / lockfile.FILE)
        self.watch = Watch()
        candidate = _candidate(project)
        agreement = candidate.agreement
        if project.environment == PRODUCTION and not agreement.holds:
            raise NotLocked(root=project.root, listing="\n" + told(agreement.words, agreement.count))
        self.started = self._put(candidate, self._drift(agreement))
        self._watch(project)

    @property
    def last_lock(self) -> str:
        """The id of the lock that is in force, or was until something served that no lock pins; empty for none yet."""
        return self._lock.lock_id if self._lock is not None else ""

    def renew(self) -> Renewal:
        """Reads the declaration again and puts it in force, unless it has mistakes, differs from its lock in
        production, or wants a restart.

        Raises `StoreError` when it cannot be published.
        """
        before = self.snapshot.digest
        try:
            candidate = _candidate(load(Path(self.project.root)))
        except DeclarationError as wrong:
            self._stand(refused=Refusal(self._clock.wall_ns(), wrong.mistakes), drift=self._serving_drift())
            return Renewal("refused", before, before, wrong.mistakes)
        project, snapshot, agreement = candidate
        self.files = frozenset(named_files(project))
        drift = self._drift(agreement)
        if drift is not None and PRODUCTION in (project.environment, self.project.environment):
            drift = msgspec.structs.replace(drift, held_back=True)
            self._stand(drift=drift)
            return Renewal("held_back", before, snapshot.digest, drift.differences, drift=drift)
        lines = restart_needed(self.project, project)
        if lines:
            self._stand(needs_restart=lines, drift=self._serving_drift())
            return Renewal("needs_restart", before, snapshot.digest, lines)
        fresh = drift if drift is not None and not _alike(drift, self.standing.drift) else None
        if snapshot.digest == before:
            self._stand(drift=drift)
            return Renewal("same", before, before, drift=fresh, watched=self._watch(project))
        lock = self._put(candidate, drift)
        return Renewal("switched", before, snapshot.digest, lock=lock, drift=fresh, watched=self._watch(project))

    def _put(self, candidate: Candidate, drift: Drift | None) -> LockChange | None:
        """Publishes a snapshot; what changed if another lock came in force with it.

        Where the disk fails, what was in force still is, and the next `renew` begins anew.
        """
        project, snapshot, agreement = candidate
        path = publish(self._run, snapshot)
        standing = Standing(snapshot.digest, self._clock.wall_ns(), lock=snapshot.lock_id, drift=drift)
        self._write(standing)
        change = self._use_lock(agreement.lock if agreement.holds else None)
        self.path, self.project, self.snapshot, self.standing = path, project, snapshot, standing
        self.files = frozenset(named_files(project))
        return change

    def _watch(self, project: Project) -> str:
        """Publishes what is watched for; its digest where that is another than before, else empty."""
        watch = watch_of(project)
        if watch.digest == self.watch.digest:
            return ""
        publish_watch(self._run, watch)
        self.watch = watch
        return watch.digest

    def _use_lock(self, lock: Lock | None) -> LockChange | None:
        """Keeps the lock in force, for this life and the next; one that serves no more is compared with the next."""
        before, after = self._lock, lock
        if after is None or (before is not None and before.lock_id == after.lock_id):
            return None
        write_json(self._run / lockfile.FILE, lockfile.encode(after).rstrip(b"\n"))
        self._lock = after
        words = [one.words for one in differences(before, after)] if before is not None else []
        return LockChange(before.lock_id if before else "", after.lock_id, told(tuple(words[:SHOWN]), len(words)))

    def _drift(self, agreement: Agreement) -> Drift | None:
        if agreement.holds:
            return None
        return Drift(self._clock.wall_ns(), agreement.words, agreement.count)

    def _serving_drift(self) -> Drift | None:
        """How what serves differs from its lock, whatever becomes of the latest edit."""
        drift = self.standing.drift
        return None if drift is None or drift.held_back else drift

    def _stand(
        self, refused: Refusal | None = None, needs_restart: tuple[str, ...] = (), drift: Drift | None = None
    ) -> None:
        """Notes what became of an edit that did not change what is in force."""
        if drift is not None and _alike(drift, self.standing.drift):
            drift = self.standing.drift
        facts = {"refused": refused, "needs_restart": needs_restart, "drift": drift}
        standing = msgspec.structs.replace(self.standing, **facts)
        self._write(standing)
        self.standing = standing

    def _write(self, standing: Standing) -> None:
        write_json(self._standing_path, msgspec.json.encode(standing))

    def __repr__(self) -> str:
        refused = ", an edit was refused" if self.standing.refused else ""
        restart = ", an edit needs a restart" if self.standing.needs_restart else ""
        held = ", an edit is held back" if self.standing.drift and self.standing.drift.held_back else ""
        return f"InForce({self.standing.digest[:12]}{refused}{restart}{held})"


def _candidate(project: Project) -> Candidate:
    """The snapshot of a project that can be served here, and how that stands to the lock; raises `DeclarationError`."""
    missing = missing_extras(project.models)
    if missing:
        raise DeclarationError(project.root, missing)
    agreement = agreement_on_disk(project)
    return Candidate(project, compile_policy(project, agreement.pins, agrees=agreement.holds), agreement)


def _alike(one: Drift, other: Drift | None) -> bool:
    return other is not None and (one.differences, one.count) == (other.differences, other.count)


def _kept(path: Path) -> Lock | None:
    """The lock that was in force last; None where none was, or a release wrote it that this one cannot read."""
    try:
        return lockfile.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except LockInvalid:
        return None
    except OSError as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure


def named_files(project: Project) -> Iterator[str]:
    """The paths in the project of all files that its declaration names, wherever they lie."""
    for model in project.models.values():
        yield from _paths(model.served.chat_template, model.served.tokenizer)
    for task in project.tasks.values():
        if task.prompt is not None:
            yield from _paths(*task.prompt.includes)
        yield from _paths(*(tool.implementation.source for tool in task.tools))
    for data_set in project.data_sets.values():
        yield from _paths(data_set.file, data_set.transform)
    yield from _paths(*project.lock.dependencies)


def _paths(*files: FileDigest | None) -> Iterator[str]:
    return (file.path for file in files if file is not None)


def restart_needed(before: Project, after: Project) -> tuple[str, ...]:
    """The settings that differ and are fixed when `trimtab up` starts, as lines for people.

    Production is one of them: it would be left by one edit, and the next one would serve though it is not locked.
    """
    leaves = PRODUCTION in (before.environment, after.environment)
    pairs = [
        *([("environment", before.environment, after.environment)] if leaves else []),
        ("[gateway] listen", before.gateway.listen, after.gateway.listen),
        ("[gateway] workers", before.gateway.workers, after.gateway.workers),
        ("[gateway] keys", before.gateway.keys, after.gateway.keys),
        ("[control]", before.control, after.control),
        ("[data]", before.data, after.data),
        ("[background]", before.background, after.background),
    ]
    return tuple(f"{name}: {_differing(old, new)}" for name, old, new in pairs if old != new)


def _differing(old: object, new: object) -> str:
    if not isinstance(old, Struct) or not isinstance(new, Struct):
        return f"{old} -> {new}"
    pairs = ((field, getattr(old, field), getattr(new, field)) for field in old.__struct_fields__)
    return ", ".join(f"{field} {_shown(was)} -> {_shown(will)}" for field, was, will in pairs if was != will)


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()
