"""What a case may have been seen in: the turns of prompts, and data sets that prompts and models were made with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from trimtab.data.manifest import CASES_OF, Held
from trimtab.declare.project import Model, Project, Prompt, Task

TEMPLATE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
Use = Literal["prompt", "tuned_on", "few_shot", "trained_on", "split"]


class Reference(Struct, frozen=True):
    """One thing to hold cases against: a data set by its name, or the text of a prompt's turn (`text`)."""

    use: Use
    name: str
    where: str
    text: str = ""


def references(project: Project, tried: Held, others: tuple[Held, ...]) -> tuple[Reference, ...]:
    """Everything that cases of this data set may have been seen in.

    For the cases of a task that is what belongs to the task and its models; for another set of cases to any of them. A
    prompt is not held against the set that it was tuned on, unless these are the task's own cases.
    """
    own = CASES_OF.fullmatch(tried.name)
    tasks = [project.tasks[own[1]]] if own and own[1] in project.tasks else list(project.tasks.values())
    found: dict[Reference, None] = {}
    for task in tasks:
        if task.prompt is not None:
            found.update(dict.fromkeys(_of_prompt(task, task.prompt, tried.name, is_own=own is not None)))
    served = {name for task in tasks for name in (task.model, *task.fallback)}
    for name, model in project.models.items():
        if name in served:
            found.update(dict.fromkeys(_of_model(model)))
    for other in others:
        if other.name != tried.name and other.purpose == "few_shot":
            found[Reference("few_shot", other.name, f"the few-shot examples {other.name}")] = None
        if _is_other_side(tried, other):
            found[Reference("split", other.name, f"the other side of its split, {other.name}")] = None
    return tuple(found)


def uses(project: Project, name: str) -> tuple[str, ...]:
    """Where a data set is used, in words."""
    found = [f"cases of task {name.split('/')[1]}"] if CASES_OF.fullmatch(name) else []
    found += [
        f"prompt of task {task.name} (tuned_on)"
        for task in project.tasks.values()
        if task.prompt and name in task.prompt.tuned_on
    ]
    for model in project.models.values():
        if name in model.served.trained_on:
            found.append(f"model {model.name} (trained_on)")
        adapter = model.served.adapter
        if adapter and name in adapter.trained_on:
            found.append(f"adapter {adapter.name} of model {model.name} (trained_on)")
    children = [each.name for each in project.data_sets.values() if name in {parent.name for parent in each.parents}]
    return (*found, *(f"parent of {child}" for child in children))


def _of_prompt(task: Task, prompt: Prompt, tried: str, *, is_own: bool) -> Iterator[Reference]:
    for number, turn in enumerate(prompt.turns, 1):
        text = TEMPLATE.sub(" ", turn.template)
        yield Reference("prompt", f"tasks/{task.name}/prompt.md", f"turn {number} of the prompt of {task.name}", text)
    for name in prompt.tuned_on:
        if name != tried or is_own:
            yield Reference("tuned_on", name, f"{name}, which the prompt of {task.name} was tuned on")


def _of_model(model: Model) -> Iterator[Reference]:
    for name in model.served.trained_on:
        yield Reference("trained_on", name, f"{name}, which the model {model.name} was trained on")
    adapter = model.served.adapter
    for name in adapter.trained_on if adapter else ():
        yield Reference(
            "trained_on", name, f"{name}, which the adapter {adapter.name if adapter else ''} was trained on"
        )


def _is_other_side(tried: Held, other: Held) -> bool:
    one, two = (each.manifest.split if each.manifest else None for each in (tried, other))
    return one is not None and two is not None and one.of == two.of and one.side != two.side
