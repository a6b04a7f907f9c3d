"""What a host is doing at this moment: the answer to `trimtab status`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from trimtab.errors import StoreError
from trimtab.gateway.board_view import BoardView
from trimtab.journal.dead_letters import Tally
from trimtab.processes import roster
from trimtab.processes.identity import ReplicaIdentity
from trimtab.processes.inforce import Drift, Refusal, Standing
from trimtab.processes.keeper_watch import KeeperView
from trimtab.processes.rollout_desk import RolloutShown
from trimtab.processes.roster import Member
from trimtab.signals.engine.view import EngineView


class TelemetryState(Struct, frozen=True):
    """Whether telemetry takes what it is sent, since when (ns since 1970), and how far it is behind the spool."""

    up: bool
    since_ns: int
    detail: str = ""
    lag_bytes: int = 0
    lag_s: float = 0.0
    segments: int = 0
    set_aside: int = 0


class Status(Struct, frozen=True):
    """A host at `at_ns`. `refused` and `needs_restart` tell what was not taken of the latest edit, `dead` what waits of
    calls and records that failed for good. `lock` is the id of the lock in force, `drift` how the declaration differs.
    `engines` are what replicas say of themselves. `rollout` is the latest one, whatever became of it. `keeper` is how
    the journal of runs was doing when it was last asked.
    """

    at_ns: int
    environment: str
    snapshot: str
    processes: tuple[Member, ...]
    board: BoardView
    telemetry: TelemetryState
    refused: Refusal | None = None
    needs_restart: tuple[str, ...] = ()
    dead: tuple[Tally, ...] = ()
    lock: str = ""
    drift: Drift | None = None
    identity: tuple[ReplicaIdentity, ...] = ()
    engines: tuple[EngineView, ...] = ()
    rollout: RolloutShown | None = None
    keeper: KeeperView | None = None


def read_status(
    at_ns: int,
    environment: str,
    run: Path,
    board: Callable[[], BoardView | None],
    telemetry: TelemetryState,
    dead: tuple[Tally, ...] = (),
    identity: tuple[ReplicaIdentity, ...] = (),
    engines: tuple[EngineView, ...] = (),
) -> Status:
    """Puts together what supervisor, workers and control each wrote down; raises `StoreError` for unreadable files."""
    standing = read_standing(run)
    return Status(
        at_ns=at_ns,
        environment=environment,
        snapshot=standing.digest,
        processes=roster.read(run / "processes.json"),
        board=board() or BoardView((), ()),
        telemetry=telemetry,
        refused=standing.refused,
        needs_restart=standing.needs_restart,
        dead=dead,
        lock=standing.lock,
        drift=standing.drift,
        identity=identity,
        engines=engines,
    )


def lock_differences(run: Path) -> int:
    """In how many places the declaration differs from its lock; 0 while that cannot be told."""
    try:
        drift = read_standing(run).drift
    except StoreError:
        return 0
    return drift.count if drift is not None else 0


def read_standing(run: Path) -> Standing:
    """What is in force, and how it stands to its lock; raises `StoreError` for a file that cannot be read."""
    path = run / "declaration.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Standing)
    except FileNotFoundError:
        return Standing("", 0)
    except (OSError, msgspec.DecodeError) as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure
