"""The windows of a snapshot's tasks, and what they share beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec
from msgspec import Raw, Struct

from trimtab.declare.project import Model, Objective, Retry, Sampling
from trimtab.gateway.context.summaries import Summaries
from trimtab.gateway.context.tokens import Tokenizers
from trimtab.gateway.context.window import Remembered, Window
from trimtab.gateway.contract import Contract
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.record.events import SUMMARY_TASK

SUMMARY_ATTEMPTS: Final = 2


@dataclass(frozen=True)
class ContextMemory:
    """What the windows of one worker keep over all snapshots."""

    tokenizers: Tokenizers
    remembered: Remembered = field(default_factory=Remembered)
    summaries: Summaries = field(default_factory=Summaries)


class TaskWindow(Struct, frozen=True, eq=False):
    """The window of a task; `summariser` is who writes summaries for it, and `summary` the policy of these calls."""

    window: Window
    summariser: Model | None = None
    summary: TaskPolicy | None = None


def windows(snapshot: Snapshot, contracts: Mapping[str, Contract], memory: ContextMemory) -> dict[str, TaskWindow]:
    """The windows of the tasks that have a context strategy or a limit, by the tasks' names."""
    return {
        task.name: window_of(task, snapshot, contracts[task.name], memory)
        for task in snapshot.tasks.values()
        if task.context.strategy != "full" or task.context.max_input_tokens is not None
    }


def window_of(task: TaskPolicy, snapshot: Snapshot, contract: Contract, memory: ContextMemory) -> TaskWindow:
    """The window of one task."""
    counter = partial(memory.tokenizers.counter, snapshot.models[task.models[0]])
    tools = [
        Raw(msgspec.json.encode({"name": tool.name, "description": tool.description, "parameters": tool.schema}))
        for tool in contract.tool_edits
    ]
    window = Window(task, tools, counter, memory.remembered)
    if task.context.strategy != "summarise":
        return TaskWindow(window)
    return TaskWindow(window, snapshot.models[task.context.model], summary_policy(task))


def summary_policy(task: TaskPolicy) -> TaskPolicy:
    """The policy of a call that summarises for a task: its clocks, its redaction and its owner, and no contract."""
    return TaskPolicy(
        name=SUMMARY_TASK,
        owner=task.owner,
        task_class=task.task_class,
        models=(task.context.model,),
        sampling=Sampling(),
        deadline=task.deadline,
        objective=Objective(),
        retry=Retry(attempts=SUMMARY_ATTEMPTS),
        redaction=task.redaction,
        prompt=None,
    )
