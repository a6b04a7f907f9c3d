"""Every metric that control exposes: `docs/metrics.md` lists the same ones.

The `gen_ai_` names, attributes and buckets are OpenTelemetry's (semantic conventions 1.41, "Generative AI metrics"),
written as Prometheus does: dots become underscores, the unit `s` the ending `_seconds`, the unit `{token}` nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model")
DURATION_BUCKETS_S = tuple(0.01 * 2**power for power in range(14))
TTFT_BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TPOT_BUCKETS_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))


@dataclass(frozen=True)
class Metric:
    """A metric's name in Prometheus, its kind, what it says, its labels, and a histogram's upper bounds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


TOKEN_USAGE = Metric(
    "gen_ai_client_token_usage",
    "histogram",
    "Tokens of a call by type: input (cached input included) or output.",
    (*GEN_AI, "gen_ai_token_type", "trimtab_task"),
    TOKEN_BUCKETS,
)
OPERATION_DURATION = Metric(
    "gen_ai_client_operation_duration_seconds",
    "histogram",
    "Time of one attempt at a replica.",
    (*GEN_AI, "server_address", "server_port", "error_type", "trimtab_task"),
    DURATION_BUCKETS_S,
)
REQUEST_DURATION = Metric(
    "gen_ai_server_request_duration_seconds",
    "histogram",
    "Time of a call, from its last byte read to its last byte written.",
    (*GEN_AI, "error_type", "trimtab_task"),
    DURATION_BUCKETS_S,
)
TIME_TO_FIRST_TOKEN = Metric(
    "gen_ai_server_time_to_first_token_seconds",
    "histogram",
    "Time from a call's last byte read to its first content-bearing event written; streamed calls only.",
    (*GEN_AI, "trimtab_task"),
    TTFT_BUCKETS_S,
)
TIME_PER_OUTPUT_TOKEN = Metric(
    "gen_ai_server_time_per_output_token_seconds",
    "histogram",
    "Time from a call's first token to its last, divided by its output tokens less one; streamed calls only.",
    (*GEN_AI, "trimtab_task"),
    TPOT_BUCKETS_S,
)
CALLS = Metric("trimtab_calls_total", "counter", "Calls that ended.", ("task", "model", "outcome"))
ATTEMPTS = Metric("trimtab_attempts_total", "counter", "Attempts that ended.", ("model", "replica", "cause"))
TOKENS = Metric("trimtab_tokens_total", "counter", "Tokens in disjoint classes.", ("task", "model", "class"))
COST = Metric(
    "trimtab_cost_usd_total", "counter", "US dollars, by how well they are known.", ("task", "model", "label")
)
CONTRACT_ANSWERS = Metric(
    "trimtab_contract_answers_total",
    "counter",
    "Answers that had a schema to keep, by what became of them.",
    ("task", "model", "result"),
)
REPAIRS = Metric("trimtab_repairs_total", "counter", "Times a model was asked again.", ("task", "model"))
TOOL_CALLS = Metric(
    "trimtab_tool_calls_total",
    "counter",
    "Tool calls in answers, repaired ones among them, against the tools they could use.",
    ("task", "model", "tool", "outcome"),
)
TOOL_RESULTS = Metric(
    "trimtab_tool_results_total",
    "counter",
    "Tools' answers that came with requests: ok or error.",
    ("task", "tool", "result"),
)
TOOL_DRIFT = Metric(
    "trimtab_tool_drift",
    "gauge",
    "In how many places a tool differs from what was locked or learned.",
    ("tool", "kind", "class"),
)
REPETITION = Metric(
    "trimtab_repetition_total", "counter", "Answers with degenerate repetition.", ("task", "model", "kind", "action")
)
RESUMED = Metric("trimtab_resumed_total", "counter", "Answers that another replica went on with.", ("task", "model"))
IN_FLIGHT = Metric("trimtab_calls_in_flight", "gauge", "Calls a replica is working on.", ("model", "replica"))
OUTSTANDING = Metric(
    "trimtab_outstanding_tokens", "gauge", "Tokens asked of a replica and not answered yet.", ("model", "replica")
)
BREAKER = Metric(
    "trimtab_breaker_state", "gauge", "1 for the state a replica's breaker is in.", ("model", "replica", "state")
)
OPENINGS = Metric("trimtab_breaker_openings_total", "counter", "Times a breaker has opened.", ("model", "replica"))
HEALTHY = Metric(
    "trimtab_replica_healthy", "gauge", "1 if the latest health check was answered well.", ("model", "replica")
)
WORKER_CALLS = Metric("trimtab_worker_open_calls", "gauge", "Calls open in a gateway worker.", ("slot",))
WORKER_CONNECTIONS = Metric(
    "trimtab_worker_open_connections", "gauge", "Client connections open in a gateway worker.", ("slot",)
)
LAG_BYTES = Metric("trimtab_spool_lag_bytes", "gauge", "Bytes of the spool that telemetry does not hold yet.")
LAG_SECONDS = Metric("trimtab_spool_lag_seconds", "gauge", "Age of the oldest record telemetry could not take yet.")
SET_ASIDE = Metric("trimtab_spool_segments_set_aside", "gauge", "Damaged segments that wait for a person.")
DEAD_LETTERS = Metric(
    "trimtab_dead_letters",
    "gauge",
    "Calls that failed for good, and damaged segments, that wait for somebody to deal with them.",
    ("task", "cause"),
)
IDENTITY_SAME = Metric(
    "trimtab_model_identity_same",
    "gauge",
    "1 while a replica answers as the model that was locked, 0 after an alarm; absent before the first test.",
    ("model", "replica"),
)
IDENTITY_TESTS = Metric(
    "trimtab_model_identity_tests_total",
    "counter",
    "Tests of whether a replica serves the locked model, by what they found.",
    ("model", "replica", "result"),
)
IDENTITY_TESTED = Metric(
    "trimtab_model_identity_tested_timestamp_seconds",
    "gauge",
    "When a replica was last tested, in seconds since 1970.",
    ("model", "replica"),
)
LOCK_DIFFERENCES = Metric(
    "trimtab_lock_differences",
    "gauge",
    "In how many places the declaration differs from trimtab.lock, held back or not.",
)
TELEMETRY_UP = Metric("trimtab_telemetry_up", "gauge", "1 while telemetry takes what it is sent.")
INGESTED = Metric("trimtab_ingested_rows_total", "counter", "Rows stored in telemetry.", ("table",))

CATALOGUE = (
    *(TOKEN_USAGE, OPERATION_DURATION, REQUEST_DURATION, TIME_TO_FIRST_TOKEN, TIME_PER_OUTPUT_TOKEN),
    *(CALLS, ATTEMPTS, TOKENS, COST, CONTRACT_ANSWERS, REPAIRS, TOOL_CALLS, REPETITION, RESUMED),
    *(IN_FLIGHT, OUTSTANDING, BREAKER, OPENINGS, HEALTHY, WORKER_CALLS, WORKER_CONNECTIONS),
    *(LAG_BYTES, LAG_SECONDS, SET_ASIDE, DEAD_LETTERS, TELEMETRY_UP, INGESTED),
    *(IDENTITY_SAME, IDENTITY_TESTS, IDENTITY_TESTED, TOOL_RESULTS, TOOL_DRIFT, LOCK_DIFFERENCES),
)
