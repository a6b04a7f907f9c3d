"""The page of calls: what is searched for stands in the address, and filters can be kept under a name."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.console.conftest import Scene
from tests.console.seeding import HOSTILE, hostile
from tests.store.samples import SECOND_NS, call
from trimtab.journal.saved_views import SavedView
from trimtab.record.events import Usage
from trimtab.store.search import CallSearch
from trimtab.store.telemetry import Batch
from trimtab.store.texts import CallText

MINUTE_NS = 60 * SECOND_NS


def client(scene: Scene, cookie: str = "") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=scene.app() if cookie else scene.open)
    return httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers={"cookie": cookie} if cookie else {}
    )


async def page(scene: Scene, query: str = "", cookie: str = "") -> httpx.Response:
    async with client(scene, cookie) as one:
        return await one.get(f"/calls{query}")


async def names(scene: Scene, query: str = "", cookie: str = "") -> list[str]:
    """The calls that a page shows, in its order."""
    answer = await page(scene, f"{query}{'&' if query else '?'}format=json", cookie)
    assert answer.status_code == 200, answer.text
    return [one["call"] for one in answer.json()["calls"]]


@pytest.fixture
def stored(scene: Scene) -> Scene:
    now_ns = scene.clock.wall_ns() - MINUTE_NS
    calls = (
        call("first", now_ns - 40 * MINUTE_NS, task="extract", total_s=4.0, ttft_s=0.2, verdict="valid"),
        call("second", now_ns - 30 * MINUTE_NS, task="extract", total_s=1.0, verdict="invalid"),
        call("third", now_ns - 20 * MINUTE_NS, task="route", outcome="upstream_error", total_s=9.0, usage=None),
        call(
            "fourth", now_ns - 10 * MINUTE_NS, task="route", total_s=2.0, usage=Usage(input=7, cache_read=3, output=2)
        ),
        call("old", now_ns - 30 * 60 * MINUTE_NS, task="route", total_s=2.0),
    )
    texts = (CallText("second", calls[1].at_ns, "extract", "my invoice 8812", '{"total": 3}'),)
    scene.telemetry.insert(Batch(calls, texts=texts), "seed")
    return scene


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["fourth", "third", "second", "first"]),
        ("?range=28d", ["fourth", "third", "second", "first", "old"]),
        ("?task=extract", ["second", "first"]),
        ("?task=extract&task=route", ["fourth", "third", "second", "first"]),
        ("?failing=true", ["third", "second"]),
        ("?outcome=upstream_error", ["third"]),
        ("?verdict=invalid", ["second"]),
        ("?order=slowest", ["third", "first", "fourth", "second"]),
        ("?min_total=2&max_total=4", ["fourth", "first"]),
        ("?text=INVOICE", ["second"]),
        ("?task=&model=&text=&min_total=&order=&failing=", ["fourth", "third", "second", "first"]),
        ("?task=nothing", []),
    ],
)
async def test_what_is_asked_for_is_shown(stored: Scene, query: str, expected: list[str]) -> None:
    """Filters and order are those of the address, within the page's range; empty fields of the form ask for nothing."""
    assert await names(stored, query) == expected


async def test_a_row_tells_the_call(stored: Scene) -> None:
    """A line bears figures, the mark of its outcome with a word, and what was said where that is kept."""
    html = (await page(stored)).text
    assert 'href="/calls/second"' in html
    assert "my invoice 8812" in html
    assert re.search(r'class="state bad"><span[^>]*>!</span> upstream_error', html)
    [fourth, *_] = (await page(stored, "?format=json")).json()["calls"]
    assert (fourth["input_tokens"], fourth["output_tokens"], fourth["cost_pusd"]) == (10, 2, 1000)


