"""The three events of a call, as they are written to the spool.

A `Settled` carries its `Admitted`, so that one event makes one telemetry row and nothing has to be joined.
Times are nanoseconds since 1970 (`_ns`) or durations in seconds (`_s`); money is picodollars (1e-12 USD, integer).
A new field gets a default; a field is never renamed or given another meaning without a new `FORMAT_VERSION`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

FORMAT_VERSION = 1

CostLabel = Literal["exact", "estimated", "unknown"]
Verdict = Literal["", "valid", "invalid", "truncated", "refused"]
"""An answer against its schema: "" where none was asked for or no answer came; `truncated` ended by a limit on tokens,
`refused` by the model's refusal: both are told apart from `invalid`."""
Outcome = Literal["valid", "bad_json", "unknown_tool", "schema_invalid"]
Repetition = Literal["", "loop", "collapse"]
"""Degenerate repetition in an answer: the same words over and over, or hardly any new ones."""
OK = "ok"
CLIENT_GONE = "client_gone"
ABANDONED = "abandoned"
SUMMARY_TASK = "(summary)"
"""The task of calls that the gateway makes to have a conversation summarised for another call, which is their parent:
so what they cost is told apart."""
UNFIT = "rollout_unfit"
"""The kind of the change by which a worker tells that a candidate cannot take a call."""
JUDGE_TASK = "(judge)"
"""The task of calls by which control asks a model to judge another call, which is their parent."""


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens in disjoint classes: `reasoning` is part of `output`, every other class excludes the rest.

    `modalities` splits where the engine told it, e.g. `{"input_audio": 12}`, and repeats tokens counted above.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    modalities: dict[str, int] = {}


class LogprobSummary(Struct, frozen=True, omit_defaults=True):
    """Log probabilities of the chosen tokens, natural logarithm."""

    tokens: int = 0
    mean: float = 0.0
    lowest: float = 0.0


class ToolOutcome(Struct, frozen=True, array_like=True):
    """A tool call of an answer, held against the tools it could use. `attempt` counts from 1."""

    tool: str
    outcome: Outcome
    attempt: int


class Confidence(Struct, frozen=True, omit_defaults=True):
    """Probabilities (0 to 1) of the tokens of an answer or of one field of it.

    `margin` of an enum field is that of its first token over the likeliest token that would have begun another value.
    """

    mean: float
    lowest: float
    margin: float | None = None


class ContextUse(Struct, frozen=True, omit_defaults=True):
    """What a context strategy did to a call's messages: how many it got and dropped, and how many tokens these were.

    `digest` is that of the strategy with its parameters (sha256, hexadecimal); `counted` tells who counted the tokens:
    the model's own tokenizer, or an estimate. `kept` are the ranges of messages that stayed, if not all did: where each
    begins (from 0) and the place behind its end, one after the other. `summary` is the call that wrote the summary of
    what was dropped, which stands in front of the last range; `summary_failed` says that there was to be one and is
    none. It is known when the call is settled.
    """

    strategy: str
    digest: str
    messages: int
    dropped: int = 0
    tokens: int = 0
    dropped_tokens: int = 0
    counted: Literal["tokenizer", "estimated"] = "estimated"
    summary: str = ""
    kept: tuple[int, ...] = ()
    summary_failed: bool = False


class ToolResult(Struct, frozen=True, array_like=True):
    """A tool's answer that came with a request for the first time: its tool, its shape, its size in bytes of text.

    The shape (`contracts.shapes`) is empty where nothing may be kept, or the answer was too long to be looked at.
    """

    tool: str
    shape: str
    size: int
    error: bool = False


class Admitted(Struct, frozen=True, omit_defaults=True, tag="admitted"):
    """A call that was let in; written before the first upstream byte.

    `schema` is the digest of the schema its answer must keep, `redrive_of` the call whose dead letter this one repeats,
    `tools` the digest of the tools that came with a call outside any task.
    """

    call: str
    at_ns: int
    worker: str
    environment: str
    snapshot: str
    task: str
    key: str
    surface: str
    model: str
    stream: bool = False
    lock: str = ""
    owner: str = ""
    cost_bound_pusd: int | None = None
    run: str = ""
    step: str = ""
    parent: str = ""
    conversation: str = ""
    end_user: str = ""
    trace_id: str = ""
    parent_span: str = ""
    retrieval_ids: tuple[str, ...] = ()
    prompt: str = ""
    system_prompt: str = ""
    request_bytes: int = 0
    request_body: str = ""
    messages: str = ""
    max_output_tokens: int | None = None
    schema: str = ""
    redrive_of: str = ""
    context: ContextUse | None = None
    tools: str = ""


