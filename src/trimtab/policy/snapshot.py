"""The compiled policy all workers of a host serve under: frozen, digested, looked things up in by dictionary."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from trimtab.cost.prices import Rate
from trimtab.declare.project import (
    Context,
    Deadlines,
    Defaults,
    Gateway,
    Model,
    Objective,
    Output,
    Prompt,
    Redaction,
    Repetition,
    Retry,
    Sampling,
    TaskClass,
    Tool,
    ToolCalls,
)

UNDECLARED = "(undeclared)"
PROBE = "(probe)"
"""The task that our own questions to a model are recorded under; no client's call has it."""
FORMAT_VERSION = 2


class TaskPolicy(Struct, frozen=True):
    """All that the call path must know of one task, defaults already filled in.

    `models` holds the task's model and then its fallbacks, in the order they are tried. `context_digest` is that of the
    lock's entry of the task's context strategy (sha256, hexadecimal). `volatile` are paths in requests that do not make
    a step of a run another one (`journal.requests.Path`).
    """

    name: str
    owner: str
    task_class: TaskClass
    models: tuple[str, ...]
    sampling: Sampling
    deadline: Deadlines
    objective: Objective
    retry: Retry
    redaction: Redaction
    prompt: Prompt | None
    output: Output | None = None
    tools: tuple[Tool, ...] = ()
    tool_calls: ToolCalls = ToolCalls()
    repetition: Repetition = "off"
    context: Context = Context()
    context_digest: str = ""
    retrieval: tuple[str, ...] = ()
    volatile: tuple[tuple[str | int, ...], ...] = ()


class Snapshot(Struct, frozen=True):
    """One frozen whole. `digest` is the sha256 of the rest in canonical form.

    `lock_id` is that of the lock which says the same as this snapshot, and empty where none does. `requested` tells,
    for each model that the lock resolved to another name, the name that was declared.
    """

    digest: str
    environment: str
    lock_id: str
    gateway: Gateway
    defaults: Defaults
    models: dict[str, Model]
    rates: dict[str, tuple[Rate, ...]]
    gpu_pusd_per_s: dict[str, int]
    tasks: dict[str, TaskPolicy]
    task_of_key: dict[str, str]
    task_of_system_prompt: dict[str, str]
    keys_required: bool
    requested: dict[str, str] = {}
    version: int = FORMAT_VERSION

    def undeclared(self, model: str) -> TaskPolicy:
        """The policy of a call that no task claims: the defaults, and the one model it asked for."""
        return TaskPolicy(
            name=UNDECLARED,
            owner="",
            task_class="interactive",
            models=(model,),
            sampling=Sampling(),
            deadline=self.defaults.deadline,
            objective=Objective(),
            retry=self.defaults.retry,
            redaction=self.defaults.undeclared_redaction,
            prompt=None,
            volatile=self.defaults.volatile,
        )


def encode(snapshot: Snapshot) -> bytes:
    """The snapshot as it is published to workers (MessagePack)."""
    return msgspec.msgpack.encode(snapshot)


def decode(data: bytes) -> Snapshot:
    """Reads what `encode` wrote; raises `msgspec.DecodeError` on anything else."""
    return msgspec.msgpack.decode(data, type=Snapshot)
