"""Under which names model servers and exporters say what we call one thing: a table for each of them.

Sources: vLLM "Metrics" (its names up to 0.32, those it has given up among them), SGLang "Production metrics", TGI
"Metrics", llama.cpp's server, NVIDIA's dcgm-exporter (default counters). A name is written without the prefix of its
server and without `_total`, which counters bear in one version and not in another.

A series that a server does not have is not in the table of its values: unset is not 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from trimtab.signals.engine.exposition import MAX_SAMPLES, Exposition, Sample, Wanted
from trimtab.store.engine_samples import EngineSeries

Fold = Literal["sum", "mean"]
Server = Literal["vllm", "sglang", "tgi", "llamacpp", "dcgm"]
Values = Mapping[EngineSeries, float]


@dataclass(frozen=True)
class Alias:
    """Where a series is read: the first of `names` that is there; several samples of it are folded into one value.

    `only` keeps the samples whose label has one of some values.
    """

    names: tuple[str, ...]
    fold: Fold = "sum"
    scale: float = 1.0
    only: tuple[str, frozenset[str]] | None = None


def _alias(*names: str, fold: Fold = "sum", scale: float = 1.0) -> Alias:
    return Alias(names, fold, scale)


def _finished(reason: str) -> Alias:
    return Alias(("request_success",), only=("finished_reason", frozenset({reason})))


def _times(series: str, *names: str) -> dict[EngineSeries, Alias]:
    """Sum and count of a histogram of times, both of the same one."""
    return {
        f"{series}_sum": Alias(tuple(f"{name}_sum" for name in names)),  # type: ignore[dict-item]
        f"{series}_count": Alias(tuple(f"{name}_count" for name in names)),  # type: ignore[dict-item]
    }


VLLM: Final[Mapping[EngineSeries, Alias]] = {
    "queue_depth": _alias("num_requests_waiting"),
    "running": _alias("num_requests_running"),
    "kv_cache_usage": _alias("kv_cache_usage_perc", "gpu_cache_usage_perc", fold="mean"),
    "prefix_cache_queries": _alias("prefix_cache_queries", "gpu_prefix_cache_queries"),
    "prefix_cache_hits": _alias("prefix_cache_hits", "gpu_prefix_cache_hits"),
    "preemptions": _alias("num_preemptions"),
    "prompt_tokens": _alias("prompt_tokens"),
    "generation_tokens": _alias("generation_tokens"),
    "requests": _alias("request_success"),
    "requests_cut": _finished("length"),
    "requests_failed": _finished("error"),
    "requests_aborted": _finished("abort"),
    "rejections": _alias("admission_rejections"),
    **_times("ttft_seconds", "time_to_first_token_seconds"),
    **_times(
        "tpot_seconds",
        "request_time_per_output_token_seconds",
        "inter_token_latency_seconds",
        "time_per_output_token_seconds",
    ),
    **_times("queue_seconds", "request_queue_time_seconds"),
}
SGLANG: Final[Mapping[EngineSeries, Alias]] = {
    "queue_depth": _alias("num_queue_reqs"),
    "running": _alias("num_running_reqs"),
    "kv_cache_usage": _alias("token_usage", fold="mean"),
    "prefix_cache_queries": _alias("prompt_tokens"),
    "prefix_cache_hits": _alias("cached_tokens"),
    "preemptions": Alias(("num_retracted_requests_total", "num_retracted_reqs_total")),
    "prompt_tokens": _alias("prompt_tokens"),
    "generation_tokens": _alias("generation_tokens"),
    "requests": _alias("num_requests"),
    "requests_aborted": _alias("num_aborted_requests"),
    **_times("ttft_seconds", "time_to_first_token_seconds"),
    **_times(
        "tpot_seconds",
        "request_time_per_output_token_seconds",
        "inter_token_latency_seconds",
        "time_per_output_token_seconds",
    ),
    **_times("queue_seconds", "queue_time_seconds"),
}
TGI: Final[Mapping[EngineSeries, Alias]] = {
    "queue_depth": _alias("queue_size"),
    "running": _alias("batch_current_size"),
    "prompt_tokens": _alias("request_input_length_sum"),
    "generation_tokens": _alias("request_generated_tokens_sum"),
    "requests": _alias("request_count"),
    "requests_failed": _alias("request_failure"),
    **_times("tpot_seconds", "request_mean_time_per_token_duration"),
    **_times("queue_seconds", "request_queue_duration"),
}
LLAMACPP: Final[Mapping[EngineSeries, Alias]] = {
    "queue_depth": _alias("requests_deferred"),
    "running": _alias("requests_processing"),
    "kv_cache_usage": _alias("kv_cache_usage_ratio", fold="mean"),
    "prompt_tokens": _alias("prompt_tokens"),
    "generation_tokens": _alias("tokens_predicted"),
    "tpot_seconds_sum": _alias("tokens_predicted_seconds"),
    "tpot_seconds_count": _alias("tokens_predicted"),
}
MIB: Final = float(1 << 20)
DCGM: Final[Mapping[EngineSeries, Alias]] = {
    "gpu_utilisation": _alias("DEV_GPU_UTIL", fold="mean", scale=0.01),
    "gpu_memory_used": _alias("DEV_FB_USED", scale=MIB),
    "gpu_power_watts": _alias("DEV_POWER_USAGE"),
}
TABLES: Final[Mapping[Server, Mapping[EngineSeries, Alias]]] = {
    "vllm": VLLM,
    "sglang": SGLANG,
    "tgi": TGI,
    "llamacpp": LLAMACPP,
    "dcgm": DCGM,
}
PREFIXES: Final[Mapping[str, Server]] = {
    **dict.fromkeys(("vllm:", "vllm_", "kserve_vllm:", "kserve_vllm_"), "vllm"),
    **dict.fromkeys(("sglang:", "sglang_"), "sglang"),
    "tgi_": "tgi",
    **dict.fromkeys(("llamacpp:", "llamacpp_"), "llamacpp"),
    "DCGM_FI_": "dcgm",
}
STARTED: Final = "process_start_time_seconds"
WANTED: Final = Wanted((*PREFIXES, STARTED))
RANKS: Final = ("tp_rank", "pp_rank")
"""Every rank of a server that is spread over GPUs says the same: the first one's word is taken."""


