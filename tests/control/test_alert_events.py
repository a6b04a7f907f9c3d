"""Alerts on what is so or is not, from what really tells it: board, metrics, tests of models, looks at tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.control.alerting import MODEL, ONCALL, Alerts, alerting, declared
from tests.control.test_tool_shapes import BAD, GOOD, Learning
from tests.lock.test_tool_definitions import FIND, changed
from tests.processes.identities import MODEL as TESTED
from tests.processes.identities import REPLICA, Server
from tests.processes.test_identity import Host
from tests.processes.test_scrape import Watching as Engines
from tests.processes.test_scrape import page
from tests.processes.test_tool_watch import Watching as Tools
from tests.processes.test_tool_watch import lock, tool
from tests.store.samples import call
from tests.store.spools import SegmentWriter
from trimtab.clock import SystemClock
from trimtab.contracts.shapes import shape_of_value
from trimtab.gateway.board import Board
from trimtab.gateway.upstreams.pool import Pool
from trimtab.policy.watch import Watch
from trimtab.processes.alert_sight import Sight
from trimtab.processes.evaluation_watch import Fallen
from trimtab.processes.tool_shapes import Drifting
from trimtab.record.events import Settled, ToolResult
from trimtab.signals.alerts.shown import AlertShown
from trimtab.statistics.intervals import Interval
from trimtab.statistics.sequential import Decision
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch
from trimtab.testing import JumpingClock, ScriptedUpstream

URL = "http://127.0.0.1:9000"
BOARD = '[receivers.board]\nkind = "webhook"\nurl = "https://hooks.example.com/b"\n'
OWNED = BOARD + '[owners.support]\nreceivers = ["board"]\n'
TASK = 'owner = "support"\nmodel = "small"\n'


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A task on the model `small`, whose owner has a receiver."""
    return declared(tmp_path / "p", MODEL + ONCALL + OWNED, extract=TASK)


async def states(alerts: Alerts, rule: str) -> list[str]:
    return [one.state for one in await alerts.list(rule=rule)]


async def only(alerts: Alerts, rule: str) -> AlertShown:
    [found] = await alerts.list(rule=rule)
    return found


class Shared:
    """The board of one host, and one replica on it."""

    def __init__(self, path: Path, clock: JumpingClock) -> None:
        Board.create(path, 1, 1)
        self.clock = clock
        self.board = Board.open(path, 0, "g0-0123456789ab")
        [self.column] = self.board.columns([("small", URL)])

    @property
    def sight(self) -> Sight:
        return Sight(board=lambda: self.board.view(self.clock.monotonic()))

    def fail(self) -> None:
        """Calls fail until the breaker opens."""
        for _ in range(5):
            self.board.failed(self.column, self.clock.monotonic(), trial=False)

    def trial(self, *, works: bool) -> None:
        """The one call that a half-open breaker lets through."""
        now = self.clock.monotonic()
        assert self.board.claim_trial(self.column, now)
        (self.board.worked if works else self.board.failed)(self.column, now, trial=True)
        self.board.free_trial(self.column)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    made = Shared(tmp_path / "board", JumpingClock())
    yield made
    made.board.close()


async def test_a_replica_whose_breaker_is_open(tmp_path: Path, watch: Watch, shared: Shared) -> None:
    """For three minutes nobody is told; then the owner of what it serves; once a trial works it is over."""
    async with alerting(tmp_path, MemoryTelemetry(), watch, shared.clock, shared.sight) as alerts:
        shared.fail()
        await alerts.minutes(3)
        assert await states(alerts, "replica_down") == ["pending"]
        await alerts.minutes(1)
        found = await only(alerts, "replica_down")
        assert (found.state, found.severity, found.value) == ("open", "ticket", f"small {URL}")
        assert found.words == f"small {URL} is down: its breaker is open after 5 failures in a row"
        assert found.receivers == ("board",)
        shared.trial(works=True)
        await alerts.minutes(1)
        assert await states(alerts, "replica_down") == ["resolved"]


