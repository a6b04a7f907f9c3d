"""Evaluations in a list: what each compared, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from trimtab.errors import EvaluationUnknown
from trimtab.evals.kept import Evaluations
from trimtab.evals.plan import Plan
from trimtab.evals.report import Metric, Report, Verdict

OPEN: Final = "not ended"
DONE: Final = "done"


class Listed(Struct, frozen=True):
    """An evaluation in a list. `state` is "" for one that has a verdict; `score` is its first scorer over all cases.

    `suite` and `cases_digest` tell which evaluations asked the same.
    """

    id: str
    task: str
    at_ns: int
    candidate: str
    base: str
    verdict: Verdict | None
    state: str
    cases: int
    samples: int
    calls: int
    cost_usd: float | None
    candidate_lock: str = ""
    base_lock: str = ""
    score: Metric | None = None
    suite: str = ""
    cases_digest: str = ""


def listed(plan: Plan, report: Report | None) -> Listed:
    """One evaluation of a list."""
    sources = {arm.arm: arm.source for arm in plan.arms}
    locks = {arm.arm: arm.lock for arm in plan.arms}
    arms = [one for one in (report.base, report.candidate) if one is not None] if report is not None else []
    verdict = report.verdict if report is not None else None
    return Listed(
        plan.id,
        plan.task,
        plan.at_ns,
        sources.get("candidate", ""),
        sources.get("base", ""),
        verdict,
        OPEN if report is None else "" if verdict else DONE,
        len(plan.order),
        plan.suite.samples,
        sum(one.calls for one in arms),
        report.cost_usd if report is not None else None,
        locks.get("candidate", ""),
        locks.get("base", ""),
        next((one for one in report.metrics if not one.slice), None) if report is not None else None,
        report.exactly.suite if report is not None else "",
        plan.cases,
    )


def listed_all(evaluations: Evaluations, wanted: Callable[[Plan], bool], limit: int) -> list[Listed]:
    """Those that are wanted, the latest first, at most `limit`; what cannot be read is passed over."""
    rows: list[Listed] = []
    for name in evaluations.ids():
        if len(rows) >= limit:
            break
        try:
            plan = evaluations.plan(name)
            if wanted(plan):
                rows.append(listed(plan, evaluations.report(name)))
        except EvaluationUnknown:
            continue
    return rows