class Reading(NamedTuple):
    """What was read: the server as its names give it away ("" where nothing is known), and its values.

    `trouble` says why nothing was taken of an exposition that is not whole: a sum over part of it would be wrong.
    """

    server: Server | Literal[""]
    values: Values
    trouble: str = ""


def read(data: bytes, served_name: str = "") -> Reading:
    """The values in an exposition.

    Of a server with several models only those of `served_name` count, where the label `model_name` tells them apart;
    values of several engines or GPUs are added up, but for shares, whose mean is taken.
    """
    found = WANTED.read(data)
    if found.is_cut:
        return Reading("", {}, f"it has more than {MAX_SAMPLES} samples of known names")
    if found.malformed:
        return Reading("", {}, f"{found.malformed} of its lines are not in Prometheus's format")
    by_server: dict[Server, dict[str, list[Sample]]] = {}
    for sample in found.samples:
        for prefix, server in PREFIXES.items():
            if sample.name.startswith(prefix):
                name = sample.name[len(prefix) :]
                by_server.setdefault(server, {}).setdefault(name, []).append(sample)
                break
    if not by_server:
        return Reading("", {}, f"it has no metric with a known name, which begin with {', '.join(sorted(PREFIXES))}")
    server = max(by_server, key=lambda one: len(by_server[one]))
    samples = by_server[server]
    values = {
        series: value
        for series, alias in TABLES[server].items()
        if (value := _value(alias, samples, served_name)) is not None
    }
    if server == "dcgm":
        values |= _memory(samples)
    started = _started(found)
    if started is not None and server != "dcgm":
        values["started"] = started
    return Reading(server, {series: value for series, value in values.items() if math.isfinite(value)})


def _value(alias: Alias, samples: Mapping[str, Sequence[Sample]], served_name: str) -> float | None:
    for name in alias.names:
        found = samples.get(name) or samples.get(f"{name}_total")
        if found:
            kept = _kept(found, served_name, alias.only)
            if not kept:
                continue
            total = sum(kept)
            return alias.scale * (total / len(kept) if alias.fold == "mean" else total)
    return None


def _kept(found: Iterable[Sample], served_name: str, only: tuple[str, frozenset[str]] | None) -> list[float]:
    kept = list(found)
    mine = [one for one in kept if one.labels.get("model_name") == served_name]
    kept = mine or kept
    for rank in RANKS:
        first = [one for one in kept if one.labels.get(rank) == "0"]
        kept = first or kept
    if only is not None:
        kept = [one for one in kept if one.labels.get(only[0]) in only[1]]
    return [one.value for one in kept]


def _memory(samples: Mapping[str, Sequence[Sample]]) -> dict[EngineSeries, float]:
    """All the memory there is: as told, or what is used, free and reserved together; unset where neither is whole."""
    total = samples.get("DEV_FB_TOTAL")
    if total:
        return {"gpu_memory_total": MIB * sum(one.value for one in total)}
    used, free = samples.get("DEV_FB_USED"), samples.get("DEV_FB_FREE")
    if not used or not free:
        return {}
    parts = (*used, *free, *samples.get("DEV_FB_RESERVED", ()))
    return {"gpu_memory_total": MIB * sum(one.value for one in parts)}


def _started(found: Exposition) -> float | None:
    """When the process began; of several that answer under one address the one that began last."""
    return max((one.value for one in found.samples if one.name == STARTED and one.value > 0), default=None)