async def test_a_replica_that_fails_each_trial_is_down_all_the_while(
    tmp_path: Path, watch: Watch, shared: Shared
) -> None:
    """Between two openings its breaker is half-open, and stays so while a trial is under way or none comes."""
    async with alerting(tmp_path, MemoryTelemetry(), watch, shared.clock, shared.sight) as alerts:
        shared.fail()
        seen = set()
        for _ in range(8):
            await alerts.minutes(1)
            seen.add(shared.sight.board().replicas[0].state)  # type: ignore[union-attr]  # there is a board
            shared.trial(works=False)
        assert seen == {"half_open"}
        assert await states(alerts, "replica_down") == ["open"]


async def test_a_replica_that_is_down_for_a_moment(tmp_path: Path, watch: Watch, shared: Shared) -> None:
    """Two minutes are no alert."""
    async with alerting(tmp_path, MemoryTelemetry(), watch, shared.clock, shared.sight) as alerts:
        shared.fail()
        await alerts.minutes(2)
        shared.trial(works=True)
        await alerts.minutes(10)
        assert await states(alerts, "replica_down") == []


async def test_a_replica_whose_health_check_fails(tmp_path: Path, watch: Watch, shared: Shared) -> None:
    """While checks fail it is down; once one passes it is not, though no call has tried it yet."""
    async with alerting(tmp_path, MemoryTelemetry(), watch, shared.clock, shared.sight) as alerts:

        async def checks(count: int, *, passed: bool) -> None:
            for _ in range(count):
                await alerts.minutes(1)
                shared.board.checked(shared.column, shared.clock.monotonic(), passed=passed)
                while await alerts.at_work.round(alerts.desk):
                    pass

        await checks(1, passed=True)
        await checks(6, passed=False)
        found = await only(alerts, "replica_down")
        assert (found.state, found.evidence.detail) == ("open", "its health check fails")
        await checks(2, passed=True)
        assert await states(alerts, "replica_down") == ["resolved"]


class SetRight(JumpingClock):
    """A clock whose time of day is ahead, until that is set to 0."""

    ahead_s = 86_400.0

    def wall_ns(self) -> int:
        return super().wall_ns() + round(self.ahead_s * 1e9)


async def test_records_that_stay_out_once_the_clock_was_set_right(tmp_path: Path, watch: Watch, shared: Shared) -> None:
    """A clock that was a day ahead, with a call recorded and another one open then, makes nobody wait for that day."""
    clock = shared.clock = SetRight()
    telemetry = MemoryTelemetry()
    telemetry.insert(Batch((call("c1", clock.wall_ns()),)), "one")
    async with alerting(tmp_path, telemetry, watch, clock, shared.sight) as alerts:

        async def minutes(count: int) -> None:
            for _ in range(count):
                shared.board.heartbeat(clock.monotonic(), open_calls=1, open_connections=1, draining=False)
                await alerts.minutes(1)

        await minutes(2)
        clock.ahead_s = 0.0
        await minutes(14)
        assert await states(alerts, "records_silent") == []
        await minutes(4)
        found = await only(alerts, "records_silent")
        assert (found.state, found.evidence.detail) == ("open", "for 15 min calls are open and none was recorded")


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[Engines]:
    """What reads replicas' metrics, and writes into the spool that alerts are fed from."""
    pool = Pool(SystemClock())
    yield Engines(tmp_path, pool)
    await pool.close()


