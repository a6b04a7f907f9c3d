"""A candidate for a rollout: compiled from a revision, a lock or a folder, and laid beside the snapshot in force."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trimtab.assemble.evaluation_side import base_side
from trimtab.declare.project import Project
from trimtab.errors import RolloutRefused
from trimtab.evals.kept import Evaluations
from trimtab.evals.report import Report
from trimtab.policy.publish import load_current
from trimtab.policy.rollout import Kind, beside, publish_candidate, touched
from trimtab.processes.directory import DataDirectory
from trimtab.processes.rollout_desk import NewRollout

EARLIER = 200
"""Evaluations that are looked at for one of the candidate's lock."""


def laid_out(
    project: Project, name: str, kind: Kind, share: float, *, tasks: tuple[str, ...], without: str
) -> NewRollout:
    """Writes the candidate that `name` means into the host's `run` directory, and says what is to be begun.

    Without `tasks` it is for those that would be served otherwise. Raises what `base_side` does, `StoreError` where
    nothing serves, and `RolloutRefused` where it is not locked or evaluations are missing and `without` is empty.
    """
    run = DataDirectory.of(project).run
    with base_side(Path(project.root), name) as side:
        if not side.agrees:
            detail = f"{side.source} is not what its lock says ({'; '.join(side.words[:3])}); lock it there and commit"
            raise RolloutRefused(detail=detail)
        in_force = load_current(run)
        candidate = beside(side.snapshot, in_force)
        chosen = tasks or touched(candidate, in_force)
        evaluations = () if without else ships(project, candidate.lock_id, in_force.lock_id, chosen)
        publish_candidate(run, candidate)
        return NewRollout(kind, candidate.digest, share, chosen, side.source, evaluations=evaluations, without=without)


def ships(project: Project, lock: str, base: str, tasks: Iterable[str]) -> tuple[str, ...]:
    """The evaluation of each task that said ship of this lock against that in force, the latest of each.

    Raises `RolloutRefused` for tasks that have none, or whose latest said otherwise.
    """
    latest: dict[str, Report] = {}
    evaluations = Evaluations(Path(project.data.directory))
    for name in evaluations.ids()[:EARLIER]:
        report = evaluations.report(name)
        if report is not None and report.base is not None and (report.candidate.lock, report.base.lock) == (lock, base):
            latest.setdefault(report.task, report)
    missing = [name for name in tasks if name not in latest or latest[name].verdict != "ship"]
    if missing:
        told = [
            f"{name}: {latest[name].verdict or 'not decided' if name in latest else 'not evaluated'}"
            for name in missing
        ]
        detail = f"lock {lock[:12]} against {base[:12]} is not to ship ({', '.join(told)})"
        how = "run `trimtab eval TASK --rev REV --against HEAD`, or say why not with --without-evaluation"
        raise RolloutRefused(detail=f"{detail}; {how}")
    return tuple(latest[name].id for name in tasks)
