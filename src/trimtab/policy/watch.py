"""What control watches for: the declared alerts, receivers, owners, objectives, completion rules and scraping.

It is published beside the snapshot and is no part of it: no call is served otherwise because a rule on alerts changed,
so an edit of these changes neither the snapshot's digest nor the lock.
"""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from trimtab.declare.alerting import Alerting, AlertRule, Completion, Scrape
from trimtab.declare.project import Objective, Project, Task

__all__ = (
    "AlertRule",
    "Alerting",
    "Completion",
    "Objective",
    "Scrape",
    "TaskWatch",
    "Watch",
    "decode",
    "encode",
    "watch_of",
)

FORMAT_VERSION = 1


class TaskWatch(Struct, frozen=True):
    """What is watched of one task. `models` are its model and then its fallbacks."""

    owner: str = ""
    models: tuple[str, ...] = ()
    objective: Objective = Objective()
    alerts: tuple[AlertRule, ...] = ()
    completion: Completion | None = None


class Watch(Struct, frozen=True):
    """One frozen whole; `digest` is the sha256 (hexadecimal) of the rest. Models without scraping are left out."""

    digest: str = ""
    environment: str = ""
    alerting: Alerting = Alerting()
    tasks: dict[str, TaskWatch] = {}
    scrapes: dict[str, Scrape] = {}
    version: int = FORMAT_VERSION


def watch_of(project: Project) -> Watch:
    """What is to be watched for in a project; equal declarations give equal digests."""
    watch = Watch(
        environment=project.environment,
        alerting=project.alerting,
        tasks={name: _task(task) for name, task in sorted(project.tasks.items())},
        scrapes={name: model.scrape for name, model in sorted(project.models.items()) if model.scrape is not None},
    )
    canonical = msgspec.msgpack.Encoder(order="sorted").encode(watch)
    return msgspec.structs.replace(watch, digest=hashlib.sha256(canonical).hexdigest())


def encode(watch: Watch) -> bytes:
    """As it is published to control (MessagePack)."""
    return msgspec.msgpack.encode(watch)


def decode(data: bytes) -> Watch:
    """Reads what `encode` wrote; raises `msgspec.DecodeError` on anything else."""
    return msgspec.msgpack.decode(data, type=Watch)


def _task(task: Task) -> TaskWatch:
    return TaskWatch(
        owner=task.owner,
        models=(task.model, *task.fallback),
        objective=task.objective,
        alerts=task.alerts,
        completion=task.completion,
    )