class Attempt(Struct, frozen=True, omit_defaults=True, tag="attempt"):
    """One try at one replica, written when it ended. `cause` is `ok` or an error code."""

    call: str
    number: int
    at_ns: int
    model: str
    replica: str
    cause: str
    duration_s: float
    connect_s: float | None = None
    first_byte_s: float | None = None
    ttft_s: float | None = None
    status: int = 0
    reused_connection: bool = False
    retry_after_s: float | None = None
    detail: str = ""
    usage: Usage | None = None
    cost_pusd: int | None = None
    cost_label: CostLabel = "unknown"


class Settled(Struct, frozen=True, omit_defaults=True, tag="settled"):
    """The end of a call, whichever way it ended: `outcome` is `ok`, an error code, `client_gone` or `abandoned`.

    `usage` and cost add up all attempts; `answer_tokens` is the output of the delivered answer alone, where told.
    `verdict` is that of the last answer, `failing` where it breaks its schema (JSON pointer and keyword, 8 at most),
    `repairs` how often the model was asked again. `tool_outcomes` are those of all attempts. `confidence` is kept for
    the whole answer under "" and for fields by their JSON pointer. `seams` are the places, in bytes of UTF-8 text, at
    which another replica went on with the answer. `wire` is the format that the replica speaks. `first_model` is the
    model that was tried first, where the last attempt was at another one.
    """

    admitted: Admitted
    at_ns: int
    outcome: str
    status: int
    attempts: int
    model: str = ""
    replica: str = ""
    total_s: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    longest_gap_s: float | None = None
    finish_reason: str = ""
    usage: Usage | None = None
    answer_tokens: int | None = None
    cost_pusd: int | None = None
    cost_label: CostLabel = "unknown"
    response_bytes: int = 0
    response_body: str = ""
    upstream_model: str = ""
    upstream_id: str = ""
    system_fingerprint: str = ""
    choices: int = 0
    tool_calls: int = 0
    logprobs: LogprobSummary | None = None
    chunk_delays_us: bytes = b""
    chunk_lengths: bytes = b""
    paused_s: float = 0.0
    detail: str = ""
    verdict: Verdict = ""
    failing: tuple[str, ...] = ()
    repairs: int = 0
    tool_outcomes: tuple[ToolOutcome, ...] = ()
    repetition: Repetition = ""
    repetition_stopped: bool = False
    confidence: dict[str, Confidence] = {}
    seams: tuple[int, ...] = ()
    wire: str = ""
    tool_results: tuple[ToolResult, ...] = ()
    first_model: str = ""


class Change(Struct, frozen=True, omit_defaults=True, tag="change"):
    """Anything that took effect at a time: a snapshot switch, a worker start, a key revoked."""

    at_ns: int
    kind: str
    subject: str
    before: str = ""
    after: str = ""
    by: str = ""
    detail: str = ""


class Score(Struct, frozen=True, omit_defaults=True, tag="score"):
    """A judgement on a call, a run or a conversation: a person's feedback, an evaluation, a rule, a model as judge.

    `id` is the judgement's own: one that comes again under the same id takes the place of the first. It has a `value`,
    a `label`, or both; `correction` is the digest of the body with the answer that would have been right. What follows
    `by` is taken from the call it is about (for a run or conversation, from its latest call), as far as that is known.
    """

    id: str
    at_ns: int
    name: str
    source: Literal["feedback", "evaluation", "rule", "judge"]
    call: str = ""
    run: str = ""
    conversation: str = ""
    value: float | None = None
    label: str = ""
    correction: str = ""
    explanation: str = ""
    by: str = ""
    environment: str = ""
    task: str = ""
    model: str = ""
    replica: str = ""
    prompt: str = ""
    lock: str = ""
    key: str = ""
    settled_ns: int = 0


Event = Admitted | Attempt | Settled | Change | Score
