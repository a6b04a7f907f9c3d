"""Clusters of undeclared calls, and what is known beside them."""

from __future__ import annotations

from typing import Any

from trimtab.advice.seen import Facts
from trimtab.store.histograms import of_values
from trimtab.store.undeclared import Cluster

PROMPT = "sha256:" + "ab" * 32
NOON_NS = 1_760_011_200_000_000_000
SPREADS = {
    "output": of_values([100] * 200),
    "ttft": of_values([0.9e6] * 200),
    "gap": of_values([0.1e6] * 200),
    "tpot": of_values([0.03e6] * 200),
    "total": of_values([3.5e6] * 200),
}
"""200 answers of 100 tokens: 0.9 s to the first, 0.1 s the longest gap, 30 ms a token, 3.5 s in all."""


def cluster(**fields: Any) -> Cluster:
    """200 streamed calls with a system prompt, one of which failed."""
    known: dict[str, Any] = {
        "system_prompt": PROMPT,
        "tools": "",
        "calls": 200,
        "first_ns": NOON_NS,
        "last_ns": NOON_NS + 3600 * 10**9,
        "streamed": 200,
        "largest_output": 100,
        "keys": {"my-app": 200},
        "asked": {"small": 200},
        "outcomes": {"ok": 199, "upstream_error": 1},
        "finish_reasons": {"stop": 199},
        "spreads": SPREADS,
    }
    return Cluster(**known | fields)


def facts(**fields: Any) -> Facts:
    """A project with one model and no task, which keeps no bodies of undeclared calls."""
    known: dict[str, Any] = {
        "since_ns": NOON_NS,
        "until_ns": NOON_NS + 3600 * 10**9,
        "models": {"small": "small", "qwen": "small", "large": "large"},
        "taken": frozenset({"small", "large"}),
        "redaction": "digest",
        "attempts": 3,
    }
    return Facts(**known | fields)
