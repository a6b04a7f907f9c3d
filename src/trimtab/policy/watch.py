"""What control watches for: the declared alerts, receivers, owners, objectives, completion rules, rules of reviews,
schedules of suites and scraping.

It is published beside the snapshot and is no part of it: no call is served otherwise because a rule on alerts changed,
so an edit of these changes neither the snapshot's digest nor the lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.declare.alert_defaults import DEFAULTS
from trimtab.declare.alerting import Address, Alerting, AlertRule, Completion, Maintenance, Receiver, Scrape
from trimtab.declare.evaluating import Evals
from trimtab.declare.project import Objective, Project, Task
from trimtab.declare.reviewing import ReviewRule, ReviewSample

__all__ = (
    "Address",
    "AlertRule",
    "Alerting",
    "Completion",
    "Maintenance",
    "Objective",
    "Receiver",
    "ReviewRule",
    "ReviewSample",
    "Scrape",
    "TaskWatch",
    "Watch",
    "decode",
    "encode",
    "watch_of",
)

FORMAT_VERSION = 1
EVENT: Final = "happens"


class TaskWatch(Struct, frozen=True):
    """What is watched of one task. `models` are its model and then its fallbacks.

    `alerts` are all rules that hold for it, by name: the defaults, the project's and its own, each in the place of one
    before it of the same name; what is switched off is left out. `evals` is its suite, where it has a schedule or real
    calls are scored by it.
    """

    owner: str = ""
    models: tuple[str, ...] = ()
    objective: Objective = Objective()
    alerts: tuple[AlertRule, ...] = ()
    completion: Completion | None = None
    evals: Evals | None = None
    reviews: tuple[ReviewRule, ...] = ()
    review_sample: ReviewSample | None = None


class Watch(Struct, frozen=True):
    """One frozen whole; `digest` is the sha256 (hexadecimal) of the rest. Models without scraping are left out.

    `events` are the rules on what belongs to no one task: replicas, models, tools, records.
    """

    digest: str = ""
    environment: str = ""
    alerting: Alerting = Alerting()
    tasks: dict[str, TaskWatch] = {}
    events: tuple[AlertRule, ...] = ()
    scrapes: dict[str, Scrape] = {}
    version: int = FORMAT_VERSION


def watch_of(project: Project) -> Watch:
    """What is to be watched for in a project; equal declarations give equal digests."""
    watch = Watch(
        environment=project.environment,
        alerting=project.alerting,
        tasks={name: _task(task, project.alerting) for name, task in sorted(project.tasks.items())},
        events=tuple(rule for rule in _rules(project.alerting, ()) if rule.comparison == EVENT),
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


def _task(task: Task, alerting: Alerting) -> TaskWatch:
    return TaskWatch(
        owner=task.owner,
        models=(task.model, *task.fallback),
        objective=task.objective,
        alerts=tuple(rule for rule in _rules(alerting, task.alerts) if rule.comparison != EVENT),
        completion=task.completion,
        evals=task.evals if task.evals is not None and (task.evals.schedule or task.evals.online) else None,
        reviews=task.reviews,
        review_sample=task.review_sample,
    )


def _rules(alerting: Alerting, own: Iterable[AlertRule]) -> list[AlertRule]:
    """The rules in force, by name; the default ones first, in their own order."""
    found = {rule.name: rule for rule in DEFAULTS} if alerting.defaults else {}
    found |= {rule.name: rule for rule in (*alerting.rules, *own)}
    return [rule for rule in found.values() if not rule.off]