async def test_a_replica_that_restarted(tmp_path: Path, watch: Watch, engines: Engines) -> None:
    """Its metrics tell another start: that is an alert at the next look, of that replica, and over after an hour."""
    async with ScriptedUpstream() as replica, ScriptedUpstream() as other:
        other.always(page(started=500.0, num_requests_running=1))
        replica.always(page(started=1000.0, num_requests_running=1))
        engines.declare(replica.url, other.url)
        await engines.look()
        replica.always(page(started=2000.0, num_requests_running=1))
        await engines.look()
        async with alerting(tmp_path, MemoryTelemetry(), watch, engines.clock) as alerts:
            await alerts.take_in()
            await alerts.minutes(2)
            found = await only(alerts, "replica_restarted")
            assert (found.state, found.value, found.receivers) == ("open", f"small {replica.url}", ("board",))
            assert found.words == f"small {replica.url} has restarted: its own metrics began anew"
            await alerts.minutes(56)
            assert await states(alerts, "replica_restarted") == ["open"]
            await alerts.minutes(4)
            assert await states(alerts, "replica_restarted") == ["resolved"]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host whose one model is locked, and has just been looked at for the first time."""
    made = Host(tmp_path, JumpingClock(), Server(), {"small": TESTED})
    made.lock(Server())
    asyncio.run(made.watch.round())
    return made


async def test_a_model_that_is_not_the_one_that_was_locked(tmp_path: Path, watch: Watch, host: Host) -> None:
    """A first hit is none; the second in a row pages whoever owns what it serves, until it is put right."""
    sight = Sight(identity=lambda: host.watch.figures)
    async with alerting(tmp_path, MemoryTelemetry(), watch, host.clock, sight) as alerts:
        host.server.shift = -0.01
        host.clock.advance(60)
        await host.watch.round()
        await alerts.minutes(1)
        assert await alerts.list(rule="model_changed") == ()
        host.clock.advance(60)
        await host.watch.round()
        await alerts.minutes(2)
        found = await only(alerts, "model_changed")
        assert (found.state, found.severity, found.value) == ("open", "page", f"small {REPLICA}")
        assert found.words.startswith(f"small {REPLICA} is not the model that was locked: after 'Continue: ")
        assert found.receivers == ("board",)
        host.server.shift = 0.0
        host.clock.advance(2 * 3600)
        await host.watch.round()
        await alerts.minutes(1)
        assert await states(alerts, "model_changed") == ["resolved"]


async def test_a_tool_that_is_not_what_it_was_at_its_server(tmp_path: Path, watch: Watch) -> None:
    """Its definition differs from the locked one: that is an alert, and over once it is as it was."""
    tools = Tools(tmp_path / "tools", tool(), lock())
    sight = Sight(drifting=lambda: tools.watch.drifting)
    async with alerting(tmp_path, MemoryTelemetry(), watch, tools.clock, sight) as alerts:
        await tools.round()
        await alerts.minutes(2)
        assert await alerts.list(rule="tool_changed") == ()
        tools.server.tools = {"find": changed(description="Finds whatever you like.")}
        await tools.round()
        await alerts.minutes(2)
        found = await only(alerts, "tool_changed")
        assert (found.state, found.value, found.receivers) == ("open", "find", ("oncall",))
        assert found.words.startswith("find answers otherwise than it did: major: ")
        tools.server.tools = {"find": FIND}
        await tools.round()
        await alerts.minutes(1)
        assert await states(alerts, "tool_changed") == ["resolved"]


async def test_the_worst_drift_of_a_tool_is_told(tmp_path: Path, watch: Watch) -> None:
    """A field that is new hides none that is lost."""
    more = Drifting("find", "tool_shape", "minor", "$.b", "$.b is new", 0)
    lost = Drifting("find", "tool_shape", "major", "$.a", "$.a is gone", 0)
    sight = Sight(drifting=lambda: (more, lost))
    async with alerting(tmp_path, MemoryTelemetry(), watch, JumpingClock(), sight) as alerts:
        await alerts.minutes(2)
        assert (await only(alerts, "tool_changed")).evidence.detail == "major: $.a is gone"


async def test_a_tool_whose_answers_are_of_another_shape(tmp_path: Path, watch: Watch) -> None:
    """Learned from records alone: what 60 calls brought is held against the next 50."""
    clock = JumpingClock()
    spool = SegmentWriter(tmp_path / "spool")

    def write(first: int, count: int, value: object) -> None:
        result = ToolResult("find", shape_of_value(value), 10, False)
        spool.write(*(call(f"c{first + one}", clock.wall_ns() + one, tool_results=(result,)) for one in range(count)))

    async with alerting(
        tmp_path, MemoryTelemetry(), watch, clock, learning=lambda: Learning(tmp_path / "learned").shapes
    ) as alerts:
        write(0, 60, GOOD)
        await alerts.take_in()
        await alerts.minutes(2)
        assert await alerts.list(rule="tool_changed") == ()
        write(60, 50, BAD)
        await alerts.take_in()
        await alerts.minutes(2)
        found = await only(alerts, "tool_changed")
        assert (found.state, found.value) == ("open", "find")
        assert "$.id is string now, it was number" in found.words


def locked(name: str, at_ns: int, lock: str) -> Settled:
    """A call for a case, under a lock."""
    made = call(name, at_ns, task="(evaluation) extract")
    return replace(made, admitted=replace(made.admitted, lock=lock))


async def test_an_evaluation_that_falls(tmp_path: Path, watch: Watch) -> None:
    """It names the task and scorer, from what to what, the calls that show it, and the lock that came then; by the
    evaluation's own calls, for there are no users. It is over once the evaluation passes again.
    """
    clock = JumpingClock()
    minute = clock.wall_ns() // 60_000_000_000
    found = Decision(
        alarm=True, evidence=12.0, threshold=11.0, direction="falls", since=minute - 5, estimate=0.8,
        interval=Interval(0.7, 0.9), n=100, baseline=0.95,
    )  # fmt: skip
    fallen = [Fallen("extract", "exact", found, minute, ("c1", "c2"))]
    telemetry = MemoryTelemetry()
    at_ns = (minute - 5) * 60_000_000_000
    calls = [locked(f"b{n}", at_ns - (n + 2) * 60_000_000_000, "aa") for n in range(9)]
    calls += [locked(f"s{n}", at_ns + n * 60_000_000_000, "bb") for n in range(5)]
    telemetry.insert(Batch(tuple(calls)), "one")
    async with alerting(tmp_path, telemetry, watch, clock, Sight(fallen=lambda: tuple(fallen))) as alerts:
        await alerts.minutes(2)
        alert = await only(alerts, "evaluation_falls")
        assert (alert.state, alert.severity, alert.task, alert.field) == ("open", "page", "extract", "exact")
        assert alert.words.startswith(
            "extract: evaluation of exact fell from 95.0 % to 80.0 % (70.0-90.0, n 100) since "
        )
        assert [(one.kind, one.before, one.after) for one in alert.causes] == [("lock", "aa", "bb")]
        assert alert.worst == ("c1", "c2")
        assert alert.receivers == ("board",)
        fallen.clear()
        await alerts.minutes(1)
        assert await states(alerts, "evaluation_falls") == ["resolved"]


async def test_an_evaluation_that_somebody_resolved(tmp_path: Path, watch: Watch) -> None:
    """What was found before is not found again, though the evaluation has not heard of it yet. What is found later is,
    also where it began with the last slot before.
    """
    clock = JumpingClock()
    minute = clock.wall_ns() // 60_000_000_000
    found = Decision(alarm=True, evidence=12.0, threshold=11.0, since=minute, estimate=0.8, n=9, baseline=0.9)
    fallen = [Fallen("extract", "exact", found, minute, ())]
    async with alerting(tmp_path, MemoryTelemetry(), watch, clock, Sight(fallen=lambda: tuple(fallen))) as alerts:
        await alerts.minutes(2)
        alert = await only(alerts, "evaluation_falls")
        await alerts.at_work.change(lambda book, rules, now: book.act(alert.id, "accept", rules, now, "kim", ""))
        await alerts.minutes(1)
        assert await states(alerts, "evaluation_falls") == ["resolved"]
        fallen[0] = fallen[0]._replace(found=minute + 4)
        await alerts.minutes(1)
        assert await states(alerts, "evaluation_falls") == ["open"]
