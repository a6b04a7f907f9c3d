"""The gap between what an engine says of itself and what calls through the gateway saw of it.

Both sides of one window: the engine's counters from their first reading in it to their last, and the calls that ended
in it. A call that began before the window, or ends after it, is on one side only, so that short windows and long calls
differ without a cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final

from msgspec import Struct

from trimtab.signals.engine.view import mean
from trimtab.store.engine_samples import COUNTERS, EngineSample
from trimtab.store.histograms import Histogram, merged, size, value_of
from trimtab.store.slices import Slice

LEAST: Final = 20
"""Requests on each side before anything is said of a difference."""
APART: Final = 0.05
"""As a share: counts that differ by no more are taken for the same."""
SLOWER: Final = 1.2
SLOWER_S: Final = 0.02
"""A time is worth a word from a fifth more on, and from this many seconds."""


class Side(Struct, frozen=True):
    """One side's view: how many requests ended, their tokens, and the means of their times in seconds.

    Times are those of streamed calls at the gateway, and of all requests at the engine. None where it is not told.
    """

    requests: float | None = None
    prompt_tokens: float | None = None
    output_tokens: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    queue_s: float | None = None


class Gap(Struct, frozen=True):
    """Both views of one address over a window, and in words what a difference means."""

    replica: str
    window_s: float
    engine: Side
    calls: Side
    words: tuple[str, ...] = ()

    @property
    def ttft_s(self) -> float | None:
        """How much later the first token reached the gateway than it left the engine, in the mean."""
        return _difference(self.calls.ttft_s, self.engine.ttft_s)

    @property
    def tpot_s(self) -> float | None:
        """How much longer tokens took as the gateway saw them."""
        return _difference(self.calls.tpot_s, self.engine.tpot_s)

    @property
    def other_requests(self) -> float | None:
        """Requests that the engine counted and the gateway did not."""
        return _difference(self.engine.requests, self.calls.requests)


def engine_side(samples: Iterable[EngineSample]) -> Side:
    """The engine's view, from the samples of one address, in any order. A counter that went backwards began at 0."""
    grown: dict[str, float] = {}
    ordered = sorted((one for one in samples if one.series in COUNTERS), key=_line)
    for (_, _, series), line in groupby(ordered, key=lambda one: (one.model, one.replica, one.series)):
        values = [one.value for one in line]
        if len(values) > 1:
            grown[series] = grown.get(series, 0.0) + sum(b - a if b >= a else b for a, b in pairwise(values))
    return Side(
        requests=grown.get("requests"),
        prompt_tokens=grown.get("prompt_tokens"),
        output_tokens=grown.get("generation_tokens"),
        ttft_s=mean(grown, "ttft_seconds"),
        tpot_s=mean(grown, "tpot_seconds"),
        queue_s=mean(grown, "queue_seconds"),
    )


def calls_side(slices: Sequence[Slice]) -> Side:
    """What the calls of one address saw, from its slices of all tasks."""
    tokens: dict[str, int] = {}
    for one in slices:
        for name, count in one.tokens.items():
            tokens[name] = tokens.get(name, 0) + count
    return Side(
        requests=float(sum(one.calls for one in slices)),
        prompt_tokens=float(sum(tokens.get(name, 0) for name in ("input", "cache_read", "cache_write"))),
        output_tokens=float(tokens.get("output", 0)),
        ttft_s=_mean_s([one.spreads.get("ttft", {}) for one in slices]),
        tpot_s=_mean_s([one.spreads.get("tpot", {}) for one in slices]),
    )


def gap(replica: str, window_s: float, engine: Side, calls: Side) -> Gap:
    """Holds the two against each other."""
    return Gap(replica, window_s, engine, calls, tuple(_words(engine, calls)))


def _words(engine: Side, calls: Side) -> Iterable[str]:
    told, seen = engine.requests or 0.0, calls.requests or 0.0
    if max(told, seen) < LEAST:
        return
    if engine.requests is not None and told > seen * (1 + APART) + 1:
        yield f"the engine counted {told - seen:.0f} requests more than went through here: it has other clients"
    elif engine.requests is not None and seen > told * (1 + APART) + 1:
        yield (
            f"{seen - told:.0f} calls more ended here than the engine counted: they failed before it, or several "
            "servers answer under this address"
        )
    if _slower(calls.ttft_s, engine.ttft_s):
        yield "first tokens come later here than they leave the engine: connections, a proxy, or the network between"
    if _slower(engine.ttft_s, calls.ttft_s):
        yield "the engine's other requests wait longer for their first token than those that went through here"
    if engine.queue_s is not None and engine.ttft_s and engine.queue_s > engine.ttft_s / 2 > SLOWER_S:
        yield "most of the time to the first token is the engine's queue: more is asked than it can begin"
    if _slower(calls.tpot_s, engine.tpot_s):
        yield "tokens come slower here than the engine makes them: something on the way holds them back"


def _slower(one: float | None, than: float | None) -> bool:
    return one is not None and than is not None and one > than * SLOWER and one - than > SLOWER_S


def _difference(one: float | None, other: float | None) -> float | None:
    return one - other if one is not None and other is not None else None


def _mean_s(histograms: Sequence[Histogram]) -> float | None:
    """The mean of histograms of microseconds, in seconds, to within their 1 %."""
    whole: Mapping[int, int] = merged(histograms)
    n = size(whole)
    return sum(value_of(bucket) * count for bucket, count in whole.items()) / n / 1e6 if n else None


def _line(sample: EngineSample) -> tuple[str, str, str, int]:
    return sample.model, sample.replica, sample.series, sample.at_ns
