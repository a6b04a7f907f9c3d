"""The rollout of a host: begun, watched, ended. Control is the only one who writes it.

look   every 2 s: what ended since is held against the other side (`signals.canary`); an alarm rolls back at once
end    as well when the declaration in force changes, and when a worker says that the candidate cannot take a call

What was counted is kept beside the rollout, so that it goes on after a restart.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.errors import RolloutRefused, StoreError
from trimtab.gateway.exposure import Exposed, Exposure
from trimtab.policy import rollout as rollouts
from trimtab.policy.rollout import Kind, Rollout, State
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.changes import Changes
from trimtab.processes.logs import event
from trimtab.processes.roster import write_json
from trimtab.record.events import UNFIT, Change, Settled
from trimtab.signals.canary import Comparison, Kept, Standing
from trimtab.store.telemetry import Batch

log = logging.getLogger("trimtab.control")

LOOK_S: Final = 2.0
COUNTED: Final = "rollout.json"
MOST_WAITING: Final = 200_000
"""Calls that wait for the next look; the oldest are forgotten."""
SALT_BYTES: Final = 16


class NewRollout(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be rolled out. `snapshot` is the digest of a candidate that lies in the host's `run` directory."""

    kind: Kind
    snapshot: str
    share: float
    tasks: tuple[str, ...]
    source: str
    exposed: int = 0
    margin: float = 0.02
    evaluations: tuple[str, ...] = ()
    without: str = ""


class Counted(Struct, frozen=True):
    """What was held against each other so far, of which rollout."""

    rollout: str
    state: tuple[Kept, ...]


class RolloutShown(Struct, frozen=True):
    """A rollout as it stands: whom it reached, and its measures."""

    rollout: Rollout
    exposed: Exposed
    standings: tuple[Standing, ...] = ()

    @property
    def words(self) -> str:
        """How it stands, in a line for people."""
        one, reach = self.rollout, self.exposed
        share = f"{one.kind} {one.id} of lock {one.lock[:12]}: {_percent(one.share)} of {', '.join(one.tasks)}"
        if one.kind == "canary":
            whom = f"{reach.reached:,} of at most {one.exposed:,} users reached"
        else:
            whom = f"{reach.copied:,} calls copied, {reach.dropped:,} dropped"
        return f"{share}, {whom}, {one.state.replace('_', ' ')}" + (f": {one.why}" if one.why else "")


def no_rollout() -> RolloutShown | None:
    """Where nothing is rolled out."""
    return None


