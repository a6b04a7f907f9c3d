"""What the calls of each version of a prompt did: figures by the digest of the prompt that they were made with."""

from __future__ import annotations

from msgspec import Struct

from trimtab.reports.contracts import Share, shares
from trimtab.reports.report import SHOWN_LEVELS, Cost, Scope, Spread, SuccessRate, spread, success_rate
from trimtab.store.contract_figures import AnswerResult
from trimtab.store.telemetry import MINUTE_NS, PromptFigures, ReportQuery, Telemetry


class PromptReport(Struct, frozen=True):
    """The calls of a task that were made with the prompt of one digest.

    answers: shares of the answers that had a schema to keep and came, as in a report; empty where there were none.
    output_tokens, ttft_s, total_s and cost: as in a report.
    first_ns, last_ns: when the first and the last of these calls ended, in ns since 1970.
    """

    task: str
    prompt: str
    requests: int
    success: SuccessRate
    answers: dict[AnswerResult, Share]
    output_tokens: Spread
    ttft_s: Spread
    total_s: Spread
    cost: dict[str, Cost]
    first_ns: int
    last_ns: int


class PromptReports(Struct, frozen=True):
    """A window of whole minutes, [since, until) in ns since 1970, and its prompts, of each task the oldest first."""

    since_ns: int
    until_ns: int
    prompts: tuple[PromptReport, ...]


def prompt_reports(telemetry: Telemetry, scope: Scope) -> PromptReports:
    """Reads the figures of a scope by prompt; raises `StoreError` when telemetry cannot be read."""
    since_ns, until_ns = scope.since_ns // MINUTE_NS * MINUTE_NS, -(-scope.until_ns // MINUTE_NS) * MINUTE_NS
    query = ReportQuery(since_ns, until_ns, scope.tasks, scope.model, levels=SHOWN_LEVELS)
    return PromptReports(since_ns, until_ns, tuple(map(_report, telemetry.prompts(query))))


def _report(found: PromptFigures) -> PromptReport:
    figures = found.figures
    spreads = {measure: spread(one, SHOWN_LEVELS) for measure, one in figures.distributions.items()}
    return PromptReport(
        task=figures.task,
        prompt=found.prompt,
        requests=sum(figures.outcomes.values()),
        success=success_rate(figures.outcomes),
        answers=shares(found.answers),
        output_tokens=spreads["output"],
        ttft_s=spreads["ttft"],
        total_s=spreads["total"],
        cost={label: Cost(one.calls, one.pusd) for label, one in figures.cost.items()},
        first_ns=found.first_ns,
        last_ns=found.last_ns,
    )
