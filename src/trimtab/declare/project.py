"""What a project declares, as frozen structs: the result of reading `trimtab.toml` and the task folders.

Durations are seconds, sizes bytes, money `Decimal` US dollars.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct

Redaction = Literal["full", "preview", "digest", "none"]
TaskClass = Literal["interactive", "background"]
Environment = str


class Secret(Struct, frozen=True):
    """Where a secret lies, never the secret: `env:NAME` or `file:/path`."""

    kind: Literal["env", "file"]
    place: str


class Tls(Struct, frozen=True):
    """The certificate and key files a listener serves with."""

    cert: str
    key: str


class Listen(Struct, frozen=True):
    """Where a process listens."""

    host: str
    port: int
    tls: Tls | None = None


class Limits(Struct, frozen=True):
    """What one gateway worker accepts from clients; times in seconds, sizes in bytes."""

    max_header: int = 64 << 10
    max_body: int = 32 << 20
    max_connections: int = 16_384
    header_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    idle_timeout_s: float = 120.0
    slow_reader_s: float = 30.0
    drain_s: float = 30.0


class Gateway(Struct, frozen=True):
    """The `[gateway]` table; `keys` is "open" only where it listens on loopback."""

    listen: Listen
    workers: int
    limits: Limits = Limits()
    keys: Literal["required", "open"] = "required"


class Control(Struct, frozen=True):
    """The `[control]` table."""

    listen: Listen


class Data(Struct, frozen=True):
    """The `[data]` table; `telemetry` is `chdb` (embedded) or a ClickHouse URL."""

    directory: str
    retention_s: float
    fsync_interval_s: float
    reserve_bytes: int
    spool_limit_bytes: int
    telemetry: str = "chdb"
    telemetry_password: Secret | None = None


class Deadlines(Struct, frozen=True):
    """Limits of a call. `connect`, `first_token` and `gap` are clocks of an attempt, `total` is the call's."""

    connect_s: float = 5.0
    first_token_s: float = 120.0
    gap_s: float = 60.0
    total_s: float | None = None


class Goal(Struct, frozen=True):
    """One percentile goal: `quantile` of `measure` stays at or below `limit_s`."""

    measure: Literal["ttft", "tpot", "gap", "total"]
    quantile: float
    limit_s: float


class Objective(Struct, frozen=True):
    """What a task promises over a window."""

    goals: tuple[Goal, ...] = ()
    success: float | None = None
    window_s: float = 28 * 86_400.0


class Price(Struct, frozen=True):
    """US dollars for `per_tokens` tokens of each class, in force from a day on; None means that class is not priced."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    per_tokens: int = 1_000_000
    from_day: date | None = None


class Gpu(Struct, frozen=True):
    """The hardware one replica runs on."""

    kind: str
    count: int
    usd_per_hour: Decimal


class Route(Struct, frozen=True):
    """A method and an exact path that may pass through to a model's server."""

    method: str
    path: str


class Model(Struct, frozen=True):
    """A pinned served model and the replicas that serve it."""

    name: str
    served_name: str
    replicas: tuple[str, ...]
    wire: Literal["openai"] = "openai"
    revision: str = ""
    api_key: Secret | None = None
    ca: str | None = None
    proxy: str | None = None
    passthrough: tuple[Route, ...] = ()
    prices: tuple[Price, ...] = ()
    gpu: Gpu | None = None


class Match(Struct, frozen=True):
    """How calls of unchanged clients are mapped to a task."""

    keys: tuple[str, ...] = ()
    system_prompt: tuple[str, ...] = ()


class Sampling(Struct, frozen=True):
    """Sampling a task pins; None leaves the client's value."""

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None


class Retry(Struct, frozen=True):
    """How many attempts one call may make over all replicas and fallbacks."""

    attempts: int = 3


class Turn(Struct, frozen=True):
    """One message of a prompt before rendering: a role and a Jinja2 template."""

    role: Literal["system", "user", "assistant"]
    template: str


class Prompt(Struct, frozen=True):
    """A prompt file: its turns, the inputs it names and the digest of its text (sha256, hexadecimal)."""

    turns: tuple[Turn, ...]
    inputs: tuple[str, ...]
    digest: str


class Task(Struct, frozen=True):
    """A kind of work: the unit of policy."""

    name: str
    model: str
    owner: str = ""
    task_class: TaskClass = "interactive"
    fallback: tuple[str, ...] = ()
    match: Match = Match()
    sampling: Sampling = Sampling()
    deadline: Deadlines = Deadlines()
    objective: Objective = Objective()
    retry: Retry = Retry()
    redaction: Redaction = "full"
    prompt: Prompt | None = None


class Defaults(Struct, frozen=True):
    """The `[defaults]` table: for tasks that say nothing, and for (undeclared) calls."""

    deadline: Deadlines = Deadlines()
    redaction: Redaction = "full"
    undeclared_redaction: Redaction = "digest"
    retry: Retry = Retry()


class Project(Struct, frozen=True):
    """A whole declaration that was found free of mistakes."""

    root: str
    environment: Environment
    gateway: Gateway
    control: Control
    data: Data
    defaults: Defaults
    models: dict[str, Model]
    tasks: dict[str, Task]
