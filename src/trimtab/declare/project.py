"""What a project declares, as frozen structs: the result of reading `trimtab.toml` and the task folders.

Durations are seconds, sizes bytes, money `Decimal` US dollars.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Literal

from msgspec import Struct

from trimtab.declare.alerting import Alerting, AlertRule, Completion, Scrape
from trimtab.declare.evaluating import Evals
from trimtab.declare.reviewing import ReviewRule, ReviewSample

Redaction = Literal["full", "preview", "digest", "none"]
TaskClass = Literal["interactive", "background"]
Environment = str
Wire = Literal["openai", "anthropic"]
Engine = Literal["vllm", "openai", "anthropic", "other"]
"""Whose rules a model's servers follow where servers of one wire differ: schemas, strict tools, continuing."""
Grammar = Literal["auto", "xgrammar", "guidance"]
"""What a vLLM constrains answers with (`--structured-outputs-config`)."""
OnInvalid = Literal["repair", "reject", "pass"]
Repetition = Literal["off", "flag", "stop"]
Effect = Literal["read", "idempotent", "write"]
InputType = Literal["string", "integer", "number", "boolean", "array", "object"]
Strategy = Literal["full", "keep_system_and_recent", "token_window", "summarise"]
"""What becomes of messages that are more than a task's context holds."""
Purpose = Literal["cases", "training", "few_shot", "other"]


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
    """The `[data]` table; `telemetry` is `chdb` (embedded) or a ClickHouse URL, `journal` where a PostgreSQL's address
    lies that runs are kept in.
    """

    directory: str
    retention_s: float
    fsync_interval_s: float
    reserve_bytes: int
    spool_limit_bytes: int
    telemetry: str = "chdb"
    telemetry_password: Secret | None = None
    dead_letters: int = 10_000
    journal: Secret | None = None


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


class Auth(Struct, frozen=True):
    """How requests to a model's servers are authenticated, and the form their URLs have.

    bearer: `api_key` as a bearer token, or as `x-api-key` on the Anthropic wire. azure: `api_key` as `api-key`, the
    deployment and `api_version` in the URL. aws: AWS Signature Version 4 for `service` in `region`. google: an OAuth
    token of `credentials` (a file; the environment's own without), and for the Anthropic wire Vertex's URL form under
    `project` and `region`.
    """

    kind: Literal["bearer", "azure", "aws", "google"] = "bearer"
    api_version: str = ""
    region: str = ""
    service: str = ""
    project: str = ""
    profile: str = ""
    credentials: str | None = None


BEARER = Auth()


class FileDigest(Struct, frozen=True):
    """A file of the project: its path there, with `/`, and the sha256 of its bytes, hexadecimal."""

    path: str
    digest: str


class Adapter(Struct, frozen=True):
    """What was trained on top of a base model, and on which data sets of the project."""

    name: str
    base: str
    revision: str = ""
    trained_on: tuple[str, ...] = ()


class Served(Struct, frozen=True):
    """What identifies the thing behind a model's name, as far as its owner knows it.

    `server` is the engine with its version ("vllm==0.32.0"), `image` the digest of its container image, `weights` the
    sha256 of each file of weights. `tokenizer` is a tokenizer.json in the project, by which tokens are counted too.
    """

    server: str = ""
    image: str = ""
    flags: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    hardware: str = ""
    dtype: str = ""
    quantization: str = ""
    weights: dict[str, str] = {}
    chat_template: FileDigest | None = None
    tokenizer: FileDigest | None = None
    adapter: Adapter | None = None
    trained_on: tuple[str, ...] = ()


class Model(Struct, frozen=True):
    """A pinned served model and the replicas that serve it. `scrape` None reads no metrics of theirs.

    `probe_s` is how often it is proved that the engine enforces schemas; None for never. `identity_s` is how often it
    is tested that the model is still the one that was locked; None for never. `retires` is the day on which its
    provider takes it away.
    """

    name: str
    served_name: str
    replicas: tuple[str, ...]
    wire: Wire = "openai"
    engine: Engine = "other"
    grammar: Grammar = "auto"
    auth: Auth = BEARER
    probe_s: float | None = 900.0
    revision: str = ""
    api_key: Secret | None = None
    ca: str | None = None
    proxy: str | None = None
    passthrough: tuple[Route, ...] = ()
    prices: tuple[Price, ...] = ()
    gpu: Gpu | None = None
    served: Served = Served()
    retires: date | None = None
    identity_s: float | None = None
    scrape: Scrape | None = None


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
    """How many attempts one call may make over all replicas and fallbacks.

    `resume`: an interrupted plain-text stream goes on from another replica where the engine can do that.
    """

    attempts: int = 3
    resume: bool = True


class Schema(Struct, frozen=True):
    """A JSON Schema: its text without spaces, keys in the order they were written, and its sha256, hexadecimal.

    The order is kept because engines make the fields of an answer in the order of `properties`.
    """

    text: str
    digest: str


@dataclass(frozen=True)
class SchemaSource:
    """Where a schema was read: its file in the project, and how the lines in it are found."""

    schema: Schema
    path: str
    find_lines: Callable[[], dict[str, int]] = field(compare=False, repr=False)

    @cached_property
    def lines(self) -> dict[str, int]:
        """The line of each of its JSON Pointers, "" its own."""
        return self.find_lines()


class Output(Struct, frozen=True):
    """The contract of a task's answers. `repair` implies `hold`: nothing is released until the answer is valid.

    `confidence`: token probabilities are asked for, and kept by field of the schema.
    """

    schema: Schema
    on_invalid: OnInvalid = "reject"
    repairs: int = 1
    hold: bool = False
    confidence: bool = False


