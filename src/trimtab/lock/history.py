"""What earlier commits hold of `trimtab.lock`, and who depends on an entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from trimtab.errors import LockInvalid
from trimtab.lock.git import Commit, Repository
from trimtab.lock.lockfile import FILE, Entry, Lock, Section, decode, decode_committed

MAX_LOCKS: Final = 200
"""How many commits of the lock are looked at."""
AT_ONCE: Final = 4
OF_TASKS: Final[frozenset[Section]] = frozenset({"prompts", "sampling", "context", "schemas", "policies", "checks"})


class Step(Struct, frozen=True):
    """A change of one entry: both sides, and the commit of the lock that brought it; None while it is not committed."""

    before: Entry | None
    after: Entry | None
    commit: Commit | None


def last_step(repository: Repository, now: Entry) -> Step | None:
    """The last change of an entry that committed locks tell of; None where it is older than the 200 that are looked at,
    or than a shallow clone goes back. A lock that cannot be read is passed over. Raises `GitFailed`.
    """
    newer: Commit | None = None
    seen: list[Commit] = []
    for commit, lock in locks(repository):
        seen.append(commit)
        if lock is None:
            continue
        one = lock.get(now.section, now.name)
        if one is None or one.digest != now.digest:
            return Step(one, now, newer)
        newer = commit
    is_cut = len(seen) == MAX_LOCKS or (bool(seen) and seen[-1].hash in repository.boundary)
    return None if is_cut else Step(None, now, newer)


def locks(repository: Repository) -> Iterator[tuple[Commit, Lock | None]]:
    """The commits that touched the lock, newest first, 200 at most, and what it was; None where it cannot be read."""
    history = repository.history(FILE, MAX_LOCKS)
    for start in range(0, len(history), AT_ONCE):
        some = history[start : start + AT_ONCE]
        found = repository.contents((commit.hash, FILE) for commit in some)
        for commit in some:
            yield commit, _lock(found.get((commit.hash, FILE)))


def locked_at(repository: Repository, commit: str, name: str) -> Lock | None:
    """The lock as it was in a commit, which people call `name`; None where it had none. Raises `LockInvalid`."""
    data = repository.content(commit, FILE)
    return None if data is None else decode(data, f"{FILE} of {name}")


def dependents(lock: Lock, one: Entry) -> tuple[str, ...]:
    """The tasks whose calls an entry bears on, by what the lock says of them."""
    policies = {name: each.pinned for name, each in lock.of("policies").items() if "model" in each.pinned}
    if one.section in OF_TASKS and one.name in policies:
        return (one.name,)
    if one.section in OF_TASKS or one.section == "packages":
        return tuple(policies)
    uses = {"models": _models, "tools": _tools, "retrieval": _retrieval, "data": _data}[one.section]
    return tuple(name for name, policy in policies.items() if one.name in uses(lock, name, policy))


def _models(lock: Lock, task: str, policy: Mapping[str, Any]) -> set[str]:
    context = lock.get("context", task)
    summarises = context.pinned.get("model") if context else None
    checks = lock.get("checks", task)
    judges = [one["judge"]["model"] for one in checks.pinned["made"].values() if one.get("judge")] if checks else []
    return {policy["model"], *policy.get("fallback", ()), *([summarises] if summarises else []), *judges}


def _tools(lock: Lock, task: str, policy: Mapping[str, Any]) -> set[str]:
    return set(policy.get("tools", ()))


def _retrieval(lock: Lock, task: str, policy: Mapping[str, Any]) -> set[str]:
    return set(policy.get("retrieval", ()))


def _data(lock: Lock, task: str, policy: Mapping[str, Any]) -> set[str]:
    found = {f"tasks/{task}/cases"}
    prompt = lock.get("prompts", task)
    found.update(prompt.pinned.get("tuned_on", ()) if prompt else ())
    for name in _models(lock, task, policy):
        model = lock.get("models", name)
        if model is not None:
            found.update(model.pinned.get("trained_on", ()))
            found.update((model.pinned.get("adapter") or {}).get("trained_on", ()))
    return found


def _lock(data: bytes | None) -> Lock | None:
    try:
        return None if data is None else decode_committed(data)
    except LockInvalid:
        return None