class RolloutDesk:
    """`in_force` gives the snapshot in force. `observe` may be called from any thread, the rest from the loop's."""

    def __init__(self, run: Path, in_force: Callable[[], Snapshot], noted: Changes, clock: Clock) -> None:
        self._run = run
        self._in_force = in_force
        self._noted = noted
        self._clock = clock
        self._calls: deque[Settled] = deque(maxlen=MOST_WAITING)
        self._unfit: deque[Change] = deque(maxlen=16)
        self._trouble = ""
        self._rollout = _read(run)
        self._comparison = self._compared()

    def observe(self, batch: Batch) -> None:
        """What was ingested."""
        rollout = self._rollout
        if rollout is None or not rollout.is_live:
            return
        sides = rollout.snapshot, rollout.base_snapshot
        self._calls.extend(one for one in batch.calls if one.admitted.snapshot in sides)
        self._unfit.extend(one for one in batch.changes if one.kind == UNFIT and one.subject == rollout.id)

    async def run(self) -> None:
        """Looks every 2 s until it is cancelled; an end that the disk does not take is tried again at the next look."""
        trouble = ""
        while True:
            found = ""
            try:
                self.look()
            except StoreError as failure:
                found = str(failure)
            if found and found != trouble:
                event(log, logging.ERROR, "rollout_not_ended", error=found)
            trouble = found
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Counts what came, and ends what must end. Raises `StoreError` where the workers cannot be told of an end."""
        rollout, comparison = self._rollout, self._comparison
        if rollout is None or comparison is None or not rollout.is_live:
            return
        came = bool(self._calls)
        while self._calls:
            comparison.take(self._calls.popleft())
        try:
            self._decide(rollout, comparison.look())
        finally:
            if came:
                self._keep(comparison)

    def _decide(self, rollout: Rollout, alarm: Standing | None) -> None:
        """Ends the rollout, if something asks for it."""
        if alarm is not None:
            self._end("rolled_back", alarm.words, "alarm")
        elif self._unfit:
            self._end("rolled_back", self._unfit[-1].detail, self._unfit[-1].by)
        elif self._in_force().digest != rollout.base_snapshot:
            lock = self._in_force().lock_id
            is_in_force = bool(lock) and lock == rollout.lock
            why = (
                "its lock serves all calls" if is_in_force else "another declaration is in force; begin anew beside it"
            )
            state: State = "in_force" if is_in_force and rollout.state == "promoted" else "ended"
            self._end(state, why, "edit")

    @property
    def shown(self) -> RolloutShown | None:
        """The latest rollout, whatever became of it."""
        rollout = self._rollout
        if rollout is None:
            return None
        standings = self._comparison.standings if self._comparison is not None else ()
        return RolloutShown(rollout, self._exposed(rollout), standings)

    def start(self, new: NewRollout, by: str) -> RolloutShown:
        """Begins a rollout beside the snapshot in force. Raises `RolloutRefused` and `StoreError`."""
        if self._rollout is not None and self._rollout.is_live:
            self.look()
        if self._rollout is not None and self._rollout.is_live:
            raise RolloutRefused(detail=f"{self._rollout.id} is under way; `trimtab rollout stop` ends it")
        in_force = self._in_force()
        candidate = rollouts.load_candidate(self._run, new.snapshot)
        _hold(new, candidate, in_force)
        at_ns = self._clock.wall_ns()
        rollout = Rollout(
            id=f"r{at_ns // 1_000_000_000:x}{secrets.token_hex(2)}",
            kind=new.kind,
            state="running",
            snapshot=candidate.digest,
            lock=candidate.lock_id,
            base_snapshot=in_force.digest,
            base_lock=in_force.lock_id,
            share=new.share,
            salt=secrets.token_hex(SALT_BYTES),
            exposed=new.exposed,
            tasks=new.tasks,
            source=new.source,
            began_ns=at_ns,
            margin=new.margin,
            evaluations=new.evaluations,
            without=new.without,
            by=by,
        )
        self._forget_others(rollout)
        rollouts.publish(self._run, rollout)
        self._calls.clear()
        self._unfit.clear()
        self._rollout, self._comparison = rollout, Comparison(rollout)
        grounds = f"evaluated: {', '.join(new.evaluations)}" if new.evaluations else f"not evaluated: {new.without}"
        detail = f"{new.kind} for {_percent(new.share)} of {', '.join(new.tasks)}; {grounds}"
        self._noted.note("rollout", rollout.id, detail, before=rollout.base_lock, after=rollout.lock, by=by)
        return RolloutShown(rollout, Exposed())

    def stop(self, by: str, why: str = "") -> RolloutShown:
        """Ends the rollout that is under way. Raises `RolloutRefused` where none is."""
        self._live()
        self._end("stopped", why or "it was stopped", by)
        return self._now()

    def promote(self, by: str, without: str = "", evaluations: tuple[str, ...] = ()) -> RolloutShown:
        """Says that the candidate may come into force; its share goes on until it does.

        `evaluations` are those that said ship since it was begun without. Raises `RolloutRefused` where there are none
        and `without` gives no reason, where fewer users than declared were reached, and where an alarm has ended it.
        """
        rollout = self._live()
        self.look()
        rollout = self._live()
        reached = self._exposed(rollout).reached
        if rollout.kind != "canary":
            raise RolloutRefused(detail="a shadow reached nobody; begin a canary with --canary and --exposed")
        evaluations = rollout.evaluations or evaluations
        if not evaluations and not without:
            detail = "its lock was begun without an evaluation; evaluate it, or say why not with --without-evaluation"
            raise RolloutRefused(detail=detail)
        if reached < rollout.exposed:
            detail = f"it reached {reached:,} of the {rollout.exposed:,} users it is to be tried with; wait for them"
            raise RolloutRefused(detail=detail)
        told = f"evaluated: {', '.join(evaluations)}" if evaluations else f"not evaluated: {without}"
        self._end("promoted", f"{told}; {reached:,} users, no alarm", by, evaluations)
        return self._now()

    def _live(self) -> Rollout:
        rollout = self._rollout
        if rollout is None or not rollout.is_live:
            ended = (
                f"{rollout.id} was {rollout.state.replace('_', ' ')}: {rollout.why}" if rollout else "none was begun"
            )
            raise RolloutRefused(detail=f"no rollout is under way ({ended}); `trimtab rollout start` begins one")
        return rollout

    def _now(self) -> RolloutShown:
        shown = self.shown
        if shown is None:
            raise RolloutRefused(detail="no rollout was begun; `trimtab rollout start` begins one")
        return shown

    def _end(self, state: State, why: str, by: str, evaluations: tuple[str, ...] = ()) -> None:
        rollout = self._rollout
        if rollout is None:
            return
        grounds = evaluations or rollout.evaluations
        ended = replace(rollout, state=state, why=why, ended_ns=self._clock.wall_ns(), evaluations=grounds)
        self._publish_end(ended)
        self._rollout = ended
        self._unfit.clear()
        figures = self._exposed(ended)
        detail = f"{state.replace('_', ' ')}: {why}; reached {figures.reached}, copied {figures.copied}"
        if figures.dropped:
            detail += f", dropped {figures.dropped}"
        level = logging.WARNING if state == "rolled_back" else logging.INFO
        event(log, level, "rollout_ended", id=ended.id, state=state, why=why)
        is_better = state in {"promoted", "in_force"}
        before, after = (ended.base_lock, ended.lock) if is_better else (ended.lock, ended.base_lock)
        self._noted.note("rollout", ended.id, detail, before=before, after=after, by=by)

    def _publish_end(self, ended: Rollout) -> None:
        """Tells the workers. One that is over is taken away from them where the disk has no room to say so."""
        try:
            rollouts.publish(self._run, ended)
        except StoreError as failure:
            if ended.is_live:
                raise
            rollouts.withdraw(self._run)
            event(log, logging.ERROR, "rollout_end_not_kept", id=ended.id, state=ended.state, error=str(failure))

    def _compared(self) -> Comparison | None:
        """The comparison of the rollout that was under way before a restart."""
        if self._rollout is None:
            return None
        try:
            kept = msgspec.json.decode((self._run / COUNTED).read_bytes(), type=Counted)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return Comparison(self._rollout)
        return Comparison(self._rollout, kept.state if kept.rollout == self._rollout.id else ())

    def _keep(self, comparison: Comparison) -> None:
        counted = Counted(comparison.rollout.id, comparison.kept)
        trouble = ""
        try:
            write_json(self._run / COUNTED, msgspec.json.encode(counted))
        except StoreError as failure:
            trouble = str(failure)
        if trouble and trouble != self._trouble:
            event(log, logging.ERROR, "rollout_not_kept", id=comparison.rollout.id, error=trouble)
        self._trouble = trouble

    def _exposed(self, rollout: Rollout) -> Exposed:
        path = self._run / rollouts.exposure_name(rollout.id)
        if not path.exists():
            return Exposed()
        try:
            table = Exposure(path, rollout.exposed)
        except StoreError:
            return Exposed()
        try:
            return table.figures
        finally:
            table.close()

    def _forget_others(self, rollout: Rollout) -> None:
        """Takes away what rollouts before this one left."""
        kept = {rollouts.candidate_name(rollout.snapshot), rollouts.exposure_name(rollout.id)}
        for path in (*self._run.glob("rollout-*.mp"), *self._run.glob("rollout-*.exposed")):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def __repr__(self) -> str:
        return f"RolloutDesk({self._rollout.id} {self._rollout.state})" if self._rollout else "RolloutDesk(none)"


def _read(run: Path) -> Rollout | None:
    """The latest rollout; None, and a line in the log, where that cannot be read: workers serve none then either."""
    try:
        return rollouts.read(run)
    except StoreError as failure:
        event(log, logging.ERROR, "rollout_unread", error=str(failure))
        return None


def _hold(new: NewRollout, candidate: Snapshot, in_force: Snapshot) -> None:
    """Raises `RolloutRefused` for what cannot be rolled out beside the snapshot in force."""
    if not 0 < new.share <= rollouts.MOST_SHARE[new.kind]:
        most = _percent(rollouts.MOST_SHARE[new.kind])
        detail = f"a {new.kind} of {_percent(new.share)} is none; give a share over 0 % and up to {most}"
        raise RolloutRefused(detail=detail)
    if new.kind == "canary" and not 0 < new.exposed <= rollouts.MOST_EXPOSED:
        raise RolloutRefused(detail=f"--exposed {new.exposed} is not from 1 to {rollouts.MOST_EXPOSED:,} users")
    if not 0 <= new.margin < 1:
        raise RolloutRefused(detail=f"--margin {new.margin:g} is not from 0 to below 1; 0.02 stands for two points")
    if not candidate.lock_id:
        raise RolloutRefused(detail="the candidate is not locked; run `trimtab lock` there and commit it")
    if candidate.lock_id == in_force.lock_id:
        raise RolloutRefused(detail=f"lock {candidate.lock_id[:12]} is in force already; name another revision")
    if rollouts.beside(candidate, in_force).digest != candidate.digest:
        raise RolloutRefused(detail="the declaration in force has changed meanwhile; start it again")
    missing = [name for name in new.tasks if name not in in_force.tasks or name not in candidate.tasks]
    if missing or not new.tasks:
        named = ", ".join(missing) or "no task differs"
        raise RolloutRefused(detail=f"not in both declarations: {named}; name tasks of both with --task")
    if not new.evaluations and not new.without.strip():
        raise RolloutRefused(detail="no evaluation says ship; evaluate it, or say why not with --without-evaluation")


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"
