"""The SDK for code that does not await: names as in `trimtab`, without `await`.

All but `flow` and this file is made by `python -m trimtab.runs.generate`.
"""

from __future__ import annotations

from trimtab.runs.blocking.asking import model
from trimtab.runs.blocking.flow import together
from trimtab.runs.blocking.handles import cancel, replay, result, submit, tell
from trimtab.runs.blocking.waiting import check, event, review, sleep, state

__all__ = [
    "cancel",
    "check",
    "event",
    "model",
    "replay",
    "result",
    "review",
    "sleep",
    "state",
    "submit",
    "tell",
    "together",
]
