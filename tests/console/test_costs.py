"""The page of costs: exact sums, told apart, with what they are based on."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.console.conftest import Scene
from tests.store.samples import call
from trimtab.record.events import Score, Usage

USD = 10**12
USAGE = Usage(input=100, cache_read=300, output=50)


async def page(scene: Scene, query: str = "", cookie: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(app=scene.app() if cookie else scene.open)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(f"/costs{query}", headers={"cookie": cookie} if cookie else {})


async def data(scene: Scene, query: str = "", cookie: str = "") -> Any:
    return (await page(scene, f"{query}{'&' if query else '?'}format=json", cookie)).json()


@pytest.fixture
def spent(scene: Scene) -> Scene:
    now_ns = scene.clock.wall_ns() - 60 * 10**9
    scene.put(
        call("a", now_ns, task="extract", cost=("exact", 2 * USD), usage=USAGE),
        call("b", now_ns, task="extract", model="large", cost=("estimated", 1 * USD), usage=USAGE),
        call("c", now_ns, task="route", cost=("unknown", None), usage=None),
        Score("s1", now_ns, "completion", "rule", call="a", value=1.0, task="extract", settled_ns=now_ns),
        Score("s2", now_ns, "completion", "rule", call="b", value=0.0, task="extract", settled_ns=now_ns),
    )
    return scene


async def test_costs_by_task(spent: Scene) -> None:
    """Sums are exact, what is estimated and unknown stands apart, and the whole is the sum of the lines."""
    found = await data(spent)
    extract, route = found["lines"]
    assert (extract["value"], extract["calls"]) == ("extract", 2)
    assert (extract["exact_pusd"], extract["estimated_pusd"], extract["completed"]) == (2 * USD, USD, 1)
    assert (route["value"], route["unknown_calls"], route["completed"]) == ("route", 1, None)
    assert found["whole"]["exact_pusd"] == 2 * USD
    assert found["whole"]["tokens"]["cache_read"] == 600


async def test_costs_by_model(spent: Scene) -> None:
    """The same money, told apart by who served."""
    found = await data(spent, "?by=model")
    assert {line["value"]: line["exact_pusd"] + line["estimated_pusd"] for line in found["lines"]} == {
        "small": 2 * USD,
        "large": USD,
    }


async def test_the_table_tells_what_a_completed_one_costs(spent: Scene) -> None:
    """Three dollars for one that was completed; three quarters of its input came out of a cache."""
    rows = (await page(spent, "?format=json&table=costs")).json()
    assert rows[0]["per_completed"] == 3.0
    assert rows[0]["per_call"] == 1500.0
    assert rows[0]["cached"] == 0.75
    assert rows[1]["per_completed"] is None


async def test_the_hour_that_is_not_over_is_dashed(spent: Scene) -> None:
    """The cost of an hour that goes on is less than it will be: the line to it is dashed, and the page says so."""
    spent.clock.advance(1200)
    html = (await page(spent, "?range=6h")).text
    assert "each hour, dashed where that is not whole" in html
    assert 'class="line cut l0"' in html
    past = (await page(spent, "?from=2020-01-01T00:00Z&to=2020-01-02T00:00Z")).text
    assert "dashed" not in past


async def test_the_page_leads_to_the_calls_behind_it(spent: Scene) -> None:
    """The page shows sums, and says how a cost becomes known."""
    html = (await page(spent)).text
    assert "$3.00" in html or "$3" in html
    assert "models.NAME" in html


async def test_a_key_for_some_tasks_sees_their_costs_alone(spent: Scene) -> None:
    """What others spend is not told."""
    found = await data(spent, cookie=spent.session("viewer", "route"))
    assert [line["value"] for line in found["lines"]] == ["route"]
    assert found["whole"]["exact_pusd"] == 0


async def test_what_costs_are_not_told_apart_by(spent: Scene) -> None:
    """Anything else is refused with the list of what there is."""
    answer = await page(spent, "?by=mood")
    assert answer.status_code == 400
    assert "by model" in answer.text or "model" in answer.text


async def test_an_empty_range_says_what_to_do(scene: Scene) -> None:
    """There is no chart and no sum, but a way on."""
    html = (await page(scene)).text
    assert "trimtab status" in html
