"""What a task scored under each lock, by its evaluations: to stand beside what it does live."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from trimtab.evals.report import ArmReport, Figure, Metric, Report


class Scored(Struct, frozen=True):
    """The latest score of a task under a lock: by its first scorer, in the evaluation `id` at `at_ns`.

    `source` is what was evaluated, as the report calls it.
    """

    lock: str
    source: str
    id: str
    at_ns: int
    scorer: str
    unit: str
    figure: Figure


def scored(reports: Iterable[Report], task: str) -> tuple[Scored, ...]:
    """The scores of a task, one for each lock, the latest first; of arms without a lock there are none."""
    found: dict[str, Scored] = {}
    for report in sorted(reports, key=lambda one: one.at_ns, reverse=True):
        metric = next((one for one in report.metrics if one.kind == "score" and not one.slice), None)
        if report.task == task and metric is not None:
            for one in _sides(report, metric):
                found.setdefault(one.lock, one)
    return tuple(found.values())


def _sides(report: Report, metric: Metric) -> Iterable[Scored]:
    sides: tuple[tuple[ArmReport | None, Figure | None], ...] = (
        (report.candidate, metric.candidate),
        (report.base, metric.base),
    )
    for arm, figure in sides:
        if arm is not None and arm.lock and figure is not None:
            yield Scored(arm.lock, arm.source, report.id, report.at_ns, metric.name, metric.unit, figure)
