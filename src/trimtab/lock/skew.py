"""Skew between two locks: what differs in what models are asked and in who answers, and whom it concerns."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from trimtab.lock.diff import Difference, differences
from trimtab.lock.history import dependents
from trimtab.lock.lockfile import Entry, Lock, Section

Aspect = Literal["lock", "prompt", "tools", "sampling", "context", "model", "schema", "retrieval", "policy", "packages"]
ASPECTS: Final[dict[Section, Aspect]] = {
    "prompts": "prompt",
    "tools": "tools",
    "sampling": "sampling",
    "context": "context",
    "models": "model",
    "schemas": "schema",
    "retrieval": "retrieval",
    "policies": "policy",
    "packages": "packages",
}
"""What an entry bears on; data sets bear on no call."""
OF_POLICY: Final[dict[str, Aspect]] = {
    "model": "model",
    "fallback": "model",
    "tools": "tools",
    "tool_calls": "tools",
    "retrieval": "retrieval",
}
NO_BEARING: Final = {
    "policies": frozenset({"owner", "class", "match", "objective", "redaction"}),
    "models": frozenset({"retires", "passthrough", "watch", "trained_on"}),
    "prompts": frozenset({"tuned_on"}),
    "tools": frozenset({"golden"}),
}
"""What an entry pins beside, which changes nothing that a model is asked or answers."""


class Skew(Struct, frozen=True):
    """One way in which two things differ: a sentence, and the tasks it concerns.

    Of live calls, `calls` of the `of` that were looked at are concerned.
    """

    tasks: tuple[str, ...]
    aspect: Aspect
    words: str
    calls: int | None = None
    of: int | None = None


def between(before: Lock, after: Lock) -> tuple[Skew, ...]:
    """What differs in prompts, tools, sampling, context, models, schemas, retrieval, policies and packages.

    Differences that bear on no call (owners, objectives, data sets, what a prompt was tuned on ...) are left out.
    """
    old, new = ({one.key: one for one in lock.entries} for lock in (before, after))
    found = []
    for difference in differences(before, after):
        sides = [(lock, side[difference.key]) for lock, side in ((before, old), (after, new)) if difference.key in side]
        aspect = _aspect(sides[0][1], difference)
        if aspect is not None:
            tasks = {task for lock, one in sides for task in dependents(lock, one)}
            found.append(Skew(tuple(sorted(tasks)), aspect, difference.words))
    return tuple(found)


def _aspect(one: Entry, difference: Difference) -> Aspect | None:
    field = difference.path.removeprefix("/").partition("/")[0]
    if field and field in NO_BEARING.get(one.section, ()):
        return None
    if one.section == "policies" and field in OF_POLICY:
        return OF_POLICY[field]
    return ASPECTS.get(one.section)
