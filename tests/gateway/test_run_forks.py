"""Forks of runs through a whole gateway, without a change: a sample of what `bench replay` does with 100 runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.forked_runs import forked_everywhere

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
