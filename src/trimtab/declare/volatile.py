"""What a project declares volatile: paths in requests that make no step of a run another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trimtab.declare.load import PROJECT_FILE, read
from trimtab.declare.project import Project
from trimtab.declare.runs import VolatilePath


def volatile_of(project: Project) -> Sequence[VolatilePath]:
    """That of all its tasks."""
    declared = [project.defaults.volatile, *(task.volatile for task in project.tasks.values())]
    return sorted({path for paths in declared for path in paths}, key=str)


def volatile_in(root: Path) -> Sequence[VolatilePath]:
    """That of the project in a folder; nothing where none can be read."""
    reading = read(root) if (root / PROJECT_FILE).exists() else None
    return volatile_of(reading.project) if reading is not None and reading.project is not None else ()
