"""What became of the answers and tool calls of each task: the one place where these shares are defined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

from msgspec import Struct

from trimtab.statistics.intervals import wilson
from trimtab.store.contract_figures import TOOL_RESULTS, AnswerResult, ContractFigures, ToolResult

MOST_TOOLS = 50
"""Tools that are told apart, those with most calls first; what comes after them stands under `(other)`."""
OTHER_TOOLS = "(other)"

Name = TypeVar("Name", bound=str)


class Share(Struct, frozen=True):
    """`count` of `n`, as a share of 1 with its 95 % Wilson interval."""

    count: int
    n: int
    share: float
    low: float
    high: float


class ToolReport(Struct, frozen=True):
    """The calls of one tool by outcome, as shares of all its calls."""

    tool: str
    outcomes: dict[ToolResult, Share]


class ContractReport(Struct, frozen=True):
    """What became of the answers and tool calls of one task, model and prompt, as far as these are told apart.

    answers: shares of the answers that had a schema to keep and came: valid at the first time, valid after repair
        (the model was asked again), rejected, passed although invalid, truncated by a limit on tokens, refused by the
        model. Empty where no such answer came.
    repairs: how often models were asked again.
    tool_calls: shares of all tool calls, those of repaired attempts among them; empty where there was none.
    tools: the same for each tool, those with most calls first; tools that nobody offered stand under `(unknown)`.
    flagged, stopped: answers with degenerate repetition that were let through, or ended by it.
    resumed: answers that another replica went on with, at `seams` places in all.
    """

    prompt: str
    answers: dict[AnswerResult, Share]
    repairs: int
    tool_calls: dict[ToolResult, Share]
    tools: tuple[ToolReport, ...]
    flagged: int
    stopped: int
    resumed: int
    seams: int


def contract_reports(found: Iterable[ContractFigures]) -> dict[tuple[str, str, str], tuple[ContractReport, ...]]:
    """The reports by task, model and lock, one for each prompt in them."""
    reports: dict[tuple[str, str, str], tuple[ContractReport, ...]] = {}
    for figures in found:
        group = figures.task, figures.model, figures.lock
        reports[group] = (*reports.get(group, ()), _report(figures))
    return reports


def _report(figures: ContractFigures) -> ContractReport:
    tools = _most_called(figures.tool_calls)
    all_tools: Counter[ToolResult] = Counter()
    for outcomes in tools.values():
        all_tools.update(outcomes)
    return ContractReport(
        prompt=figures.prompt,
        answers=shares(figures.answers),
        repairs=figures.repairs,
        tool_calls=_outcomes(all_tools),
        tools=tuple(ToolReport(tool, _outcomes(outcomes)) for tool, outcomes in tools.items()),
        flagged=figures.flagged,
        stopped=figures.stopped,
        resumed=figures.resumed,
        seams=figures.seams,
    )


def _most_called(tool_calls: Mapping[str, Mapping[ToolResult, int]]) -> dict[str, Counter[ToolResult]]:
    """Tools by how often they were called; the first of them, and all others as one."""
    ordered = sorted(tool_calls.items(), key=lambda tool: (-sum(tool[1].values()), tool[0]))
    tools = {tool: Counter(outcomes) for tool, outcomes in ordered[:MOST_TOOLS]}
    for _, outcomes in ordered[MOST_TOOLS:]:
        tools.setdefault(OTHER_TOOLS, Counter()).update(outcomes)
    return tools


def _outcomes(counts: Mapping[ToolResult, int]) -> dict[ToolResult, Share]:
    return shares({outcome: counts.get(outcome, 0) for outcome in TOOL_RESULTS})


def shares(counts: Mapping[Name, int]) -> dict[Name, Share]:
    """Each count as a share of their sum; empty where that is 0."""
    n = sum(counts.values())
    return {name: Share(count, n, count / n, *wilson(count, n)) for name, count in counts.items() if n}
