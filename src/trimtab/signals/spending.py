"""Signals of cost: what calls and completed work take in tokens and money."""

from __future__ import annotations

from typing import Final

from trimtab.signals.signal import Ratio, Series, Signal
from trimtab.store.slices import Slice

USD_A_PUSD: Final = 1e-12
DISJOINT: Final = ("input", "cache_read", "cache_write", "output")
"""Classes of tokens that add up; `reasoning` is part of `output`."""
TOKENS_TOTAL: Final = "trimtab_tokens_total"


def _pusd(one: Slice) -> float:
    return float(sum(sum_.pusd for sum_ in one.cost.values()))


def _priced(one: Slice) -> int:
    """Calls whose cost is known, exactly or by estimate."""
    return sum(sum_.calls for label, sum_ in one.cost.items() if label != "unknown")


def _cached(one: Slice) -> Ratio:
    sent = (one.tokens.get(name, 0) for name in ("input", "cache_read", "cache_write"))
    return Ratio(one.tokens.get("cache_read", 0), sum(sent))


TOKENS: Final = Signal(
    name="tokens",
    family="cost",
    unit="tokens",
    better="lower",
    says="Tokens in disjoint classes: input, read from and written to the prompt cache, output.",
    means="Longer contexts, longer answers, or a cache that no longer hits.",
    shares=lambda one: {name: one.tokens.get(name, 0) for name in DISJOINT if one.tokens.get(name)},
    independent=False,
    of="tokens of each class",
    among="tokens",
    series=Series(f'{TOKENS_TOTAL}{{class!="reasoning"}}', by="class"),
    facts=("tokens",),
)
COST: Final = Signal(
    name="cost",
    family="cost",
    unit="USD",
    better="lower",
    says="What calls cost, by how well it is known: `exact`, `estimated` or `unknown`.",
    means="More calls, more tokens each, another model, or another price.",
    shares=lambda one: {label: sum_.pusd for label, sum_ in one.cost.items() if sum_.pusd},
    scale=USD_A_PUSD,
    independent=False,
    of="cost of calls with each label",
    among="cost of all calls",
    series=Series("trimtab_cost_usd_total", by="label"),
    facts=("cost",),
)
COST_PER_CALL: Final = Signal(
    name="cost_per_call",
    family="cost",
    unit="USD",
    better="lower",
    says="Mean cost of a call.",
    means="More tokens a call, more repairs and retries, another model, or another price.",
    amount=_pusd,
    count=_priced,
    per="call",
    scale=USD_A_PUSD,
    of="cost of all calls",
    among="calls whose cost is known, exactly or by estimate",
    series=Series("trimtab_cost_usd_total", "trimtab_calls_total"),
    facts=("cost",),
)
COST_PER_COMPLETED: Final = Signal(
    name="cost_per_completed",
    family="cost",
    unit="USD",
    better="lower",
    says="Cost of all calls for each piece of work that was done.",
    means="Retries, loops and failed runs are in it: the one cost that a cheaper but worse model cannot hide.",
    amount=_pusd,
    per="completed",
    scale=USD_A_PUSD,
    of="cost of all calls",
    among="completed runs where a rule judges all; where a sample was judged, calls times the share that was completed",
    facts=("cost",),
)
CACHE_HIT_SHARE: Final = Signal(
    name="cache_hit_share",
    family="cost",
    unit="share",
    better="higher",
    says="Input tokens that came from the prompt cache.",
    means="The beginning of prompts changes between calls, or replicas are chosen without regard to their caches.",
    ratio=_cached,
    independent=False,
    of="tokens read from the cache",
    among="input tokens, cached, written to the cache or neither",
    series=Series(f'{TOKENS_TOTAL}{{class="cache_read"}}', f'{TOKENS_TOTAL}{{class=~"input|cache_read|cache_write"}}'),
    facts=("tokens",),
)
SIGNALS: Final[tuple[Signal, ...]] = (COST_PER_COMPLETED, COST_PER_CALL, COST, TOKENS, CACHE_HIT_SHARE)
