"""The demo engine against a vLLM that runs now."""

from __future__ import annotations

from itertools import chain

import pytest

from tests.demo.greedy import TIE, Recorded, recorded
from tests.engine.record_greedy import record

pytestmark = pytest.mark.engine


def difference(now: Recorded, then: Recorded) -> str | None:
    """What differs between two answers to one prompt, or None; from a tie on, anything may."""
    steps = enumerate(zip(now.ids, then.ids, strict=False))
    step = next((step for step, (a, b) in steps if a != b), None)
    if now.prompt != then.prompt:
        return "the prompt is tokenised otherwise"
    if step is not None and step not in then.ties():
        return f"step {step}: {now.ids} instead of {then.ids}"
    pairs = zip(chain(*now.top2[:step]), chain(*then.top2[:step]), strict=True)
    apart = max(abs(a - b) for a, b in pairs)
    return f"log-probabilities are {apart} apart" if apart > TIE else None


def test_the_recording_is_what_vllm_writes_today(vllm_url: str) -> None:
    """All 200 prompts have the recorded tokens and log-probabilities, but for ties.

    `tests/demo/test_greedy.py` holds the demo engine against the same recording.
    """
    then = [line for line in recorded() if line.model == "jobs-small"]
    now = record(vllm_url, "jobs-small")
    differences = {index: difference(a, b) for index, (a, b) in enumerate(zip(now, then, strict=True))}
    assert {index: found for index, found in differences.items() if found} == {}
