"""What the demo engine says of itself to Prometheus: under the names that vLLM gives the same things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from trimtab.demo.scheduler import WAITING, Answer, Piece


class _Timed(NamedTuple):
    opened_s: float
    first_s: float | None = None


class Tally:
    """What one model's answers came to. All of it happens in the engine's event loop."""

    def __init__(self, positions: int) -> None:
        """`positions` is how many tokens all slots hold together."""
        self._positions = positions
        self._open: dict[Answer, _Timed] = {}
        self._counts: Counter[str] = Counter()
        self._finished: Counter[str] = Counter({"stop": 0, "length": 0, "abort": 0})
        self._ttft_s = self._tpot_s = 0.0

    def opened(self, answer: Answer, now: float) -> None:
        """An answer was taken in."""
        self._open[answer] = _Timed(now)

    def grew(self, piece: Piece, now: float) -> None:
        """An answer that is open has got another token."""
        answer = piece.answer
        timed = self._open.get(answer)
        if timed is None:
            return
        self._counts["generation_tokens"] += 1
        if timed.first_s is None:
            self._counts["prompt_tokens"] += len(answer.order.prompt)
            self._counts["prefix_cache_hits"] += answer.cached_tokens
            self._counts["ttft"] += 1
            self._ttft_s += now - timed.opened_s
            timed = self._open[answer] = timed._replace(first_s=now)
        if piece.finish:
            del self._open[answer]
            self._finished[piece.finish] += 1
            if answer.tokens > 1 and timed.first_s is not None:
                self._counts["tpot"] += 1
                self._tpot_s += (now - timed.first_s) / (answer.tokens - 1)

    def aborted(self, answer: Answer) -> None:
        """An answer was given up before its end."""
        if self._open.pop(answer, None) is not None:
            self._finished["abort"] += 1

    def lines(self, model: str) -> Iterator[str]:
        """Its part of the exposition."""
        waiting = sum(answer.slot == WAITING for answer in self._open)
        held = sum(answer.computed for answer in self._open)
        counts = self._counts
        label = f'model_name="{model}"'
        for name, value in (
            ("num_requests_running", len(self._open) - waiting),
            ("num_requests_waiting", waiting),
            ("kv_cache_usage_perc", held / self._positions),
            ("prefix_cache_queries_total", counts["prompt_tokens"]),
            ("prefix_cache_hits_total", counts["prefix_cache_hits"]),
            ("prompt_tokens_total", counts["prompt_tokens"]),
            ("generation_tokens_total", counts["generation_tokens"]),
            ("time_to_first_token_seconds_sum", self._ttft_s),
            ("time_to_first_token_seconds_count", counts["ttft"]),
            ("request_time_per_output_token_seconds_sum", self._tpot_s),
            ("request_time_per_output_token_seconds_count", counts["tpot"]),
        ):
            yield f"vllm:{name}{{{label}}} {value}"
        for reason, count in sorted(self._finished.items()):
            yield f'vllm:request_success_total{{{label},finished_reason="{reason}"}} {count}'


GAUGES = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
COUNTERS = ("prefix_cache_queries", "prefix_cache_hits", "prompt_tokens", "generation_tokens", "request_success")
SUMMARIES = ("time_to_first_token_seconds", "request_time_per_output_token_seconds")


def exposition(tallies: Mapping[str, Tally], started_s: float) -> str:
    """The whole of it in Prometheus's text format, the samples of one metric in a row."""
    lines = [line for model, tally in tallies.items() for line in tally.lines(model)]
    parts = [*_family("gauge", GAUGES, lines), *_family("counter", COUNTERS, lines)]
    parts += _family("summary", SUMMARIES, lines)
    parts += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {started_s}"]
    return "\n".join([*parts, ""])


def _family(kind: str, names: Iterable[str], lines: Iterable[str]) -> Iterator[str]:
    for name in names:
        whole = f"vllm:{name}_total" if kind == "counter" else f"vllm:{name}"
        yield f"# TYPE {whole} {kind}"
        yield from (line for line in lines if line.startswith((f"{whole}{{", f"{whole}_")))
