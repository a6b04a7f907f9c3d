"""What goals are called."""

from __future__ import annotations

from trimtab.declare.project import Goal


def goal_name(goal: Goal) -> str:
    """A goal on time as it is declared: `ttft_p95`, `total_p999`."""
    return f"{goal.measure}_p{goal.quantile * 100:g}".replace(".", "")
