"""Reads a whole project: `trimtab.toml` and the task folders, every mistake at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from trimtab.declare import values
from trimtab.declare.alert_settings import read_alerting, read_task_rules
from trimtab.declare.check_rules import check_check_references
from trimtab.declare.completion import check_judges
from trimtab.declare.context import check_context_models
from trimtab.declare.data_sets import manifests, read_data_sets
from trimtab.declare.evaluations import check_judging_models, check_suite_data, read_evals
from trimtab.declare.governance import read_defaults
from trimtab.declare.host import check_listeners, read_background, read_control, read_data, read_gateway
from trimtab.declare.keys import PROJECT_KEYS, PROJECT_PLANNED, TASK_KEYS, TASK_PLANNED
from trimtab.declare.library import Library
from trimtab.declare.mistakes import Mistake, Mistakes
from trimtab.declare.models import read_model, read_models
from trimtab.declare.names import check_data_sets, check_retrieval
from trimtab.declare.project import Project, SchemaSource
from trimtab.declare.references import check_confidence, check_matches, check_models_of, check_names, check_passthrough
from trimtab.declare.review_rules import check_review_receivers
from trimtab.declare.runs import read_keep, read_volatile
from trimtab.declare.source import Source, read_toml
from trimtab.declare.surroundings import read_lock, read_retrieval
from trimtab.declare.table import Table
from trimtab.declare.tasks import read_task, read_task_file, task_folders
from trimtab.declare.unknown import Keys
from trimtab.errors import DeclarationError

PROJECT_FILE: Final = "trimtab.toml"
ENVIRONMENT: Final = "development"


class Reading(NamedTuple):
    """What came of reading a project: `project` is None where there are mistakes.

    `schemas` are those that could be read, mistakes or not. `data_directory` too is given where there are mistakes, so
    that a broken edit does not keep anybody from revoking a key; it is None only where `trimtab.toml` could not be read
    at all.
    """

    project: Project | None
    mistakes: tuple[Mistake, ...]
    data_directory: Path | None
    schemas: tuple[SchemaSource, ...] = ()


def load(root: Path | str, cpus: int | None = None) -> Project:
    """The project in `root`; raises `DeclarationError`, which lists every mistake as `path:line: what; instead`.

    `cpus` is the number of cores that the default of `gateway.workers` is chosen by; without it, those of this process.
    """
    reading = read(root, cpus)
    if reading.project is None:
        raise DeclarationError(str(root), tuple(map(str, reading.mistakes)))
    return reading.project


def read(root: Path | str, cpus: int | None = None, *, data: bool = True) -> Reading:
    """The project in `root`, or its mistakes in the order of files and lines. Raises nothing.

    Without `data` nothing is said of data sets, and none is read: they may be large, and few questions are about them.
    """
    root = Path(root).absolute()
    mistakes = Mistakes()
    source = read_toml(root, PROJECT_FILE, mistakes, "say --project FOLDER, or write it with `trimtab init`")
    files = {name: read_task_file(root, name, mistakes) for name in task_folders(root, mistakes)}
    _check_keys(source, files, mistakes)
    tasks = {name: Table.whole(file, mistakes) for name, file in files.items() if file is not None}
    top = Table.whole(source, mistakes) if source else Table.whole(Source(PROJECT_FILE, {}, dict), Mistakes())
    models = read_models(top.table("models"))
    check_names(tasks, models)
    check_matches(tasks)
    check_passthrough(models)
    if source is not None:
        check_models_of(tasks, models)
        check_confidence(tasks, models)
        check_context_models(tasks, models)
        check_judges(tasks, models)
        check_check_references(tasks, models)
        check_judging_models(tasks, models)
        check_review_receivers(tasks, top.table("receivers"))
        check_retrieval(tasks, _named(top, "retrieval"))
    library = Library(root, mistakes)
    project = _project(root, top, models, tasks, library, cpus or len(os.sched_getaffinity(0)))
    if data:
        data_sets = read_data_sets(root, tasks, library, mistakes)
        known = {*data_sets, *manifests(root, Mistakes())}
        check_data_sets(tasks, models, known)
        check_suite_data(tasks, known)
        project = replace(project, data_sets=data_sets)
    project = replace(project, schemas=library.sources, lock=read_lock(top.table("lock"), root, mistakes))
    found = tuple(mistakes)
    return Reading(None if found else project, found, Path(project.data.directory) if source else None, project.schemas)


def _check_keys(source: Source | None, files: dict[str, Source | None], mistakes: Mistakes) -> None:
    if source is not None:
        Keys(PROJECT_KEYS, PROJECT_PLANNED).check(source, mistakes)
    of_tasks = Keys(TASK_KEYS, TASK_PLANNED)
    for file in files.values():
        if file is not None:
            of_tasks.check(file, mistakes)


def _project(
    root: Path, top: Table, models: dict[str, Table], tasks: dict[str, Table], library: Library, cpus: int
) -> Project:
    gateway, control = read_gateway(top.table("gateway"), root, cpus), read_control(top.table("control"), root)
    check_listeners(top.table("gateway"), top.table("control"), gateway, control)
    defaults = replace(read_defaults(top.table("defaults")), volatile=read_volatile(top.table("runs")))
    read = {name: read_task(name, table, defaults, library) for name, table in tasks.items()}
    read = {
        name: replace(
            task,
            alerts=read_task_rules(tasks[name], top, task.objective),
            evals=read_evals(name, tasks[name].table("evals"), root) if "evals" in tasks[name] else None,
        )
        for name, task in read.items()
    }
    data = read_data(top.table("data"), root)
    return Project(
        root=str(root),
        environment=top.get("environment", values.name, ENVIRONMENT),
        gateway=gateway,
        control=control,
        data=data,
        defaults=defaults,
        experiments=top.table("runs").get("experiments", values.truth, False),
        models={name: read_model(name, table, root) for name, table in models.items()},
        tasks=read,
        retrieval={name: read_retrieval(name, table) for name, table in _named(top, "retrieval").items()},
        alerting=read_alerting(top, root, read, tasks),
        keep=read_keep(top.table("runs")),
        background=read_background(top.table("background"), data, gateway),
    )


def _named(top: Table, key: str) -> dict[str, Table]:
    """The tables of a table whose names are good, by name."""
    table = top.table(key)
    return {name: table.table(name) for name in table if values.NAME.fullmatch(name)}
