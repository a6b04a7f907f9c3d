"""What a task lacks before it runs in production: what tells that it is well, and what holds it when it is not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import click
from msgspec import Struct

from trimtab.cli.screen import next_verb
from trimtab.declare.project import Project, Task

CASES: Final = "tasks/{task}/cases"


class Lack(Struct, frozen=True):
    """Something a task is without: the file to write it in, what is missing, and what to write."""

    task: str
    file: str
    what: str
    instead: str


def lacking(project: Project) -> tuple[Lack, ...]:
    """All that the tasks of a project are without, by task; one without any task lacks that."""
    if not project.tasks:
        what = "no task is declared, so nothing is watched by task"
        return (Lack("", "tasks", what, "write tasks/NAME/task.toml, or take over what is seen with `trimtab adopt`"),)
    return tuple(lack for task in project.tasks.values() for lack in _of(task, project))


def _of(task: Task, project: Project) -> list[Lack]:
    file, found = f"tasks/{task.name}/task.toml", []

    def lacks(what: str, instead: str, where: str = file) -> None:
        found.append(Lack(task.name, where, what, instead))

    completion = task.completion
    if task.output is None and (completion is None or not completion.rule):
        instead = 'write output = { schema = "output.schema.json" }, or completion = { rule = "..." }'
        lacks("neither a schema nor a rule tells whether an answer is right", instead)
    if completion is None:
        instead = "write completion = { rule = \"outcome == 'ok'\" }, or one with feedback or judge"
        lacks("nothing tells when its work is done", instead)
    if CASES.format(task=task.name) not in project.data_sets:
        instead = f"write some, or draw them with `trimtab data from-calls --task {task.name}`"
        lacks("there are no cases to try a change on", instead, f"tasks/{task.name}/cases.jsonl")
    if not task.objective.goals and task.objective.success is None:
        lacks("it promises nothing", 'write objective = { success = 0.99, ttft_p95 = "2s" }')
    if not task.owner:
        lacks("nobody owns it, so nobody is told of its alerts", 'write owner = "TEAM"')
    if task.sampling.max_output_tokens is None:
        lacks("its answers may be of any length", "write sampling = { max_output_tokens = ... }")
    if task.deadline.total_s is None:
        lacks("its calls may take any time", 'write deadline = { total = "60s" }')
    return found


def show_lacks(lacks: Sequence[Lack]) -> None:
    """Tells them, a task after another."""
    for task, of_task in groupby(lacks, key=lambda one: one.task):
        click.echo(f"{task or 'the project'} is not ready for production:")
        for one in of_task:
            click.echo(f"  {one.file}: {one.what}; {one.instead}")
    things = "1 thing is" if len(lacks) == 1 else f"{len(lacks)} things are"
    click.echo(f"\n{things} missing.")
    next_verb("trimtab check --production")
