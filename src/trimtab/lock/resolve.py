"""From a declaration to its lock: every entry, offline, and what cannot be locked because it moves.

What is learned only by asking (a model's identity, a tool's answers) is kept from the lock before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.declare.masks import holds_secret, without_secrets
from trimtab.declare.project import DataSet, Model, Project, Tool
from trimtab.lock import aliases
from trimtab.lock.lockfile import Entry, Lock, Section, entry
from trimtab.lock.lockfile import lock as locked
from trimtab.lock.plain import plain
from trimtab.lock.resolve_library import pinned_data, pinned_packages, pinned_retrieval, pinned_tool
from trimtab.lock.resolve_models import pinned_model
from trimtab.lock.resolve_tasks import pinned_checks, pinned_defaults, pinned_output, pinned_policy, pinned_prompt
from trimtab.lock.retirement import Warned, warn

DEFAULTS: Final = "(defaults)"
"""The entry of policies that is no task's."""
PACKAGES: Final = "project"


class Refusal(Struct, frozen=True):
    """Why an entry cannot be locked, and what to do: a sentence. `key` is the entry's."""

    key: str
    words: str


class Resolved(Struct, frozen=True):
    """A declaration as a lock. With `refusals` it must not be written; `warnings` are ordered by their entries."""

    lock: Lock
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[Warned, ...] = ()


def resolve(project: Project, held: Lock | None, *, today: date | None = None) -> Resolved:
    """The lock of a project, made offline; `held` is its earlier lock, from which what was learned is kept.

    Equal projects give equal locks in any process and any order of declaration. An entry that did not change keeps its
    author and commit; of a changed one both are empty. `today` is for the days on which models retire: without it,
    nothing is said of them.
    """
    before = {(one.section, one.name): one for one in held.entries} if held else {}
    made: list[Entry] = []
    refusals: list[Refusal] = []
    for section, name, pinned in _pins(project, before):
        try:
            made.append(_entry(section, name, pinned, before.get((section, name))))
        except (ValueError, RecursionError) as wrong:
            refusals.append(Refusal(f"{section}/{name}", f"{section}/{name} cannot be written as JSON ({wrong})"))
    whole = locked(made)
    refusals += _refusals(project, whole)
    return Resolved(
        whole,
        tuple(sorted(set(refusals), key=lambda one: (one.key, one.words))),
        tuple(sorted(_warnings(project, whole, today), key=lambda one: (one.key, one.words))),
    )


def with_identity(lock: Lock, model: str, identity: Mapping[str, Any], resolved: str = "") -> Lock:
    """The lock with what was learned of a model put in place of what was known, and the name that an alias stands for.

    Raises `KeyError` for a model that is not locked, and `ValueError` for what is no JSON.
    """
    changes: dict[str, Any] = {"identity": plain(identity)}
    if resolved:
        changes["resolved"] = resolved
    return _with(lock, "models", model, changes)


def with_learned(lock: Lock, tool: str, learned: Mapping[str, Any]) -> Lock:
    """The lock with what was learned of a tool put in place of what was known.

    Raises `KeyError` for a tool that is not locked, and `ValueError` for what is no JSON.
    """
    return _with(lock, "tools", tool, {"learned": plain(learned)})


def _with(lock: Lock, section: Section, name: str, changes: Mapping[str, Any]) -> Lock:
    one = lock.get(section, name)
    if one is None:
        raise KeyError(f"{section}/{name}")
    changed = _entry(section, name, {**one.pinned, **changes}, one)
    return locked(changed if each is one else each for each in lock.entries)


def _entry(section: Section, name: str, pinned: dict[str, Any], held: Entry | None) -> Entry:
    if held is not None and _bytes(held.pinned) == _bytes(pinned):
        return held
    made = entry(section, name, pinned)
    return held if held is not None and held.digest == made.digest else made


_bytes: Final[Callable[[Any], bytes]] = msgspec.json.Encoder(order="sorted").encode
"""Equal for equal JSON, and quickly made; unequal for some equal ones (1.0 and 1)."""


def _pins(
    project: Project, before: Mapping[tuple[Section, str], Entry]
) -> Iterator[tuple[Section, str, dict[str, Any]]]:
    """Every entry of a project: its section, its name and what is pinned."""

    def earlier(section: Section, name: str) -> Mapping[str, Any]:
        one = before.get((section, name))
        return one.pinned if one else {}

    for name, task in project.tasks.items():
        if task.prompt is not None:
            yield "prompts", name, pinned_prompt(task.prompt, project)
        if task.output is not None:
            yield "schemas", name, pinned_output(task, task.output.schema, project.models, earlier("schemas", name))
        yield "sampling", name, plain(task.sampling)
        yield "context", name, plain(task.context)
        yield "policies", name, pinned_policy(task)
        if task.checks:
            yield "checks", name, pinned_checks(task)
    yield "policies", DEFAULTS, pinned_defaults(project.defaults)
    for name, model in project.models.items():
        yield "models", name, pinned_model(model, project, earlier("models", name))
    for name, tool in _tools(project).items():
        yield "tools", name, pinned_tool(tool, project.root, earlier("tools", name))
    for name, retrieval in project.retrieval.items():
        yield "retrieval", name, pinned_retrieval(retrieval, project.root)
    for name, data in project.data_sets.items():
        yield "data", name, pinned_data(data, project.root)
    yield "packages", PACKAGES, pinned_packages(project)


