"""What a lock pins of a task: its prompt, sampling, context strategy, output schema and policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.contracts import rules
from trimtab.declare.masks import without_secrets
from trimtab.declare.project import Defaults, Model, Objective, Project, Prompt, Schema, Task
from trimtab.lock.plain import place, plain
from trimtab.lock.resolve_models import data_digests
from trimtab.lock.schema_form import pinned_schema


def pinned_prompt(prompt: Prompt, project: Project) -> dict[str, Any]:
    """What is pinned of a prompt.

    The words of its turns stand in the lock, a line each: a check then tells which words changed where there is no
    version control, or only a shallow clone, and two locks can be compared by themselves.
    """
    return {
        "sha256": prompt.digest,
        "turns": [{"role": turn.role, "text": without_secrets(turn.template).split("\n")} for turn in prompt.turns],
        "inputs": {name: prompt.types.get(name, "") for name in prompt.inputs},
        "includes": {place(file.path, project.root): file.digest for file in prompt.includes},
        "tuned_on": data_digests(prompt.tuned_on, project),
    }


def pinned_policy(task: Task) -> dict[str, Any]:
    """Who may answer a task's calls, within which limits, and what becomes of answers that break its contract."""
    output = None if task.output is None else plain(task.output)
    if output is not None:
        del output["schema"]
    return {
        "model": task.model,
        "fallback": list(task.fallback),
        "owner": plain(task.owner),
        "class": task.task_class,
        "match": {"keys": sorted(task.match.keys), "system_prompt": sorted(task.match.system_prompt)},
        "deadline": plain(task.deadline),
        "objective": _objective(task.objective),
        "retry": plain(task.retry),
        "redaction": task.redaction,
        "output": output,
        "tools": [tool.name for tool in task.tools],
        "tool_calls": plain(task.tool_calls),
        "repetition": task.repetition,
        "retrieval": list(task.retrieval),
    }


def _objective(objective: Objective) -> dict[str, Any]:
    """What is promised, each percentile under the name it is declared by ("ttft_p95")."""
    goals = {f"{goal.measure}_p{round(goal.quantile * 100, 6):g}": plain(goal.limit_s) for goal in objective.goals}
    return {"goals_s": goals, "success": plain(objective.success), "window_s": plain(objective.window_s)}


def pinned_defaults(defaults: Defaults) -> dict[str, Any]:
    """What holds for tasks that say nothing, and for calls of no task; volatile parts of requests change no answer."""
    pinned: dict[str, Any] = plain(defaults)
    del pinned["volatile"]
    return pinned


def pinned_output(task: Task, schema: Schema, models: Mapping[str, Model], held: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a task's answers, with what the engine of each of its models does with it.

    What `held`, the earlier lock's entry, found of the same schema at the same engine under the same rules is not
    worked out again.
    """
    names = [name for name in dict.fromkeys((task.model, *task.fallback)) if name in models]
    found = _found_before(schema, held)
    return {
        "output": pinned_schema(schema),
        "rules": rules.VERSION,
        "support": {name: _support(schema, models[name], found.get(name)) for name in names},
    }


def _found_before(schema: Schema, held: Mapping[str, Any]) -> Mapping[str, Any]:
    output, found = held.get("output"), held.get("support")
    if not isinstance(output, Mapping) or not isinstance(found, Mapping):
        return {}
    return found if held.get("rules") == rules.VERSION and output.get("sha256") == schema.digest else {}


def _support(schema: Schema, model: Model, before: Any) -> dict[str, Any]:
    if isinstance(before, dict) and (before.get("engine"), before.get("grammar")) == (model.engine, model.grammar):
        return before
    from trimtab.lock.support import support  # noqa: PLC0415 - its imports take a third of the time of a check

    found: dict[str, Any] = plain(support(schema, model))
    return found
