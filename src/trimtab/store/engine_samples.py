"""What a replica's own metrics said at a moment, under one name for each thing whatever its engine calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MAX_SAMPLES: Final = 100_000
"""How many samples one question is answered with; one that has more is refused."""

EngineSeries = Literal[
    "queue_depth",
    "running",
    "kv_cache_usage",
    "prefix_cache_queries",
    "prefix_cache_hits",
    "preemptions",
    "prompt_tokens",
    "generation_tokens",
    "requests",
    "requests_cut",
    "requests_failed",
    "requests_aborted",
    "rejections",
    "ttft_seconds_sum",
    "ttft_seconds_count",
    "tpot_seconds_sum",
    "tpot_seconds_count",
    "queue_seconds_sum",
    "queue_seconds_count",
    "gpu_utilisation",
    "gpu_memory_used",
    "gpu_memory_total",
    "gpu_power_watts",
    "started",
]
"""`kv_cache_usage` and `gpu_utilisation` are shares from 0 to 1, memory is in bytes, `started` in seconds since 1970;
prefix cache figures are tokens. Sums and counts only grow, until the server is started again."""
COUNTERS: Final[frozenset[EngineSeries]] = frozenset(
    {
        *("prefix_cache_queries", "prefix_cache_hits", "preemptions", "prompt_tokens", "generation_tokens", "requests"),
        *("requests_cut", "requests_failed", "requests_aborted", "rejections", "ttft_seconds_sum"),
        *("ttft_seconds_count", "tpot_seconds_sum"),
        *("tpot_seconds_count", "queue_seconds_sum", "queue_seconds_count"),
    }
)


@dataclass(frozen=True)
class EngineSample:
    """One value of one series of a replica; a series that the engine does not have has no samples, never 0."""

    at_ns: int
    model: str
    replica: str
    series: EngineSeries
    value: float


@dataclass(frozen=True)
class EngineQuery:
    """Samples taken in [since, until), in ns since 1970, of one model's replicas or all; one a `step_s`, the last in
    it (0 for all samples).
    """

    since_ns: int
    until_ns: int
    model: str = ""
    replica: str = ""
    series: tuple[EngineSeries, ...] = ()
    step_s: int = 0
