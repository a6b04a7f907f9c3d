"""Undeclared traffic: calls outside any task, put together by what they look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from trimtab.store.histograms import Histogram

UNDECLARED_TASK: Final = "(undeclared)"
MAX_CLUSTERS: Final = 200
"""How many clusters one question is answered with; those with fewest calls are left out."""
EXAMPLES: Final = 5
SPREADS: Final = ("output", "input", "total", "ttft", "tpot", "gap")


@dataclass(frozen=True)
class Cluster:
    """Undeclared calls with the same system prompt and the same tools, by their digests (empty for none).

    `keys`, `asked` (models that were asked for) and `surfaces` count calls. `spreads` holds the histograms of
    `output`, `input` (every input token, cached or not), `total`, `ttft`, `tpot` and `gap`, in the units of
    `slices.Spread`; `largest_output` is the most tokens one answer had. `limits` counts calls by the limit on output
    tokens they asked for, 0 for none. `schemas` counts calls by the digest of a schema. `examples` are ids of its
    latest calls.
    """

    system_prompt: str
    tools: str
    calls: int
    first_ns: int
    last_ns: int
    streamed: int = 0
    with_tool_calls: int = 0
    largest_output: int = 0
    keys: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    surfaces: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    finish_reasons: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[int, int] = field(default_factory=dict)
    schemas: Mapping[str, int] = field(default_factory=dict)
    spreads: Mapping[str, Histogram] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Undeclared:
    """The clusters, those with most calls first, at most `MAX_CLUSTERS`; `calls` counts all undeclared calls."""

    clusters: tuple[Cluster, ...] = ()
    calls: int = 0
