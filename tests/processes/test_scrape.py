"""Reading what replicas say of themselves: from declared addresses alone, bounded, no old value for a new one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from tests.gateway.harness import snapshot
from trimtab.clock import SystemClock
from trimtab.declare.alerting import Scrape
from trimtab.declare.project import Secret
from trimtab.errors import StoreError
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.signers import Signers
from trimtab.policy.snapshot import Snapshot
from trimtab.policy.watch import Watch
from trimtab.processes.changes import Changes
from trimtab.processes.scrape import LONGEST_S, MAX_WAITING, MIXED, STORE_S, EngineWatch
from trimtab.processes.scrape_client import MetricsClient
from trimtab.record import tail
from trimtab.record.disk import Disk
from trimtab.record.events import Change
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.spool import Spool
from trimtab.store.engine_samples import EngineSample
from trimtab.testing import JumpingClock, ScriptedUpstream, refused_port
from trimtab.testing.scripts import Hang, Repeat, Script, Send, chunk, head, json_answer

EVERY_S = 15.0
GPU = b"DCGM_FI_DEV_GPU_UTIL 50\nDCGM_FI_DEV_POWER_USAGE 300\n"


def page(**values: float) -> Script:
    """A vLLM's answer: `started`, and other series by the names that vLLM gives them."""
    started = values.pop("started", 1000.0)
    lines = [f'vllm:{name}{{model_name="served-small"}} {value}\n' for name, value in values.items()]
    return json_answer("".join([*lines, f"process_start_time_seconds {started}\n"]).encode())


