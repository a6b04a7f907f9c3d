"""What came in force, and what became of an edit, said in the log and in the records."""

from __future__ import annotations

import logging

from trimtab.policy.agreement import told
from trimtab.processes.changes import Changes
from trimtab.processes.inforce import Drift, InForce, LockChange, Renewal
from trimtab.processes.logs import event

log = logging.getLogger("trimtab.supervisor")

REMEDY = "run `trimtab lock`, review and commit it, or take the edit back"


class Announcer:
    """Tells of the declaration in force: each switch, lock, difference from the lock and refusal is a `Change`.

    It is recorded before it is logged, so that whoever reads of it in the log finds it in the records.
    """

    def __init__(self, in_force: InForce, changes: Changes) -> None:
        self._in_force = in_force
        self._changes = changes

    def begun(self) -> None:
        """What is in force at the start."""
        snapshot = self._in_force.snapshot
        self._changes.note("snapshot", snapshot.environment, after=snapshot.digest, by="start")
        self._lock(self._in_force.started, "start")
        self._drift(self._in_force.standing.drift, "start")

    def renewed(self, renewal: Renewal, by: str) -> None:
        """What reading the declaration again led to."""
        environment, text = self._in_force.snapshot.environment, "\n".join(renewal.lines)
        match renewal.kind:
            case "switched":
                self._changes.note("snapshot", environment, before=renewal.before, after=renewal.after, by=by)
                event(log, logging.INFO, "snapshot_in_force", digest=renewal.after, before=renewal.before, by=by)
            case "refused":
                self._changes.note("snapshot_refused", environment, text, before=renewal.before, by=by)
                event(log, logging.ERROR, "edit_refused", keeps=renewal.before, mistakes=renewal.lines)
            case "needs_restart":
                self._changes.note("restart_needed", environment, text, before=renewal.before, by=by)
                event(log, logging.WARNING, "edit_needs_restart", keeps=renewal.before, settings=renewal.lines)
            case "same":
                event(log, logging.INFO, "declaration_unchanged", digest=renewal.before, by=by)
            case "held_back":
                pass  # its drift says it
        if renewal.watched:
            self._changes.note("watch", environment, after=renewal.watched, by=by)
            event(log, logging.INFO, "watch_in_force", digest=renewal.watched, by=by)
        self._lock(renewal.lock, by)
        self._drift(renewal.drift, by)

    def _lock(self, change: LockChange | None, by: str) -> None:
        if change is None:
            return
        environment = self._in_force.snapshot.environment
        self._changes.note("lock", environment, change.words, before=change.before, after=change.after, by=by)
        event(log, logging.INFO, "lock_in_force", lock=change.after, before=change.before, by=by)

    def _drift(self, drift: Drift | None, by: str) -> None:
        if drift is None:
            return
        lock, environment = self._in_force.last_lock, self._in_force.snapshot.environment
        kind = "edit_held_back" if drift.held_back else "not_locked"
        self._changes.note(kind, environment, told(drift.differences, drift.count), before=lock, by=by)
        facts = {"differences": drift.differences, "count": drift.count, "remedy": REMEDY}
        if drift.held_back:
            event(log, logging.ERROR, "edit_held_back", keeps=self._in_force.snapshot.digest, lock=lock, **facts)
        else:
            event(log, logging.WARNING, "not_locked", **facts)
