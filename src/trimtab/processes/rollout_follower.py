"""How a gateway worker learns of rollouts: it looks whether the published one has changed, and takes it in."""

from __future__ import annotations

import logging
from pathlib import Path

from trimtab.errors import FormatError, StoreError
from trimtab.gateway.pipeline import Pipeline
from trimtab.policy import rollout as rollouts
from trimtab.policy.rollout import Rollout
from trimtab.processes.logs import event

log = logging.getLogger("trimtab.gateway")


class RolloutFollower:
    """Follows the rollout that is published in the directory `run`."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._seen: tuple[int, int, str] | None = None
        self._trouble = ""

    def look(self, pipeline: Pipeline, in_force: str) -> None:
        """Takes in what has changed since the last look; `in_force` is the digest of the snapshot in force.

        A rollout that was begun beside another snapshot is none. What cannot be read or served is said in the log, and
        then nothing is rolled out; what could not be read is read again at the next look.
        """
        stamp = self._stamp(in_force)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            rollout = rollouts.read(self._run)
            if rollout is None or not rollout.is_live or rollout.base_snapshot != in_force:
                pipeline.roll_out(None)
            else:
                self._take(pipeline, rollout)
            self._trouble = ""
        except Exception as failure:  # noqa: BLE001  whatever is wrong with it, what is in force serves on
            pipeline.roll_out(None)
            if isinstance(failure, StoreError | OSError) and not isinstance(failure, FormatError):
                self._seen = None
            self._say(f"{type(failure).__name__}: {failure}")

    def _say(self, trouble: str) -> None:
        """Says in the log what keeps it from being taken in, once."""
        if trouble != self._trouble:
            self._trouble = trouble
            event(log, logging.ERROR, "rollout_refused", error=trouble)

    def _take(self, pipeline: Pipeline, rollout: Rollout) -> None:
        snapshot = rollouts.load_candidate(self._run, rollout.snapshot)
        candidate = pipeline.candidate(rollout, snapshot, self._run / rollouts.exposure_name(rollout.id))
        pipeline.roll_out(candidate)
        event(log, logging.INFO, "rollout", id=rollout.id, kind=rollout.kind, lock=rollout.lock, share=rollout.share)

    def _stamp(self, in_force: str) -> tuple[int, int, str] | None:
        try:
            found = (self._run / rollouts.FILE).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, in_force

    def __repr__(self) -> str:
        return f"RolloutFollower({self._run})"
