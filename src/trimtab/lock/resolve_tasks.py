"""What a lock pins of a task: its prompt, sampling, context strategy, output schema and policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trimtab.contracts.classify import Classified, classify
from trimtab.contracts.compiling import read_schema
from trimtab.declare.project import Defaults, Model, Objective, Project, Prompt, Schema, Task
from trimtab.errors import SchemaInvalid
from trimtab.lock.plain import plain, without_secrets
from trimtab.lock.resolve_models import data_digests, pinned_file
from trimtab.lock.schema_form import pinned_schema

MAX_FINDINGS: Final = 20
"""Of a schema at one engine, the worst of them; how many there are more is told."""


def pinned_prompt(prompt: Prompt, project: Project) -> dict[str, Any]:
    """What is pinned of a prompt.

    The words of its turns stand in the lock, a line each: a check then tells which words changed where there is no
    version control, or only a shallow clone, and two locks can be compared by themselves.
    """
    return {
        "sha256": prompt.digest,
        "turns": [{"role": turn.role, "text": without_secrets(turn.template).split("\n")} for turn in prompt.turns],
        "inputs": {name: prompt.types.get(name, "") for name in prompt.inputs},
        "includes": [pinned_file(file, project.root) for file in prompt.includes],
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
    """What holds for tasks that say nothing, and for calls of no task."""
    pinned: dict[str, Any] = plain(defaults)
    return pinned


def pinned_output(task: Task, schema: Schema, models: Mapping[str, Model]) -> dict[str, Any]:
    """The schema of a task's answers, with what the engine of each of its models does with it."""
    names = (task.model, *task.fallback)
    return {
        "output": pinned_schema(schema),
        "support": {name: _support(schema, models[name]) for name in dict.fromkeys(names) if name in models},
    }


def _support(schema: Schema, model: Model) -> dict[str, Any]:
    found = _classified(schema.text, model)
    told = [
        f"{finding.effect} {finding.path or '(top)'}{' ' if finding.keyword else ''}{finding.keyword}"
        for finding in found.findings
    ]
    findings = list(dict.fromkeys(told))
    more = len(findings) - MAX_FINDINGS
    return {
        "engine": model.engine,
        "grammar": model.grammar,
        "class": found.kind,
        "findings": [*findings[:MAX_FINDINGS], *([f"and {more} more"] if more > 0 else [])],
    }


def _classified(text: str, model: Model) -> Classified:
    """The class of a schema; one that no validator compiles is sent nowhere (`trimtab check` tells why)."""
    try:
        return classify(read_schema(text), model.engine, model.grammar)
    except SchemaInvalid:
        return Classified("validated")
