"""The schedule: each replica in its time, an alarm after two hits, all of it recorded, and kept over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec
import pytest
from msgspec.structs import replace

from tests.control.conftest import snapshot
from tests.processes.identities import MODEL, REPLICA, Server, locked
from trimtab.assemble.changes import changes
from trimtab.cost.prices import Rate
from trimtab.declare.project import Model
from trimtab.ids import IdSource
from trimtab.lock import lockfile
from trimtab.lock.identity import HITS
from trimtab.lock.identity_baseline import FOLDER
from trimtab.policy.snapshot import PROBE, Snapshot
from trimtab.processes.directory import DataDirectory
from trimtab.processes.identity import AGAIN_S, JITTER, IdentityWatch, Locked, ReplicaIdentity
from trimtab.processes.identity_ask import Interview
from trimtab.processes.identity_learn import take_baseline
from trimtab.processes.identity_record import ProbeCalls
from trimtab.record import tail
from trimtab.record.events import Attempt, Change, Event, Settled, Usage
from trimtab.testing import JumpingClock
from trimtab.testing.clock import JumpingLoop

EPOCH = "c0-0123456789ab"


@dataclass
class Host:
    """A project with its lock, a data directory, a server, and what tests it."""

    root: Path
    clock: JumpingClock
    server: Server
    models: dict[str, Model]

    def __post_init__(self) -> None:
        self.directory = DataDirectory(self.root / ".trimtab")
        self.directory.run.mkdir(parents=True, exist_ok=True)
        self.noted = changes(self.directory, EPOCH, self.clock)
        self.watch = self.make()

    def make(self, random: Random | None = None) -> IdentityWatch:
        """The watch of a new life of control."""
        calls = ProbeCalls(self.noted, self.snapshot, EPOCH, IdSource(seed=1))
        return IdentityWatch(
            self.snapshot,
            Locked(self.directory.run, self.root),
            Interview(self.server, self.clock, calls),
            self.noted,
            self.directory.identity,
            self.clock,
            random or Random(1),
        )

    def snapshot(self) -> Snapshot:
        rates = {"small": (Rate(input=100_000, output=200_000),)}
        return msgspec.structs.replace(snapshot(), models=self.models, rates=rates, lock_id="e" * 64)

    def lock(self, server: Server) -> None:
        """Learns the server and writes lock and baseline."""
        learned = asyncio.run(take_baseline(Interview(server, self.clock), MODEL))
        whole, _ = locked(self.root, learned)
        (self.root / lockfile.FILE).write_bytes(lockfile.encode(whole))

    def after(self, seconds: float) -> ReplicaIdentity:
        """One look, so many seconds later."""
        self.clock.advance(seconds)
        asyncio.run(self.watch.round())
        return self.watch.figures.tested[0]

    def events(self) -> list[Event]:
        return [event for segment in tail.segments(self.directory.spool) for _, event in tail.read(segment.path, 0)]

    def changes(self) -> list[Change]:
        return [event for event in self.events() if isinstance(event, Change)]


MakeHost = Callable[..., Host]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host whose one model is locked, and has just been looked at for the first time."""
    made = Host(tmp_path, JumpingClock(), Server(), {"small": MODEL})
    made.lock(Server())
    asyncio.run(made.watch.round())
    return made


def test_the_first_test_comes_within_a_minute(host: Host) -> None:
    """Not at once, so that hosts that start together do not ask together."""
    assert host.server.asked == []
    assert host.after(AGAIN_S).standing.state == "same"


def test_the_next_comes_when_it_is_due(host: Host) -> None:
    """An hour later, give or take a tenth, and not before."""
    host.after(AGAIN_S)
    asked = len(host.server.asked)
    host.after(3600 * (1 - JITTER) - 1)
    assert len(host.server.asked) == asked
    host.after(3600 * 2 * JITTER + 2)
    assert len(host.server.asked) == 2 * asked


