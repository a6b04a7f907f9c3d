"""A real vLLM and the model it was locked with: it is the same under load and after a restart, a tuned copy is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import swapped
from bench.options import Options
from bench.swapped import NAME, Subject
from tests.demo.altered import rounded, tuned
from tests.engine.vllm_server import running_vllm
from trimtab.demo.app import MODELS
from trimtab.lock.identity_rungs import Pinned
from trimtab.processes.identity_learn import Learned

pytestmark = pytest.mark.engine

OPTIONS = Options(quick=False, seed=1, arms=None, tell=print)
CHECKS = 20


@pytest.fixture(scope="module")
def learned(vllm_url: str) -> Learned:
    return swapped.learn(Subject(vllm_url, "vllm"))


def told(learned: Learned) -> Pinned:
    """What the lock holds of the server."""
    return Pinned(learned.fingerprints, learned.baseline.server.version, learned.served_model)


def test_it_is_known_by_version_fingerprint_and_answers(learned: Learned) -> None:
    """It tells its version and a fingerprint, and greedy answers are alike alone and under load."""
    assert learned.baseline.server.version == "0.32.0"
    assert [one.startswith("vllm-0.32.0") for one in learned.fingerprints] == [True]
    assert learned.baseline.exact


@pytest.mark.parametrize("rung", ["exact", "first_token"])
def test_the_same_server_is_the_same(vllm_url: str, learned: Learned, rung: str) -> None:
    """Not one hit under load."""
    only = swapped.only(learned.baseline, rung)  # type: ignore[arg-type]
    assert swapped.trials(Subject(vllm_url, "vllm"), only, CHECKS, OPTIONS, told(learned)).hits == 0


def test_a_restart_changes_nothing(learned: Learned) -> None:
    """Another process of the same engine with the same model and flags."""
    with running_vllm(MODELS / NAME, NAME) as vllm:
        counted = swapped.trials(Subject(vllm.url, "vllm"), learned.baseline, CHECKS, OPTIONS, told(learned))
    assert counted.hits == 0


@pytest.mark.parametrize("copy", ["rounded", "tuned"])
def test_a_copy_is_found(learned: Learned, copy: str, tmp_path: Path) -> None:
    """Rounded to bfloat16, or tuned by three steps of its last layer: by either rung, in every trial."""
    folder = rounded(tmp_path) if copy == "rounded" else tuned(tmp_path, 3)
    with running_vllm(folder / NAME, NAME) as vllm:
        for rung in ("exact", "first_token"):
            only = swapped.only(learned.baseline, rung)  # type: ignore[arg-type]
            assert swapped.trials(Subject(vllm.url, "vllm"), only, 3, OPTIONS).alarms == 3
