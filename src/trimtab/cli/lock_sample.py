"""`lock upgrade --sample`: the suites of all tasks that a move touches decide whether it is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec.structs import replace

from trimtab.assemble.evaluation_side import Side, side
from trimtab.assemble.upgrade import Upgrade
from trimtab.cli.evaluating import HERE, Evaluating
from trimtab.cli.evaluation_text import report_text
from trimtab.cli.gating import Gating
from trimtab.cli.screen import safe, say
from trimtab.cli.verdicts import verdict_of
from trimtab.declare.project import Project
from trimtab.errors import EvaluationRefused
from trimtab.evals.report import Report, Verdict
from trimtab.evals.sample import Arm
from trimtab.lock.evidence_files import ShippedOn, attach
from trimtab.lock.lockfile import Lock

OPTIONS: Final[Mapping[str, Any]] = {
    "samples": None,
    "cases": None,
    "budget": None,
    "concurrency": None,
    "early": False,
    "dry_run": False,
    "base": "",
}


class Sampled:
    """The evaluations of a model's move: what they found, and all of it together."""

    def __init__(self, planned: Upgrade, held: Lock, root: Path, given: Mapping[str, Any]) -> None:
        """Evaluates every task that the move touches. Raises `EvaluationRefused` where none has a suite."""
        evaluating = Evaluating.of(root)
        sides = sides_of(evaluating.project, planned, held)
        self._planned, self._held = planned, held
        gating = Gating(evaluating, sides)
        for line in gating.found():
            evaluating.screen.print(line)
        self.unevaluated = gating.unevaluated
        if len(self.unevaluated) == len(gating.changed):
            detail = "no task that it touches has a suite; write evals = { scorers = [...] } and a cases.jsonl in one"
            raise EvaluationRefused(task=f"models.{planned.model}", detail=detail)
        self.reports: tuple[Report, ...] = tuple(gating.reports({**OPTIONS, **given}))
        self.verdict: Verdict = verdict_of([one.verdict for one in self.reports])

    def attach(self, root: Path, at_ns: int) -> Path:
        """Writes what the move was made on beside the lock; the file."""
        reports = {one.task: msgspec.to_builtins(replace(one, cases=())) for one in self.reports}
        lock, key = self._planned.lock, f"models/{self._planned.model}"
        entry = lock.get("models", self._planned.model)
        digest = entry.digest if entry is not None else ""
        evidence = ShippedOn(lock.lock_id, self._held.lock_id, key, digest, at_ns, self.verdict, reports)
        return attach(root, evidence)

    def say(self) -> None:
        """The reports, and what follows from them."""
        for one in self.reports:
            say(report_text(one))
            click.echo()
        for name in self.unevaluated:
            click.echo(f"{safe(name)} has no suite: it moves too, and nothing was asked of it.")
        told = ", ".join(f"{safe(one.task)} {one.verdict}" for one in self.reports)
        click.echo(f"{self.verdict}   {told}.")
        for one in self.reports:
            if one.needed:
                click.echo(f"{safe(one.task)}: about {one.needed:,} more cases would settle it.")


def sides_of(project: Project, planned: Upgrade, held: Lock) -> dict[Arm, Side]:
    """The project as it is locked, and as the move would leave it."""
    model = planned.project.models[planned.model]
    moved, source = priced(planned.project, planned.model), f"models.{planned.model} as {model.served_name}"
    return {"base": side(project, HERE, held), "candidate": side(moved, source, planned.lock)}


def priced(project: Project, name: str) -> Project:
    """The project with the price of the model that another name stands for already, if one does: what is still said of
    the old model would hide what the move saves.
    """
    model = project.models[name]
    alike = (one for one in project.models.values() if one.name != name and one.served_name == model.served_name)
    twin = next((one for one in alike if one.revision == model.revision and one.prices), None)
    if twin is None:
        return project
    return replace(project, models={**project.models, name: replace(model, prices=twin.prices)})