def test_two_hits_are_an_alarm(host: Host) -> None:
    """A swapped model is suspected, tested again after a minute, and then a change with both sides is recorded."""
    host.server.shift = -0.01
    assert host.after(AGAIN_S).standing.state == "suspected"
    assert host.changes() == []
    found = host.after(AGAIN_S)
    assert (found.standing.state, found.standing.rung) == ("changed", "exact")
    [change] = host.changes()
    assert (change.kind, change.subject, change.by) == ("model_identity", f"small {REPLICA}", "control")
    assert (change.before, change.after) == ("'t00' -0.3000", "'t00' -0.3100")
    assert change.detail.startswith("exact: ")
    host.after(3600 * (1 + JITTER))
    assert len(host.changes()) == 1


def test_a_model_that_is_put_right_is_told_once(host: Host) -> None:
    """The change back bears the sides exchanged."""
    host.server.shift = -0.01
    host.after(AGAIN_S)
    host.after(AGAIN_S)
    host.server.shift = 0.0
    assert host.after(3600 * (1 + JITTER)).standing.state == "same"
    host.after(3600 * (1 + JITTER))
    assert [(one.before, one.after) for one in host.changes()] == [
        ("'t00' -0.3000", "'t00' -0.3100"),
        ("'t00' -0.3100", "'t00' -0.3000"),
    ]


def test_a_hit_that_is_not_confirmed_is_no_alarm(host: Host) -> None:
    """A restart amid a test, say."""
    host.server.version = "0.31.0"
    host.after(AGAIN_S)
    host.server.version = "0.32.0"
    assert host.after(AGAIN_S).standing.state == "same"
    assert host.changes() == []


def test_silence_is_no_alarm(host: Host) -> None:
    """A replica that is down is said to be untested, and asked again in a minute; what was known of it stays."""
    host.after(AGAIN_S)
    host.server.down = True
    found = host.after(3600 * (1 + JITTER))
    assert (found.standing.state, "connection refused" in found.trouble) == ("same", True)
    host.server.down = False
    assert host.after(AGAIN_S).trouble == ""
    assert host.changes() == []


def test_what_was_found_outlives_a_restart(host: Host) -> None:
    """A suspicion is confirmed by the next life of control; an alarm is not told again."""
    host.server.shift = -0.01
    host.after(AGAIN_S)
    host.watch = host.make(Random(2))
    asyncio.run(host.watch.round())
    assert host.watch.figures.tested[0].standing.state == "suspected"
    assert host.after(AGAIN_S).standing.state == "changed"
    host.watch = host.make(Random(3))
    asyncio.run(host.watch.round())
    host.after(3600 * (1 + JITTER))
    assert (len(host.changes()), host.watch.figures.tested[0].standing.hits) == (1, HITS)


def test_a_restart_does_not_ask_anew(host: Host) -> None:
    """What was tested ten minutes ago is due fifty minutes later, give or take its tenth."""
    host.after(AGAIN_S)
    asked = len(host.server.asked)
    host.clock.advance(600)
    host.watch = host.make(Random(2))
    asyncio.run(host.watch.round())
    host.after(3600 * (1 - JITTER) - 601)
    assert len(host.server.asked) == asked


def test_a_new_baseline_begins_anew(host: Host) -> None:
    """Who upgrades a model and locks it has no alarm any more, and none is told."""
    host.server.shift = -0.01
    host.after(AGAIN_S)
    host.after(AGAIN_S)
    host.lock(Server(shift=-0.01))
    assert host.after(3600 * (1 + JITTER)).standing.state == "same"
    assert len(host.changes()) == 1


