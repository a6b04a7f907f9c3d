"""Every metric that control exposes: `docs/metrics.md` lists the same ones.

The `gen_ai_` names, attributes and buckets are OpenTelemetry's (semantic conventions 1.41, "Generative AI metrics"),
written as Prometheus does: dots become underscores, the unit `s` the ending `_seconds`, the unit `{token}` nothing.

They are told by model; what is told by task has names of its own and few buckets. All of it is meant to fit into
`BUDGET` series with 50 tasks, 5 models and 20 replicas, whatever the clients send.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

BUDGET: Final = 5000
"""Series that one answer to a scrape has at most; what would go over it is left out, and counted."""
TASKS: Final = 55
"""Tasks that are told apart, those that Trimtab has of its own among them; calls of others are under `(other)`."""

Kind = Literal["counter", "gauge", "histogram", "summary"]
GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model")
GEN_AI_FOLDS = ("gen_ai_response_model", "gen_ai_request_model")
DURATION_BUCKETS_S = tuple(0.01 * 2**power for power in range(14))
TTFT_BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TPOT_BUCKETS_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))


@dataclass(frozen=True)
class Metric:
    """A metric's name in Prometheus, its kind, what it says, its labels, and a histogram's upper bounds.

    `most` is how many sets of label values are told apart, where records bring them; 0 where they are those of the
    declaration. When no more than `spare` of these are left (a third, unless told), the labels of `folds` become
    `(other)`, but for values that all is held against, such as `ok`; when none is, every label does.
    """

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    most: int = 0
    folds: tuple[str, ...] = ()
    spare: int | None = None

    @property
    def detailed(self) -> int:
        """How many sets may be taken before the finest labels are told no more."""
        return self.most - (self.most // 3 if self.spare is None else self.spare)

    @property
    def width(self) -> int:
        """How many series one set of label values makes: of a histogram its buckets, `+Inf`, sum and count."""
        return {"histogram": len(self.buckets) + 3, "summary": 2}.get(self.kind, 1)


TOKEN_USAGE = Metric(
    "gen_ai_client_token_usage",
    "histogram",
    "Tokens of a call by type: input (cached input included) or output.",
    (*GEN_AI, "gen_ai_token_type"),
    TOKEN_BUCKETS,
    most=20,
    folds=GEN_AI_FOLDS,
    spare=4,
)
OPERATION_DURATION = Metric(
    "gen_ai_client_operation_duration_seconds",
    "histogram",
    "Time of one attempt at a replica.",
    (*GEN_AI, "error_type"),
    DURATION_BUCKETS_S,
    most=20,
    folds=GEN_AI_FOLDS,
    spare=4,
)
REQUEST_DURATION = Metric(
    "gen_ai_server_request_duration_seconds",
    "histogram",
    "Time of a call, from its last byte read to its last byte written.",
    (*GEN_AI, "error_type"),
    DURATION_BUCKETS_S,
    most=20,
    folds=GEN_AI_FOLDS,
    spare=4,
)
TIME_TO_FIRST_TOKEN = Metric(
    "gen_ai_server_time_to_first_token_seconds",
    "histogram",
    "Time from a call's last byte read to its first content-bearing event written; streamed calls only.",
    GEN_AI,
    TTFT_BUCKETS_S,
    most=10,
    folds=GEN_AI_FOLDS,
    spare=2,
)
TIME_PER_OUTPUT_TOKEN = Metric(
    "gen_ai_server_time_per_output_token_seconds",
    "histogram",
    "Time from a call's first token to its last, divided by its output tokens less one; streamed calls only.",
    GEN_AI,
    TPOT_BUCKETS_S,
    most=10,
    folds=GEN_AI_FOLDS,
    spare=2,
)
CALLS = Metric(
    "trimtab_calls_total",
    "counter",
    "Calls that ended.",
    ("task", "outcome"),
    most=6 * TASKS,
    folds=("outcome",),
)
CALL_SECONDS = Metric(
    "trimtab_call_seconds",
    "histogram",
    "Time of a call that ended well, from its last byte read to its last byte written.",
    ("task",),
    (0.5, 1.0, 2.5, 10.0, 30.0),
    most=TASKS,
)
TTFT_SECONDS = Metric(
    "trimtab_ttft_seconds",
    "histogram",
    "Time from a call's last byte read to its first content-bearing event written; streamed calls only.",
    ("task",),
    (0.1, 0.25, 0.5, 1.0, 2.5),
    most=TASKS,
)
TPOT_SECONDS = Metric(
    "trimtab_tpot_seconds",
    "histogram",
    "Time from a call's first token to its last, divided by its output tokens less one; streamed calls only.",
    ("task",),
    (0.025, 0.05, 0.1),
    most=TASKS,
)
LONGEST_GAP_SECONDS = Metric(
    "trimtab_longest_gap_seconds",
    "histogram",
    "The longest silence between two content-bearing events of a call; streamed calls only.",
    ("task",),
    (0.5, 2.0, 10.0),
    most=TASKS,
)
OUTPUT_TOKENS = Metric(
    "trimtab_output_tokens",
    "histogram",
    "Tokens of a call's answers.",
    ("task",),
    (64.0, 256.0, 1024.0, 4096.0),
    most=TASKS,
)
OBJECTIVE_MISSED = Metric(
    "trimtab_objective_missed_total",
    "counter",
    "Calls that took longer than a goal of their task allows, by goal.",
    ("task", "goal"),
    most=3 * TASKS,
    folds=("goal",),
)
ERROR_BUDGET = Metric(
    "trimtab_error_budget_left",
    "gauge",
    "Share of a goal's error budget that is left of its window; below 0 it is overdrawn.",
    ("task", "goal"),
    most=3 * TASKS,
)
RETRIED = Metric(
    "trimtab_retried_calls_total", "counter", "Calls that took more than one attempt.", ("task",), most=TASKS
)
CALL_ATTEMPTS = Metric(
    "trimtab_call_attempts_total", "counter", "Attempts at replicas that calls took.", ("task",), most=TASKS
)
FALLBACKS = Metric(
    "trimtab_fallback_calls_total",
    "counter",
    "Calls that were answered by another model than the one tried first.",
    ("task",),
    most=TASKS,
)
FINISH_REASONS = Metric(
    "trimtab_finish_reasons_total",
    "counter",
    "Answers by why the model ended them: cut by the limit is length, refused content_filter or refusal.",
    ("task", "reason"),
    most=5 * TASKS,
    folds=("reason",),
    spare=2 * TASKS,
)
SCORES = Metric(
    "trimtab_scores_total",
    "counter",
    "Scores with a value, such as completion and feedback: passed from 0.5 on, else failed.",
    ("task", "score", "result"),
    most=3 * TASKS,
    folds=("score",),
)
ALERTS = Metric("trimtab_alerts", "gauge", "Alerts that are not over.", ("state", "severity"), most=16)
ALERTS_BEHIND = Metric("trimtab_alerts_behind_seconds", "gauge", "Time since alerts were last looked at whole.")
ATTEMPTS = Metric(
    "trimtab_attempts_total",
    "counter",
    "Attempts that ended.",
    ("model", "replica", "cause"),
    most=200,
    folds=("cause",),
)
TOKENS = Metric("trimtab_tokens_total", "counter", "Tokens in disjoint classes.", ("task", "class"), most=5 * TASKS)
COST = Metric(
    "trimtab_cost_usd_total",
    "counter",
    "US dollars, by how well they are known.",
    ("task", "label"),
    most=2 * TASKS,
)
CONTRACT_ANSWERS = Metric(
    "trimtab_contract_answers_total",
    "counter",
    "Answers that had a schema to keep, by what became of them.",
    ("task", "result"),
    most=6 * TASKS,
)
REPAIRS = Metric("trimtab_repairs_total", "counter", "Times a model was asked again.", ("task",), most=TASKS)
TOOL_CALLS = Metric(
    "trimtab_tool_calls_total",
    "counter",
    "Tool calls in answers, repaired ones among them, against the tools they could use.",
    ("task", "tool", "outcome"),
    most=3 * TASKS,
    folds=("tool",),
)
TOOL_RESULTS = Metric(
    "trimtab_tool_results_total",
    "counter",
    "Tools' answers that came with requests: ok or error.",
    ("task", "tool", "result"),
    most=3 * TASKS,
    folds=("tool",),
)
TOOL_DRIFT = Metric(
    "trimtab_tool_drift",
    "gauge",
    "In how many places a tool differs from what was locked or learned.",
    ("tool", "kind", "class"),
    most=40,
    folds=("tool",),
)
REPETITION = Metric(
    "trimtab_repetition_total",
    "counter",
    "Answers with degenerate repetition.",
    ("task", "kind", "action"),
    most=2 * TASKS,
    folds=("kind", "action"),
    spare=TASKS,
)
RESUMED = Metric(
    "trimtab_resumed_total", "counter", "Answers that another replica went on with.", ("task",), most=TASKS
)
IN_FLIGHT = Metric("trimtab_calls_in_flight", "gauge", "Calls a replica is working on.", ("model", "replica"))
OUTSTANDING = Metric(
    "trimtab_outstanding_tokens", "gauge", "Tokens asked of a replica and not answered yet.", ("model", "replica")
)
BREAKER = Metric(
    "trimtab_breaker_state",
    "gauge",
    "1 with the state a replica's breaker is in; the others are absent.",
    ("model", "replica", "state"),
)
OPENINGS = Metric("trimtab_breaker_openings_total", "counter", "Times a breaker has opened.", ("model", "replica"))
HEALTHY = Metric(
    "trimtab_replica_healthy", "gauge", "1 if the latest health check was answered well.", ("model", "replica")
)
WORKER_CALLS = Metric("trimtab_worker_open_calls", "gauge", "Calls open in a gateway worker.", ("slot",))
WORKER_CONNECTIONS = Metric(
    "trimtab_worker_open_connections", "gauge", "Client connections open in a gateway worker.", ("slot",)
)
PROCESS_START = Metric(
    "trimtab_process_start_time_seconds", "gauge", "When a process was started, since 1970.", ("process", "slot")
)
PROCESS_RESTARTS = Metric(
    "trimtab_process_restarts_total", "counter", "Processes that died and were started anew.", ("process", "slot")
)
KEEPER_UP = Metric("trimtab_keeper_up", "gauge", "1 while the journal of runs answers.")
JOURNAL_WAITING = Metric("trimtab_journal_waiting", "gauge", "Asks that wait for the journal of runs.")
JOURNAL_ASKS = Metric(
    "trimtab_journal_asks_total", "counter", "What was asked of the journal of runs, by what came of it.", ("result",)
)
JOURNAL_COMMITS = Metric("trimtab_journal_commit_seconds", "summary", "Commits of the journal of runs, and their time.")
RUNS_EXPIRED = Metric(
    "trimtab_runs_expired_total", "counter", "Runs whose driver died, or was not heard of for its lease."
)
RUNS = Metric("trimtab_runs", "gauge", "Runs that have not ended.", ("task", "state"), most=4 * TASKS, folds=("state",))
RUN_AMPLIFICATION = Metric(
    "trimtab_run_amplification",
    "gauge",
    "Tries of all layers for each thing that steps asked, in runs that began within a day.",
    ("task",),
    most=TASKS,
)
RUN_STEP_REQUESTS = Metric(
    "trimtab_run_step_requests",
    "gauge",
    "Requests that models got for each thing that steps asked, in runs that began within a day.",
    ("task",),
    most=TASKS,
)
RUN_STEP_TOKENS = Metric(
    "trimtab_run_step_tokens",
    "gauge",
    "Tokens in and out for each thing that steps asked, in runs that began within a day.",
    ("task",),
    most=TASKS,
)
BACKGROUND_CALLS = Metric(
    "trimtab_background_calls",
    "gauge",
    "Background calls that are not over, and those that failed for good.",
    ("state",),
)
BACKGROUND_OLDEST = Metric("trimtab_background_oldest_seconds", "gauge", "Age of the oldest one that is not over.")
LAG_BYTES = Metric("trimtab_spool_lag_bytes", "gauge", "Bytes of the spool that telemetry does not hold yet.")
LAG_SECONDS = Metric("trimtab_spool_lag_seconds", "gauge", "Age of the oldest record telemetry could not take yet.")
SET_ASIDE = Metric("trimtab_spool_segments_set_aside", "gauge", "Damaged segments that wait for a person.")
DEAD_LETTERS = Metric(
    "trimtab_dead_letters",
    "gauge",
    "Calls that failed for good, and damaged segments, that wait for somebody to deal with them.",
    ("task", "cause"),
    most=75,
    folds=("task",),
    spare=15,
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
SCRAPED = Metric(
    "trimtab_engine_scraped",
    "gauge",
    "1 if a replica's own metrics could be read at the last try, else 0.",
    ("model", "replica"),
)
SCRAPE_FAILURES = Metric(
    "trimtab_engine_scrape_failures_total",
    "counter",
    "Times a replica's own metrics could not be read.",
    ("model", "replica"),
)
RESTARTS = Metric(
    "trimtab_engine_restarts_total", "counter", "Times a replica was found started anew.", ("model", "replica")
)
LEFT_OUT = Metric(
    "trimtab_series_left_out", "gauge", "Series that this answer would have beyond its bound, and has not."
)
TELEMETRY_UP = Metric("trimtab_telemetry_up", "gauge", "1 while telemetry takes what it is sent.")
INGESTED = Metric("trimtab_ingested_rows_total", "counter", "Rows stored in telemetry.", ("table",), most=8)


def _engine(series: str, kind: Kind, says: str) -> Metric:
    return Metric(f"trimtab_engine_{series}", kind, says, ("model", "replica"))


ENGINE: Final[dict[str, Metric]] = {
    "queue_depth": _engine("queue_depth", "gauge", "Requests that wait at a replica."),
    "running": _engine("running", "gauge", "Requests that a replica works on."),
    "kv_cache_usage": _engine("kv_cache_usage", "gauge", "Share of a replica's KV cache that is in use."),
    "prefix_cache_queries": _engine("prefix_cache_queries_total", "counter", "Tokens looked up in the prefix cache."),
    "prefix_cache_hits": _engine("prefix_cache_hits_total", "counter", "Tokens found in the prefix cache."),
    "preemptions": _engine("preemptions_total", "counter", "Requests put back for want of KV cache."),
    "prompt_tokens": _engine("prompt_tokens_total", "counter", "Prompt tokens, those found in the cache among them."),
    "generation_tokens": _engine("generation_tokens_total", "counter", "Tokens that were generated."),
    "requests": _engine("requests_total", "counter", "Requests that ended."),
    "requests_cut": _engine("requests_cut_total", "counter", "Requests that ran into their limit on tokens."),
    "requests_failed": _engine("requests_failed_total", "counter", "Requests that ended by an error of the engine."),
    "requests_aborted": _engine("requests_aborted_total", "counter", "Requests whose client left."),
    "rejections": _engine("rejections_total", "counter", "Requests that the engine did not take in."),
    "gpu_utilisation": _engine("gpu_utilisation", "gauge", "Share of time in which GPUs were busy, their mean."),
    "gpu_memory_used": _engine("gpu_memory_used_bytes", "gauge", "GPU memory in use, their sum."),
    "gpu_memory_total": _engine("gpu_memory_total_bytes", "gauge", "GPU memory there is, their sum."),
    "gpu_power_watts": _engine("gpu_power_watts", "gauge", "Power that GPUs draw, their sum."),
    "started": _engine("started_timestamp_seconds", "gauge", "When a replica was started, in seconds since 1970."),
}
"""What replicas say of themselves, by the name of the series in telemetry."""
ENGINE_TIMES: Final[dict[str, Metric]] = {
    "ttft_seconds": _engine("ttft_seconds", "summary", "Times to first token, as the engine measures them."),
    "tpot_seconds": _engine("tpot_seconds", "summary", "Times per output token, as the engine measures them."),
    "queue_seconds": _engine("queue_seconds", "summary", "Times that requests waited in the engine's queue."),
}
"""The same of times: telemetry has `NAME_sum` and `NAME_count`."""

BY_MODEL = (TOKEN_USAGE, OPERATION_DURATION, REQUEST_DURATION, TIME_TO_FIRST_TOKEN, TIME_PER_OUTPUT_TOKEN)
RECORDED = (
    *BY_MODEL,
    *(CALL_SECONDS, TTFT_SECONDS, TPOT_SECONDS, LONGEST_GAP_SECONDS, OUTPUT_TOKENS),
    *(CALLS, ATTEMPTS, TOKENS, COST, CONTRACT_ANSWERS, REPAIRS, TOOL_CALLS, TOOL_RESULTS, REPETITION, RESUMED),
    *(OBJECTIVE_MISSED, RETRIED, CALL_ATTEMPTS, FALLBACKS, FINISH_REASONS, SCORES, INGESTED),
)
"""What records bring."""
CATALOGUE = (
    *RECORDED,
    *(LEFT_OUT, LAG_BYTES, LAG_SECONDS, SET_ASIDE, DEAD_LETTERS, TELEMETRY_UP, LOCK_DIFFERENCES, ALERTS),
    *(ALERTS_BEHIND, ERROR_BUDGET),
    *(IN_FLIGHT, OUTSTANDING, BREAKER, OPENINGS, HEALTHY, WORKER_CALLS, WORKER_CONNECTIONS),
    *(PROCESS_START, PROCESS_RESTARTS),
    *(KEEPER_UP, JOURNAL_WAITING, JOURNAL_ASKS, JOURNAL_COMMITS, RUNS_EXPIRED),
    *(RUNS, RUN_AMPLIFICATION, RUN_STEP_REQUESTS, RUN_STEP_TOKENS, BACKGROUND_CALLS, BACKGROUND_OLDEST),
    *(IDENTITY_SAME, IDENTITY_TESTS, IDENTITY_TESTED, TOOL_DRIFT),
    *(SCRAPED, SCRAPE_FAILURES, RESTARTS, *ENGINE.values(), *ENGINE_TIMES.values()),
)
