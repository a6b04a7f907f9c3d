"""Which parts of which files of a project each entry of its lock was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct

from trimtab.declare.project import DataSet, Project, Schema, Task, Tool

Keys = tuple[str, ...]
PROJECT_FILE = "trimtab.toml"
DEFAULTS = "(defaults)"
OF_OTHERS = ("check", "context", "inputs", "prompt", "sampling")
"""Tables of a task that stand in entries of their own."""


class Origin(Struct, frozen=True):
    """A file, by its path in the project, or of a TOML file a part: what stands under `only`, or all but `without`."""

    path: str
    only: tuple[Keys, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def is_part(self) -> bool:
        """Whether only some of the file's keys matter."""
        return bool(self.only or self.without)

    def of(self, values: Mapping[str, Any]) -> Any:
        """What the part holds, of the file's values."""
        if self.only:
            return [_under(values, keys) for keys in self.only]
        return {key: value for key, value in values.items() if key not in self.without}


def origins(project: Project) -> dict[str, tuple[Origin, ...]]:
    """The origins of every entry, by its key ("prompts/triage")."""
    found: dict[str, tuple[Origin, ...]] = {
        f"policies/{DEFAULTS}": (_declared(("defaults",)),),
        "packages/project": (_declared(("lock",)), *(Origin(each.path) for each in project.lock.dependencies)),
    }
    schemas: dict[str, list[str]] = {}
    for source in project.schemas:
        schemas.setdefault(source.schema.digest, []).append(source.path)
    for task in project.tasks.values():
        found |= _of_task(task, schemas)
    for model in project.models.values():
        files = [each for each in (model.served.chat_template, model.served.tokenizer) if each]
        found[f"models/{model.name}"] = (_declared(("models", model.name)), *(Origin(each.path) for each in files))
    for tool in _tools(project):
        files = [tool.implementation.source] if tool.implementation.source else []
        found[f"tools/{tool.name}"] = (Origin(f"tools/{tool.name}.json"), *(Origin(each.path) for each in files))
    for name in project.retrieval:
        found[f"retrieval/{name}"] = (_declared(("retrieval", name)),)
    for data in project.data_sets.values():
        found[f"data/{data.name}"] = tuple(_of_data(data, schemas))
    return found


def _of_task(task: Task, schemas: Mapping[str, list[str]]) -> dict[str, tuple[Origin, ...]]:
    folder = f"tasks/{task.name}"
    file = f"{folder}/task.toml"
    found = {
        f"sampling/{task.name}": (Origin(file, only=(("sampling",),)),),
        f"context/{task.name}": (Origin(file, only=(("context",),)),),
        f"policies/{task.name}": (Origin(file, without=OF_OTHERS), _declared(("defaults",))),
    }
    if task.prompt is not None:
        includes = (Origin(each.path) for each in task.prompt.includes)
        found[f"prompts/{task.name}"] = (
            Origin(f"{folder}/prompt.md"),
            Origin(file, only=(("inputs",), ("prompt",))),
            *includes,
        )
    if task.checks:
        named = (Schema(one.schema, sha256(one.schema.encode()).hexdigest()) for one in task.checks if one.schema)
        files = (origin for schema in named for origin in _of_schema(schema, schemas, folder))
        found[f"checks/{task.name}"] = (Origin(file, only=(("check",),)), *dict.fromkeys(files))
    if task.output is not None:
        models = dict.fromkeys((task.model, *task.fallback))
        engines = tuple(("models", model, key) for model in models for key in ("wire", "engine", "grammar"))
        of_schema = _of_schema(task.output.schema, schemas, folder)
        found[f"schemas/{task.name}"] = (*of_schema, Origin(file, only=(("output", "schema"),)), _declared(*engines))
    return found


def _of_data(data: DataSet, schemas: Mapping[str, list[str]]) -> Iterator[Origin]:
    if not data.name.startswith("tasks/"):
        yield Origin(f"data/{data.name}.json")
    yield Origin(data.file.path)
    if data.columns is not None:
        yield from _of_schema(data.columns, schemas, "data")
    if data.transform is not None:
        yield Origin(data.transform.path)


def _of_schema(schema: Schema, schemas: Mapping[str, list[str]], folder: str) -> list[Origin]:
    """The file of a schema; of several that say the same, those in the folder it is named from."""
    paths = schemas.get(schema.digest, [])
    near = [path for path in paths if path.startswith(f"{folder}/")]
    return [Origin(path) for path in near or paths]


def _tools(project: Project) -> list[Tool]:
    return list({tool.name: tool for task in project.tasks.values() for tool in task.tools}.values())


def _declared(*only: Keys) -> Origin:
    return Origin(PROJECT_FILE, only=only)


def _under(values: Any, keys: Keys) -> Any:
    for key in keys:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values
