"""The page of a call: when things happened, what was said, what was found of it, and its bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from tests.console.conftest import Scene
from tests.console.saying import PICTURE, Bodies, chunked, spoken, talk
from tests.console.seeding import HOSTILE, hostile
from tests.store.samples import attempt, call
from trimtab.console.bodies import MOST_READ, MOST_TAKEN
from trimtab.database.migrate import open_state
from trimtab.errors import FormatError
from trimtab.journal.dead_letters import DeadLetters
from trimtab.record.redact import preview_of


def client(scene: Scene, cookie: str = "") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=scene.app() if cookie else scene.open)
    headers = {"cookie": cookie} if cookie else {}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)


async def page(scene: Scene, name: str, query: str = "", cookie: str = "") -> httpx.Response:
    async with client(scene, cookie) as one:
        return await one.get(f"/calls/{name}{query}")


async def data(scene: Scene, name: str) -> Any:
    return (await page(scene, name, "?format=json")).json()


@pytest.fixture
def talked(scene: Scene) -> Scene:
    scene.desk.held.bodies = Bodies()
    now_ns = scene.clock.wall_ns()
    scene.telemetry.insert(talk(now_ns, scene.desk.held.bodies), "talk")
    scene.put(chunked(now_ns, scene.desk.held.bodies))
    return scene


async def test_a_call_is_told_whole(talked: Scene) -> None:
    """The page tells who said what, the tool called, its result, the checks, the tries and the money."""
    html = (await page(talked, "talk-3")).text
    for words in (
        "You help with refunds",
        "order 8812. Can I have my money back?",
        "find_order",
        "12.50 EUR",
        "Thank you! And the shipping?",
        "/amount minimum",
        "503 from the replica: overloaded",
        "invalid",
        "wrong",
        "messages 1, 4-6",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    ):
        assert words in html, words
    assert PICTURE[:40] not in html.split('id="raw"')[0]
    assert "<img" not in html
    assert re.search(r"image: image/png, [\d,]+ characters of data in the request", html)


async def test_a_stream_is_put_together(talked: Scene) -> None:
    """A streamed answer is one turn: what the model thought, then the tool that it called with its whole arguments."""
    [turn] = (await data(talked, "talk-1"))["response"]["turns"]
    assert turn["role"] == "assistant"
    assert turn["parts"] == [
        {"kind": "reasoning", "text": "They want their money back. I must look at the order first."},
        {"kind": "tool_call", "text": '{\n  "order": 8812\n}', "name": "find_order", "id": "call_1"},
    ]


async def test_phases_of_the_tries(talked: Scene) -> None:
    """A failed try and the one after it lie one behind the other, each in its phases."""
    first, second = (await data(talked, "talk-3"))["phases"]
    assert (first["failed"], second["failed"]) == (True, False)
    assert [(one["kind"], round(one["from_s"], 3), round(one["to_s"], 3)) for one in first["phases"]] == [
        ("connect", 0.01, 0.04),
        ("wait", 0.04, 0.12),
        ("stream", 0.12, 0.13),
    ]
    assert [(one["kind"], round(one["from_s"], 3), round(one["to_s"], 3)) for one in second["phases"]] == [
        ("wait", 0.18, 0.38),
        ("first", 0.38, 0.43),
        ("stream", 0.43, 0.98),
        ("paused", 0.68, 0.98),
    ]


async def test_a_verdict_is_told_where_there_is_one(talked: Scene) -> None:
    """An answer that only called a tool was not held against its schema, and the page does not say it was."""
    assert "no text to hold against its schema" in (await page(talked, "talk-1")).text
    assert "against its schema, after 1 repair" in (await page(talked, "talk-3")).text


async def test_a_dead_letter_is_told(talked: Scene, tmp_path: Path) -> None:
    """A call that waits as a dead letter says so and leads there."""
    letters = DeadLetters(open_state(tmp_path / "letters.db"), most=10)
    failed = call("lost", talked.clock.wall_ns(), outcome="upstream_error")
    talked.put(failed)
    letters.take("t", [failed], ("route",))
    talked.desk.held.letters = letters
    html = (await page(talked, "lost")).text
    assert "dead letter" in html
    assert "dead letter" not in (await page(talked, "talk-1")).text
    letters.close()


async def test_halves_of_characters(talked: Scene) -> None:
    """JSON with half a character in it is read all the same; the half is shown as what it is."""
    [turn] = (await data(talked, "talk-4"))["response"]["turns"]
    assert turn["parts"][0]["text"].endswith("? half")


async def test_many_chunks_are_drawn_as_few(talked: Scene) -> None:
    """Ten thousand gaps become 240 bars; the one long gap stands out, and the page does not grow with the chunks."""
    gaps = (await data(talked, "chunked"))["gaps"]
    assert (gaps["chunks"], len(gaps["columns"]), gaps["longest_s"], gaps["first_s"]) == (10_000, 240, 2.0, 0.2)
    assert 40 <= gaps["columns"].count(2.0) <= 42
    assert 0.0009 <= gaps["p50_s"] <= 0.0011
    html = (await page(talked, "chunked")).text
    assert html.count("<rect") < 300
    assert "word9999" in html


async def test_damaged_chunks_are_no_gaps(talked: Scene) -> None:
    """What is kept of chunks may be damaged; then nothing is drawn of them."""
    made = call("odd", talked.clock.wall_ns(), chunk_delays_us=b"\x80", chunk_lengths=b"\x01")
    talked.put(made)
    assert (await data(talked, "odd"))["gaps"] is None


async def test_bytes_are_taken_along(talked: Scene) -> None:
    """Request and response go out as they were kept, as plain text to be saved, which nothing runs."""
    async with client(talked) as one:
        for side, begins in (("request", b'{"messages"'), ("response", b"data: ")):
            answer = await one.get(f"/calls/talk-1/{side}")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["content-disposition"] == f'attachment; filename="{side}-talk-1.txt"'
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.content.startswith(begins)
        assert (await one.get("/calls/nothing/request")).status_code == 404


async def test_a_call_is_taken_along_as_a_case(talked: Scene) -> None:
    """One line of JSON: what was asked, the answer as observed, and nothing that says what is expected."""
    answer = await page(talked, "talk-3/case")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "case-talk-3.jsonl" in answer.headers["content-disposition"]
    row = json.loads(answer.text)
    assert answer.text.count("\n") == 1
    assert row["call"] == "talk-3"
    assert "8812" in json.dumps(row["messages"])
    assert "observed" in row
    assert "expected" not in row
    assert "/calls/talk-3/case" in (await page(talked, "talk-3")).text


@pytest.mark.parametrize("tail", ["", "/request", "/response", "/case"])
async def test_another_tasks_call_is_not_there(talked: Scene, tail: str) -> None:
    """To a key for other tasks a call does not exist, nor do its bytes; nor can it be judged."""
    cookie = talked.session("operator", "route")
    other = await page(talked, f"talk-1{tail}", "", cookie)
    nowhere = await page(talked, f"talk-9{tail}", "", cookie)
    assert (other.status_code, nowhere.status_code) == (404, 404)
    assert other.text.replace("talk-1", "") == nowhere.text.replace("talk-9", "")
    async with client(talked, cookie) as one:
        token = re.search(r'name="form" value="([^"]+)"', (await one.get("/calls")).text)
        assert token
        judged = await one.post("/calls/talk-1/feedback", data={"form": token[1], "score": "1"})
    assert (judged.status_code, talked.judged) == (404, [])


async def test_what_redaction_left_out(talked: Scene) -> None:
    """A body that was not kept, of which only the digest or a preview was, or that is too large, is told as such."""
    bodies = talked.desk.held.bodies
    now_ns = talked.clock.wall_ns()
    long = "x" * 300
    request = preview_of(b'{"messages":[{"role":"user","content":"%s"}]}' % long.encode())
    answer = preview_of(b'{"choices":[{"message":{"role":"assistant","content":"%s"}}]}' % b"yes ")
    bare = call("bare", now_ns)
    admitted = structs.replace(bare.admitted, request_bytes=90)
    gone = structs.replace(bare.admitted, call="gone", request_body="ab" * 32, request_bytes=90)
    large = structs.replace(bare.admitted, call="large", request_body="cd" * 32, request_bytes=MOST_TAKEN + 1)
    talked.put(
        structs.replace(bare, admitted=admitted, response_bytes=20),
        structs.replace(bare, admitted=gone),
        structs.replace(bare, admitted=large),
        spoken(call("preview", now_ns), bodies, request, answer),
    )
    html = (await page(talked, "bare")).text
    assert "Nothing of the request was kept (90 B)" in html
    assert "Nothing of the answer was kept (20 B)" in html
    assert "None were kept" in html
    html = (await page(talked, "gone")).text
    assert "only the digest is known" in html
    assert "There was no answer" in html
    bodies.asked.clear()
    assert "more than is shown here" in (await page(talked, "large")).text
    assert (await page(talked, "large/request")).status_code == 404
    assert bodies.asked == []
    found = await data(talked, "preview")
    assert [one["parts"][0]["text"] for one in found["request"]["turns"]] == ["x" * 200]
    assert [one["parts"][0]["text"] for one in found["response"]["turns"]] == ["yes "]
    assert "Only a preview of the request was kept" in (await page(talked, "preview")).text


async def test_damaged_bodies(talked: Scene) -> None:
    """A damaged store of bodies leaves the rest of the page as it is."""

    class Damaged:
        def read(self, digest: str) -> bytes | None:
            raise FormatError(store="bodies", path="pack-1", offset=7, detail="it has other bytes than it should")

    talked.desk.held.bodies = Damaged()
    answer = await page(talked, "talk-1")
    assert answer.status_code == 200
    assert "other bytes than it should" in answer.text


async def test_a_large_body_is_not_looked_at(talked: Scene) -> None:
    """What is over the bound of a page can still be taken along."""
    bodies = talked.desk.held.bodies
    talked.put(spoken(call("big", talked.clock.wall_ns()), bodies, b"x" * (MOST_READ + 1), {"choices": []}))
    assert "more than is shown here" in (await page(talked, "big")).text
    assert len((await page(talked, "big/request")).content) == MOST_READ + 1


async def test_a_judgement_goes_the_way_of_the_api(talked: Scene) -> None:
    """The form sends what POST /api/feedback takes, in the name of whoever is signed in; without its token nothing."""
    cookie = talked.session("viewer")
    async with client(talked, cookie) as one:
        html = (await one.get("/calls/talk-2")).text
        form = re.search(r'action="/calls/talk-2/feedback".*?name="form" value="([^"]+)"', html, re.DOTALL)
        assert form
        fields = {
            "score": "0",
            "label": "",
            "comment": " too late ",
            "correct": '{"refund": false}',
            "name": "feedback",
        }
        assert (await one.post("/calls/talk-2/feedback", data=fields)).status_code == 403
        assert talked.judged == []
        done = await one.post("/calls/talk-2/feedback", data={**fields, "form": form[1]})
        assert (done.status_code, done.headers["location"]) == (303, "/calls/talk-2?given=true#judgements")
        bad = await one.post("/calls/talk-2/feedback", data={"score": "much", "form": form[1]})
        assert bad.status_code == 400
    sent = {"call": "talk-2", "name": "feedback", "score": 0.0, "comment": " too late ", "correct": '{"refund": false}'}
    assert talked.judged == [("ana", sent)]
    assert "taken in" in (await page(talked, "talk-2", "?given=true")).text


async def test_nothing_hostile_is_alive(talked: Scene) -> None:
    """Whatever a record, a message or an answer says is text: escaped, and what is unseen has a sign."""
    made = [one for one in hostile(talked.clock.wall_ns()) if hasattr(one, "admitted")]
    talked.put(*made)
    talked.put(*(attempt("hostile-0", 1, replica=text, model=text, detail=text, cause=text) for text in HOSTILE[:1]))
    for name in ("talk-4", *(one.admitted.call for one in made)):
        html = (await page(talked, name)).text
        assert "<h1>Call" in html
        assert "<script>window" not in html
        assert "<img" not in html
        assert 'href="javascript' not in html
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", html)


async def test_a_call_that_is_not_there(talked: Scene) -> None:
    """The page says what may be, and leads on."""
    answer = await page(talked, "%3Cscript%3E")
    assert answer.status_code == 404
    assert "Search for it under Calls" in answer.text
    assert "<script>" not in answer.text.split("<main")[1]
