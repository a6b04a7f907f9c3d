"""Carries out an evaluation: its arms are started, its plan is asked, what came of it is compared and kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from msgspec.structs import replace

from trimtab.assemble.evaluation_arm import Served, arms
from trimtab.assemble.evaluation_asker import ArmAsker, label
from trimtab.assemble.evaluation_money import bound_of
from trimtab.assemble.evaluation_plan import Prepared, unreachable
from trimtab.assemble.evaluation_room import make_room
from trimtab.assemble.evaluation_side import Side
from trimtab.clock import Clock
from trimtab.declare.evaluating import Evals
from trimtab.errors import EvaluationRefused, StoreError
from trimtab.evals.asking import Judge
from trimtab.evals.book import judged_calls
from trimtab.evals.comparing import Setting, compare
from trimtab.evals.kept import Evaluations
from trimtab.evals.looking import ONCE
from trimtab.evals.plan import Plan, plan_digest, suite_digest
from trimtab.evals.progress import Outcome, Progress
from trimtab.evals.report import ArmReport, Exactly, Report
from trimtab.evals.running import run
from trimtab.evals.sample import Answer, Arm
from trimtab.evals.scorers.calibrating import FOLDER as JUDGES
from trimtab.evals.scorers.calibrating import Calibration
from trimtab.evals.scorers.ready import Ready
from trimtab.evals.stopping import EarlyStop
from trimtab.ids import IdSource

ASKED: Final = "asked.json"


class Scorers(Protocol):
    """Makes the scorers of a suite ready to work."""

    def __call__(self, suite: Evals, side: Side, task: str, judge: Judge) -> Ready:
        """The scorers, which are closed at the end; `side` is where the suite lies."""
        ...


@dataclass(frozen=True)
class Around:
    """What an evaluation is carried out with."""

    evaluations: Evaluations
    scorers: Scorers
    clock: Clock
    ids: IdSource


@dataclass(frozen=True)
class Done:
    """What an evaluation came to; `report` is None where it was interrupted, and can be taken up again."""

    prepared: Prepared
    outcome: Outcome
    report: Report | None


@dataclass(frozen=True)
class ArmJudge:
    """A `Judge` through the gateway of the arm whose suite it is."""

    asker: ArmAsker
    arm: Arm
    evaluation: str

    def judge(self, model: str, body: dict[str, Any], seed: int) -> Answer:
        """The judge's answer; blocks."""
        return self.asker.judge_by(self.arm, self.evaluation, model, {**body, "seed": seed})


def taken_up(prepared: Prepared, evaluations: Evaluations) -> Prepared | None:
    """The same evaluation as it was begun before and not ended; None where there is none."""
    found = evaluations.unfinished(prepared.plan.task, plan_digest(prepared.plan))
    if found is None:
        return None
    kept = evaluations.plan(found)
    suite = prepared.plan.suite
    again = replace(kept, suite=replace(kept.suite, concurrency=suite.concurrency, budget_usd=suite.budget_usd))
    return Prepared(again, prepared.cases, prepared.sides)


def carry_out(
    prepared: Prepared, around: Around, progress: Callable[[Progress], None] | None = None, asked: bytes = b""
) -> Done:
    """Asks what is not answered yet, and writes the report; of an interrupted one everything but that.

    `asked` is kept beside the plan, for whoever takes it up again.

    Raises `EvaluationRefused` where no replica is there, `EvaluationStuck`, `EvaluationRuns`, `CannotStart`,
    `StoreError`.
    """
    plan, evaluations = prepared.plan, around.evaluations
    missing = unreachable(prepared)
    if missing:
        raise EvaluationRefused(task=plan.task, detail=missing)
    if plan.id not in evaluations.ids():
        make_room(evaluations)
        _begin(plan, evaluations, asked)
    stop = early_stop(prepared)
    served = {arm: Served(side.snapshot, str(side.root)) for arm, side in prepared.sides.items()}
    labels = {label(case, number): (case, number) for case in plan.order for number in range(plan.suite.samples)}
    with (
        evaluations.running(plan.id) as kept,
        arms(evaluations.folder(plan.id), served, around.clock, around.ids) as gateways,
        contextlib.closing(ArmAsker(gateways, labels, around.clock)) as asker,
    ):
        judge = ArmJudge(asker, plan.suite_arm, plan.id)
        with contextlib.closing(around.scorers(plan.suite, prepared.suite_side, plan.task, judge)) as scorers:
            known = judged_calls(kept.all(), {one.name for one in scorers.pairings})
            asker.take_up_judged(plan.suite_arm, plan.id, known)
            outcome = run(
                plan,
                prepared.cases.by_id(),
                asker,
                scorers.scorings,
                kept,
                around.clock,
                pairings=scorers.pairings,
                bound=bound_of(prepared, around.clock),
                stop=stop,
                progress=progress,
            )
            if outcome.stopped == "interrupted":
                return Done(prepared, outcome, None)
            judges = scorers.calibrations(judge, plan.judges, evaluations.root / JUDGES)
    report = report_of(prepared, outcome, stop, judges)
    evaluations.end(report)
    return Done(prepared, outcome, report)


