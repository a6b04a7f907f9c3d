"""`trimtab promote` where nothing runs: what is known of the lock's rollout holds all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.locking import project
from trimtab.cli import run
from trimtab.lock.lockfile import FILE, decode
from trimtab.policy import rollout as rollouts
from trimtab.policy.rollout import Kind, Rollout, State

pytestmark = pytest.mark.usefixtures("bare_git")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that is locked, and serves nothing."""
    made = project(tmp_path / "app")
    assert run(["lock", "--project", str(made)]) == 0
    return made


def rolled_out(root: Path, kind: Kind, state: State, lock: str = "") -> None:
    """The latest rollout of the host, of the project's lock unless another is named."""
    place = root / ".trimtab" / "run"
    place.mkdir(parents=True, exist_ok=True)
    of = lock or decode((root / FILE).read_bytes()).lock_id
    values = {"share": 0.1, "salt": "s", "exposed": 1, "tasks": ("triage",), "source": "HEAD", "began_ns": 1}
    rollouts.publish(place, Rollout("r1", kind, state, "a" * 64, of, "b" * 64, "c" * 64, **values, why="it is worse"))


def promoted(root: Path) -> int:
    return run(["promote", "--project", str(root), "--to", "production", "--without-rollout", "urgent"])


@pytest.mark.parametrize("kind", ["canary", "shadow"])
def test_a_lock_that_was_rolled_back_is_refused(root: Path, kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the reason to promote it, and however it was tried."""
    rolled_out(root, kind, "rolled_back")
    assert promoted(root) == 1
    assert "was rolled back here: it is worse; mend it first" in capsys.readouterr().err
    assert not (root / "promotions").exists()


def test_another_lock_or_end_does_not_keep_it_back(root: Path) -> None:
    """A reason stands for a canary where none of this lock did harm."""
    rolled_out(root, "canary", "rolled_back", "9" * 64)
    assert promoted(root) == 0
    rolled_out(root, "shadow", "stopped")
    assert promoted(root) == 0
