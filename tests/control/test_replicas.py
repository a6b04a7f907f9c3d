"""Every replica with what is known of it from all sides, and how the sides differ."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from tests.control.conftest import BOARD, Scene
from tests.control.running import PROJECT, control, data_of, until
from tests.gateway.harness import snapshot
from tests.store.samples import MINUTE_NS, NOON_NS, call
from trimtab.cli.engines import engines_table
from trimtab.declare.load import load
from trimtab.errors import InvalidRequest
from trimtab.lock.identity import Standing
from trimtab.policy.publish import publish_watch
from trimtab.policy.watch import watch_of
from trimtab.processes.desk import Desk
from trimtab.processes.identity import Figures, ReplicaIdentity
from trimtab.processes.replicas import ReplicaSources, read_gaps, replicas
from trimtab.processes.replicas_api import Replicas, read_replicas
from trimtab.record.events import Usage
from trimtab.signals.engine.gap import Gap, Side
from trimtab.signals.engine.view import EngineRates, EngineView
from trimtab.store.engine_samples import EngineSample, EngineSeries
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch
from trimtab.testing import JumpingClock

URL = "http://127.0.0.1:9"
VIEW = EngineView("small", URL, "vllm", 5, {"queue_depth": 3.0, "kv_cache_usage": 0.5}, EngineRates(60.0))


def sources(*views: EngineView, identity: Figures = Figures()) -> ReplicaSources:  # noqa: B008 - frozen
    """Two declared models, of which the board knows one."""
    declared = snapshot({"small": URL, "large": ["http://b:1", "http://a:1"]})
    return ReplicaSources(lambda: declared, lambda: BOARD, lambda: views, lambda: identity)


def counted(series: EngineSeries, *values: float, replica: str = URL) -> list[EngineSample]:
    """Samples of one series, a minute apart, the first at noon."""
    return [
        EngineSample(NOON_NS + number * MINUTE_NS, "small", replica, series, one) for number, one in enumerate(values)
    ]


def test_every_declared_replica_is_there() -> None:
    """By model and address, with what is known: board, engine, identity; nothing is made up of one nobody asked."""
    tested = ReplicaIdentity("small", URL, Standing("changed", 2, checked_ns=7, detail="other words"))
    found = replicas(sources(VIEW, identity=Figures((tested,))))
    assert [(one.model, one.replica) for one in found] == [
        ("large", "http://a:1"),
        ("large", "http://b:1"),
        ("small", URL),
    ]
    small = found[2]
    assert (small.breaker, small.in_flight, small.outstanding_tokens, small.openings) == ("open", 4, 900, 2)
    assert (small.failures, small.votes, small.retry_in_s, small.healthy) == (5, 9, 1.5, False)
    assert small.engine == VIEW
    assert (small.identity, small.identity_detail, small.identity_checked_ns) == ("changed", "other words", 7)
    assert (found[0].breaker, found[0].healthy, found[0].engine, found[0].identity) == ("", None, None, "unknown")


def test_a_gap_is_read_over_one_window_on_both_sides() -> None:
    """The last twelve whole minutes: the engine from its last sample before them, calls that ended in them."""
    telemetry = MemoryTelemetry()
    telemetry.insert_engine_samples(
        [
            *counted("requests", *range(0, 300, 10)),
            *counted("prompt_tokens", *range(0, 3000, 100)),
            *counted("ttft_seconds_sum", *range(30)),
            *counted("ttft_seconds_count", *range(0, 300, 10)),
        ]
    )
    usage = Usage(input=8, cache_read=2, output=5)
    inside = [call(f"a{n}", NOON_NS + (10 + n % 12) * MINUTE_NS + 1, ttft_s=0.2, usage=usage) for n in range(60)]
    outside = [call("b", NOON_NS + 9 * MINUTE_NS, ttft_s=9.0), call("c", NOON_NS + 22 * MINUTE_NS, ttft_s=9.0)]
    ended = [msgspec.structs.replace(one, replica=URL) for one in (*inside, *outside)]
    telemetry.insert(Batch.of(ended), "a")
    (found,) = read_gaps(telemetry, NOON_NS + 22 * MINUTE_NS + 5, 720)
    assert (found.replica, found.window_s) == (URL, 720.0)
    assert found.engine == Side(120.0, 1200.0, None, ttft_s=pytest.approx(0.1))
    assert found.calls == Side(60.0, 600.0, 300.0, ttft_s=pytest.approx(0.2, rel=0.01))
    assert found.other_requests == 60.0
    assert "60 requests more" in found.words[0]


def test_what_came_before_the_first_sample_is_on_neither_side() -> None:
    """Samples since 12:01: an hour's window begins at 12:02, behind the calls of 12:00; a younger replica waits."""
    telemetry = MemoryTelemetry()
    telemetry.insert_engine_samples(counted("requests", *range(100, 120, 1))[1:])
    telemetry.insert_engine_samples(counted("requests", *range(10), replica="http://b:1")[8:])
    ended = [call("a", NOON_NS + 1), call("b", NOON_NS + 3 * MINUTE_NS)]
    telemetry.insert(Batch.of([msgspec.structs.replace(one, replica=URL) for one in ended]), "a")
    (found,) = read_gaps(telemetry, NOON_NS + 10 * MINUTE_NS, 600)
    assert (found.replica, found.window_s) == (URL, 480.0)
    assert (found.engine.requests, found.calls.requests) == (8.0, 1.0)
    assert read_gaps(telemetry, NOON_NS + 2 * MINUTE_NS, 60) == ()


