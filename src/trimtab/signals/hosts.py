"""Signals of replicas and of the host itself: what engines say of themselves, and what Trimtab keeps a count of."""

from __future__ import annotations

from typing import Final

from trimtab.signals.signal import Better, Series, Signal

REPLICA: Final = "model, replica"
ENGINE_METRICS: Final = {
    "preemptions": "preemptions_total",
    "prefix_cache_hits": "prefix_cache_hits_total",
    "prefix_cache_queries": "prefix_cache_queries_total",
    "prompt_tokens": "prompt_tokens_total",
    "generation_tokens": "generation_tokens_total",
    "restarts": "restarts_total",
    "gpu_memory_used": "gpu_memory_used_bytes",
    "gpu_memory_total": "gpu_memory_total_bytes",
}
"""What `/metrics` calls series of engines where it adds an ending."""


def _of_engine(name: str, reads: str, unit: str, says: str, means: str, better: Better = "lower") -> Signal:
    of, _, n = reads.partition(" / ")
    names = [f"trimtab_engine_{ENGINE_METRICS.get(one, one)}" for one in (of, n) if one]
    series = Series(names[0], names[-1] if n else "", by=REPLICA)
    return Signal(name, "infrastructure", unit, better, says, means, source="engine", reads=reads, series=series)


def _of_state(name: str, reads: str, unit: str, says: str, means: str, by: str = REPLICA) -> Signal:
    better: Better = "higher" if name == "probes" else "lower"
    series = Series(reads, by=by)
    return Signal(name, "infrastructure", unit, better, says, means, source="state", reads=reads, series=series)


STATE: Final = (
    _of_state(
        "breaker_openings",
        "trimtab_breaker_openings_total",
        "openings",
        "Times the breaker of a replica has opened.",
        "A replica fails so often that it gets no calls for a while.",
    ),
    _of_state(
        "dead_letters",
        "trimtab_dead_letters",
        "letters",
        "Calls that failed for good, and damaged segments, that wait for somebody.",
        "Work is lost until somebody re-drives or drops it.",
        by="task, cause",
    ),
    _of_state(
        "probes",
        "trimtab_model_identity_same",
        "0 or 1",
        "Whether each replica answers as the model that was locked: 1 while it does.",
        "Another model, quantisation or template serves under the same name.",
    ),
    _of_state(
        "run_amplification",
        "trimtab_run_amplification",
        "tries",
        "Tries of all layers for each thing that steps asked, in runs that began within a day.",
        "Gateways, tools, drivers and clients try again, each over the other: `trimtab runs show` has the ledger.",
        by="task",
    ),
    _of_state(
        "requests_per_step",
        "trimtab_run_step_requests",
        "requests",
        "Requests that models got for each thing that steps asked, in runs that began within a day.",
        "Repairs and retries; or a larger part of the steps asks models.",
        by="task",
    ),
    _of_state(
        "tokens_per_step",
        "trimtab_run_step_tokens",
        "tokens",
        "Tokens in and out for each thing that steps asked, in runs that began within a day.",
        "Contexts grow from step to step, or steps are repeated.",
        by="task",
    ),
    _of_state(
        "telemetry_lag",
        "trimtab_spool_lag_seconds",
        "s",
        "Age of the oldest record that telemetry does not hold yet.",
        "Every other signal tells of an older time.",
        by="",
    ),
)
ENGINE: Final = (
    _of_engine(
        "queue_depth",
        "queue_depth",
        "requests",
        "Requests that wait at a replica.",
        "More is asked than the replica can begin; times to first token follow.",
    ),
    _of_engine(
        "running", "running", "requests", "Requests that a replica works on.", "Load; times per output token follow it."
    ),
    _of_engine(
        "kv_cache_usage",
        "kv_cache_usage",
        "share",
        "Part of a replica's KV cache that is in use.",
        "Near 1 the engine preempts requests or lets them wait.",
    ),
    _of_engine(
        "preemptions",
        "preemptions",
        "requests",
        "Requests that a replica had to put back for want of KV cache.",
        "Gaps amid answers: too much is asked at once, or contexts are longer.",
    ),
    _of_engine(
        "prefix_cache_hit_share",
        "prefix_cache_hits / prefix_cache_queries",
        "share",
        "Tokens of prompts that a replica found in its prefix cache, of those it looked up.",
        "The beginning of prompts changes between calls, or calls that share it go to different replicas.",
        "higher",
    ),
    _of_engine(
        "prefill_throughput",
        "prompt_tokens",
        "tokens/s",
        "Prompt tokens that a replica takes in, a second.",
        "Load; where it stands while the queue grows, prefill is what holds.",
        "neither",
    ),
    _of_engine(
        "decode_throughput",
        "generation_tokens",
        "tokens/s",
        "Tokens that a replica generates, a second.",
        "Load; where it stands while the queue grows, decode is what holds.",
        "neither",
    ),
    _of_engine(
        "gpu_utilisation",
        "gpu_utilisation",
        "share",
        "Part of the time in which a replica's GPU was busy.",
        "Little under load points at the host or the network.",
        "neither",
    ),
    _of_engine(
        "gpu_memory",
        "gpu_memory_used / gpu_memory_total",
        "share",
        "Memory in use on a replica's GPU, of what there is.",
        "Something else takes it, or the engine was started with other settings.",
        "neither",
    ),
    _of_engine(
        "engine_restarts",
        "restarts",
        "restarts",
        "Times a replica was found started anew.",
        "It crashes or is redeployed: caches are cold, and what was open is lost.",
    ),
)
SIGNALS: Final[tuple[Signal, ...]] = (*STATE, *ENGINE)
