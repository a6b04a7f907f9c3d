"""What is declared of alerts, completion and scraping, as frozen structs: parts of `declare.project`.

Durations are seconds.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Severity = Literal["page", "ticket"]
"""Whether somebody is woken, or it can wait until the morning."""
ReceiverKind = Literal["webhook", "slack", "pagerduty", "email", "alertmanager"]
Comparison = Literal["below", "above", "falls", "rises", "changes", "drifts", "burns", "happens"]
"""`below` and `above` hold a ratio or quantile against `limit`; `falls`, `rises` and `changes` against what was learned
of it; `drifts` a distribution against what was learned; `burns` the error budget of an objective; `happens` is for
signals that are so or not."""


class AlertRule(Struct, frozen=True):
    """A signal, a comparison and a consequence; one of a task (`tasks/TASK/task.toml`, `[alerts.NAME]`), or of the
    whole project (`trimtab.toml`) where it holds for every task, each apart.

    `by` tells apart what is watched within a task. `field` names the field of a prediction, input or score.
    `smallest` is the change worth an alert: a share of the learned value for latency and length, points for rates.
    """

    name: str
    signal: str
    comparison: Comparison
    limit: float | None = None
    window_s: float = 3600.0
    quantile: float | None = None
    field: str = ""
    by: Literal["task", "model", "replica", "prompt"] = "task"
    smallest: float | None = None
    severity: Severity = "ticket"
    receivers: tuple[str, ...] = ()
    off: bool = False


class Address(Struct, frozen=True):
    """A URL, or where a secret one lies: `env:NAME` or `file:/path`."""

    text: str
    is_secret: bool = False


class Receiver(Struct, frozen=True):
    """Where alerts are delivered, `[receivers.NAME]`. `secret` signs webhooks, is PagerDuty's routing key or the
    password of e-mail; each is named as `env:` or `file:`, never written down. `severities` are those it takes.
    """

    name: str
    kind: ReceiverKind
    url: Address | None = None
    secret: Address | None = None
    to: tuple[str, ...] = ()
    sender: str = ""
    user: str = ""
    severities: tuple[Severity, ...] = ("page", "ticket")


class Maintenance(Struct, frozen=True):
    """A window in which alerts open but nobody is told: `[[maintenance]]`. Times are minutes of a week from Monday
    0:00 UTC for one that repeats, else ns since 1970. `tasks` empty is all.
    """

    reason: str
    begins: int
    ends: int
    weekly: bool
    tasks: tuple[str, ...] = ()


class Alerting(Struct, frozen=True):
    """The `[alerts]` table and what belongs to it.

    `defaults`: the rules that exist without writing any. `owners` names the receivers of each owner; `receivers` are
    those of alerts whose owner has none. `silent_after_s`: the dead man's switch: so long without any record while
    calls are open, or without a pass of the evaluation, is itself an alert. `false_alarms_per_month` is the rate that
    each monitor keeps to.
    """

    defaults: bool = True
    rules: tuple[AlertRule, ...] = ()
    receivers: dict[str, Receiver] = {}
    owners: dict[str, tuple[str, ...]] = {}
    fallback: tuple[str, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    silent_after_s: float = 900.0
    false_alarms_per_month: float = 1.0
    console_url: str = ""


class Completion(Struct, frozen=True):
    """When a task's work is done, `completion` in its task.toml.

    `rule` is a condition (`declare.conditions`) over the last call of a run, or over each call where no run is given:
    its `outcome`, `verdict`, `finish_reason`, `tool_calls`, `calls` of the run so far, and `answer`, its JSON or else
    its text. A run is over when no call of it came for `quiet_s`. `feedback` names a score that tells it. `judge` is
    the model that is asked, with `question`, for `sample` of the calls, `calls_a_day` at most.
    """

    rule: str = ""
    feedback: str = ""
    judge: str = ""
    question: str = ""
    sample: float = 0.0
    quiet_s: float = 300.0
    calls_a_day: int = 200


class Scrape(Struct, frozen=True):
    """Whose metrics are read: `path` at each replica of a model, or `urls`, one for each replica; both are empty where
    only the GPUs are asked. `exporters` are URLs of DCGM exporters, one for each replica or one for all.
    """

    path: str = "/metrics"
    every_s: float = 15.0
    exporters: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
