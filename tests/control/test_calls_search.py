"""A search for calls in an address: what each parameter means, who may ask what, and which mistakes are told."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from starlette.datastructures import QueryParams

from tests.control.asgi import ask
from tests.control.conftest import Scene
from tests.store.samples import NOON_NS, SECOND_NS, call
from trimtab.console.call_query import FOREVER_NS, SEARCH, call_search
from trimtab.store.search import CallPage, CallSearch, Range
from trimtab.store.telemetry import Batch
from trimtab.store.texts import CallText

DOCS = Path(__file__).parents[2] / "docs" / "control.md"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("model=a&model=b&model=", {"models": ("a", "b")}),
        (
            "replica=http://x&outcome=ok&verdict=valid",
            {"replicas": ("http://x",), "outcomes": ("ok",), "verdicts": ("valid",)},
        ),
        (
            "finish_reason=stop&environment=e&key=k",
            {"finish_reasons": ("stop",), "environments": ("e",), "keys": ("k",)},
        ),
        ("prompt=ab&lock=cd&lock=ef", {"prompts": ("ab",), "locks": ("cd", "ef")}),
        ("run=r&conversation=c&end_user=u", {"run": "r", "conversation": "c", "end_user": "u"}),
        ("system_prompt=s&tools=t&tool=find", {"system_prompt": "s", "tools": "t", "tool": "find"}),
        ("failing=true&retried=false", {"failing": True}),
        (
            "bad_tool_call=true&tool_error=true&retried=true",
            {"bad_tool_call": True, "tool_error": True, "retried": True},
        ),
        ("min_cost=0.5&max_ttft=2", {"ranges": (Range("ttft", most=2.0), Range("cost", least=5e11))}),
        ("min_output=1&max_output=9", {"ranges": (Range("output", 1.0, 9.0),)}),
        ("text=a+b%25&order=dearest&limit=7", {"text": "a b%", "order": "dearest", "limit": 7}),
        (
            "since=2026-11-01T10:00%2B00:00&until=1h",
            {"since_ns": 1793527200 * SECOND_NS, "until_ns": NOON_NS - 3600 * SECOND_NS},
        ),
        ("task=elsewhere", {}),
    ],
)
def test_parameters_make_a_search(query: str, expected: dict[str, Any]) -> None:
    """Each parameter fills its field; tasks are those the visitor may see, whatever the address says."""
    found = call_search(QueryParams(query), ("route",), NOON_NS)
    assert found == CallSearch(**{"since_ns": 0, "until_ns": FOREVER_NS, "tasks": ("route",)} | expected)


def test_every_field_of_a_search_can_be_asked() -> None:
    """All that a search can narrow by can stand in an address; its budget, and what lists leave out, cannot."""
    named = {query.name for query in SEARCH}
    asked = {name.removesuffix("s") for name in named} | named
    missing = {one.name for one in fields(CallSearch) if one.name.removesuffix("s") not in asked}
    assert missing == {"since_ns", "until_ns", "ranges", "budget", "brief"}


def test_every_parameter_is_documented() -> None:
    """The page on control's interface names each parameter, bounds by their measure."""
    section = DOCS.read_text("utf-8").partition("## Searching calls")[2]
    named = set(re.findall(r"`(\w+)`", section))
    wanted = {re.sub("^(min|max)_", "", query.name) for query in SEARCH}
    assert wanted <= named


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=x", "limit=x is not a number"),
        ("limit=-1", "limit=-1 is not a number"),
        ("limit=0", "1 to 1000"),
        ("min_total=fast", "no number"),
        ("order=best", "newest, slowest"),
        ("since=yesterday", "write 30m"),
        ("until=x", "write 30m"),
        (f"text={'x' * 201}", "at most 200"),
        ("after=x", "leave `after` out"),
        ("failling=true", "?failling= is not known here"),
        ("run=a&run=b", "given twice"),
    ],
)
async def test_mistakes_are_told(scene: Scene, query: str, said: str) -> None:
    """A wrong parameter is a 400 that says what to write."""
    answer = await ask(scene.socket, f"/api/calls?{query}")
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert said in answer.json()["error"]["message"]


async def test_pages_lead_on(scene: Scene) -> None:
    """The cursor of a page is the address of the next."""
    now_ns = scene.clock.wall_ns()
    scene.put(*(call(f"c{n}", now_ns - n * SECOND_NS, total_s=float(n)) for n in range(5)))
    found: list[str] = []
    after = ""
    for size in (2, 2, 1):
        target = f"/api/calls?order=slowest&limit=2&after={quote(after)}"
        page = msgspec.json.decode((await ask(scene.socket, target)).body, type=CallPage)
        assert len(page.calls) == size
        found += [one.admitted.call for one in page.calls]
        after = page.after
    assert (found, after) == (["c4", "c3", "c2", "c1", "c0"], "")


async def test_text_of_other_tasks_stays_closed(scene: Scene) -> None:
    """A key for some tasks searches what was said in those only."""
    now_ns = scene.clock.wall_ns()
    calls = call("a", now_ns, task="route"), call("b", now_ns, task="extract")
    texts = tuple(CallText(one.admitted.call, now_ns, one.admitted.task, "the Needle") for one in calls)
    scene.telemetry.insert(Batch(calls, texts=texts), "t")
    answer = await ask(scene.tcp, "/api/calls?text=needle", key=scene.secret("route"))
    page = msgspec.json.decode(answer.body, type=CallPage)
    assert [one.admitted.call for one in page.calls] == ["a"]
