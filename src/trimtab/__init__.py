"""Trimtab: runs LLM applications and agents reliably, cheaply and observably in production.

`load` reads a project, `render` makes the messages of a task's prompt, as the gateway does. The rest is for agents
(docs/sdk.md); `blocking` has what awaits for code that does not. All are loaded when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trimtab.declare.load import load
    from trimtab.declare.rendering import Rendered
    from trimtab.declare.rendering import render_task as render
    from trimtab.runs import blocking
    from trimtab.runs.asking import model
    from trimtab.runs.declared import Happened, NeverHappened, Reviewed
    from trimtab.runs.decorators import run, step, tool
    from trimtab.runs.faults import (
        CheckFailed,
        ModelFailed,
        OutcomeUnknown,
        Parked,
        Rejected,
        RunFailed,
        StepFailed,
        Suspended,
    )
    from trimtab.runs.flow import together
    from trimtab.runs.handles import cancel, replay, result, submit, tell
    from trimtab.runs.runtime import connect
    from trimtab.runs.session import idempotency_key, label, run_id
    from trimtab.runs.stamping import headers, stamps
    from trimtab.runs.waiting import check, event, review, sleep, state
    from trimtab.runs.working import work

__version__ = "0.1.0"

_ROOMS = {
    "declare.load": ("load",),
    "declare.rendering": ("Rendered",),
    "runs.asking": ("model",),
    "runs.decorators": ("run", "step", "tool"),
    "runs.declared": ("Happened", "NeverHappened", "Reviewed"),
    "runs.faults": (
        "CheckFailed",
        "ModelFailed",
        "OutcomeUnknown",
        "Parked",
        "Rejected",
        "RunFailed",
        "StepFailed",
        "Suspended",
    ),
    "runs.flow": ("together",),
    "runs.handles": ("cancel", "replay", "result", "submit", "tell"),
    "runs.runtime": ("connect",),
    "runs.session": ("idempotency_key", "label", "run_id"),
    "runs.stamping": ("headers", "stamps"),
    "runs.waiting": ("check", "event", "review", "sleep", "state"),
    "runs.working": ("work",),
}
_PLACES = {name: (f"trimtab.{room}", name) for room, names in _ROOMS.items() for name in names}
_PLACES |= {"render": ("trimtab.declare.rendering", "render_task"), "blocking": ("trimtab.runs.blocking", "")}

__all__ = [
    "CheckFailed",
    "Happened",
    "ModelFailed",
    "NeverHappened",
    "OutcomeUnknown",
    "Parked",
    "Rejected",
    "Rendered",
    "Reviewed",
    "RunFailed",
    "StepFailed",
    "Suspended",
    "__version__",
    "blocking",
    "cancel",
    "check",
    "connect",
    "event",
    "headers",
    "idempotency_key",
    "label",
    "load",
    "model",
    "render",
    "replay",
    "result",
    "review",
    "run",
    "run_id",
    "sleep",
    "stamps",
    "state",
    "step",
    "submit",
    "tell",
    "together",
    "tool",
    "work",
]


def __getattr__(name: str) -> Any:
    """A name of the public face; raises `AttributeError` for any other."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _PLACES[name]
    found = globals()[name] = getattr(import_module(module), there) if there else import_module(module)
    return found
