"""Compiles a declaration into the snapshot that gateways serve under."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from fractions import Fraction

import msgspec

from trimtab.cost.prices import PUSD_PER_USD, Rate
from trimtab.declare.project import Gpu, Price, Project, Task
from trimtab.policy.snapshot import Snapshot, TaskPolicy

SECONDS_PER_HOUR = 3600


def compile(project: Project) -> Snapshot:
    """The snapshot of a project. Equal projects give equal digests, in any process and any order of declaration."""
    tasks = sorted(project.tasks.items())
    snapshot = Snapshot(
        digest="",
        environment=project.environment,
        lock_id="",
        gateway=project.gateway,
        defaults=project.defaults,
        models=dict(sorted(project.models.items())),
        rates={name: tuple(map(_rate, model.prices)) for name, model in sorted(project.models.items()) if model.prices},
        gpu_pusd_per_s={
            name: _gpu_pusd_per_s(model.gpu) for name, model in sorted(project.models.items()) if model.gpu
        },
        tasks={name: _task(task) for name, task in tasks},
        task_of_key={key: name for name, task in tasks for key in task.match.keys},
        task_of_system_prompt={digest: name for name, task in tasks for digest in task.match.system_prompt},
        keys_required=project.gateway.keys == "required",
    )
    return msgspec.structs.replace(snapshot, digest=digest(snapshot))


def digest(snapshot: Snapshot) -> str:
    """The sha256 (hexadecimal) of everything in a snapshot but its digest, in canonical form: sorted MessagePack."""
    rest = msgspec.structs.replace(snapshot, digest="")
    return hashlib.sha256(msgspec.msgpack.Encoder(order="sorted").encode(rest)).hexdigest()


def _task(task: Task) -> TaskPolicy:
    return TaskPolicy(
        name=task.name,
        owner=task.owner,
        task_class=task.task_class,
        models=(task.model, *task.fallback),
        sampling=task.sampling,
        deadline=task.deadline,
        objective=task.objective,
        retry=task.retry,
        redaction=task.redaction,
        prompt=task.prompt,
        output=task.output,
        tools=task.tools,
        tool_calls=task.tool_calls,
        repetition=task.repetition,
    )


def _rate(price: Price) -> Rate:
    """A price for each token; the declaration has made sure that it is whole."""

    def per_token(usd: Decimal | None) -> int | None:
        if usd is None:
            return None
        numerator, denominator = usd.as_integer_ratio()
        return numerator * PUSD_PER_USD // (denominator * price.per_tokens)

    return Rate(
        input=per_token(price.input) or 0,
        output=per_token(price.output) or 0,
        cache_read=per_token(price.cache_read),
        cache_write=per_token(price.cache_write),
        reasoning=per_token(price.reasoning),
        from_day=price.from_day,
    )


def _gpu_pusd_per_s(gpu: Gpu) -> int:
    """What a second of one replica costs, to the nearest picodollar."""
    numerator, denominator = gpu.usd_per_hour.as_integer_ratio()
    return round(Fraction(numerator * gpu.count * PUSD_PER_USD, denominator * SECONDS_PER_HOUR))
