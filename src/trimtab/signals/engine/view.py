"""What is known of a replica from its own metrics: the latest values, and what they came to over the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from trimtab.signals.engine.aliases import Values
from trimtab.store.engine_samples import COUNTERS, EngineSeries

RATE_S: Final = 60.0
MAX_KEPT: Final = 64
MAX_STARTS: Final = 8
STARTED_APART_S: Final = 1.0
"""Starts that lie closer together are one: some servers round theirs anew at each answer."""


class EngineRates(Struct, frozen=True):
    """What a replica did over `window_s` seconds; None where its engine does not tell.

    `prefill_tokens_s` are prompt tokens a second that were computed, so those found in the prefix cache are not among
    them where the engine tells how many that were. `ttft_s`, `tpot_s` and `queue_s` are means over the requests of the
    window, in seconds.
    """

    window_s: float = 0.0
    requests_s: float | None = None
    prefill_tokens_s: float | None = None
    decode_tokens_s: float | None = None
    prefix_hit_share: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    queue_s: float | None = None
    preemptions: float | None = None
    cut_share: float | None = None


class EngineView(Struct, frozen=True):
    """A replica as its own metrics show it.

    `server` is whose names they have (`vllm`, `sglang`, `tgi`, `llamacpp`), `at_ns` when they were read last, 0 before
    that. `values` are those of the last try: a series that the engine does not have is not there, and nothing is where
    it did not answer; `trouble` and `exporter_trouble` say why. `failures` and `restarts` count since control started.
    """

    model: str
    replica: str
    server: str = ""
    at_ns: int = 0
    values: dict[str, float] = {}
    rates: EngineRates = EngineRates()
    trouble: str = ""
    exporter_trouble: str = ""
    failures: int = 0
    restarts: int = 0

    @property
    def gpu_memory(self) -> float | None:
        """The share of the memory of its GPUs that is in use."""
        used, whole = self.values.get("gpu_memory_used"), self.values.get("gpu_memory_total")
        return used / whole if used is not None and whole else None


class Restart(NamedTuple):
    """A server was started anew: when it had been started before and was now, in seconds since 1970, or why else it is
    thought so.
    """

    before: str
    after: str


class Track:
    """The latest values of one replica, at most `MAX_KEPT` times, and no longer than since its last start."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Values]] = deque(maxlen=MAX_KEPT)
        self._known: dict[EngineSeries, float] = {}
        self._starts: list[float] = []
        self.is_mixed = False

    def add(self, at_s: float, values: Values) -> Restart | None:
        """Takes what was read at a moment of a monotonic clock; tells if the server was started since the last time.

        Where a start comes back that was there before, several servers answer under one address (`is_mixed`), of which
        no rate can be told and no restart.
        """
        restart = restarted(self._known, values)
        started = values.get("started")
        if started is not None:
            known = any(abs(started - one) <= STARTED_APART_S for one in self._starts)
            if not known:
                self._starts = [*self._starts, started][-MAX_STARTS:]
            elif restart is not None:
                self.is_mixed = True
        if restart is not None:
            self._kept.clear()
            self._known.clear()
        self._kept.append((at_s, values))
        self._known.update(values)
        return None if self.is_mixed else restart

    @property
    def rates(self) -> EngineRates:
        """Over the last minute; over the last two readings where those lie farther apart."""
        if self.is_mixed or len(self._kept) < 2:
            return EngineRates()
        last_s, last = self._kept[-1]
        within = [one for one in self._kept if last_s - one[0] <= RATE_S]
        first_s, first = within[0] if len(within) > 1 else self._kept[-2]
        return rates_of(first, last, last_s - first_s)

    def __repr__(self) -> str:
        return f"Track({len(self._kept)} readings{', several servers' if self.is_mixed else ''})"


def restarted(before: Values, after: Values) -> Restart | None:
    """Whether a server was started since what is known of it was read: it began later, or a counter went backwards."""
    was, now = before.get("started"), after.get("started")
    if was is not None and now is not None and abs(now - was) > STARTED_APART_S:
        return Restart(f"{was:.0f}", f"{now:.0f}")
    back = sorted(name for name in COUNTERS if _less(after.get(name), before.get(name)))
    if back:
        return Restart(f"{back[0]} {before[back[0]]:g}", f"{back[0]} {after[back[0]]:g}")
    return None


def rates_of(first: Values, last: Values, seconds: float) -> EngineRates:
    """What came about between two readings of one life of a server that lie so many seconds apart."""
    if seconds <= 0:
        return EngineRates()
    grown = growth(first, last)
    hits, queries = grown.get("prefix_cache_hits"), grown.get("prefix_cache_queries")
    prompt = grown.get("prompt_tokens")
    computed = max(0.0, prompt - (hits or 0.0)) if prompt is not None else None
    return EngineRates(
        window_s=seconds,
        requests_s=_over(grown.get("requests"), seconds),
        prefill_tokens_s=_over(computed, seconds),
        decode_tokens_s=_over(grown.get("generation_tokens"), seconds),
        prefix_hit_share=_over(hits, queries),
        ttft_s=mean(grown, "ttft_seconds"),
        tpot_s=mean(grown, "tpot_seconds"),
        queue_s=mean(grown, "queue_seconds"),
        preemptions=grown.get("preemptions"),
        cut_share=_over(grown.get("requests_cut"), grown.get("requests")),
    )


def growth(first: Values, last: Values) -> dict[str, float]:
    """How much each counter grew from one reading to another; those that one of the two lacks are left out."""
    return {name: last[name] - first[name] for name in COUNTERS if name in first and name in last}


def mean(grown: Mapping[str, float], times: str) -> float | None:
    """The mean of times of which sum and count grew; None where none was measured."""
    return _over(grown.get(f"{times}_sum"), grown.get(f"{times}_count"))


def _over(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _less(value: float | None, than: float | None) -> bool:
    return value is not None and than is not None and value < than
