"""Figures of reports, contracts and prompts in ClickHouse: sums of the same rows that slices are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from trimtab.store.clickhouse_slices import SignalReader
from trimtab.store.contract_figures import ANSWER_RESULTS, ContractFigures, ToolResult
from trimtab.store.histograms import Histogram, at_rank, size
from trimtab.store.lock_figures import MAX_KINDS
from trimtab.store.slice_columns import LABELS, REPORTED, TOKEN_CLASSES, columns_of
from trimtab.store.slices import Dimension, SliceQuery, Spread
from trimtab.store.telemetry import (
    MEASURES,
    MINUTE_NS,
    CostSum,
    Distribution,
    Figures,
    Measure,
    PromptFigures,
    ReportQuery,
    Work,
)

EXACT_BELOW_TOKENS: Final = 50
SEPARATOR: Final = "\x1f"
"""Stands between the names of a row by several dimensions."""

Row = Mapping[str, Any]


class Group(NamedTuple):
    """What the calls of a row have in common; empty where it is not told apart."""

    task: str
    model: str = ""
    prompt: str = ""
    lock: str = ""


class FigureReader(SignalReader):
    """Reports, contracts and figures of prompts, for a store that can send statements."""

    def report(self, query: ReportQuery) -> tuple[Figures, ...]:
        """Sums the roll-up over a window, by task and perhaps by model and by lock, in their alphabetical order."""
        found = sorted(self._grouped(query, by_prompt=False, spreads=MEASURES))
        return tuple(_figures(group, row, query.levels) for group, row in found)

    def prompts(self, query: ReportQuery) -> tuple[PromptFigures, ...]:
        """Figures by task and prompt, of each task the prompt first that was rendered first; 10,000 at most."""
        alone = ReportQuery(query.since_ns, query.until_ns, query.tasks, query.model, levels=query.levels)
        found = [one for one in self._grouped(alone, by_prompt=True, spreads=MEASURES) if one[0].prompt]
        found.sort(key=lambda one: (one[0].task, one[1]["first_ns"], one[0].prompt))
        return tuple(_of_prompt(group, row, query.levels) for group, row in found[:MAX_KINDS])

    def contracts(self, query: ReportQuery) -> tuple[ContractFigures, ...]:
        """Sums what became of answers and tool calls, by task and perhaps by model, prompt and lock, in that order."""
        found = sorted(self._grouped(query, by_prompt=query.by_prompt, spreads=()))
        return tuple(_contract(group, row) for group, row in found if row["contracts"] or row["tool_calls"])

    def _grouped(
        self, query: ReportQuery, *, by_prompt: bool, spreads: tuple[Spread, ...]
    ) -> Iterator[tuple[Group, Row]]:
        """Rows of the roll-up, if one dimension tells what is asked, or of the calls by all that is asked."""
        asked: dict[Dimension, bool] = {"model": query.by_model, "prompt": by_prompt, "lock": query.by_lock}
        apart = [name for name, is_apart in asked.items() if is_apart]
        if len({*apart, *(["model"] if query.model else [])}) > 1:
            yield from self._across(query, asked, spreads)
            return
        by = apart[0] if apart else "model" if query.model else "task"
        sliced = SliceQuery(query.since_ns, query.until_ns, query.tasks, by, query.model, spreads=spreads)
        for row in self._slice_rows(sliced, (*columns_of(sliced), *REPORTED)):
            yield Group(row["task"], **dict.fromkeys(apart, row["value"])), row

    def _across(
        self, query: ReportQuery, asked: Mapping[Dimension, bool], spreads: tuple[Spread, ...]
    ) -> Iterator[tuple[Group, Row]]:
        parameters = {
            "first_minute": query.since_ns // MINUTE_NS,
            "end_minute": -(-query.until_ns // MINUTE_NS),
            "tasks": list(query.tasks),
            "model": query.model,
            **{f"by_{name}": is_apart for name, is_apart in asked.items()},
        }
        columns = (*columns_of(SliceQuery(query.since_ns, query.until_ns)), *REPORTED)
        for row in self._merged([self._texts["part_across"]], columns, spreads, parameters):
            yield Group(row["task"], *row["value"].split(SEPARATOR)), row


def _figures(group: Group, row: Row, levels: tuple[float, ...]) -> Figures:
    return Figures(
        task=group.task,
        model=group.model,
        lock=group.lock,
        outcomes=dict(row["outcomes"]),
        distributions={measure: _distribution(row[f"spread_{measure}"], measure, levels) for measure in MEASURES},
        tokens={token_class: row[column] for token_class, column in TOKEN_CLASSES.items()},
        cost={label: CostSum(row[f"{label}_calls"], row[f"{label}_pusd"]) for label in LABELS},
        prefill=Work(row["prefill_tokens"], row["prefill_s"]),
        decode=Work(row["decode_tokens"], row["decode_s"]),
    )


def _of_prompt(group: Group, row: Row, levels: tuple[float, ...]) -> PromptFigures:
    figures = _figures(Group(group.task), row, levels)
    answers = {result: row[result] for result in ANSWER_RESULTS}
    return PromptFigures(group.prompt, figures, answers, row["first_ns"], row["last_ns"])


def _contract(group: Group, row: Row) -> ContractFigures:
    tool_calls: defaultdict[str, dict[ToolResult, int]] = defaultdict(dict)
    for told, count in row["tool_calls"].items():
        outcome, _, tool = told.partition(" ")
        tool_calls[tool][outcome] = count
    answers = {result: row[result] for result in ANSWER_RESULTS}
    counts = {name: row[name] for name in ("repairs", "flagged", "stopped", "resumed", "seams")}
    return ContractFigures(*group, answers=answers, tool_calls=dict(tool_calls), **counts)


def _distribution(histogram: Histogram, measure: Measure, levels: tuple[float, ...]) -> Distribution:
    """Quantiles of a histogram whose lowest bucket holds calls that measured 0 or less, which count as 0."""
    n = size(histogram)
    if not n:
        return Distribution()
    values = (at_rank(histogram, int(level * (n - 1))) for level in levels)
    return Distribution(n, tuple(map(_tokens if measure == "output" else _seconds, values)))


def _seconds(counted_us: float) -> float:
    return counted_us * 1e-6


def _tokens(counted: float) -> float:
    """Below 50 the error is less than half a token, so that the nearest whole number is the true one."""
    return round(counted) if counted < EXACT_BELOW_TOKENS else counted
