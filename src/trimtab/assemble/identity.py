"""Asks the servers of a project's models who they are: to learn it for the lock, and to verify that nothing changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

from trimtab.clock import Clock, SystemClock
from trimtab.declare.project import Model, Project
from trimtab.errors import IdentityUntested, LockInvalid, LockUnwritten
from trimtab.gateway.upstreams.auth import missing_extras
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.signers import Signers
from trimtab.lock import aliases, identity_baseline
from trimtab.lock.identity import HITS, Check, Standing, follow, pinned, unpinned
from trimtab.lock.identity_baseline import Baseline
from trimtab.lock.identity_files import baselines
from trimtab.lock.identity_rungs import Pinned
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import with_identity
from trimtab.lock.writing import write_file
from trimtab.policy.secrets import Secrets
from trimtab.processes.identity_ask import Interview, examine
from trimtab.processes.identity_learn import Learned, form_of, take_baseline
from trimtab.processes.probe import ReplicaClient


class Taught(Struct, frozen=True):
    """What became of learning one model: the name it was found to be, and what was asked. `trouble` says why not."""

    model: str
    resolved: str = ""
    baseline: str = ""
    replica: str = ""
    requests: int = 0
    rung: str = ""
    trouble: str = ""


class Verified(Struct, frozen=True):
    """One replica after a verification. `trouble` says why it could not be verified."""

    model: str
    replica: str
    standing: Standing = Standing()
    check: Check | None = None
    trouble: str = ""


def learn(
    project: Project, lock: Lock, clock: Clock | None = None, models: Iterable[str] = ()
) -> tuple[Lock, tuple[Taught, ...]]:
    """The lock with what the servers of models tell and answer, all of them unless some are named.

    Baselines are written beside the lock. A model that does not answer keeps what was known of it. An undated name of
    a hosted model is resolved to the one that it answers with. Raises `LockUnwritten`.
    """
    return asyncio.run(_learn(project, lock, clock or SystemClock(), frozenset(models)))


async def _learn(project: Project, lock: Lock, clock: Clock, models: frozenset[str]) -> tuple[Lock, tuple[Taught, ...]]:
    root, taught = Path(project.root), []
    async with interviewing(project.models.values(), clock) as interview:
        for name, model in project.models.items():
            if lock.get("models", name) is None or (models and name not in models):
                continue
            try:
                resolved, learned = await _of_model(interview, model)
            except IdentityUntested as untested:
                taught.append(Taught(name, trouble=str(untested)))
                continue
            digest = _write(root, learned.baseline)
            lock = with_identity(lock, name, unpinned(_pinned(learned, digest)), resolved)
            rung = "exact" if learned.baseline.exact else "first_token" if learned.baseline.first else "texts"
            taught.append(Taught(name, resolved, digest, learned.replica, learned.requests, rung))
    return lock, tuple(taught)


def prune(root: Path, before: Lock | None, after: Lock) -> None:
    """Deletes the baselines of a project that the lock before named and the one after does not."""
    for gone in (baselines(before) if before else set()) - baselines(after):
        with contextlib.suppress(OSError, LockInvalid):
            identity_baseline.place(root, gone).unlink()


async def _of_model(interview: Interview, model: Model) -> tuple[str, Learned]:
    """The name to ask for, and what was learned under it."""
    hosted = aliases.is_hosted(model.engine, model.auth)
    if not hosted or aliases.is_dated(model.served_name):
        return model.served_name, await take_baseline(interview, model)
    _, reading = await form_of(interview, model, model.replicas[0])
    resolved = reading.model if aliases.is_dated(reading.model) else model.served_name
    return resolved, await take_baseline(interview, msgspec.structs.replace(model, served_name=resolved))


def _pinned(learned: Learned, digest: str) -> Pinned:
    return Pinned(learned.fingerprints, learned.baseline.server.version, learned.served_model, digest)


def _write(root: Path, baseline: Baseline) -> str:
    data = identity_baseline.encode(baseline)
    digest = identity_baseline.digest(data)
    path = identity_baseline.place(root, digest)
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as failure:
        raise LockUnwritten(path=identity_baseline.FOLDER, detail=failure.strerror or str(failure)) from None
    write_file(path, data)
    return digest


def verify(
    project: Project, lock: Lock, clock: Clock | None = None, models: Iterable[str] = ()
) -> tuple[Verified, ...]:
    """Every replica of the models that are locked, all of them unless some are named, tested now.

    A hit is tested again at once, and only two in a row are a change.
    """
    return asyncio.run(_verify(project, lock, clock or SystemClock(), frozenset(models)))


async def _verify(project: Project, lock: Lock, clock: Clock, models: frozenset[str]) -> tuple[Verified, ...]:
    found: list[Verified] = []
    async with interviewing(project.models.values(), clock) as interview:
        for name, model in project.models.items():
            if not models or name in models:
                found += [await _verify_replica(interview, project, lock, model, url, clock) for url in model.replicas]
    return tuple(found)


async def _verify_replica(
    interview: Interview, project: Project, lock: Lock, model: Model, replica: str, clock: Clock
) -> Verified:
    entry = lock.get("models", model.name)
    if entry is None:
        return Verified(model.name, replica, trouble="it is not locked; run `trimtab lock --live`")
    identity = pinned(entry.pinned)
    try:
        baseline = identity_baseline.load(Path(project.root), identity.baseline) if identity.baseline else None
        if baseline is None:
            return Verified(model.name, replica, trouble="it has no baseline; run `trimtab lock --live`")
        asked = msgspec.structs.replace(model, served_name=baseline.model)
        standing, check = Standing(), None
        for _ in range(HITS):
            check = await examine(interview, asked, replica, baseline, identity, Random())  # noqa: S311 - statistics
            standing, _turn = follow(standing, check, clock.wall_ns())
            if check.hit is None:
                break
    except (IdentityUntested, LockInvalid) as untested:
        return Verified(model.name, replica, trouble=str(untested))
    return Verified(model.name, replica, standing, check)


@contextlib.asynccontextmanager
async def interviewing(models: Iterable[Model], clock: Clock) -> AsyncIterator[Interview]:
    """An interview with these models' own keys; requests go to their replicas alone.

    Raises `IdentityUntested` where an extra is not installed.
    """
    declared = list(models)
    missing = missing_extras({model.name: model for model in declared})
    if missing:
        raise IdentityUntested(model=declared[0].name, replica="all its replicas", detail="; ".join(missing))
    pool = Pool(clock)
    signers = Signers(Secrets().read, clock)
    signers.serve(declared)
    try:
        await signers.ready()
        yield Interview(ReplicaClient(pool, signers), clock)
    finally:
        signers.close()
        await pool.close()
