"""Figures of signals over HTTP: what is asked for, by whom, and what is told of hosts and engines."""

from __future__ import annotations

import msgspec
import pytest

from tests.control.asgi import Answer, ask
from tests.control.conftest import BOARD, Scene, snapshot
from tests.store.samples import MINUTE_NS, call
from trimtab.console.parts import Asker, Parts
from trimtab.declare.project import Goal, Objective
from trimtab.journal.dead_letters import Tally
from trimtab.processes.gauges import gauges, of_tasks
from trimtab.processes.identity import Figures as Identities
from trimtab.processes.routes import Site, site
from trimtab.processes.signals_api import signal_endpoints
from trimtab.signals.engine.view import EngineRates, EngineView
from trimtab.signals.figure import Cell, Gauge
from trimtab.signals.telling import Catalogue, Told
from trimtab.store.ingest import Lag

TASKS = snapshot(Objective((Goal("ttft", 0.95, 0.8),), 0.99)).tasks
SAID = (
    Gauge("dead_letters", "route", "upstream_error", 2.0),
    Gauge("queue_depth", "", "small http://127.0.0.1:9", 7.0, 5),
    Gauge("queue_depth", "", "other http://127.0.0.1:8", 1.0, 5),
)


def served(scene: Scene) -> Site:
    desk = scene.sources.desk
    rows = signal_endpoints(desk, scene.clock, lambda: TASKS, lambda: SAID)
    return site(rows, Parts(scene.clock, Asker(desk, scene.clock), scene.sources.snapshot), scene.gate, scene.live)


async def asked(scene: Scene, target: str, *tasks: str) -> Answer:
    return await ask(served(scene).network, target, key=scene.secret(*tasks))


def put(scene: Scene) -> None:
    now = scene.clock.wall_ns() - 1
    calls = [call(f"a{number}", now, ttft_s=0.5) for number in range(8)]
    calls += [call(f"b{number}", now, outcome="upstream_error") for number in range(2)]
    calls += [call("c", now, outcome="client_gone"), call("d", now, task="other", model="other")]
    scene.put(*calls)


def told(answer: Answer) -> Told:
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Told)


def cells(answer: Answer) -> dict[tuple[str, str], Cell]:
    return {(one.task, one.value): one for one in told(answer).figures.cells}


async def test_figures_of_all_tasks(scene: Scene) -> None:
    """8 of 10 went well, one was cancelled; each task has its own figures, and goals their standing."""
    put(scene)
    answer = await asked(scene, "/api/signals?signal=availability&signal=cancelled_share")
    found = cells(answer)
    assert set(found) == {("route", ""), ("other", "")}
    availability, cancelled = (found["route", ""].figure(name) for name in ("availability", "cancelled_share"))
    assert availability is not None and (availability.value, availability.n) == (0.8, 10)
    assert availability.low == pytest.approx(0.4902, abs=1e-4)
    assert cancelled is not None and (cancelled.count, cancelled.n) == (1, 11)
    (goal,) = told(answer).objectives
    assert (goal.task, goal.name, goal.bad, goal.n) == ("route", "success", 2, 10)


async def test_told_apart_and_in_steps(scene: Scene) -> None:
    """By model, or in steps, without objectives."""
    put(scene)
    by_model = await asked(scene, "/api/signals?task=route&by=model&signal=request_rate")
    assert set(cells(by_model)) == {("route", "small")}
    stepped = told(await asked(scene, "/api/signals?task=route&step=1h&since=3h&signal=ttft"))
    assert stepped.figures.step_s == 3600 and stepped.objectives == ()
    assert [cell.calls for cell in stepped.figures.cells] == [11]


async def test_gauges_of_a_task(scene: Scene) -> None:
    """Asked for one task, what its models' replicas say comes under its name; without a task, all as they are."""
    everything = told(await asked(scene, "/api/signals")).figures.gauges
    assert everything == SAID
    of_route = told(await asked(scene, "/api/signals?task=route")).figures.gauges
    assert [(one.signal, one.task, one.value) for one in of_route] == [
        ("dead_letters", "route", 2.0),
        ("queue_depth", "route", 7.0),
    ]