class McpServer(Struct, frozen=True):
    """An MCP server that offers a tool: reached by `url`, or started by `command`; `tool` is what it calls it."""

    tool: str
    url: str = ""
    command: tuple[str, ...] = ()


class Implementation(Struct, frozen=True):
    """What runs when a tool is called: a file of the project, a package ("name==version"), or an MCP server's tool."""

    source: FileDigest | None = None
    package: str = ""
    mcp: McpServer | None = None


class Golden(Struct, frozen=True):
    """A call of a read-only tool whose answer is known: all of it, or its shape alone. Both are JSON text."""

    arguments: str
    answer: str
    compare: Literal["exact", "shape"] = "shape"


class Tool(Struct, frozen=True):
    """A tool of the project, `tools/NAME.json`."""

    name: str
    description: str
    input_schema: Schema
    effect: Effect = "write"
    output_schema: Schema | None = None
    implementation: Implementation = Implementation()
    golden: tuple[Golden, ...] = ()


class ToolCalls(Struct, frozen=True):
    """What becomes of tool calls that are not valid. `repair` and `hold` as in `Output`."""

    on_invalid: OnInvalid = "pass"
    repairs: int = 1
    hold: bool = False


class Turn(Struct, frozen=True):
    """One message of a prompt before rendering: a role and a Jinja2 template."""

    role: Literal["system", "user", "assistant"]
    template: str


class Prompt(Struct, frozen=True):
    """A prompt file: its turns with the shared parts put in, the inputs it names, and a digest (sha256, hexadecimal).

    The digest is that of the file's text; of a prompt with `includes` or `types`, of these too. `types` are those of
    declared inputs; with any, all are declared. `tuned_on` are the data sets it was written against.
    """

    turns: tuple[Turn, ...]
    inputs: tuple[str, ...]
    digest: str
    includes: tuple[FileDigest, ...] = ()
    types: dict[str, InputType] = {}
    tuned_on: tuple[str, ...] = ()


class Context(Struct, frozen=True):
    """A context strategy with its parameters: which of a call's messages the model gets.

    `version` is that of the strategy's rule, so that a change of the rule is a change of the lock. `recent` counts
    messages, `max_input_tokens` tokens. `model` and `summary_tokens` are for `summarise`: who writes the summary, and
    how long it may be.
    """

    strategy: Strategy = "full"
    version: int = 1
    max_input_tokens: int | None = None
    recent: int | None = None
    model: str = ""
    summary_tokens: int = 512


class Retrieval(Struct, frozen=True):
    """What a task retrieves from: the snapshot of the corpus, how it was cut and embedded, the index's settings."""

    name: str
    corpus: str
    chunker: str = ""
    embedding_model: str = ""
    index: dict[str, str | int | float | bool] = {}


class Parent(Struct, frozen=True):
    """What a data set was made from: another one by name, and its digest (sha256, hexadecimal) at that time."""

    name: str
    digest: str


class DataSet(Struct, frozen=True):
    """A data set of the project: `data/NAME.json` tells of it, or it is a task's `cases.jsonl` (`tasks/TASK/cases`).

    `file` is the data, its path empty where that is not kept in the project; `pinned` the digest that its manifest
    bears, empty for cases. `rows` counts rows of JSONL; of other files it is what the manifest says, or None. `columns`
    is the JSON Schema that each row keeps. `transform` is the script that made it.
    """

    name: str
    file: FileDigest
    pinned: str = ""
    rows: int | None = None
    columns: Schema | None = None
    parents: tuple[Parent, ...] = ()
    transform: FileDigest | None = None
    licence: str = ""
    source: str = ""
    purpose: Purpose = "cases"


class LockSettings(Struct, frozen=True):
    """The `[lock]` table: the project's own dependency lock files, its interpreter, and when retirement warns."""

    dependencies: tuple[FileDigest, ...] = ()
    python: str = ""
    warn_days: tuple[int, ...] = (60, 30, 7)


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
    output: Output | None = None
    tools: tuple[Tool, ...] = ()
    tool_calls: ToolCalls = ToolCalls()
    repetition: Repetition = "flag"
    context: Context = Context()
    retrieval: tuple[str, ...] = ()
    volatile: tuple[tuple[str | int, ...], ...] = ()
    alerts: tuple[AlertRule, ...] = ()
    completion: Completion | None = None
    evals: Evals | None = None
    reviews: tuple[ReviewRule, ...] = ()
    review_sample: ReviewSample | None = None


class Defaults(Struct, frozen=True):
    """The `[defaults]` table: for tasks that say nothing, and for (undeclared) calls."""

    deadline: Deadlines = Deadlines()
    redaction: Redaction = "full"
    undeclared_redaction: Redaction = "digest"
    retry: Retry = Retry()
    volatile: tuple[tuple[str | int, ...], ...] = ()


class Project(Struct, frozen=True):
    """A whole declaration that was found free of mistakes; whether its `schemas` compile, `policy.compile` says."""

    root: str
    environment: Environment
    gateway: Gateway
    control: Control
    data: Data
    defaults: Defaults
    models: dict[str, Model]
    tasks: dict[str, Task]
    schemas: tuple[SchemaSource, ...] = ()
    retrieval: dict[str, Retrieval] = {}
    data_sets: dict[str, DataSet] = {}
    lock: LockSettings = LockSettings()
    alerting: Alerting = Alerting()