async def test_pages_follow_each_other(stored: Scene) -> None:
    """Each page leads to the next and to the one before it, and the filter comes along."""
    seen, place, places = [], "?limit=1&task=extract&task=route&range=24h", []
    while place:
        places.append(place)
        html = (await page(stored, place)).text
        seen += await names(stored, place)
        found = re.search(r'href="/calls(\?[^"]*)" rel="next"', html)
        place = found[1].replace("&amp;", "&") if found else ""
    assert seen == ["fourth", "third", "second", "first"]
    assert all("task=extract&task=route" in one and "range=24h" in one for one in places)
    before = []
    for one in reversed(places[1:]):
        found = re.search(r'href="/calls(\?[^"]*)" rel="prev"', (await page(stored, one)).text)
        assert found
        before += await names(stored, found[1].replace("&amp;", "&"))
    assert before == ["second", "third", "fourth"]


async def test_chips_take_filters_out(stored: Scene) -> None:
    """Each filter is a chip that leads to the page without it, and without nothing else."""
    html = (await page(stored, "?task=extract&task=route&failing=true&order=slowest&range=24h")).text
    chips = dict(re.findall(r'<a href="(/calls[^"]*)"[^>]*aria-label="take out: ([^"]*)"', html))
    left = {words: parse_qs(urlsplit(href.replace("&amp;", "&")).query) for href, words in chips.items()}
    rest = {"order": ["slowest"], "range": ["24h"]}
    assert left == {
        "task extract": {"task": ["route"], "failing": ["true"], **rest},
        "task route": {"task": ["extract"], "failing": ["true"], **rest},
        "failing": {"task": ["extract", "route"], **rest},
    }
    all_out = re.search(r'<a href="/calls\?([^"]*)">take all out</a>', html)
    assert all_out is not None
    assert parse_qs(all_out[1].replace("&amp;", "&")) == rest