async def test_a_key_for_some_tasks(scene: Scene) -> None:
    """It sees its tasks alone, nothing of replicas that serve others too, and no task it may not see."""
    put(scene)
    answer = await asked(scene, "/api/signals", "route")
    assert {task for task, _ in cells(answer)} == {"route"}
    assert [one.signal for one in told(answer).figures.gauges] == ["dead_letters"]
    refused = await asked(scene, "/api/signals?task=other", "route")
    assert (refused.status, refused.error) == (403, "forbidden")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("signal=parse", "there is no signal `parse`"),
        ("by=colour", "?by=colour tells nothing apart; use one of task, model"),
        ("step=90s", "not a whole number of minutes"),
        ("step=often", "`often` is no length of time"),
        ("since=1h&until=2h", "the window ends before it begins"),
        ("since=3d&step=1m&task=route", "over 100,000 figures"),
        ("nothing=1", "?nothing= is not known here"),
    ],
)
async def test_mistakes(scene: Scene, query: str, told: str) -> None:
    """What cannot be asked for is refused, with what to write instead."""
    if "3d" in query:
        scene.put(*(call(f"c{n}", scene.clock.wall_ns() - n * MINUTE_NS) for n in range(3000)))
    answer = await asked(scene, f"/api/signals?{query}")
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert told in answer.json()["error"]["message"]


async def test_the_catalogue(scene: Scene) -> None:
    """Each signal with its words, its denominator and its expression."""
    answer = await asked(scene, "/api/signals/catalogue")
    found = {one.name: one for one in msgspec.json.decode(answer.body, type=Catalogue).signals}
    assert found["parse_rate"].among == "answers that had a schema to keep and came"
    assert 'result="valid_first"' in found["parse_rate"].promql
    assert found["predictions"].kind == "fields"


@pytest.mark.parametrize("target", ["/api/signals", "/api/signals/catalogue"])
async def test_they_want_a_viewers_key(scene: Scene, target: str) -> None:
    """No key, no answer; a client's key may not read figures."""
    assert (await ask(served(scene).network, target)).status == 401
    client = scene.keys.new("app", (), "client")[1]
    assert (await ask(served(scene).network, target, key=client)).status == 403


def test_what_host_and_engines_said() -> None:
    """Each gauge from where it comes; what an engine does not say, or no one tested, is left out and never 0."""
    view = EngineView(
        "small",
        "http://a",
        "vllm",
        9,
        {"queue_depth": 3.0, "gpu_memory_used": 20.0, "gpu_memory_total": 80.0},
        EngineRates(window_s=60.0, decode_tokens_s=900.0),
        restarts=1,
    )
    silent = EngineView("small", "http://b")
    found = gauges([Tally("call", "route", "internal", 4)], BOARD, Identities(), Lag(0, 2.5), [view, silent])
    assert {(one.signal, one.of): one.value for one in found} == {
        ("dead_letters", "internal"): 4.0,
        ("breaker_openings", "small http://127.0.0.1:9"): float(BOARD.replicas[0].openings),
        ("telemetry_lag", ""): 2.5,
        ("queue_depth", "small http://a"): 3.0,
        ("gpu_memory", "small http://a"): 0.25,
        ("decode_throughput", "small http://a"): 900.0,
        ("engine_restarts", "small http://a"): 1.0,
    }


def test_gauges_of_tasks_that_share_a_model() -> None:
    """A replica's gauge is told of each asked task whose model it serves; a task that there is not has none."""
    found = of_tasks(SAID, TASKS, ("route", "nothing"))
    assert [(one.task, one.of) for one in found] == [("route", "upstream_error"), ("route", "small http://127.0.0.1:9")]
