"""`trimtab lock upgrade`: one model is moved in the declaration and the lock, and nothing else moves.

What recorded calls say of the old model and the new one is in `assemble.evidence`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.edit import with_text
from trimtab.declare.load import PROJECT_FILE, load
from trimtab.declare.project import Model, Project
from trimtab.declare.values import Wrong, text
from trimtab.errors import LockRefused, UpgradeRefused
from trimtab.lock.diff import Difference, differences
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import Resolved, resolve
from trimtab.lock.writing import write_file

Ask = Callable[[Project, Resolved], tuple[Resolved, tuple[str, ...]]]
"""Asks the servers of a model, and resolves again with what they told."""


class Upgrade(Struct, frozen=True):
    """A model's move, decided and not done: `trimtab.toml` as it is and as it becomes, the lock that follows, and what
    differs.

    `notes` are about what is still said of the old model.
    """

    model: str
    project: Project
    original: bytes
    edited: bytes
    lock: Lock
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()


def plan(root: Path, held: Lock, name: str, to: str, revision: str, today: date, ask: Ask | None = None) -> Upgrade:
    """What moving a model to another name or revision does; nothing is written but what `ask` learns.

    `ask` asks the model's servers who they are and returns what they told, with notes. With it, and neither name nor
    revision, the model moves to what its name stands for now.

    Raises `UpgradeRefused` where it would move something else too or nothing at all, `LockRefused` where the new name
    moves by itself.
    """
    project = load(root)
    model = _model(project, name)
    stale = differences(held, resolve(project, held).lock)
    if stale:
        others = "1 other thing is" if len(stale) == 1 else f"{len(stale)} other things are"
        detail = f"{others} not as locked; run `trimtab lock` first, then only this model moves"
        raise UpgradeRefused(what=f"models.{name}", detail=detail)
    moved = _moved(model, to, revision)
    if moved == model and ask is None:
        raise _there_already(name)
    planned = replace(project, models={**project.models, name: moved})
    resolved = resolve(planned, held, today=today)
    told: tuple[str, ...] = ()
    if ask is not None:
        resolved, told = ask(planned, resolved)
    if resolved.refusals:
        raise LockRefused(tuple(one.words for one in resolved.refusals))
    found = differences(held, resolved.lock)
    if not found:
        raise _there_already(name, told)
    strangers = sorted({one.key for one in found} - _subtree(planned, name))
    if strangers:
        raise UpgradeRefused(what=f"models.{name}", detail=f"{', '.join(strangers)} would move too; move them apart")
    original = (root / PROJECT_FILE).read_bytes()
    edited = _edited(original.decode(), model, moved).encode()
    return Upgrade(name, planned, original, edited, resolved.lock, found, (*told, *_notes(model, moved, resolved)))


def declared(root: Path, held: Lock, name: str) -> Project:
    """The project, in which the model is declared and locked; raises `UpgradeRefused`."""
    project = load(root)
    _model(project, name)
    if held.get("models", name) is None:
        raise UpgradeRefused(what=f"models.{name}", detail="it is not locked yet; run `trimtab lock`")
    return project


def apply(root: Path, planned: Upgrade, write_lock: Callable[[], object]) -> None:
    """Writes the declaration, then the lock by `write_lock`; where either fails, both are as they were.

    Raises `UpgradeRefused` where the project was edited since it was planned, and `LockUnwritten`.
    """
    path = root / PROJECT_FILE
    if path.read_bytes() != planned.original:
        raise _edited_meanwhile(planned)
    write_file(path, planned.edited)
    try:
        _verify(root, planned)
        write_lock()
    except BaseException:
        write_file(path, planned.original)
        raise


def _verify(root: Path, planned: Upgrade) -> None:
    if differences(planned.lock, resolve(load(root), planned.lock).lock):
        raise _edited_meanwhile(planned)


def _edited_meanwhile(planned: Upgrade) -> UpgradeRefused:
    return UpgradeRefused(what=f"models.{planned.model}", detail="the project was edited meanwhile; say it again")


def _model(project: Project, name: str) -> Model:
    if name in project.models:
        return project.models[name]
    known = ", ".join(f"models.{each}" for each in sorted(project.models)) or "none"
    raise UpgradeRefused(what=f"models.{name}", detail=f"it is not declared; declared is {known}")


def _moved(model: Model, to: str, revision: str) -> Model:
    place = f"models.{model.name}"
    name = to or model.served_name
    if name != model.served_name and model.revision and not revision:
        detail = f"its revision {model.revision[:12]} is that of {model.served_name}; say --revision too"
        raise UpgradeRefused(what=place, detail=detail)
    return replace(
        model, served_name=_fit(place, "--to", name), revision=_fit(place, "--revision", revision) or model.revision
    )


def _fit(place: str, option: str, value: str) -> str:
    """The value, if it can stand in the declaration; an empty one is not given."""
    try:
        return text(value) if value else ""
    except Wrong as wrong:
        raise UpgradeRefused(what=place, detail=f"{option} is {wrong.what}; {wrong.instead}") from None


def _there_already(name: str, told: tuple[str, ...] = ()) -> UpgradeRefused:
    why = "".join(f" ({words})" for words in told)
    detail = f"it is there already{why}; say where to with --to or --revision"
    return UpgradeRefused(what=f"models.{name}", detail=detail)


def _subtree(project: Project, name: str) -> set[str]:
    """The entries that may move with a model: its own, and the schemas whose support follows from it."""
    tasks = (task for task in project.tasks.values() if name in {task.model, *task.fallback})
    return {f"models/{name}", *(f"schemas/{task.name}" for task in tasks)}


def _edited(original: str, model: Model, moved: Model) -> str:
    edited: str | None = original
    for key, old, new in (
        ("model", model.served_name, moved.served_name),
        ("revision", model.revision, moved.revision),
    ):
        if edited is not None and old != new:
            edited = with_text(edited, ("models", model.name, key), new)
    if edited is None:
        detail = f"{PROJECT_FILE} cannot be edited without changing more; write it by hand and run `trimtab lock`"
        raise UpgradeRefused(what=f"models.{model.name}", detail=detail)
    return edited


def _notes(model: Model, moved: Model, resolved: Resolved) -> tuple[str, ...]:
    """What is still said of the old model, and warnings about the new one."""
    served = model.served
    still = [
        key
        for key, value in {
            "served.weights": served.weights,
            "served.tokenizer": served.tokenizer,
            "served.chat_template": served.chat_template,
            "served.adapter": served.adapter,
            "served.trained_on": served.trained_on,
            "retires": model.retires,
            "price": model.prices,
        }.items()
        if value and moved != model
    ]
    warned = [one.words for one in resolved.warnings if one.key == f"models/{model.name}"]
    told = f"still said of {model.served_name} in models.{model.name}: {', '.join(still)}; correct what changed"
    return (*([told] if still else []), *warned)
