"""Skew between a lock and calls that were made: what of them is not as it is pinned, task by task.

What records tell of a call is its lock, prompt, model, schema and context strategy; what its request says of sampling
and tools is known of a sample, where bodies are kept.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from trimtab.lock.lockfile import Entry, Lock, canonical
from trimtab.lock.plain import plain
from trimtab.lock.skew import Aspect, Skew
from trimtab.lock.words import show

SHORT: Final = 12
MOST: Final = 5
"""Values of one thing that are told one by one, those of most calls first."""
UNDECLARED: Final = "(undeclared)"
"""Calls of no task; other names in parentheses are of calls that Trimtab makes itself."""
SMALL_LIMIT: Final = "max_output_tokens"


class Kind(Protocol):
    """Calls of one task that are alike (`store.lock_figures.CallKind`)."""

    @property
    def task(self) -> str:
        """Their task."""

    @property
    def lock(self) -> str:
        """The id of the lock they were made under; empty for none."""

    @property
    def prompt(self) -> str:
        """The digest of the prompt that was rendered for them; empty where the client sent its own messages."""

    @property
    def served_by(self) -> str:
        """The model that served them; empty where none did."""

    @property
    def upstream_model(self) -> str:
        """What its server called itself."""

    @property
    def system_fingerprint(self) -> str:
        """The server's fingerprint."""

    @property
    def schema(self) -> str:
        """The digest of the schema that their answers had to keep."""

    @property
    def context_digest(self) -> str:
        """The digest of the context strategy that looked at their messages; empty where none did."""

    @property
    def calls(self) -> int:
        """How many they are."""

    @property
    def shortened(self) -> int:
        """Of how many messages were dropped."""

    @property
    def messages(self) -> int:
        """The messages of all, as far as a strategy looked at them."""

    @property
    def dropped(self) -> int:
        """Of these, the dropped ones."""


class Sampled(Struct, frozen=True):
    """What requests of a task say themselves, of `requests` that could be looked at.

    `sampling` counts values (JSON) by field, under the lock's names of fields where it has them; `tools` counts the
    requests that offer a tool by its name and the digest of its definition (`definition_digest`; empty where it was
    not kept whole).
    """

    task: str
    requests: int
    sampling: dict[str, dict[str, int]] = {}
    tools: dict[str, dict[str, int]] = {}


class Against(Struct, frozen=True):
    """How calls stand to a lock: the skews, and notes of what is as it is pinned and still worth knowing."""

    skews: tuple[Skew, ...] = ()
    notes: tuple[str, ...] = ()


def against(lock: Lock, kinds: Iterable[Kind], sampled: Iterable[Sampled] = ()) -> Against:
    """Holds calls against a lock, tasks in their alphabetical order."""
    by_task: dict[str, list[Kind]] = {}
    for kind in kinds:
        by_task.setdefault(kind.task, []).append(kind)
    samples = {one.task: one for one in sampled}
    skews: list[Skew] = []
    notes: list[str] = []
    for task, found in sorted(by_task.items()):
        if task.startswith("(") and task != UNDECLARED:
            continue
        policy = lock.get("policies", task)
        if policy is None or "model" not in policy.pinned:
            notes.append(f"{task}: {_calls(sum(kind.calls for kind in found))} of a task that the lock does not have")
            continue
        one = _Task(lock, task, policy.pinned, found)
        skews += one.skews()
        skews += _requests(lock, task, policy.pinned, samples.get(task))
        notes += one.notes()
    return Against(tuple(skews), tuple(notes))


def definition_digest(description: str, schema: Any) -> str:
    """The sha256 of a tool's description and the schema of its arguments; empty for what JSON cannot carry."""
    try:
        return hashlib.sha256(canonical({"description": plain(description), "schema": plain(schema)})).hexdigest()
    except (ValueError, RecursionError):
        return ""


