"""Tests on a schedule whether each replica still serves the model that was locked.

One replica after another, each as often as its model's `identity` says, give or take a tenth. A first hit is tested
again after a minute; a second in a row is an alarm: a `model_identity` change with both sides. What was found is kept
over restarts.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from trimtab.clock import Clock
from trimtab.declare.project import Model
from trimtab.errors import IdentityUntested, LockInvalid, LockNewer, StoreError
from trimtab.lock.identity import Check, Standing, follow, pinned
from trimtab.lock.identity_baseline import Baseline, load
from trimtab.lock.identity_rungs import Pinned
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.changes import Changes
from trimtab.processes.identity_ask import Interview, examine
from trimtab.processes.locked import LockInForce
from trimtab.processes.logs import event
from trimtab.processes.roster import write_json

KIND: Final = "model_identity"
LOOK_S: Final = 5.0
AGAIN_S: Final = 60.0
"""After a first hit, or when a replica did not answer, the next test comes this soon, if not sooner anyway."""
JITTER: Final = 0.1
NS_PER_S: Final = 1_000_000_000

log = logging.getLogger("trimtab.control")

Result = Literal["same", "hit", "untested"]
Place = tuple[str, str]
"""A model's name and a replica's URL."""


class ReplicaIdentity(Struct, frozen=True):
    """Where one replica of a model stands; `trouble` says why it was not tested at the last try.

    `baseline` is the digest of what it was compared with; what was found against another one counts no more.
    """

    model: str
    replica: str
    standing: Standing = Standing()
    trouble: str = ""
    baseline: str = ""


class Figures(NamedTuple):
    """What status and metrics show: every replica that is tested, and how many tests came out how."""

    tested: tuple[ReplicaIdentity, ...] = ()
    results: tuple[tuple[Place, Result, int], ...] = ()


class Locked:
    """What is locked of each model: from the lock in force, or the project's where none is, and its baselines."""

    def __init__(self, run: Path, root: Path) -> None:
        self._lock = LockInForce(run, root)
        self._root = root

    def of(self, model: Model) -> tuple[Pinned, Baseline]:
        """What was learned of a model; raises `LockInvalid`, `LockNewer`, or `IdentityUntested` where nothing was."""
        whole = self._lock.read()
        entry = whole.get("models", model.name) if whole is not None else None
        if entry is None:
            raise self._untested(model, "it is not locked; run `trimtab lock --live`")
        identity = pinned(entry.pinned)
        baseline = load(self._root, identity.baseline) if identity.baseline else None
        if baseline is None:
            raise self._untested(model, "it has no baseline; run `trimtab lock --live` and commit what it writes")
        if baseline.model != model.served_name:
            raise self._untested(model, f"its baseline is that of {baseline.model}; run `trimtab lock --live`")
        return identity, baseline

    @staticmethod
    def _untested(model: Model, detail: str) -> IdentityUntested:
        return IdentityUntested(model=model.name, replica="all its replicas", detail=detail)