def _tools(project: Project) -> dict[str, Tool]:
    return {tool.name: tool for task in project.tasks.values() for tool in task.tools}


def _refusals(project: Project, whole: Lock) -> Iterator[Refusal]:
    for name, model in project.models.items():
        key = f"models/{name}"
        yield from _told(key, aliases.of_model(model, *_asked(whole, name)))
        adapted = model.served.adapter.trained_on if model.served.adapter else ()
        yield from _told(key, _unknown_data(project, (*model.served.trained_on, *adapted), f"models.{name}.served"))
    for name, tool in _tools(project).items():
        yield from _told(f"tools/{name}", aliases.of_tool(tool))
    for name, retrieval in project.retrieval.items():
        yield from _told(f"retrieval/{name}", aliases.of_retrieval(retrieval))
    for name, task in project.tasks.items():
        yield from _told(f"policies/{name}", _unknown_models(project, name))
        if task.prompt is not None:
            yield from _told(f"prompts/{name}", _unknown_data(project, task.prompt.tuned_on, f"tasks.{name}.tuned_on"))
    for name, data in project.data_sets.items():
        yield from _told(f"data/{name}", _foreign_file(data))


def _foreign_file(data: DataSet) -> Iterator[str]:
    pinned = data.pinned.removeprefix("sha256:")
    if pinned and pinned != data.file.digest:
        yield (
            f"{data.file.path} is not the file that data/{data.name}.json tells of (sha256 {data.file.digest[:12]}..., "
            f"not {pinned[:12]}...); take the file from version control again, or accept it with "
            f"`trimtab data add {data.name}`"
        )


def _told(key: str, found: Iterable[str]) -> Iterator[Refusal]:
    for words in found:
        yield Refusal(key, without_secrets(f"{key}: {words}"))


def _asked(whole: Lock, name: str) -> tuple[str, str]:
    """The name that is sent to a model's servers, and the one that they gave themselves."""
    one = whole.get("models", name)
    if one is None:
        return "", ""
    return one.pinned["resolved"], str(one.pinned["identity"].get("served_model", ""))


def _unknown_models(project: Project, task: str) -> Iterator[str]:
    named = project.tasks[task]
    if not named.model:
        yield f"the task names no model; write model = ... in tasks/{task}/task.toml"
    judges = (one.judge.model for one in named.checks if one.judge is not None)
    for name in dict.fromkeys((named.model, *named.fallback, named.context.model, *judges)):
        if name and name not in project.models:
            yield f'there is no model "{name}"; declare [models.{name}], or name another one'


def _unknown_data(project: Project, names: Iterable[str], place: str) -> Iterator[str]:
    for name in dict.fromkeys(names):
        if name not in project.data_sets:
            yield f'{place} names the data set "{name}", which is not there; add it with `trimtab data add {name}`'


def _warnings(project: Project, whole: Lock, today: date | None) -> Iterator[Warned]:
    for name, model in project.models.items():
        resolved, served_model = _asked(whole, name)
        if today is not None and (found := warn(model, resolved, today, project.lock.warn_days)) is not None:
            yield found
        yield from _of_identity(model, resolved, served_model)
    for name, task in project.tasks.items():
        if task.prompt is not None and any(holds_secret(turn.template) for turn in task.prompt.turns):
            yield Warned(
                f"prompts/{name}",
                f"prompts/{name}: the prompt holds what looks like a secret (masked in the lock); take it out, and "
                f"replace it where it is used",
            )


def _of_identity(model: Model, resolved: str, served_model: str) -> Iterator[Warned]:
    key, served = f"models/{model.name}", model.served
    if aliases.is_hosted(model.engine, model.auth):
        if served_model == resolved and not aliases.is_dated(resolved):
            yield Warned(
                key,
                f'{key}: its provider has no dated form of "{resolved}", so nothing but its identity tells a change; '
                f"set models.{model.name}.identity to have it tested",
            )
    elif model.engine == "vllm" and not (model.revision or served.weights or served.image):
        yield Warned(
            key, f"{key}: nothing says which weights are served; name models.{model.name}.revision or served.weights"
        )
