"""The pages of calls that belong to no task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from msgspec import structs

from tests.console.conftest import Scene
from tests.console.saying import Bodies
from tests.console.straying import FEW, PROMPT_DIGEST, SORTING, TOOLS_DIGEST, stray, straying
from tests.store.samples import call
from trimtab.reports.window import since_ns
from trimtab.testing.clock import START_NS


async def get(scene: Scene, place: str, cookie: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(app=scene.app() if cookie else scene.open)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(place, headers={"cookie": cookie} if cookie else {})


async def data(scene: Scene, place: str) -> Any:
    return (await get(scene, f"{place}{'&' if '?' in place else '?'}format=json")).json()


@pytest.fixture
def strayed(scene: Scene) -> Scene:
    """172 calls of two clusters; bodies are kept whole."""
    scene.policy, scene.desk.held.bodies = straying(), Bodies()
    scene.put(*stray(scene.clock.wall_ns(), scene.desk.held.bodies))
    return scene


async def test_clusters(strayed: Scene) -> None:
    """The largest comes first, with who calls, what is said, and what it costs."""
    found = await data(strayed, "/undeclared")
    sorting, few = found["clusters"]
    assert (found["calls"], found["redaction"]) == (172, "full")
    assert (sorting["id"], sorting["calls"], sorting["keys"]) == (SORTING, 160, {"support-app": 120, "night-job": 40})
    assert sorting["begins"].startswith("You are a helpful assistant that sorts support tickets")
    assert (sorting["tool_names"], sorting["spreads"]["output"]["n"]) == (["look_up_order"], 159)
    assert (few["id"], few["calls"], few["cost_pusd"], few["priced"]) == (FEW, 12, 12 * 10**9, 12)
    rows = (await get(strayed, "/undeclared?format=json&table=clusters")).json()
    assert rows[1]["cost"] == pytest.approx(0.012)


async def test_the_range_told_is_the_one_counted(strayed: Scene) -> None:
    """Clusters are counted by the hour, on the list and on the page of one: six hours up to 0:17 are seven of these."""
    strayed.clock.advance(17 * 60)
    hour_ns = 3600 * 10**9
    for place in ("/undeclared", f"/undeclared/{FEW}"):
        found = await data(strayed, f"{place}?range=6h")
        assert (found["since_ns"], found["until_ns"]) == (START_NS - 6 * hour_ns, START_NS + hour_ns)
    assert "whole hours, from" in (await get(strayed, "/undeclared")).text


async def test_a_cost_that_is_estimated_says_so(strayed: Scene) -> None:
    """What all its calls cost is told as it is; with calls of no known cost it is an estimate, and of how many."""
    exact = [(await get(strayed, place)).text for place in ("/undeclared", f"/undeclared/{FEW}")]
    assert not [text for text in exact if "~$" in text or "is an estimate" in text]
    now_ns = strayed.clock.wall_ns()
    unpriced = [call(f"free-{n}", now_ns - n, task="(undeclared)", cost=("unknown", None)) for n in range(3)]
    few = "sha256:" + "f0" * 32
    strayed.put(*(structs.replace(one, admitted=structs.replace(one.admitted, system_prompt=few)) for one in unpriced))
    strayed.clock.advance(16)
    listed = (await get(strayed, "/undeclared")).text
    assert "A cost with ~ is an estimate" in listed
    assert "~$0.015" in listed
    assert "estimated from 12 of its 15 calls" in (await get(strayed, f"/undeclared/{FEW}")).text


async def test_a_row_opens_its_cluster_and_its_calls(strayed: Scene) -> None:
    """Both links keep to the same calls."""
    text = (await get(strayed, "/undeclared")).text
    assert f'<a href="/undeclared/{SORTING}">' in text
    digests = f"system_prompt={PROMPT_DIGEST}&tools={TOOLS_DIGEST}".replace(":", "%3A").replace("&", "&amp;")
    assert digests in text
    assert "is sorting by now" not in text


async def test_a_cluster_with_its_proposal(strayed: Scene) -> None:
    """What was seen, the latest calls, the files whole, and the command that writes them."""
    text = (await get(strayed, f"/undeclared/{SORTING}?range=24h")).text
    assert f"<code>trimtab adopt {SORTING} --since 24h</code>" in text
    for path in ("tasks/sorts-support-tickets/task.toml", "tasks/sorts-support-tickets/output.schema.json"):
        assert f"<code>{path}</code>" in text
    assert "<code>tools/look_up_order.json</code>" in text
    assert "model = &#34;small&#34;" in text
    assert "Length of answers, tokens" in text
    assert '<a href="/calls/stray-0?range=24h">' in text
    assert "<form" not in text.split("<main", 1)[1].split("</main>")[0]


async def test_who_calls_is_a_table(strayed: Scene) -> None:
    """Keys, models asked for, outcomes and wire formats of a cluster, each with its calls, to take along too."""
    rows = (await get(strayed, f"/undeclared/{SORTING}?format=json&table=counts")).json()
    assert [(row["of"], row["name"], row["calls"]) for row in rows if row["of"] == "key"] == [
        ("key", "support-app", 120),
        ("key", "night-job", 40),
    ]
    assert {row["of"] for row in rows} == {"key", "model asked for", "outcome", "wire format"}
    assert sum(row["share"] for row in rows) == 4


async def test_the_command_of_seven_days_is_the_plain_one(strayed: Scene) -> None:
    """It is what the verb looks at unless told otherwise; a range of one's own is told as a time."""
    assert f"<code>trimtab adopt {SORTING}</code>" in (await get(strayed, f"/undeclared/{SORTING}?range=7d")).text
    now = datetime.fromtimestamp(strayed.clock.wall_ns() // 10**9, UTC).replace(second=0)
    begins = f"{now - timedelta(days=2):%Y-%m-%dT%H:%M}"
    own = (
        await get(strayed, f"/undeclared/{SORTING}?from={begins}Z&to={now + timedelta(hours=1):%Y-%m-%dT%H:%M}Z")
    ).text
    assert f"<code>trimtab adopt {SORTING} --since {begins}:00Z</code>" in own
    assert since_ns(f"{begins}:00Z", 0) == int((now - timedelta(days=2)).timestamp()) * 10**9
    found = await data(strayed, f"/undeclared/{SORTING}")
    assert found["proposal"]["files"][0]["path"] == "tasks/sorts-support-tickets/task.toml"


async def test_too_few_calls(strayed: Scene) -> None:
    """What was seen is shown all the same, and why nothing is proposed."""
    text = (await get(strayed, f"/undeclared/{FEW}")).text
    assert "there are 12 such calls in this window, and limits need 100; wait for 88 more" in text
    assert "trimtab adopt" not in text.split("<main", 1)[1].split("</main>")[0]
    assert "Total time" in text


async def test_a_cluster_that_is_declared_by_now(strayed: Scene) -> None:
    """It names its task and proposes nothing."""
    strayed.policy = structs.replace(strayed.policy, task_of_system_prompt={PROMPT_DIGEST: "extract"})
    text = (await get(strayed, f"/undeclared/{SORTING}")).text
    assert 'Such calls belong to <a href="/tasks/extract">extract</a> by now.' in text
    assert "is extract by now" in (await get(strayed, "/undeclared")).text


async def test_bodies_that_are_not_kept_are_not_shown(strayed: Scene) -> None:
    """Under another redaction nothing of them is read, older ones included, and the page says what to write."""
    defaults = structs.replace(strayed.policy.defaults, undeclared_redaction="digest")
    strayed.policy = structs.replace(strayed.policy, defaults=defaults)
    strayed.desk.held.bodies.asked.clear()
    text = (await get(strayed, "/undeclared")).text + (await get(strayed, f"/undeclared/{SORTING}")).text
    assert strayed.desk.held.bodies.asked == []
    assert "helpful assistant" not in text
    assert "look_up_order" not in text
    assert "undeclared_redaction" in text
    assert text.count("Not proposed:") >= 2


@pytest.mark.parametrize("name", ["ffffffffffff", "8c", "nothing"])
async def test_a_cluster_that_there_is_not(strayed: Scene, name: str) -> None:
    """It is told with the verb that lists those there are."""
    answer = await get(strayed, f"/undeclared/{name}")
    assert answer.status_code == 404
    assert "trimtab adopt" in answer.text


async def test_no_undeclared_calls(scene: Scene) -> None:
    """An empty page says why it is empty."""
    assert "Every call of this range belongs to a task" in (await get(scene, "/undeclared")).text


async def test_a_key_for_some_tasks_sees_none(strayed: Scene) -> None:
    """Calls of no task are none of its tasks'."""
    for place in ("/undeclared", f"/undeclared/{SORTING}"):
        assert (await get(strayed, place, strayed.session("admin", "route"))).status_code == 403
    assert (await get(strayed, "/undeclared", strayed.session("viewer"))).status_code == 200


@pytest.mark.parametrize(("declared", "undeclared", "words"), [(95, 5, ""), (94, 6, "6 % of calls belong to no task")])
async def test_the_overview_tells_of_many(scene: Scene, declared: int, undeclared: int, words: str) -> None:
    """Above 5 % somebody is told; calls of our own are no part of it."""
    now_ns = scene.clock.wall_ns() - 60 * 10**9
    scene.put(
        *(call(f"d{number}", now_ns, task="extract") for number in range(declared)),
        *(call(f"u{number}", now_ns, task="(undeclared)") for number in range(undeclared)),
        *(call(f"p{number}", now_ns, task="(probe)") for number in range(50)),
    )
    needs = (await data(scene, "/"))["needs"]
    assert [one["words"] for one in needs] == ([words] if words else [])


async def test_the_overview_of_a_key_for_some_tasks(scene: Scene) -> None:
    """It is told nothing of calls that belong to no task."""
    scene.put(call("u", scene.clock.wall_ns() - 60 * 10**9, task="(undeclared)"))
    assert "belong to no task" in (await get(scene, "/", scene.session("viewer"))).text
    assert "belong to no task" not in (await get(scene, "/", scene.session("viewer", "route"))).text