class IdentityWatch:
    """The tests of one host. `run` works until it is cancelled; `figures` may be asked for at any time."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        locked: Locked,
        interview: Interview,
        changes: Changes,
        kept: Path,
        clock: Clock,
        random: Random,
    ) -> None:
        """`kept` is the file in which what was found outlives this process."""
        self._snapshot = snapshot
        self._locked = locked
        self._interview = interview
        self._changes = changes
        self._kept = kept
        self._clock = clock
        self._random = random
        self._tested = {(one.model, one.replica): one for one in _read(kept)}
        self._due: dict[Place, float] = {}
        self._results: Counter[tuple[Place, Result]] = Counter()

    @property
    def figures(self) -> Figures:
        """Where every replica that is tested stands."""
        places = [(model.name, replica) for model, replica in self._watched()]
        tested = (self._tested.get(place) or ReplicaIdentity(*place) for place in places)
        return Figures(tuple(tested), tuple((place, result, n) for (place, result), n in self._results.items()))

    async def run(self) -> None:
        """Looks every 5 s for replicas that are due."""
        while True:
            await self.round()
            await asyncio.sleep(LOOK_S)

    async def round(self) -> None:
        """Tests every replica that is due, one after another: a test is no hurry and must not be a load."""
        watched = list(self._watched())
        places = {(model.name, replica) for model, replica in watched}
        self._due = {place: due for place, due in self._due.items() if place in places}
        for model, replica in watched:
            place = model.name, replica
            if place not in self._due:
                self._due[place] = self._clock.monotonic() + self._first_wait_s(model, place)
            if self._clock.monotonic() >= self._due[place]:
                after = await self._test(model, replica)
                self._due[place] = self._clock.monotonic() + self._wait_s(model, after)

    def _watched(self) -> Iterator[tuple[Model, str]]:
        for model in self._snapshot().models.values():
            if model.identity_s is not None:
                for replica in model.replicas:
                    yield model, replica

    def _first_wait_s(self, model: Model, place: Place) -> float:
        """What is left of the wait that an earlier life began; for one never tested a part of a minute."""
        before = self._tested.get(place)
        if before is None or not before.standing.checked_ns:
            return self._random.random() * min(AGAIN_S, model.identity_s or AGAIN_S)
        gone_s = (self._clock.wall_ns() - before.standing.checked_ns) / NS_PER_S
        return max(0.0, self._wait_s(model, before) - max(0.0, gone_s))

    def _wait_s(self, model: Model, after: ReplicaIdentity) -> float:
        every_s = (model.identity_s or AGAIN_S) * (1 + JITTER * (2 * self._random.random() - 1))
        soon = bool(after.trouble) or after.standing.state == "suspected"
        return min(AGAIN_S, every_s) if soon else every_s

    async def _test(self, model: Model, replica: str) -> ReplicaIdentity:
        place = model.name, replica
        before = self._tested.get(place) or ReplicaIdentity(*place)
        try:
            identity, baseline = self._locked.of(model)
            found = await examine(self._interview, model, replica, baseline, identity, self._random)
        except (IdentityUntested, LockInvalid, LockNewer) as untested:
            trouble = str(untested)
            if trouble != before.trouble:
                event(log, logging.WARNING, "identity_untested", model=model.name, replica=replica, detail=trouble)
            self._results[place, "untested"] += 1
            after = msgspec.structs.replace(before, trouble=trouble)
        else:
            after = self._follow(before, identity, found)
        self._tested[place] = after
        self._keep()
        return after

    def _follow(self, before: ReplicaIdentity, identity: Pinned, found: Check) -> ReplicaIdentity:
        """What was compared with another baseline counts no more."""
        held = before.standing if before.baseline == identity.baseline else Standing()
        standing, turn = follow(held, found, self._clock.wall_ns())
        place = before.model, before.replica
        self._results[place, "same" if found.hit is None else "hit"] += 1
        if turn is not None:
            facts = {"model": before.model, "replica": before.replica, "before": turn.before, "after": turn.after}
            event(log, logging.WARNING, KIND, **facts, detail=turn.detail)
            self._changes.note(KIND, " ".join(place), turn.detail, before=turn.before, after=turn.after, by="control")
        return ReplicaIdentity(*place, standing, baseline=identity.baseline)

    def _keep(self) -> None:
        places = {(model.name, replica) for model, replica in self._watched()}
        self._tested = {place: one for place, one in self._tested.items() if place in places}
        try:
            write_json(self._kept, msgspec.json.encode(list(self._tested.values())))
        except (OSError, StoreError) as failure:
            event(log, logging.ERROR, "identity_not_kept", path=str(self._kept), error=str(failure))

    def __repr__(self) -> str:
        states = Counter(one.standing.state for one in self.figures.tested)
        return f"IdentityWatch({', '.join(f'{count} {state}' for state, count in states.items()) or 'nothing to test'})"


def _read(kept: Path) -> list[ReplicaIdentity]:
    """What an earlier life found; nothing where its file is gone or is not its own."""
    try:
        return msgspec.json.decode(kept.read_bytes(), type=list[ReplicaIdentity])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
