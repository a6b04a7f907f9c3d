"""An evaluation that is killed, at any point and again and again, comes to the same and pays for no sample twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.evals.paying import PLAN, PayingServer, Phase, go
from trimtab.evals.plan import cells
from trimtab.evals.progress import Outcome

PHASES: tuple[Phase, Phase, Phase] = ("before", "recorded", "answered")
KILLS = 5
SEEDS = (1, 2, 3, 4)
"""Four evaluations that are killed five times each: twenty points."""
KEYS = [(cell.arm, cell.case, cell.number) for cell in cells(PLAN)]


@pytest.fixture
def server() -> Iterator[PayingServer]:
    found = PayingServer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What it comes to when nothing kills it."""
    server = PayingServer()
    outcome = go(server.port, tmp_path_factory.mktemp("unharmed"))
    server.close()
    return outcome


def killed(server: PayingServer, folder: Path, at: int, phase: Phase) -> int:
    """Runs it as a process of its own, which is killed at a call from now; its exit status."""
    with server._lock:
        server.kill_at = (server.calls + at, phase)
        command = [sys.executable, "-m", "tests.evals.paying", str(server.port), str(folder)]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL)
        server.pid = process.pid
    try:
        return process.wait(60)
    finally:
        process.kill()


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_and_taken_up(seed: int, server: PayingServer, tmp_path: Path, unharmed: Outcome) -> None:
    """Killed five times at random calls, before, between or after their answers, it ends as if it had not been."""
    chance = random.Random(seed)
    for _ in range(KILLS):
        at, phase = chance.randint(1, 8), chance.choice(PHASES)
        assert killed(server, tmp_path, at, phase) == -signal.SIGKILL
    with server._lock:
        server.kill_at, server.pid = None, 0
    already = dict(server.paid)
    outcome = go(server.port, tmp_path)
    assert server.paid == dict.fromkeys(KEYS, 1), "each sample is paid for, once"
    assert 0 < len(already) < len(KEYS), "it was killed on its way"
    assert outcome.samples == unharmed.samples
    assert (outcome.cases, outcome.stopped) == (unharmed.cases, "")
    assert outcome.spent_usd == pytest.approx(unharmed.spent_usd)
    assert msgspec.json.encode(outcome.samples) == msgspec.json.encode(unharmed.samples)
