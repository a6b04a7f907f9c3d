"""What took effect, in words: the marks on every time axis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from trimtab.console.charts import Mark
from trimtab.console.format import digest
from trimtab.console.page import Asked
from trimtab.console.text import short
from trimtab.record.events import Change

DIGEST: Final = re.compile("[0-9a-f]{64}")
MOST: Final = 200
"""Changes of a range that are shown, the latest."""
SWITCH_NS: Final = 5_000_000_000
"""Within so long a switch of the policy belongs to the lock that came with it."""
WORDS: Final = {
    "lock": "lock {after} in force",
    "snapshot": "policy {after} in force",
    "snapshot_refused": "edit refused",
    "restart_needed": "edit waits for a restart",
    "edit_held_back": "edit held back by the lock",
    "not_locked": "serving what no lock pins",
    "watch": "alert rules changed",
    "worker_died": "worker {subject} died",
    "crash_loop": "worker {subject} dies again and again",
    "rolling_restart": "workers restarted",
    "rollout": "rollout {subject}",
    "rollout_unfit": "candidate of rollout {subject} cannot take a call",
    "stopped": "stopped",
    "enforcement": "{subject} {after}",
    "identity": "model behind {subject}: {after}",
    "tool_shape": "tool {subject}: {after}",
    "segment_set_aside": "damaged records {subject}",
}


def words_of(change: Change, *, whole: bool = True) -> str:
    """A change in a line. `whole` false leaves out what may tell of tasks that somebody may not see."""
    is_digest = change.kind in ("lock", "snapshot", "watch")
    after = digest(change.after) if is_digest else change.after
    known = WORDS.get(change.kind, change.kind.replace("_", " ") + " {subject}")
    words = known.format(subject=change.subject if whole else "", after=after).strip()
    detail = short(change.detail, 90) if whole and change.detail else ""
    by = f" ({change.by})" if change.by not in ("", "start", "supervisor", "control", "gateway") else ""
    return f"{words}{f': {detail}' if detail else ''}{by}"


def marks_of(changes: Sequence[Change], *, whole: bool = True, asked: Asked | None = None) -> tuple[Mark, ...]:
    """The marks of changes, the first first; a switch of the policy that a lock explains is left to the lock.

    With `asked` that of a lock leads to the page of what the lock changed.
    """
    locks = [change.at_ns for change in changes if change.kind == "lock"]
    shown = [
        change
        for change in changes
        if change.kind != "snapshot" or not any(abs(at - change.at_ns) <= SWITCH_NS for at in locks)
    ]
    return tuple(
        Mark(change.at_ns, words_of(change, whole=whole), href=_place(change, asked))
        for change in sorted(shown, key=lambda one: one.at_ns)
    )


def _place(change: Change, asked: Asked | None) -> str:
    if asked is None or change.kind != "lock" or not DIGEST.fullmatch(change.after):
        return ""
    against = change.before if DIGEST.fullmatch(change.before) else ""
    return asked.to(f"/prompts/locks/{change.after}", against=against)
