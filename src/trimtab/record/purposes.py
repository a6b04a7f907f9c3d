"""Calls that are not made for a user: told apart by the name of the task that they are recorded under.

A task that begins with "(" is our own: `(probe)`, `(judge)`, `(summary)`, and `(PURPOSE) TASK` for calls that were
served under the whole policy of a declared task, but for another purpose. `(undeclared)` alone are users' calls.
"""

from __future__ import annotations

from typing import Final

EVALUATION: Final = "evaluation"
"""Calls for the cases of a suite."""
SHADOW: Final = "shadow"
"""Copies of users' calls, whose answers nobody gets."""
REPLAY: Final = "replay"
"""Calls of runs that got a recorded answer, for which no model was asked."""
UNDECLARED_TASK: Final = "(undeclared)"


def apart(purpose: str, task: str) -> str:
    """What a call of a declared task is recorded under that was made for a purpose of ours."""
    return f"({purpose}) {task}"


def served(task: str) -> str:
    """The declared task under whose policy calls recorded under `task` were served; of other names, themselves."""
    return task.partition(") ")[2] if task.startswith("(") and ") " in task else task


def together(task: str) -> str:
    """`(PURPOSE)` for `(PURPOSE) TASK`, where tasks need not be told apart; other names as they are."""
    return f"{task.partition(') ')[0]})" if task.startswith("(") and ") " in task else task


def is_ours(task: str) -> bool:
    """Whether calls of a task are ones that we make ourselves; those outside any task are clients'."""
    return task.startswith("(") and task != UNDECLARED_TASK
