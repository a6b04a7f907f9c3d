"""Under which names servers say what: tables held against what a real server says, and what is not said is unset."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from trimtab.signals.engine.aliases import PREFIXES, TABLES, read
from trimtab.store.engine_samples import COUNTERS, EngineSeries

VLLM = (Path(__file__).parent / "data" / "vllm-0.32.prom").read_bytes()
"""A vLLM 0.32 on a CPU amid 40 requests, 32 of which it works on; without its help texts and most of its buckets."""
SERIES: frozenset[EngineSeries] = frozenset(get_args(EngineSeries))


def test_a_real_vllm_says_everything_there_is_of_an_engine() -> None:
    """Every series but those of the GPU, with the values that stand in its answer."""
    found = read(VLLM, "jobs-small")
    assert (found.server, found.trouble) == ("vllm", "")
    assert found.values == {
        "queue_depth": 8.0,
        "running": 32.0,
        "kv_cache_usage": 0.015748992796972283,
        "prefix_cache_queries": 8610.0,
        "prefix_cache_hits": 4352.0,
        "preemptions": 0.0,
        "prompt_tokens": 8610.0,
        "generation_tokens": 10801.0,
        "requests": 3.0,
        "requests_cut": 1.0,
        "requests_failed": 0.0,
        "requests_aborted": 0.0,
        "rejections": 0.0,
        "ttft_seconds_sum": 3.838392496109009,
        "ttft_seconds_count": 35.0,
        "tpot_seconds_sum": 0.017404571047288635,
        "tpot_seconds_count": 3.0,
        "queue_seconds_sum": 0.00010335400293115526,
        "queue_seconds_count": 3.0,
        "started": 1795657175.0,
    }
    assert SERIES - found.values.keys() == {
        *("gpu_utilisation", "gpu_memory_used", "gpu_memory_total", "gpu_power_watts")
    }


OLD = b"""
vllm:num_requests_running{model_name="m"} 1
vllm:num_requests_waiting{model_name="m"} 2
vllm:gpu_cache_usage_perc{model_name="m"} 0.5
vllm:gpu_prefix_cache_queries_total{model_name="m"} 100
vllm:gpu_prefix_cache_hits_total{model_name="m"} 40
vllm:time_per_output_token_seconds_sum{model_name="m"} 2.0
vllm:time_per_output_token_seconds_count{model_name="m"} 100
"""
SAMPLES: dict[str, tuple[bytes, str, dict[str, float]]] = {
    "a vLLM of old": (
        OLD,
        "vllm",
        {
            "running": 1,
            "queue_depth": 2,
            "kv_cache_usage": 0.5,
            "prefix_cache_queries": 100,
            "prefix_cache_hits": 40,
            "tpot_seconds_sum": 2.0,
            "tpot_seconds_count": 100,
        },
    ),
    "one under KServe": (
        OLD.replace(b"vllm:", b"kserve_vllm:"),
        "vllm",
        {
            "running": 1,
            "queue_depth": 2,
            "kv_cache_usage": 0.5,
            "prefix_cache_queries": 100,
            "prefix_cache_hits": 40,
            "tpot_seconds_sum": 2.0,
            "tpot_seconds_count": 100,
        },
    ),
    "counters without _total, names without a colon": (
        b"vllm_prompt_tokens 5\nvllm_generation_tokens 6\nvllm_num_preemptions 7\n",
        "vllm",
        {"prompt_tokens": 5, "generation_tokens": 6, "preemptions": 7},
    ),
    "times of requests before times of tokens": (
        b"vllm:inter_token_latency_seconds_sum 9\nvllm:inter_token_latency_seconds_count 900\n"
        b"vllm:request_time_per_output_token_seconds_sum 3\nvllm:request_time_per_output_token_seconds_count 10\n",
        "vllm",
        {"tpot_seconds_sum": 3, "tpot_seconds_count": 10},
    ),
    "several engines: counts are added up, shares averaged": (
        b'vllm:num_requests_running{engine="0"} 3\nvllm:num_requests_running{engine="1"} 4\n'
        b'vllm:kv_cache_usage_perc{engine="0"} 0.2\nvllm:kv_cache_usage_perc{engine="1"} 0.6\n',
        "vllm",
        {"running": 7, "kv_cache_usage": 0.4},
    ),
    "several models: only its own": (
        b'vllm:num_requests_running{model_name="m"} 3\nvllm:num_requests_running{model_name="other"} 4\n',
        "vllm",
        {"running": 3},
    ),
    "SGLang": (
        b'sglang:num_running_reqs{tp_rank="0"} 5\nsglang:num_running_reqs{tp_rank="1"} 5\n'
        b'sglang:num_queue_reqs{tp_rank="0"} 2\nsglang:token_usage 0.28\n'
        b"sglang:prompt_tokens_total 800\nsglang:generation_tokens_total 700\nsglang:cached_tokens_total 300\n"
        b"sglang:num_requests_total 9\nsglang:num_aborted_requests_total 1\n"
        b"sglang:time_to_first_token_seconds_sum 3\nsglang:time_to_first_token_seconds_count 9\n"
        b"sglang:num_retracted_reqs 4\n",
        "sglang",
        {
            "running": 5,
            "queue_depth": 2,
            "kv_cache_usage": 0.28,
            "prompt_tokens": 800,
            "generation_tokens": 700,
            "prefix_cache_queries": 800,
            "prefix_cache_hits": 300,
            "requests": 9,
            "requests_aborted": 1,
            "ttft_seconds_sum": 3,
            "ttft_seconds_count": 9,
        },
    ),
    "TGI": (
        b"tgi_queue_size 3\ntgi_batch_current_size 2\ntgi_request_count 50\n"
        b'tgi_request_failure{err="overloaded"} 2\ntgi_request_failure{err="generation"} 1\n'
        b"tgi_request_input_length_sum 900\ntgi_request_input_length_count 50\ntgi_request_generated_tokens_sum 700\n"
        b"tgi_request_queue_duration_sum 1.5\ntgi_request_queue_duration_count 50\n"
        b"tgi_request_mean_time_per_token_duration_sum 0.5\ntgi_request_mean_time_per_token_duration_count 50\n",
        "tgi",
        {
            "queue_depth": 3,
            "running": 2,
            "requests": 50,
            "requests_failed": 3,
            "prompt_tokens": 900,
            "generation_tokens": 700,
            "queue_seconds_sum": 1.5,
            "queue_seconds_count": 50,
            "tpot_seconds_sum": 0.5,
            "tpot_seconds_count": 50,
        },
    ),
    "llama.cpp": (
        b"llamacpp:requests_processing 4\nllamacpp:requests_deferred 46\nllamacpp:prompt_tokens_total 10\n"
        b"llamacpp:tokens_predicted_total 1000\nllamacpp:tokens_predicted_seconds_total 20.5\n",
        "llamacpp",
        {
            "running": 4,
            "queue_depth": 46,
            "prompt_tokens": 10,
            "generation_tokens": 1000,
            "tpot_seconds_sum": 20.5,
            "tpot_seconds_count": 1000,
        },
    ),
    "DCGM with two GPUs": (
        b'DCGM_FI_DEV_GPU_UTIL{gpu="0"} 80\nDCGM_FI_DEV_GPU_UTIL{gpu="1"} 40\n'
        b'DCGM_FI_DEV_FB_USED{gpu="0"} 1024\nDCGM_FI_DEV_FB_USED{gpu="1"} 512\n'
        b'DCGM_FI_DEV_FB_FREE{gpu="0"} 1024\nDCGM_FI_DEV_FB_FREE{gpu="1"} 1024\n'
        b'DCGM_FI_DEV_FB_RESERVED{gpu="0"} 512\n'
        b'DCGM_FI_DEV_POWER_USAGE{gpu="0"} 300.5\nDCGM_FI_DEV_POWER_USAGE{gpu="1"} 200\n'
        b"process_start_time_seconds 1.7e9\n",
        "dcgm",
        {
            "gpu_utilisation": 0.6,
            "gpu_memory_used": 1536 * 2**20,
            "gpu_memory_total": 4096 * 2**20,
            "gpu_power_watts": 500.5,
        },
    ),
    "DCGM that tells all memory, and nothing of what is free": (
        b"DCGM_FI_DEV_FB_USED 10\nDCGM_FI_DEV_FB_TOTAL 100\n",
        "dcgm",
        {"gpu_memory_used": 10 * 2**20, "gpu_memory_total": 100 * 2**20},
    ),
    "DCGM that tells what is used alone": (b"DCGM_FI_DEV_FB_USED 10\n", "dcgm", {"gpu_memory_used": 10 * 2**20}),
    "the last of several starts": (
        b"vllm:num_requests_running 0\nprocess_start_time_seconds 5\nprocess_start_time_seconds 7\n",
        "vllm",
        {"running": 0, "started": 7},
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_what_servers_say(name: str) -> None:
    """Under one name each; what one does not say is not there, and what it says is 0 is 0."""
    data, server, values = SAMPLES[name]
    found = read(data, "m")
    assert (found.server, found.trouble) == (server, "")
    assert found.values == pytest.approx(values)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no metric with a known name"),
        (b"<html><body>Sign in</body></html>", "no metric with a known name"),
        (b"go_goroutines 7\nprocess_start_time_seconds 5\n", "no metric with a known name"),
        (b"vllm:num_requests_running 1\nvllm:num_requests_waiting{x} 1\n", "1 of its lines are not"),
        (b"vllm:num_requests_running 1\n" * 50_001, "more than 50000 samples"),
    ],
)
def test_what_is_not_whole_is_not_taken(data: bytes, why: str) -> None:
    """A page of something else, a malformed line, too many samples: no values, and it is told why."""
    found = read(data)
    assert found.values == {}
    assert why in found.trouble


def test_every_table_speaks_of_series_there_are() -> None:
    """Each alias fills a series of telemetry, sums come with their counts, and each prefix leads to a table."""
    assert set(PREFIXES.values()) == set(TABLES)
    for table in TABLES.values():
        assert table.keys() <= SERIES
        for series in table:
            if series.endswith("_sum"):
                assert series.removesuffix("_sum") + "_count" in table
    assert COUNTERS <= SERIES