def test_where_nothing_is_read_nothing_is_compared() -> None:
    """Calls alone make no gap; a replica whose metrics are read no more shows none."""
    telemetry = MemoryTelemetry()
    telemetry.insert(Batch.of([msgspec.structs.replace(call("a"), replica=URL)]), "a")
    assert read_gaps(telemetry, NOON_NS + 5 * MINUTE_NS, 3600) == ()
    between = Gap(URL, 60.0, Side(), Side())
    assert replicas(sources(), [between])[2].gap is None
    assert replicas(sources(VIEW), [between])[2].gap == between


@pytest.mark.parametrize("window", ["", "1", "30s", "8d", "yesterday"])
async def test_a_window_that_cannot_be_is_refused(scene: Scene, window: str) -> None:
    """Shorter than a minute, longer than a week, or no length of time."""
    with pytest.raises(InvalidRequest):
        await read_replicas(scene.desk, scene.clock, sources(VIEW), window)


async def test_replicas_are_told_without_telemetry(closed_desk: Desk) -> None:
    """Without the gaps, and with the reason."""
    found = await read_replicas(closed_desk, JumpingClock(), sources(VIEW))
    assert len(found.replicas) == 3
    assert "it is not open yet" in found.detail


def test_status_shows_engines() -> None:
    """One line each; what is not known is a dash, why nothing was read stands there, an old reading tells its age."""
    views = [
        msgspec.structs.replace(
            VIEW, rates=EngineRates(60.0, prefill_tokens_s=1234.0, prefix_hit_share=0.25), restarts=2
        ),
        EngineView("small", "http://b:1"),
        EngineView("small", "http://c:1", trouble="it answered 404\x1b[31m", failures=1),
    ]
    out = io.StringIO()
    Console(file=out, width=160, highlight=False).print(engines_table(views, 5 + 90 * 10**9))
    _, _, first, second, third = (line.split() for line in out.getvalue().splitlines() if line.strip())
    assert first == ["small", URL, "vllm,", "90", "s", "old", "3", "-", "50", "25", "1230", "-", "-", "2"]
    assert second == ["small", "http://b:1", "not", "read", "yet", *["-"] * 7, "0"]
    assert third[2:6] == ["!", "it", "answered", "404\\x1b[31m"]


class Engine(BaseHTTPRequestHandler):
    """A server that says that three requests wait."""

    def do_GET(self) -> None:
        page = b"vllm:num_requests_waiting 3\nvllm:prompt_tokens_total 7\n"
        self.send_response(200)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def engine() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Engine) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_control_reads_its_replicas(tmp_path: Path) -> None:
    """A running control asks the declared replica, and tells what it said by API, status and metrics."""
    with engine() as url:
        declared = PROJECT.replace(URL, url) + 'metrics = true\nmetrics_every = "1s"\n'
        with control(tmp_path, declared=declared) as running:
            publish_watch(data_of(tmp_path) / "run", watch_of(load(tmp_path / "project")))

            def queue() -> float | None:
                (one,) = msgspec.convert(running.ask("/api/replicas?window=5m")[1], Replicas).replicas
                return one.engine.values.get("queue_depth") if one.engine is not None else None

            assert until(queue, 3.0) == 3.0
            (view,) = running.status().engines
            assert (view.replica, view.server, view.values["prompt_tokens"]) == (url, "vllm", 7.0)
            _, text = running.ask_tcp(
                "/metrics", running.ask("/api/keys", "POST", b'{"name": "p", "role": "viewer"}')[1]["secret"]
            )
            assert f'trimtab_engine_queue_depth{{model="small",replica="{url}"}} 3.0' in text