def test_the_lock_in_force_counts(host: Host) -> None:
    """What was edited and is not in force yet changes no test."""
    in_force = (host.root / lockfile.FILE).read_bytes()
    (host.directory.run / lockfile.FILE).write_bytes(in_force)
    (host.root / lockfile.FILE).write_text("{}")
    assert host.after(AGAIN_S).standing.state == "same"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / lockfile.FILE).unlink(), "it is not locked"),
        (lambda root: (root / lockfile.FILE).write_text("{}"), "cannot be used"),
        (lambda root: [path.unlink() for path in (root / FOLDER).iterdir()], "it has no baseline"),
        (lambda root: [path.write_text("{}") for path in (root / FOLDER).iterdir()], "does not have the digest"),
    ],
)
def test_without_something_to_compare_with_it_says_so(host: Host, spoil: Callable[[Path], object], words: str) -> None:
    """No lock, a broken one, no baseline, a broken one: said in status, no question asked, no alarm."""
    spoil(host.root)
    found = host.after(AGAIN_S)
    assert words in found.trouble
    assert (found.standing.state, host.server.asked, host.changes()) == ("unknown", [], [])


def test_a_name_that_was_edited_is_not_compared(host: Host) -> None:
    """The baseline is that of the name that was asked."""
    host.models = {"small": replace(MODEL, served_name="org/other")}
    assert "its baseline is that of org/small" in host.after(AGAIN_S).trouble


def test_models_that_want_no_test_are_left_alone(host: Host) -> None:
    """`identity = "off"`, and models that are declared no more."""
    host.models = {"small": replace(MODEL, identity_s=None)}
    host.clock.advance(AGAIN_S)
    asyncio.run(host.watch.round())
    assert (host.watch.figures.tested, host.server.asked) == ((), [])


def test_every_question_is_a_call_of_its_own_task(host: Host) -> None:
    """Recorded under `(probe)` with replica, tokens and cost, under no key and no client's task."""
    host.after(AGAIN_S)
    calls = [event for event in host.events() if isinstance(event, Settled)]
    attempts = [event for event in host.events() if isinstance(event, Attempt)]
    assert len(calls) == len(attempts) == len(host.server.asked)
    for call in calls:
        assert (call.admitted.task, call.admitted.key, call.replica, call.outcome) == (PROBE, "", REPLICA, "ok")
        assert call.usage == Usage(input=10, output=3)
        assert (call.cost_pusd, call.cost_label) == (10 * 100_000 + 3 * 200_000, "exact")
        assert (call.admitted.lock, call.system_fingerprint, call.upstream_model) == ("e" * 64, "vllm-1", "org/small")
    assert {one.call for one in attempts} == {one.admitted.call for one in calls}


def test_results_are_counted(host: Host) -> None:
    """For `/metrics`: how many tests found what."""
    host.after(AGAIN_S)
    host.server.down = True
    host.after(3600 * (1 + JITTER))
    host.server.down, host.server.shift = False, -0.01
    host.after(AGAIN_S)
    place = ("small", REPLICA)
    assert set(host.watch.figures.results) == {(place, "same", 1), (place, "untested", 1), (place, "hit", 1)}


def test_a_file_that_is_not_its_own_is_nothing(host: Host) -> None:
    """What was kept and cannot be read is begun anew."""
    host.directory.identity.write_bytes(b"\xff not JSON")
    host.watch = host.make()
    assert host.watch.figures.tested == (ReplicaIdentity("small", REPLICA),)


def test_it_goes_on_until_it_is_cancelled(host: Host) -> None:
    """A day of hourly tests, then a stop: in time and without a trace."""

    async def day() -> None:
        task = asyncio.ensure_future(host.watch.run())
        await asyncio.sleep(86_400)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with asyncio.Runner(loop_factory=lambda: JumpingLoop(host.clock)) as runner:
        runner.run(day())
    tests = {result: count for _, result, count in host.watch.figures.results}
    assert set(tests) == {"same"}
    assert 86_400 / (3600 * (1 + JITTER)) - 2 <= tests["same"] <= 86_400 / (3600 * (1 - JITTER)) + 1
    assert repr(host.watch) == "IdentityWatch(1 same)"