class Watching:
    """A watch over scripted replicas, with a clock that only this moves."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        self.clock = JumpingClock()
        self.models: Snapshot = snapshot({})
        self.scrapes: dict[str, Scrape] = {}
        self._folder = folder / "spool"
        log = RollingLog(self._folder / "c0-1", SEGMENT, SystemClock(), Disk(), max_bytes=1 << 20, max_age_s=60.0)
        self.changes = Changes(Spool(log), self.clock)
        signers = Signers(lambda secret: f"key-of-{secret.place}", SystemClock())
        self.stored: list[EngineSample] = []
        self.is_down = False
        self.engines = EngineWatch(
            lambda: self.models,
            lambda: Watch(scrapes=self.scrapes),
            MetricsClient(pool, signers, most=64 << 10),
            self.changes,
            self.clock,
            random.Random(7),
        )

    def declare(self, *replicas: str, scrape: Scrape | None = None, api_key: Secret | None = None) -> None:
        """One model, `small`, with these replicas."""
        declared = snapshot({"small": list(replicas)})
        small = msgspec.structs.replace(declared.models["small"], api_key=api_key)
        self.models = msgspec.structs.replace(declared, models={"small": small})
        self.scrapes = {"small": scrape or Scrape("/metrics", EVERY_S)}

    async def look(self) -> None:
        """Lets everything become due, and asks."""
        await self.engines.round()
        self.clock.advance(LONGEST_S * 1.2)
        await self.engines.round()

    async def store(self, samples: Sequence[EngineSample]) -> None:
        if self.is_down:
            raise StoreError(store="telemetry", detail="it is down")
        self.stored.extend(samples)

    def noted(self) -> list[Change]:
        """The changes that were recorded."""
        self.changes.close()
        found = [one for segment in tail.segments(self._folder) for _, one in tail.read(segment.path, 0)]
        return [one for one in found if isinstance(one, Change)]


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """A pool that is closed afterwards."""
    made = Pool(SystemClock())
    yield made
    await made.close()


@pytest.fixture
def watching(tmp_path: Path, pool: Pool) -> Watching:
    return Watching(tmp_path, pool)


async def test_what_a_replica_says_is_viewed_and_stored(watching: Watching) -> None:
    """Its values, by its address; what it does not say is not there."""
    async with ScriptedUpstream() as replica:
        replica.always(page(num_requests_running=3, kv_cache_usage_perc=0.25))
        watching.declare(replica.url)
        await watching.look()
        (view,) = watching.engines.views
        assert (view.model, view.replica, view.server, view.trouble) == ("small", replica.url, "vllm", "")
        assert view.values == {"running": 3.0, "kv_cache_usage": 0.25, "started": 1000.0}
        assert view.at_ns == watching.clock.wall_ns()
        assert [(one.method, one.target) for one in replica.requests] == [("GET", "/metrics")]
        assert replica.requests[0].header("authorization") is None
    await watching.engines.keep(watching.store)
    assert {(one.model, one.replica, one.series, one.value) for one in watching.stored} == {
        ("small", replica.url, "running", 3.0),
        ("small", replica.url, "kv_cache_usage", 0.25),
        ("small", replica.url, "started", 1000.0),
    }


async def test_the_first_reading_comes_within_the_cadence_and_others_follow(watching: Watching) -> None:
    """Not all replicas at once after a start, and then each every 15 s, give or take a tenth."""
    async with ScriptedUpstream() as replica:
        replica.always(page(num_requests_running=1))
        watching.declare(f"{replica.url}/a", f"{replica.url}/b", f"{replica.url}/c")
        await watching.engines.round()
        assert replica.requests == []
        asked: list[int] = []
        for _ in range(61):
            watching.clock.advance(1.0)
            await watching.engines.round()
            asked.append(len(replica.requests))
        assert 0 < asked[0] + asked[5] < 6
        assert asked[15] in {3, 4, 5}
        assert 11 <= asked[60] <= 16


async def test_the_key_goes_to_the_replica_alone(watching: Watching) -> None:
    """Not to an exporter, nor to a metrics address on another port."""
    async with ScriptedUpstream() as replica, ScriptedUpstream() as exporter, ScriptedUpstream() as elsewhere:
        replica.always(page(num_requests_running=1))
        elsewhere.always(page(num_requests_running=2))
        exporter.always(json_answer(GPU))
        secret = Secret("env", "SMALL")
        watching.declare(replica.url, scrape=Scrape("/m", EVERY_S, (f"{exporter.url}/gpu",)), api_key=secret)
        await watching.look()
        assert replica.requests[0].target == "/m"
        assert replica.requests[0].header("authorization") == b"Bearer key-of-SMALL"
        assert exporter.requests[0].target == "/gpu"
        assert exporter.requests[0].header("authorization") is None
        watching.declare(replica.url, scrape=Scrape("", EVERY_S, (), (f"{elsewhere.url}/metrics",)), api_key=secret)
        await watching.look()
        assert elsewhere.requests[0].header("authorization") is None
        assert watching.engines.views[0].values["running"] == 2.0
        assert len(replica.requests) == 1


async def test_gpus_are_viewed_beside_their_replicas(watching: Watching) -> None:
    """One exporter for all is asked once for all; where the engine does not answer its GPUs are told all the same."""
    async with ScriptedUpstream() as replica, ScriptedUpstream() as exporter:
        replica.always(page(num_requests_running=1), path="/a/metrics")
        replica.always(json_answer(b"", 503), path="/b/metrics")
        exporter.always(json_answer(GPU))
        watching.declare(
            f"{replica.url}/a", f"{replica.url}/b", scrape=Scrape("/metrics", EVERY_S, (f"{exporter.url}/metrics",))
        )
        await watching.look()
        one, other = watching.engines.views
        assert one.values == {"running": 1.0, "started": 1000.0, "gpu_utilisation": 0.5, "gpu_power_watts": 300.0}
        assert other.values == {"gpu_utilisation": 0.5, "gpu_power_watts": 300.0}
        assert (one.trouble, other.trouble) == ("", "it answered 503")
        assert len(exporter.requests) == 1


FAILURES: dict[str, tuple[Callable[[], Script], str]] = {
    "a status": (lambda: json_answer(b"", 404), "it answered 404"),
    "a redirect": (
        lambda: json_answer(b"", 302, (("location", "http://169.254.169.254/latest/meta-data"),)),
        "it answered 302; a redirect is not followed",
    ),
    "a page of something else": (lambda: json_answer(b"<html></html>"), "no metric with a known name"),
    "a malformed line": (lambda: json_answer(b"vllm:num_requests_running{ 1\n"), "1 of its lines are not"),
    "too large": (lambda: json_answer(b"vllm:x 1\n" * 10_000), "larger than 64 KiB"),
    "endless": (
        lambda: Script(
            (
                Send(head(200, (("transfer-encoding", "chunked"),))),
                Repeat((Send(chunk(b"vllm:num_requests_running 1\n" * 100)),)),
            )
        ),
        "larger than 64 KiB",
    ),
    "compressed": (
        lambda: json_answer(b"\x1f\x8b", 200, (("content-encoding", "gzip"),)),
        "it answered compressed",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_what_cannot_be_read_is_told_and_leaves_no_value(watching: Watching, name: str) -> None:
    """The view says why, and what was read before is not told as if it were so now."""
    answer, why = FAILURES[name]
    async with ScriptedUpstream() as replica:
        replica.add(page(num_requests_running=3))
        replica.always(answer())
        watching.declare(replica.url)
        await watching.look()
        read_ns = watching.clock.wall_ns()
        assert watching.engines.views[0].values["running"] == 3.0
        await watching.look()
        (view,) = watching.engines.views
        assert why in view.trouble
        assert view.values == {}
        assert (view.at_ns, view.failures) == (read_ns, 1)
        assert len(replica.requests) == 2


async def test_one_that_hangs_or_is_away_holds_up_nobody(watching: Watching) -> None:
    """It is told that it did not answer in time; the others are read."""
    async with ScriptedUpstream() as good, ScriptedUpstream() as stuck:
        good.always(page(num_requests_running=3))
        stuck.always(Script((Hang(),)))
        with refused_port() as port:
            watching.declare(good.url, stuck.url, f"http://127.0.0.1:{port}", scrape=Scrape("/metrics", every_s=0.05))
            await asyncio.wait_for(watching.look(), 60)
        troubles = {view.replica: view.trouble for view in watching.engines.views}
        assert troubles[good.url] == ""
        assert troubles[stuck.url] == "it did not answer within 0.05 s"
        assert "refused" in troubles[f"http://127.0.0.1:{port}"].lower()


async def test_one_that_fails_is_asked_ever_less_often(watching: Watching) -> None:
    """Half as often each time, until every five minutes; once it answers, as often as before."""
    async with ScriptedUpstream() as replica:
        replica.always(json_answer(b"", 503))
        watching.declare(replica.url)
        times: list[float] = []
        for _ in range(1500):
            watching.clock.advance(1.0)
            before = len(replica.requests)
            await watching.engines.round()
            if len(replica.requests) > before:
                times.append(watching.clock.monotonic())
        waits = [later - earlier for earlier, later in pairwise(times)]
        for wait, expected in zip(waits, [30, 60, 120, 240, 300, 300], strict=False):
            assert expected * 0.9 - 1 <= wait <= expected * 1.1 + 1
        assert len(waits) >= 6
        replica.always(page(num_requests_running=1))
        await watching.look()
        watching.clock.advance(EVERY_S * 1.1)
        count = len(replica.requests)
        await watching.engines.round()
        assert len(replica.requests) == count + 1


async def test_a_restart_is_a_change_and_told_once(watching: Watching) -> None:
    """With when it had been started before and was now; rates begin anew."""
    async with ScriptedUpstream() as replica:
        replica.add(page(prompt_tokens_total=500), page(prompt_tokens_total=900, started=7000.0))
        replica.always(page(prompt_tokens_total=950, started=7000.0))
        watching.declare(replica.url)
        for _ in range(3):
            await watching.look()
        (view,) = watching.engines.views
        assert view.restarts == 1
        assert view.rates.prefill_tokens_s is not None
    (change,) = watching.noted()
    assert (change.kind, change.subject) == ("replica_restarted", f"small {replica.url}")
    assert (change.before, change.after, change.by) == ("1000", "7000", "control")


async def test_several_servers_behind_an_address_are_told(watching: Watching) -> None:
    """No end of restarts: what it is, and what to do."""
    async with ScriptedUpstream() as replica:
        replica.add(*(page(prompt_tokens_total=500, started=1000.0 + 1000 * (turn % 2)) for turn in range(6)))
        watching.declare(replica.url)
        for _ in range(6):
            await watching.look()
        assert watching.engines.views[0].trouble == MIXED
    assert len(watching.noted()) == 1


async def test_samples_wait_for_telemetry_up_to_a_bound(watching: Watching) -> None:
    """What telemetry does not take is sent again; past the bound the oldest go."""
    async with ScriptedUpstream() as replica:
        replica.add(*(page(num_requests_running=number) for number in range(3)))
        watching.declare(replica.url)
        watching.is_down = True
        for _ in range(3):
            await watching.look()
            await watching.engines.keep(watching.store)
        assert watching.stored == []
        watching.is_down = False
        await watching.engines.keep(watching.store)
        assert watching.stored == []
        watching.clock.advance(STORE_S)
        await watching.engines.keep(watching.store)
        assert [one.value for one in watching.stored if one.series == "running"] == [0.0, 1.0, 2.0]
        watching.clock.advance(STORE_S)
        await watching.engines.keep(watching.store)
        assert len(watching.stored) == 6
    assert MAX_WAITING >= 24 * 100 * 4


async def test_one_that_is_declared_no_more_is_forgotten(watching: Watching) -> None:
    """With its view, and it is asked no more; so is one whose model is gone from the snapshot."""
    async with ScriptedUpstream() as replica:
        replica.always(page(num_requests_running=1))
        watching.declare(replica.url)
        await watching.look()
        watching.scrapes = {}
        await watching.look()
        assert watching.engines.views == ()
        watching.scrapes = {"gone": Scrape()}
        await watching.look()
        assert len(replica.requests) == 1
