"""Forks of runs through a whole gateway, without a change: a sample of what `bench replay` does with 100 runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.forked_runs import forked_everywhere
from tests.gateway.test_runs import HELLO, opened
from trimtab.console.run_desk import Wanted
from trimtab.processes.run_acts import forked
from trimtab.testing import ScriptedUpstream, error_answer

RUNS, TURNS = 2, 5


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_fork_at_every_step(tmp_path: Path, seed: int) -> None:
    """All entries before it are those of its origin, and the model is asked for nothing that lies there."""
    seen = await forked_everywhere(tmp_path, seed, RUNS, TURNS)
    steps = RUNS * (TURNS + 2)
    assert seen.forks == steps
    assert (seen.other, seen.unserved, seen.live_before) == (0, 0, 0)
    assert seen.live == RUNS * sum(range(1, TURNS + 3))
    assert seen.entries > seen.forks


async def test_another_answer_of_a_step_that_failed_is_a_good_one(tmp_path: Path) -> None:
    """It comes whole, with the status of an answer and not with that of the failure, and nobody is asked."""
    said = b'{"object": "chat.completion", "choices": []}'
    async with ScriptedUpstream() as upstream:
        upstream.always(error_answer(400, "no such thing"))
        async with opened(tmp_path, upstream.url) as gateway:
            failed = await gateway.post(HELLO, x_trimtab_run="r")
            (step,) = gateway.journal.log("r").steps
            journal = gateway.journal.keeper.blocking
            forked(journal, Wanted("r", "f", step.seq, said), gateway.clock.wall_ns())
            answer = await gateway.post(HELLO, x_trimtab_run="f")
            asked = len(upstream.requests)
    assert (failed.status, answer.status, answer.body, asked) == (400, 200, said, 1)
    assert answer.headers["content-type"] == "application/json"
