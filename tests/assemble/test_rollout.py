"""Which evaluations let a lock be rolled out: the latest of each task, of this very lock against that in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.upping import write_project
from trimtab.assemble.rollout import ships
from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.errors import RolloutRefused
from trimtab.evals.kept import PLAN, Evaluations
from trimtab.evals.report import ArmReport, Exactly, Report, Verdict

LOCK, BASE = "2" * 64, "1" * 64


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without evaluations."""
    write_project(tmp_path, "http://127.0.0.1:9")
    return load(tmp_path)


def ended(project: Project, name: str, verdict: Verdict | None, lock: str = LOCK, base: str | None = BASE) -> None:
    """An evaluation of the task `chat` that has its report."""
    evaluations = Evaluations(Path(project.data.directory))
    folder = evaluations.folder(name)
    folder.mkdir(parents=True)
    (folder / PLAN).write_text("{}")
    against = None if base is None else ArmReport("base", "main", base, "")
    evaluations.end(
        Report(name, "chat", 1, ArmReport("candidate", "here", lock, ""), Exactly("", "", 1, 1), against, verdict)
    )


def test_the_latest_counts(project: Project) -> None:
    """A later ship outweighs an earlier block, and the other way round."""
    ended(project, "a1", "block")
    ended(project, "a2", "ship")
    assert ships(project, LOCK, BASE, ("chat",)) == ("a2",)
    ended(project, "a3", "inconclusive")
    with pytest.raises(RolloutRefused, match="chat: inconclusive"):
        ships(project, LOCK, BASE, ("chat",))


@pytest.mark.parametrize(("lock", "base"), [("3" * 64, BASE), (LOCK, "3" * 64), (LOCK, None)])
def test_evaluations_of_others_do_not_count(project: Project, lock: str, base: str | None) -> None:
    """Another candidate, another base, or none: that is no evidence for this one."""
    ended(project, "a1", "ship", lock, base)
    with pytest.raises(RolloutRefused, match="chat: not evaluated"):
        ships(project, LOCK, BASE, ("chat",))


def test_each_task_needs_one(project: Project) -> None:
    """One task's verdict says nothing of another's."""
    ended(project, "a1", "ship")
    with pytest.raises(RolloutRefused, match="other: not evaluated"):
        ships(project, LOCK, BASE, ("chat", "other"))
