"""Rollouts as control keeps them: who may begin one, what ends it, and what is recorded of each step."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import snapshot, task
from trimtab.declare.project import Sampling
from trimtab.errors import RolloutRefused, StoreError
from trimtab.gateway.exposure import Exposure
from trimtab.policy import rollout as rollouts
from trimtab.policy.compile import digest
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.changes import Changes
from trimtab.processes.rollout_desk import NewRollout, RolloutDesk
from trimtab.record import tail
from trimtab.record.disk import Disk
from trimtab.record.events import UNFIT, Admitted, Change, Settled
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.spool import Spool
from trimtab.store.telemetry import Batch
from trimtab.testing import JumpingClock


def digested(made: Snapshot) -> Snapshot:
    return replace(made, digest=digest(made))


IN_FORCE = digested(snapshot({"small": "http://a"}, task("triage", "small"), task("other", "small"), lock_id="1" * 64))
WARM = task("triage", "small", sampling=Sampling(temperature=1.0))
TRIED = digested(snapshot({"small": "http://a"}, WARM, task("other", "small"), lock_id="2" * 64))


@dataclass
class Host:
    """A run directory, the snapshot in force, and the desk."""

    root: Path
    in_force: Snapshot = IN_FORCE
    clock: JumpingClock = field(default_factory=JumpingClock)

    def __post_init__(self) -> None:
        self.run = self.root / "run"
        self.run.mkdir()
        rollouts.publish_candidate(self.run, TRIED)
        segments = RollingLog(self.root / "spool", SEGMENT, self.clock, Disk(), max_bytes=1 << 20, max_age_s=60.0)
        self.noted = Changes(Spool(segments), self.clock)
        self.desk = self.opened()

    def opened(self) -> RolloutDesk:
        return RolloutDesk(self.run, lambda: self.in_force, self.noted, self.clock)

    def start(self, **more: Any) -> None:
        values = {"kind": "canary", "snapshot": TRIED.digest, "share": 0.1, "tasks": ("triage",), "source": "HEAD"}
        self.desk.start(NewRollout(**{**values, "exposed": 2, "without": "a trial", **more}), "ann")

    def calls(self, made: Snapshot, number: int, outcome: str = "ok") -> None:
        at_ns = self.clock.wall_ns()
        events = [
            Settled(
                Admitted(f"{made.lock_id[0]}{each}", at_ns, "g0", "test", made.digest, "triage", "", "chat", "m"),
                at_ns, outcome, 200, 1,
            )
            for each in range(number)
        ]  # fmt: skip
        self.desk.observe(Batch.of(events))

    def reach(self, number: int) -> None:
        rollout = rollouts.read(self.run)
        assert rollout is not None
        table = Exposure(self.run / rollouts.exposure_name(rollout.id), rollout.exposed)
        assert all(table.admits(unit) for unit in range(1, number + 1))
        table.close()

    @property
    def changes(self) -> list[Change]:
        found = [one for path in tail.segments(self.root) for _, one in tail.read(path.path, 0)]
        return [one for one in found if isinstance(one, Change)]

    @property
    def state(self) -> str:
        published = rollouts.read(self.run)
        assert published is not None
        return published.state


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with nothing rolled out."""
    return Host(tmp_path)


def test_it_is_rolled_back_by_itself(host: Host) -> None:
    """A candidate that fails is published as rolled back at the next look, with the figure that is worse."""
    host.start()
    host.calls(IN_FORCE, 200)
    host.calls(TRIED, 20, "upstream_error")
    host.desk.look()
    assert host.state == "rolled_back"
    begun, ended = host.changes
    assert (begun.kind, begun.before, begun.after, begun.by) == ("rollout", "1" * 64, "2" * 64, "ann")
    assert "not evaluated: a trial" in begun.detail
    assert (ended.before, ended.after, ended.by) == ("2" * 64, "1" * 64, "alarm")
    assert "error_rate of triage is 100.0 points worse" in ended.detail


def test_what_is_no_worse_stays(host: Host) -> None:
    """As many errors on both sides are no alarm."""
    host.start()
    for made in (IN_FORCE, TRIED):
        host.calls(made, 30)
        host.calls(made, 30, "upstream_error")
    host.desk.look()
    assert host.state == "running"


def test_it_goes_on_after_a_restart(host: Host) -> None:
    """Control that comes back knows what was counted, and rolls back on what is added."""
    host.start()
    for _ in range(4):
        host.calls(IN_FORCE, 50)
        host.calls(TRIED, 5, "upstream_error")
        host.desk.look()
        host.desk = host.opened()
    assert host.state == "rolled_back"


def test_a_call_that_it_cannot_take_ends_it(host: Host) -> None:
    """A worker's word is enough."""
    host.start()
    rollout = host.desk.shown
    assert rollout is not None
    host.desk.observe(Batch(changes=(Change(1, UNFIT, rollout.rollout.id, detail="no input", by="g0"),)))
    host.desk.look()
    assert host.state == "rolled_back"
    assert host.changes[-1].by == "g0"


def test_it_is_taken_away_where_there_is_no_room_to_end_it(host: Host) -> None:
    """A disk that takes no file keeps nobody with a candidate that does harm."""
    host.start()
    (host.run / f".{rollouts.FILE}.{os.getpid()}").mkdir()
    (host.run / "rollout.json.new").mkdir()
    host.calls(IN_FORCE, 200)
    host.calls(TRIED, 20, "upstream_error")
    host.desk.look()
    assert rollouts.read(host.run) is None
    shown = host.desk.shown
    assert shown is not None
    assert (shown.rollout.state, host.changes[-1].by) == ("rolled_back", "alarm")


