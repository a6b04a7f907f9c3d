"""How well confidence tells what is right, on a task's page and in what signals tell."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.console.conftest import Scene
from tests.store.samples import SECOND_NS, call
from trimtab.record.events import Score
from trimtab.signals.figures import FigureQuery
from trimtab.signals.telling import told

HOUR_NS = 3600 * SECOND_NS


def label(number: int, now_ns: int, *, right: bool, field: str = "/label") -> Score:
    """A label that found an answer with confidence 0.9 right or wrong, a minute after its call."""
    return Score(
        f"s{number}{field}",
        now_ns - 60 * SECOND_NS,
        f"confidence.{'right' if right else 'wrong'}{field}",
        "feedback",
        call=f"c{number}",
        value=0.9,
        label="0.90",
        task="route",
        settled_ns=now_ns - 120 * SECOND_NS,
    )


@pytest.fixture
def labelled(scene: Scene) -> Scene:
    """Five answers, four of which were right."""
    now_ns = scene.clock.wall_ns()
    scene.put(*(call(f"c{number}", now_ns - 120 * SECOND_NS, task="route") for number in range(5)))
    scene.put(*(label(number, now_ns, right=number < 4) for number in range(5)))
    return scene


async def page(scene: Scene, query: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=scene.open), base_url="http://127.0.0.1") as client:
        return await client.get(f"/tasks/route?by=answers{query}")


def check(found: Any) -> None:
    """Four of five right at 0.9: the share lies 0.125 under the middle of its bin, 0.925."""
    assert (found["task"], found["field"], found["n"]) == ("route", "/label", 5)
    assert (found["accuracy"], found["confidence"]) == (0.8, pytest.approx(0.9))
    assert found["ece"] == pytest.approx(0.125)
    assert found["brier"] == pytest.approx((4 * 0.01 + 0.81) / 5)
    assert found["brier_low"] < found["brier"] < found["brier_high"]
    assert found["lag_p50_s"] == pytest.approx(60, rel=0.01)
    [only] = found["bins"]
    assert (only["low"], only["n"], only["right"], only["share"]) == (0.9, 5, 4, 0.8)
    assert only["below"] < 0.8 < only["above"]


async def test_on_the_page_of_a_task(labelled: Scene) -> None:
    """Both errors with their intervals, the share that was right by confidence, and how late labels came."""
    [found] = (await page(labelled, "&format=json")).json()["reliability"]
    check(found)
    [row] = (await page(labelled, "&format=json&table=reliability_bins")).json()
    assert (row["low"], row["share"]["value"], row["right"]) == (0.9, 0.8, 4)
    html = (await page(labelled, "")).text
    assert "Whether confidence tells what is right" in html
    assert "0.90-0.95" in html
    assert "0.125" in html


def test_in_what_signals_tell(labelled: Scene) -> None:
    """It is told with the figures of a whole window, by task, unless other signals were asked for."""
    now_ns = labelled.clock.wall_ns()

    def asked(**more: Any) -> Any:
        return told(labelled.telemetry, FigureQuery(now_ns - HOUR_NS, now_ns, **more), {}).reliability

    [found] = asked()
    check({name: getattr(found, name) for name in found.__struct_fields__ if name != "bins"} | {"bins": _bins(found)})
    assert len(asked(signals=("calibration",))) == 1
    assert asked(signals=("ttft",)) == ()
    assert asked(step_s=60) == ()
    assert asked(tasks=("extract",)) == ()


def _bins(found: Any) -> list[dict[str, Any]]:
    return [{name: getattr(one, name) for name in one.__struct_fields__} for one in found.bins]


async def test_without_labels_it_says_how_they_come(scene: Scene) -> None:
    """An empty table tells the command."""
    scene.put(call("c", scene.clock.wall_ns() - SECOND_NS, task="route"))
    assert "trimtab feedback CALL --label VALUE" in (await page(scene, "")).text