async def test_a_short_look_back_is_told(stored: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where older calls were not looked at, the page says so."""
    assert "were looked at" not in (await page(stored, "?range=28d")).text
    asked = stored.telemetry.search
    monkeypatch.setattr(
        stored.telemetry,
        "search",
        lambda wanted: asked(CallSearch(wanted.since_ns, wanted.until_ns, order=wanted.order, budget=1)),
    )
    assert "were looked at" in (await page(stored, "?range=28d")).text


@pytest.mark.parametrize(
    "query", ["?limit=0", "?limit=x", "?order=fastest", "?min_total=fast", "?after=x", "?mood=x", "?text=" + "x" * 201]
)
async def test_what_cannot_be_asked(stored: Scene, query: str) -> None:
    """A value that cannot be is refused on a page that says why."""
    answer = await page(stored, query)
    assert answer.status_code == 400
    assert "<h1" in answer.text


async def test_an_empty_list_says_what_to_do(scene: Scene) -> None:
    """Without calls there is a way on; with a filter it is another."""
    assert "trimtab status" in (await page(scene)).text
    assert "Take a filter out" in (await page(scene, "?task=route")).text


async def test_a_key_for_some_tasks_sees_their_calls_alone(stored: Scene) -> None:
    """Other tasks' calls are not found, their names are not offered, and to ask for them is refused."""
    cookie = stored.session("viewer", "route")
    assert await names(stored, "", cookie) == ["fourth", "third"]
    assert "extract" not in (await page(stored, "", cookie)).text
    assert (await page(stored, "?task=extract", cookie)).status_code == 403


async def test_nothing_hostile_is_alive(scene: Scene) -> None:
    """What clients, models and replicas sent stands there as text."""
    now_ns = scene.clock.wall_ns()
    events = list(hostile(now_ns))
    calls = [one for one in events if hasattr(one, "admitted")]
    texts = tuple(
        CallText(one.admitted.call, one.at_ns, "extract", text, text) for one, text in zip(calls, HOSTILE, strict=True)
    )
    scene.telemetry.insert(Batch(tuple(calls), texts=texts), "hostile")
    for query in ("", "?text=<script>", '?end_user="><img src=x onerror=alert(1)>', "?text=%E2%80%AEx"):
        html = (await page(scene, query)).text
        assert "<script>window" not in html
        assert "<img" not in html
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", html)


def form_of(html: str, action: str) -> dict[str, str]:
    """The hidden fields of the first form that goes to a place."""
    found = re.search(rf'<form method="post" action="{action}"[^>]*>(.*?)</form>', html, re.DOTALL)
    assert found, action
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', found[1])
    return {name: value.replace("&amp;", "&") for name, value in fields}


async def test_a_filter_is_saved_opened_and_deleted(stored: Scene) -> None:
    """An operator keeps a filter under a name, sees it on the page, follows it, and lets go of it."""
    cookie = stored.session("operator")
    async with client(stored, cookie) as one:
        html = (await one.get("/calls?failing=true&task=extract&limit=1")).text
        sent = {**form_of(html, "/calls/views"), "name": "bad extracts"}
        done = await one.post("/calls/views", data=sent)
        back = parse_qs(urlsplit(done.headers["location"]).query)
        assert (done.status_code, back) == (303, {"failing": ["true"], "task": ["extract"], "limit": ["1"]})
        html = (await one.get("/calls?range=24h")).text
        assert re.search(r'<a href="/calls\?range=24h&amp;task=extract&amp;failing=true"[^>]*>bad extracts</a>', html)
        assert stored.views is not None
        [kept] = stored.views.all()
        assert (kept.filter, kept.by, kept.at_ns) == ("task=extract&failing=true", "ana", stored.clock.wall_ns())
        gone = await one.post("/calls/views/delete", data=form_of(html, "/calls/views/delete"))
        assert (gone.status_code, stored.views.all()) == (303, ())


async def test_who_sees_and_keeps_views(stored: Scene) -> None:
    """A viewer sees views and changes none; a key for some tasks sees no view that names another."""
    assert stored.views is not None
    for name, query in (("slow", "order=slowest"), ("routes", "task=route"), ("extracts", "task=extract")):
        stored.views.keep(SavedView(name, query, "ben", 1))
    viewer, narrow = stored.session("viewer"), stored.session("operator", "route")
    html = (await page(stored, "", viewer)).text
    assert (">slow</a>" in html, ">extracts</a>" in html, "/calls/views" in html) == (True, True, False)
    html = (await page(stored, "", narrow)).text
    assert (">slow</a>" in html, ">routes</a>" in html, "extracts" in html) == (True, True, False)
    sent: dict[str, Any] = {"name": "x", "filter": "task=route"}
    async with client(stored, viewer) as one:
        assert (await one.post("/calls/views", data=sent)).status_code == 403
    async with client(stored, narrow) as one:
        assert (await one.post("/calls/views", data=sent)).status_code == 403
        token = form_of((await one.get("/calls?task=route")).text, "/calls/views")["form"]
        gone = await one.post("/calls/views/delete", data={"form": token, "name": "extracts"})
        assert gone.status_code == 400
        other = await one.post("/calls/views", data={"form": token, "name": "x", "filter": "task=extract"})
        taken = await one.post("/calls/views", data={"form": token, "name": "extracts", "filter": "task=route"})
        assert taken.status_code == 400
        assert other.status_code == 403
    assert [one.name for one in stored.views.all()] == ["extracts", "routes", "slow"]
    assert next(one.by for one in stored.views.all() if one.name == "extracts") == "ben"


@pytest.mark.parametrize("filter_", ["", "mood=x", "order=nothing", "min_total=x"])
async def test_filters_that_are_not_kept(stored: Scene, filter_: str) -> None:
    """What is no filter is not kept under a name."""
    async with client(stored, stored.session("operator")) as one:
        token = form_of((await one.get("/calls?task=route")).text, "/calls/views")["form"]
        answer = await one.post("/calls/views", data={"form": token, "name": "x", "filter": filter_})
    assert answer.status_code == 400
    assert stored.views is not None
    assert stored.views.all() == ()