def _begin(plan: Plan, evaluations: Evaluations, asked: bytes) -> None:
    path = evaluations.begin(plan) / ASKED
    try:
        path.write_bytes(asked)
    except OSError as failure:
        raise StoreError(store=str(path), detail=failure.strerror) from None


def early_stop(prepared: Prepared) -> EarlyStop | None:
    """The rule that ends an evaluation of two arms as soon as enough is known, where its plan lets it.

    None where a judge's scores are corrected: what it said by the way is not what is decided by.
    """
    if not prepared.plan.early or prepared.base is None or any(one.labels for one in prepared.plan.suite.scorers):
        return None
    by_id = prepared.cases.by_id()
    return EarlyStop(prepared.plan.suite, [by_id[name] for name in prepared.plan.order])


def report_of(
    prepared: Prepared,
    outcome: Outcome,
    stop: EarlyStop | None = None,
    judges: Mapping[str, Calibration] | None = None,
) -> Report:
    """What the samples of an evaluation say, by the rule that was told of them if there was one.

    `judges` says how judges err, by scorer.
    """
    plan = prepared.plan
    by_id = prepared.cases.by_id()
    asked = outcome.cases if outcome.stopped == "early" else plan.order
    setting = Setting(
        id=plan.id,
        task=plan.task,
        at_ns=plan.at_ns,
        candidate=arm_report("candidate", prepared.candidate, plan.task),
        exactly=exactly(prepared, judges or {}),
        base=arm_report("base", prepared.base, plan.task) if prepared.base is not None else None,
        changes=tuple(one.words for one in prepared.changes),
        prompts=_prompts(prepared),
        stopped=outcome.stopped,
        duration_s=outcome.duration_s,
        notes=tuple(_notes(prepared)),
        judges=judges or {},
    )
    look = stop.look if stop is not None else ONCE
    return compare(setting, plan.suite, [by_id[name] for name in asked], outcome.samples, look)


def arm_report(arm: Arm, side: Side, task: str) -> ArmReport:
    """Where an arm comes from, and what it serves."""
    policy = side.snapshot.tasks[task]
    models = {name: side.snapshot.models[name] for name in policy.models}
    return ArmReport(
        arm,
        side.source,
        side.snapshot.lock_id,
        side.snapshot.digest,
        prompt=policy.prompt.digest if policy.prompt is not None else "",
        models={
            name: f"{one.served_name}@{one.revision}" if one.revision else one.served_name
            for name, one in models.items()
        },
    )


def exactly(prepared: Prepared, judges: Mapping[str, Calibration]) -> Exactly:
    """What is needed to run it again; `judges` says how judges err, by scorer."""
    plan = prepared.plan
    return Exactly(
        suite_digest(plan.suite),
        plan.cases,
        plan.suite.seed,
        plan.suite.samples,
        judges=plan.judges,
        packages=plan.packages,
        trimtab=plan.trimtab,
        labels={name: one.digest for name, one in judges.items()},
    )


def _prompts(prepared: Prepared) -> tuple[str, str] | None:
    """The words of both prompts; None where they are the same, or one side has none."""
    if prepared.base is None:
        return None
    found = [side.project.tasks[prepared.plan.task].prompt for side in (prepared.base, prepared.candidate)]
    if found[0] is None or found[1] is None or found[0].digest == found[1].digest:
        return None
    words = ["\n".join(f"{turn.role}:\n{turn.template}" for turn in one.turns) for one in found if one is not None]
    return words[0], words[1]


def _notes(prepared: Prepared) -> list[str]:
    found = []
    for arm, side in prepared.sides.items():
        if not side.agrees:
            told = side.words[0] if side.words else "they differ"
            found.append(f"The {arm} is not what its lock pins: {told}.")
        seed = side.snapshot.tasks[prepared.plan.task].sampling.seed
        if seed is not None:
            found.append(f"The {arm} pins the seed {seed}; here each sample has a seed of its own.")
    if prepared.base is not None and not prepared.changes:
        found.append("Both arms are locked alike for this task: what differs between them is chance.")
    return found