async def test_an_end_that_the_disk_does_not_take_is_tried_again(host: Host) -> None:
    """Control looks on where the rollout can neither be ended nor taken away, and ends it once that can be done."""
    host.start()
    published = host.run / rollouts.FILE
    published.unlink()
    published.mkdir()
    host.calls(IN_FORCE, 200)
    host.calls(TRIED, 20, "upstream_error")
    looking = asyncio.create_task(host.desk.run())
    await asyncio.sleep(0)
    assert not looking.done()
    looking.cancel()
    published.rmdir()
    host.desk.look()
    assert host.state == "rolled_back"


def test_a_promotion_that_cannot_be_kept(host: Host) -> None:
    """It is refused, and the candidate goes on as it was."""
    host.start(evaluations=("e1",))
    host.reach(2)
    (host.run / f".{rollouts.FILE}.{os.getpid()}").mkdir()
    with pytest.raises(StoreError):
        host.desk.promote("ann")
    assert host.state == "running"


@pytest.mark.parametrize("kept", [b"", b"\xff", b'{"rollout": "\xff"}'])
def test_control_begins_whatever_was_kept(host: Host, kept: bytes) -> None:
    """A rollout that cannot be read is none, and another can be begun; what was counted of one is counted anew."""
    host.start()
    (host.run / "rollout.json").write_bytes(kept)
    assert host.opened().shown is not None
    (host.run / rollouts.FILE).write_bytes(kept)
    host.desk = host.opened()
    assert host.desk.shown is None
    host.start()
    assert host.state == "running"


@pytest.mark.parametrize(
    ("lock", "promoted", "state"), [("3", True, "ended"), ("2", True, "in_force"), ("2", False, "ended")]
)
def test_another_declaration_ends_it(host: Host, lock: str, promoted: bool, state: str) -> None:
    """What was promoted and comes into force has done its work; everything else begins anew."""
    host.start()
    if promoted:
        host.reach(2)
        host.desk.promote("ann", "it is small")
    host.in_force = digested(replace(TRIED, lock_id=lock * 64, keys_required=False))
    host.desk.look()
    assert host.state == state


def test_promotion_needs_an_evaluation_and_users(host: Host) -> None:
    """Each is asked for; with both the candidate goes on until it is in force."""
    host.start()
    with pytest.raises(RolloutRefused, match="evaluation"):
        host.desk.promote("ann")
    with pytest.raises(RolloutRefused, match="0 of the 2"):
        host.desk.promote("ann", "it is small")
    host.reach(2)
    host.desk.promote("ann", "it is small")
    assert host.state == "promoted"
    assert "not evaluated: it is small; 2 users" in host.changes[-1].detail


def test_an_evaluation_since_it_was_begun_counts(host: Host) -> None:
    """It is kept with the rollout, as those that it was begun with are."""
    host.start()
    host.reach(2)
    host.desk.promote("ann", evaluations=("e2",))
    published = rollouts.read(host.run)
    assert published is not None
    assert (published.state, published.evaluations) == ("promoted", ("e2",))
    assert "evaluated: e2; 2 users" in host.changes[-1].detail


def test_promotion_looks_first(host: Host) -> None:
    """An alarm that the next look would raise comes before it."""
    host.start(evaluations=("e1",))
    host.reach(2)
    host.calls(IN_FORCE, 200)
    host.calls(TRIED, 20, "upstream_error")
    with pytest.raises(RolloutRefused, match="rolled back"):
        host.desk.promote("ann")


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": 0.0},
        {"share": 0.51},
        {"exposed": 0},
        {"exposed": 100_001},
        {"margin": 1.0},
        {"tasks": ()},
        {"tasks": ("nowhere",)},
        {"without": " "},
        {"kind": "shadow", "share": 1.1},
    ],
)
def test_what_is_not_begun(host: Host, wrong: dict[str, Any]) -> None:
    """Nothing is published of it."""
    with pytest.raises(RolloutRefused):
        host.start(**wrong)
    assert rollouts.read(host.run) is None


def test_one_at_a_time(host: Host) -> None:
    """A second is refused until the first is stopped; stopping twice is told."""
    host.start()
    with pytest.raises(RolloutRefused, match="under way"):
        host.start()
    host.desk.stop("bob", "enough")
    assert host.changes[-1].by == "bob"
    with pytest.raises(RolloutRefused, match="no rollout"):
        host.desk.stop("bob")
    host.start(kind="shadow", share=1.0)
    assert host.state == "running"


def test_a_candidate_of_another_declaration(host: Host) -> None:
    """One that was made beside another snapshot, is unlocked, in force already, or not there, is refused."""
    for made in (replace(TRIED, environment="prod"), replace(TRIED, lock_id=""), replace(TRIED, lock_id="1" * 64)):
        other = digested(made)
        rollouts.publish_candidate(host.run, other)
        with pytest.raises(RolloutRefused):
            host.start(snapshot=other.digest)
    with pytest.raises(StoreError):
        host.start(snapshot="f" * 64)


def test_tasks_that_differ() -> None:
    """A task differs where its policy does, or a model that it uses."""
    assert rollouts.touched(TRIED, IN_FORCE) == ("triage",)
    models = {"small": replace(IN_FORCE.models["small"], served_name="x")}
    assert rollouts.touched(replace(TRIED, models=models), IN_FORCE) == ("other", "triage")
    assert rollouts.touched(IN_FORCE, IN_FORCE) == ()