class _Task:
    """The calls of one task, held against what a lock pins of it."""

    def __init__(self, lock: Lock, task: str, policy: Mapping[str, Any], kinds: Sequence[Kind]) -> None:
        self._lock = lock
        self._task = task
        self._policy = policy
        self._kinds = kinds
        self._calls = sum(kind.calls for kind in kinds)
        self._models = (str(policy["model"]), *map(str, policy.get("fallback", ())))

    def skews(self) -> Iterator[Skew]:
        """What is not as it is pinned."""
        yield from self._other("lock", self._lock_words)
        yield from self._other("prompt", self._prompt_words)
        yield from self._other("context", self._context_words)
        yield from self._other("schema", self._schema_words)
        yield from self._other("model", self._model_words)
        yield from self._other("model", self._server_words)
        yield from self._other("model", self._fingerprint_words)

    def notes(self) -> Iterator[str]:
        """What the lock allows, and still is not the same for every call."""
        of_fallbacks = Counter[str]()
        for kind in self._kinds:
            if kind.served_by in self._models[1:]:
                of_fallbacks[kind.served_by] += kind.calls
        for model, calls in of_fallbacks.most_common():
            yield f"{self._task}: {calls} of {_calls(self._calls)} were served by the fallback {model}"
        shortened = sum(kind.shortened for kind in self._kinds)
        if shortened:
            messages, dropped = (sum(getattr(kind, name) for kind in self._kinds) for name in ("messages", "dropped"))
            share = f"{dropped} of {messages} messages of all of them"
            yield f"{self._task}: of {shortened} of {_calls(self._calls)} messages were dropped, {share}"

    def _other(self, aspect: Aspect, words: Callable[[Kind], str]) -> Iterator[Skew]:
        """The skews of one aspect, those of most calls first; a kind that is as it is pinned has no words."""
        found = Counter[str]()
        for kind in self._kinds:
            told = words(kind)
            if told:
                found[told] += kind.calls
        for told, calls in found.most_common(MOST):
            yield Skew((self._task,), aspect, told, calls, self._calls)
        more = found.total() - sum(calls for _, calls in found.most_common(MOST))
        if more:
            yield Skew((self._task,), aspect, f"and {len(found) - MOST} other ways", more, self._calls)

    def _lock_words(self, kind: Kind) -> str:
        if kind.lock == self._lock.lock_id:
            return ""
        return f"made under lock {kind.lock[:SHORT]}" if kind.lock else "made while what served agreed with no lock"

    def _prompt_words(self, kind: Kind) -> str:
        pinned = _pinned(self._lock.get("prompts", self._task), "sha256")
        if kind.prompt == pinned:
            return ""
        if not pinned:
            return f"rendered from the prompt {kind.prompt[:SHORT]}, where the lock has none"
        if not kind.prompt:
            return "brought messages that the gateway did not render from the task's prompt"
        return f"rendered from the prompt {kind.prompt[:SHORT]}, not {pinned[:SHORT]}"

    def _context_words(self, kind: Kind) -> str:
        one = self._lock.get("context", self._task)
        if not kind.context_digest or one is None or kind.context_digest == one.digest:
            return ""
        return f"under the context strategy {kind.context_digest[:SHORT]}, not {one.digest[:SHORT]}"

    def _schema_words(self, kind: Kind) -> str:
        one = self._lock.get("schemas", self._task)
        output = one.pinned.get("output") if one else None
        pinned = str(output.get("sha256", "")) if isinstance(output, Mapping) else ""
        if kind.schema == pinned:
            return ""
        now = f"the schema {kind.schema[:SHORT]}" if kind.schema else "no schema"
        return f"held to {now}, not {pinned[:SHORT]}" if pinned else f"held to {now}, where the lock has none"

    def _model_words(self, kind: Kind) -> str:
        if not kind.served_by or kind.served_by in self._models:
            return ""
        return f"served by the model {kind.served_by}, not {' or '.join(self._models)}"

    def _server_words(self, kind: Kind) -> str:
        one = self._lock.get("models", kind.served_by)
        if one is None or not kind.upstream_model:
            return ""
        identity = one.pinned.get("identity") or {}
        learned = identity.get("served_model")
        known = {learned} if learned else {one.pinned.get("resolved"), one.pinned.get("requested")}
        if kind.upstream_model in known:
            return ""
        expected = " or ".join(sorted(map(str, known)))
        return f"the server of {kind.served_by} called itself {show(kind.upstream_model)}, not {show(expected)}"

    def _fingerprint_words(self, kind: Kind) -> str:
        one = self._lock.get("models", kind.served_by)
        known = (one.pinned.get("identity") or {}).get("fingerprints") if one else None
        if not known or not kind.system_fingerprint or kind.system_fingerprint in known:
            return ""
        return (
            f"{kind.served_by} answered with the fingerprint {show(kind.system_fingerprint)}, which is not in the lock"
        )


def _requests(lock: Lock, task: str, policy: Mapping[str, Any], sampled: Sampled | None) -> Iterator[Skew]:
    if sampled is None or not sampled.requests:
        return
    sampling = lock.get("sampling", task)
    pinned = sampling.pinned if sampling else {}
    for field, values in sorted(sampled.sampling.items()):
        yield from _field(task, field, values, pinned.get(field), sampled.requests)
    for name, digests in sorted(sampled.tools.items()):
        yield from _tool(task, name, digests, policy.get("tools", ()), lock.get("tools", name), sampled.requests)


def _field(task: str, field: str, values: Mapping[str, int], pinned: Any, requests: int) -> Iterator[Skew]:
    """A pinned value is the one that is sent, whatever a request says; of limits on length the smaller is."""
    counted = Counter(values)
    if pinned is not None:
        counted = Counter({value: n for value, n in values.items() if field == SMALL_LIMIT and _is_less(value, pinned)})
        words = f"clients ask for less than the {field} {pinned} that is pinned"
    else:
        words = f"clients set {field} themselves, which the lock leaves open"
    if counted:
        told = ", ".join(f"{value} in {n}" for value, n in counted.most_common(MOST))
        more = f" and {len(counted) - MOST} more values" if len(counted) > MOST else ""
        yield Skew((task,), "sampling", f"{words}: {told}{more}", counted.total(), requests)


def _is_less(value: str, pinned: Any) -> bool:
    return value.isdigit() and isinstance(pinned, int) and int(value) < pinned


def _tool(
    task: str, name: str, digests: Mapping[str, int], tools: Sequence[str], pinned: Entry | None, requests: int
) -> Iterator[Skew]:
    if name not in tools or pinned is None:
        words = f"clients offer a tool that is not the task's: {show(name)}"
        yield Skew((task,), "tools", words, sum(digests.values()), requests)
        return
    schema = pinned.pinned["input_schema"]["schema"]
    known = definition_digest(str(pinned.pinned["description"]), schema)
    other = sum(n for digest, n in digests.items() if digest not in ("", known))
    if other:
        words = f"clients offer the tool {show(name)} with another definition than the lock has"
        yield Skew((task,), "tools", words, other, requests)


def _pinned(one: Entry | None, field: str) -> str:
    return str(one.pinned.get(field, "")) if one else ""


def _calls(count: int) -> str:
    return f"{count} call" + ("" if count == 1 else "s")
