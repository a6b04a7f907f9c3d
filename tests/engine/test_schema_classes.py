"""Classes of schemas against vLLM itself, on a seeded part; `python -m bench schema_classes` has the whole corpus."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.contracts.schemas.corpus import Case, corpus
from tests.engine.schema_behaviour import Server, compare, predicted, probe

pytestmark = pytest.mark.engine

SEED = 20_261
PROBED = 130
ASKED = 24
ANSWERS = 4


def sample(count: int) -> list[Case]:
    """So many cases, a seed's choice."""
    return random.Random(SEED).sample(list(corpus()), count)


def test_the_grammars_do_what_classification_says() -> None:
    """No native schema lets an invalid text through, and what is refused is exactly what is said to be."""
    apart = [
        (grammar, case.id, predicted(case, grammar).kind, seen.seen, seen.refused or seen.broken[:1])
        for case, behaviours in probe(sample(PROBED), walks=3, mutants=25, seed=SEED)
        for grammar, seen in behaviours.items()
        if compare(predicted(case, grammar), seen) == "disagrees"
    ]
    assert apart == []


def test_a_running_vllm_does_what_classification_says(vllm_url: str) -> None:
    """Random answers under native schemas are all valid; what is said to be refused is answered with an error."""

    async def ask() -> list[tuple[str, str, str, object]]:
        async with Server(vllm_url, "jobs-small", tokens=100) as server:
            found = []
            for case in sample(ASKED):
                seen = await server.behaviour(case, range(ANSWERS))
                if compare(predicted(case, "auto"), seen) == "disagrees":
                    found.append((case.id, predicted(case, "auto").kind, seen.seen, seen.refused or seen.broken[:1]))
            return found

    assert asyncio.run(ask()) == []
