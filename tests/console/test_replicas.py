"""The page of replicas: the gateways' side, the engine's own, and the gap between the two."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.console.conftest import Scene
from trimtab.console.parts import Standings
from trimtab.signals.engine.gap import Gap, Side
from trimtab.signals.engine.standing import ReplicaStanding
from trimtab.signals.engine.view import EngineRates, EngineView
from trimtab.store.engine_samples import EngineSample, EngineSeries

URL = "http://10.0.0.11:8000"
SILENT = "http://10.0.0.12:8000"
NOW = 10**9


def standings(now_ns: int) -> Standings:
    rates = EngineRates(60.0, decode_tokens_s=512.4, prefix_hit_share=0.75, preemptions=4.0)
    values: dict[EngineSeries, float] = {"queue_depth": 3.0, "kv_cache_usage": 0.42}
    values |= {"gpu_memory_used": 32e9, "gpu_memory_total": 80e9}
    engine = EngineView("small", URL, "vllm", now_ns - 4 * NOW, values, rates)
    gap = Gap(URL, 3600.0, Side(ttft_s=0.1), Side(ttft_s=0.35), ("calls wait 250 ms before the engine knows of them",))
    return Standings(
        (
            ReplicaStanding("small", URL, "closed", 2, 900, healthy=True, engine=engine, gap=gap, identity="same"),
            ReplicaStanding("small", SILENT, "open", failures=5, votes=5, identity="changed"),
        ),
        "",
    )


async def page(scene: Scene, query: str = "", found: Standings | None = None) -> httpx.Response:
    told = standings(scene.clock.wall_ns()) if found is None else found

    async def replicas() -> Standings:
        return told

    app = replace(scene, replicas=replicas).open
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
        return await client.get(f"/replicas{query}")


async def rows(scene: Scene) -> Any:
    return (await page(scene, "?format=json&table=replicas")).json()


async def test_both_sides_of_a_replica(scene: Scene) -> None:
    """What gateways see stands beside what the engine says; the difference has its sign."""
    first, _ = await rows(scene)
    assert (first["state"], first["in_flight"], first["outstanding"]) == ("well", 2, 900)
    assert (first["queue_depth"], first["kv"], first["hits"], first["decode"]) == (3.0, 0.42, 0.75, 512.4)
    assert (first["preemptions"], first["gpu_memory"]) == (4.0, 0.4)
    assert first["read"] == 4.0
    assert first["ttft_gap"] == pytest.approx(0.25)


async def test_what_an_engine_does_not_tell_is_not_zero(scene: Scene) -> None:
    """A series that is not there, and a replica whose metrics are not read, have nothing in their cells."""
    first, second = await rows(scene)
    assert (first["running"], first["prefill"], first["gpu"]) == (None, None, None)
    assert (second["preemptions"], second["gpu_memory"]) == (None, None)
    assert (second["queue_depth"], second["restarts"], second["read"], second["ttft_gap"]) == (None, None, None, None)
    assert (second["state"], second["identity"]) == ("breaker open", "changed")


async def test_the_gap_is_told_in_words(scene: Scene) -> None:
    """The page says what the difference means."""
    html = (await page(scene)).text
    assert "calls wait 250 ms before the engine knows of them" in html
    assert "+250 ms" in html


async def test_series_over_time(scene: Scene) -> None:
    """What engines said over the range is drawn; what none said is not."""
    now_ns = scene.clock.wall_ns()
    scene.telemetry.insert_engine_samples(
        [
            EngineSample(now_ns - minute * 60 * NOW, "small", URL, "queue_depth", float(minute))
            for minute in (10, 20, 30)
        ]
    )
    html = (await page(scene)).text
    assert "Waiting in the engine" in html
    assert "GPU utilisation" not in html


async def test_models_behind_one_address_have_a_line_each(scene: Scene) -> None:
    """One does not take the place of the other."""
    at_ns = scene.clock.wall_ns() - 600 * NOW
    scene.telemetry.insert_engine_samples(
        [EngineSample(at_ns, model, URL, "running", value) for model, value in (("small", 3.0), ("mid", 0.0))]
    )
    html = (await page(scene)).text
    assert f"small at {URL}" in html
    assert f"mid at {URL}" in html


async def test_without_engines_it_says_how_metrics_are_read(scene: Scene) -> None:
    """An empty chart is a way on."""
    html = (await page(scene, found=Standings((), "telemetry is down"))).text
    assert "models.NAME" in html
    assert "telemetry is down" in html
