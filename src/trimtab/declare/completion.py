"""When a task's work counts as done: the `completion` table of its task.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trimtab.declare import values
from trimtab.declare.alerting import Completion
from trimtab.declare.conditions import condition
from trimtab.declare.references import check_model
from trimtab.declare.table import Table

FACTS: Final = ("outcome", "verdict", "finish_reason", "tool_calls", "calls", "answer")
"""What a rule may read of a call."""
LEAST_QUIET_S: Final = 10.0
MOST_QUIET_S: Final = 43_200.0
MOST_CALLS: Final = 100_000
SAMPLE: Final = 0.05


def read_completion(table: Table) -> Completion:
    """The `completion` table; one that says of nothing how it is told is a mistake."""
    judge, question = table.get("judge", values.name, ""), table.get("question", values.text, "")
    read = Completion(
        rule=table.get("rule", condition(*FACTS), ""),
        feedback=table.get("feedback", values.text, ""),
        judge=judge,
        question=question,
        sample=table.get("sample", values.number(0, 1, above=True), SAMPLE if judge else 0.0),
        quiet_s=table.get("quiet", values.duration(LEAST_QUIET_S, MOST_QUIET_S), Completion().quiet_s),
        calls_a_day=table.get("calls_a_day", values.whole(1, MOST_CALLS), Completion().calls_a_day),
    )
    if not {"rule", "feedback", "judge"} & set(table):
        table.wrong("", "completion tells nothing", 'write rule = "...", feedback = "..." or judge = "..." in it')
    if judge and "question" not in table:
        table.wrong("judge", f"{table.name('judge')} has no question to ask", 'write question = "..." beside it')
    for key in ("question", "sample", "calls_a_day"):
        if key in table and "judge" not in table:
            table.wrong(key, f"{table.name(key)} has no use without a judge", 'take it out, or write judge = "..."')
    return read


def check_judges(tasks: Mapping[str, Table], models: Mapping[str, Table]) -> None:
    """The model that judges is declared."""
    for task in tasks.values():
        table = task.table("completion")
        name = table.get("judge", values.name, None)
        if name is not None:
            check_model(table, ("judge",), name, models)
