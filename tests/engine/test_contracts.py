"""Answers of a real vLLM under schemas, judged by a client of its own: a short lane of `bench contracts`."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from bench import contracted
from bench.gateway import Served, gateway
from bench.shapes import Shape
from bench.suites import contracts

pytestmark = pytest.mark.engine

CALLS = 132
HOT = 2
"""At this temperature the trained model says anything that the grammar lets through, too."""


def babbled(shape: Shape, number: int) -> dict[str, Any]:
    """A job, drawn hot."""
    return {**contracts.spoken(shape, number), "temperature": HOT}


def test_no_answer_that_breaks_its_schema_is_delivered(vllm_url: str) -> None:
    """Under all policies, streamed or not: valid, or a typed error; and the record says the same."""
    served = Served((urlsplit(vllm_url).port or 80,), "jobs-small", "vllm")
    with gateway("engine-contracts", {contracts.MODEL: served}, contracted.tasks(contracts.MODEL)) as opened:
        asked = asyncio.run(contracted.calls(opened, CALLS, contracts.AT_ONCE, babbled, seed=5))
        wrong = contracted.read_records(asked, opened)
    assert [(one.shape, one.policy, one.said.text) for one in asked if one.said.end == "whole" and not one.valid] == []
    assert [(one.shape, one.policy, one.said) for one in asked if one.said.end == "neither"] == []
    assert {one.said.code for one in asked} <= {"", "output_invalid"}
    assert wrong == []
    assert {one.shape for one in asked if one.valid} >= {"enum", "max-length", "any-of"}
