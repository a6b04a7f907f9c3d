"""Compiles a declaration into the snapshot that gateways serve under."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

from trimtab.contracts.validate import Validator
from trimtab.cost.prices import PUSD_PER_USD, Rate
from trimtab.declare.mistakes import Mistake
from trimtab.declare.project import Gpu, Model, Price, Project, SchemaSource, Task
from trimtab.errors import DeclarationError, SchemaInvalid
from trimtab.lock.lockfile import Lock, entry_digest
from trimtab.lock.plain import plain
from trimtab.policy.snapshot import Snapshot, TaskPolicy

SECONDS_PER_HOUR = 3600
REMEMBERED: Final = 512
"""Schemas whose verdict is kept: a declaration is read anew at every edit, and most of it is as before."""
POINTER: Final = re.compile(r"\bat '?(/[^\s']*[^\s',;:])")
"""Where a message says a schema is wrong."""


def compile(project: Project, lock: Lock | None = None, *, agrees: bool = True) -> Snapshot:
    """The snapshot of a project, and of the lock that it resolves to (`policy.agreement`).

    Models are called what the lock resolved them to; where it `agrees` with the one on disk, the snapshot bears its id.
    Equal projects and locks give equal digests, in any process and any order of declaration.

    Raises `DeclarationError` for schemas that do not compile.
    """
    mistakes = schema_mistakes(project.schemas)
    if mistakes:
        raise DeclarationError(project.root, tuple(map(str, mistakes)))
    tasks = sorted(project.tasks.items())
    resolved = {} if lock is None else _resolved(project.models, lock)
    snapshot = Snapshot(
        digest="",
        environment=project.environment,
        lock_id=lock.lock_id if lock is not None and agrees else "",
        gateway=project.gateway,
        defaults=project.defaults,
        models={
            name: msgspec.structs.replace(model, served_name=resolved.get(name, model.served_name), scrape=None)
            for name, model in sorted(project.models.items())
        },
        rates={name: tuple(map(_rate, model.prices)) for name, model in sorted(project.models.items()) if model.prices},
        gpu_pusd_per_s={
            name: _gpu_pusd_per_s(model.gpu) for name, model in sorted(project.models.items()) if model.gpu
        },
        tasks={name: _task(task) for name, task in tasks},
        task_of_key={key: name for name, task in tasks for key in task.match.keys},
        task_of_system_prompt={digest: name for name, task in tasks for digest in task.match.system_prompt},
        keys_required=project.gateway.keys == "required",
        requested={name: project.models[name].served_name for name in resolved},
    )
    return msgspec.structs.replace(snapshot, digest=digest(snapshot))


def _resolved(models: Mapping[str, Model], lock: Lock) -> dict[str, str]:
    """What the lock resolved names to that servers are not called by."""
    found: dict[str, str] = {}
    for name, one in sorted(lock.of("models").items()):
        declared = models[name].served_name if name in models else None
        resolved = one.pinned.get("resolved")
        if one.pinned.get("requested") == declared and isinstance(resolved, str) and resolved not in ("", declared):
            found[name] = resolved
    return found


def digest(snapshot: Snapshot) -> str:
    """The sha256 (hexadecimal) of everything in a snapshot but its digest, in canonical form: sorted MessagePack."""
    rest = msgspec.structs.replace(snapshot, digest="")
    return hashlib.sha256(msgspec.msgpack.Encoder(order="sorted").encode(rest)).hexdigest()


def schema_mistakes(schemas: Iterable[SchemaSource]) -> tuple[Mistake, ...]:
    """What is wrong with schemas that could be read and do not compile, each with its file and line."""
    return tuple(sorted(mistake for source in schemas if (mistake := _schema_mistake(source))))


def _schema_mistake(source: SchemaSource) -> Mistake | None:
    detail = _fault(source.schema.text)
    if not detail:
        return None
    place = POINTER.search(detail)
    line = _line(source, place[1] if place else "")
    return Mistake(source.path, line, f"this JSON Schema cannot be used: {detail}", "correct it (json-schema.org)")


@lru_cache(maxsize=REMEMBERED)
def _fault(text: str) -> str:
    """Why a schema does not compile; empty for one that does."""
    try:
        Validator(text)
    except SchemaInvalid as wrong:
        return str(wrong.facts["detail"])
    return ""


def _line(source: SchemaSource, pointer: str) -> int:
    """The line of a JSON Pointer or, where it has none, of the nearest one around it."""
    while pointer and pointer not in source.lines:
        pointer = pointer.rpartition("/")[0]
    return source.lines.get(pointer, 1)


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
        context=task.context,
        context_digest=entry_digest("context", plain(task.context)),
        retrieval=task.retrieval,
        volatile=task.volatile,
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
