"""The pages of conversations: what each came to, and its calls in order, of each what was new."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from msgspec import structs

from tests.console.conftest import Scene
from tests.console.saying import CONVERSATION, TASK, Bodies, spoken, talk
from tests.console.seeding import hostile
from tests.store.samples import SECOND_NS, call
from trimtab.console.pages.conversation import news_of
from trimtab.console.said import Part, Turn
from trimtab.record.events import Admitted, Settled
from trimtab.testing.clock import START_NS

Turns = tuple[Turn, ...]
MINUTE_NS = 60 * SECOND_NS


async def page(scene: Scene, place: str, cookie: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(app=scene.app() if cookie else scene.open)
    headers = {"cookie": cookie} if cookie else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
        return await client.get(f"/conversations{place}")


async def data(scene: Scene, place: str, cookie: str = "") -> Any:
    answer = await page(scene, f"{place}{'&' if '?' in place else '?'}format=json", cookie)
    assert answer.status_code == 200, answer.text
    return answer.json()


def belonging(name: str, at_ns: int, conversation: str, task: str = "route", user: str = "") -> Settled:
    made = call(name, at_ns, task=task)
    admitted: Admitted = structs.replace(made.admitted, conversation=conversation, end_user=user)
    return structs.replace(made, admitted=admitted)


@pytest.fixture
def talked(scene: Scene) -> Scene:
    scene.desk.held.bodies = Bodies()
    now_ns = scene.clock.wall_ns()
    scene.telemetry.insert(talk(now_ns, scene.desk.held.bodies), "talk")
    scene.put(
        belonging("a", now_ns - 3 * MINUTE_NS, "short one", user="dan"),
        belonging("b", now_ns - 2 * MINUTE_NS, "mixed", "extract"),
        belonging("c", now_ns - MINUTE_NS, "mixed"),
    )
    return scene


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["mixed", "short one", CONVERSATION]),
        ("?order=longest", [CONVERSATION, "mixed", "short one"]),
        ("?order=dearest", [CONVERSATION, "mixed", "short one"]),
        ("?task=refund", [CONVERSATION]),
        ("?end_user=dan", ["short one"]),
        ("?task=&end_user=&order=", ["mixed", "short one", CONVERSATION]),
    ],
)
async def test_conversations_that_are_asked_for(talked: Scene, query: str, expected: list[str]) -> None:
    """Filters and order are those of the address."""
    found = await data(talked, query)
    assert [one["conversation"] for one in found["conversations"]] == expected


async def test_the_range_told_is_the_one_counted(talked: Scene) -> None:
    """Conversations are counted by the hour: the 15 minutes up to 0:17 are all of the hour from midnight."""
    talked.clock.advance(17 * 60)
    found = await data(talked, "?range=15m")
    assert (found["since_ns"], found["until_ns"]) == (START_NS, START_NS + 60 * MINUTE_NS)
    assert "whole hours, from" in (await page(talked, "?range=15m")).text


async def test_what_a_conversation_came_to(talked: Scene) -> None:
    """Its line sums the calls, and leads to its page, whatever its name has in it."""
    found = await data(talked, "?task=refund")
    [line] = found["conversations"]
    assert (line["calls"], line["failed"], line["invalid"], line["worst"]) == (4, 1, 1, "output_invalid")
    assert line["cost"] == {"exact": 4 * 3_200_000_000}
    html = (await page(talked, "")).text
    assert f'href="/conversations/{quote(CONVERSATION, safe="")}"' in html


@pytest.mark.parametrize("query", ["?order=x", "?limit=x", "?limit=0", "?after=x", "?mood=x"])
async def test_what_cannot_be_asked(talked: Scene, query: str) -> None:
    """A value that cannot be is refused."""
    assert (await page(talked, query)).status_code == 400


async def test_pages_of_the_list(talked: Scene) -> None:
    """One page leads to the next."""
    html = (await page(talked, "?limit=2&order=longest")).text
    onward = re.search(r'href="/conversations(\?[^"]*)" rel="next"', html)
    assert onward
    found = await data(talked, onward[1].replace("&amp;", "&"))
    assert [one["conversation"] for one in found["conversations"]] == ["short one"]


async def test_each_call_tells_what_was_new(talked: Scene) -> None:
    """Messages that came with the call before are not told again, nor is the answer that was sent back."""
    steps = (await data(talked, f"/{quote(CONVERSATION, safe='')}"))["steps"]
    assert [one["call"]["call"] for one in steps] == ["talk-1", "talk-2", "talk-3", "talk-4"]
    roles = [[turn["role"] for turn in one["news"]] for one in steps]
    assert roles == [["system", "user"], ["tool"], ["user"], ["user"] * 6]
    assert [one["known"] for one in steps] == [0, 3, 5, 6]
    assert steps[2]["news"][0]["parts"][0]["text"] == "Thank you! And the shipping?"
    assert steps[0]["answer"][0]["parts"][1]["name"] == "find_order"


async def test_a_long_conversation_has_pages(talked: Scene) -> None:
    """The latest calls come first, in the order they were made; the one before tells what was new."""
    bodies, now_ns = talked.desk.held.bodies, talked.clock.wall_ns()
    messages: list[dict[str, str]] = []
    for number in range(25):
        messages.append({"role": "user", "content": f"question {number}"})
        answer = {"role": "assistant", "content": f"answer {number}"}
        made = belonging(f"long-{number:02}", now_ns - (30 - number) * MINUTE_NS, "long")
        talked.put(spoken(made, bodies, {"messages": messages}, {"choices": [{"message": answer}]}))
        messages = [*messages, answer]
    found = await data(talked, "/long")
    assert [one["call"]["call"] for one in found["steps"]] == [f"long-{number:02}" for number in range(5, 25)]
    assert [one["news"][0]["parts"][0]["text"] for one in found["steps"]] == [f"question {one}" for one in range(5, 25)]
    html = (await page(talked, "/long")).text
    assert "question 5" in html
    assert "question 4" not in html
    earlier = re.search(r'href="/conversations/long(\?[^"]*)" rel="next"', html)
    assert earlier
    older = await data(talked, "/long" + earlier[1].replace("&amp;", "&"))
    assert [one["call"]["call"] for one in older["steps"]] == [f"long-{number:02}" for number in range(5)]
    assert older["after"] == ""


async def test_a_key_for_some_tasks(talked: Scene) -> None:
    """It sees conversations with calls of its tasks, of those only these calls, and their figures alone."""
    cookie = talked.session("viewer", "route")
    found = await data(talked, "", cookie)
    assert [one["conversation"] for one in found["conversations"]] == ["mixed", "short one"]
    mixed = await data(talked, "/mixed", cookie)
    assert (mixed["line"]["calls"], mixed["line"]["tasks"]) == (1, ["route"])
    assert [one["call"]["call"] for one in mixed["steps"]] == ["c"]
    assert (await page(talked, f"/{quote(CONVERSATION, safe='')}", cookie)).status_code == 404
    assert (await page(talked, "?task=extract", cookie)).status_code == 403
    assert TASK not in (await page(talked, "", cookie)).text


async def test_bodies_that_are_not_kept(talked: Scene) -> None:
    """A call of which nothing was kept says so, in its place."""
    html = (await page(talked, "/mixed")).text
    assert html.count("There was no answer") == 2


async def test_nothing_hostile_is_alive(talked: Scene) -> None:
    """Names, messages and answers are text."""
    made = [one for one in hostile(talked.clock.wall_ns()) if isinstance(one, Settled)]
    talked.put(*made)
    places = ["", f"/{quote(CONVERSATION, safe='')}"]
    names = [one.admitted.conversation for one in made if "\ud800" not in one.admitted.conversation]
    for place in (*places, *(f"/{quote(name, safe='')}" for name in names)):
        answer = await page(talked, place)
        assert answer.status_code == 200, place
        assert "<script>window" not in answer.text
        assert "<img" not in answer.text
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", answer.text)


async def test_a_conversation_that_is_not_there(talked: Scene) -> None:
    """The page says where those are that there are."""
    answer = await page(talked, "/nothing")
    assert answer.status_code == 404
    assert "Conversations lists" in answer.text


def turn(role: str, text: str, thought: str = "") -> Turn:
    thoughts = (Part("reasoning", thought),) if thought else ()
    return Turn(role, (*thoughts, Part("text", text)))


SYSTEM, HI, HELLO, BYE = turn("system", "s"), turn("user", "hi"), turn("assistant", "hello"), turn("user", "bye")


@pytest.mark.parametrize(
    ("turns", "before", "answer", "news"),
    [
        ((SYSTEM, HI), (), (), (SYSTEM, HI)),
        ((SYSTEM, HI, HELLO, BYE), (SYSTEM, HI), (turn("assistant", "hello", "hm"),), (BYE,)),
        ((SYSTEM, HI, turn("assistant", "edited"), BYE), (SYSTEM, HI), (HELLO,), (turn("assistant", "edited"), BYE)),
        ((turn("system", "new"), HI, HELLO, BYE), (SYSTEM, HI), (HELLO,), (turn("system", "new"), BYE)),
        ((BYE,), (SYSTEM, HI), (HELLO,), (BYE,)),
        ((SYSTEM, HI), (SYSTEM, HI), (HELLO,), ()),
        ((SYSTEM, BYE), (SYSTEM, HI), (HELLO,), (BYE,)),
    ],
)
def test_news(turns: Turns, before: Turns, answer: Turns, news: Turns) -> None:
    """New is what neither the request before had nor its answer said; a head that stayed the same is not new."""
    assert news_of(turns, before, answer) == news
