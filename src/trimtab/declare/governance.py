"""What holds for calls, read alike for `[defaults]` and for a task: deadlines, retry, redaction; and a task's goals."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

from trimtab.declare import values
from trimtab.declare.keys import PATTERNS
from trimtab.declare.project import Deadlines, Defaults, Goal, Objective, Redaction, Retry
from trimtab.declare.table import Table

GOAL: Final = PATTERNS["<measure>_p<N>"]
MAX_ATTEMPTS: Final = 10
LONGEST_DEADLINE_S: Final = 7 * 86_400
MEASURE: Final[values.Read[Literal["ttft", "tpot", "gap", "total"]]] = values.choice("ttft", "tpot", "gap", "total")
REDACTION: Final[values.Read[Redaction]] = values.choice("full", "preview", "digest", "none")


def read_defaults(table: Table) -> Defaults:
    """The `[defaults]` table."""
    usual = Defaults()
    return Defaults(
        deadline=read_deadlines(table.table("deadline"), usual.deadline),
        redaction=table.get("redaction", REDACTION, usual.redaction),
        undeclared_redaction=table.get("undeclared_redaction", REDACTION, usual.undeclared_redaction),
        retry=read_retry(table.table("retry"), usual.retry),
    )


def read_deadlines(table: Table, usual: Deadlines) -> Deadlines:
    """A `deadline` table; each clock it does not name is as usual."""
    limit = values.duration(0.001, LONGEST_DEADLINE_S)
    read = Deadlines(
        connect_s=table.get("connect", limit, usual.connect_s),
        first_token_s=table.get("first_token", limit, usual.first_token_s),
        gap_s=table.get("gap", limit, usual.gap_s),
        total_s=table.get("total", limit, usual.total_s),
    )
    parts = (("connect", read.connect_s), ("first_token", read.first_token_s))
    for key, part_s in parts:
        if key in table and "total" in table and read.total_s is not None and read.total_s < part_s:
            table.wrong(
                "total",
                f"{table.name('total')} is shorter than {table.name(key)}, which could then never pass",
                f"write a total of {part_s:g}s or more, or a shorter {key}",
            )
    return read


def read_retry(table: Table, usual: Retry) -> Retry:
    """A `retry` table."""
    return Retry(
        attempts=table.get("attempts", values.whole(1, MAX_ATTEMPTS), usual.attempts),
        resume=table.get("resume", values.truth, usual.resume),
    )


def read_objective(table: Table) -> Objective:
    """An `objective` table: percentile goals, the share that succeeds and the window they are judged over."""
    usual = Objective()
    goals = [_read_goal(table, key) for key in table if GOAL.fullmatch(key)]
    return Objective(
        goals=tuple(sorted((goal for goal in goals if goal), key=lambda goal: (goal.measure, goal.quantile))),
        success=table.get("success", values.number(0, 1), usual.success),
        window_s=table.get("window", values.duration(60, 366 * 86_400), usual.window_s),
    )


def _read_goal(table: Table, key: str) -> Goal | None:
    match = GOAL.fullmatch(key)
    limit_s = table.get(key, _goal_limit, None)
    if match is None or limit_s is None:
        return None
    return Goal(MEASURE(match["measure"]), float(Decimal(match["percent"]) / 100), limit_s)


def _goal_limit(value: object) -> float:
    if isinstance(value, dict):
        raise values.Wrong("a table", 'write a percentile with a point in quotes, such as "ttft_p99.9" = "2s"')
    return values.duration(0.000_1, LONGEST_DEADLINE_S)(value)
