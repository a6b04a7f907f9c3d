"""Dead letters in control: taken from the records, shown, sent again, dropped, and by whom."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.control.asgi import Answer, ask
from tests.control.conftest import Scene
from tests.store.samples import call
from tests.store.spools import SegmentWriter
from trimtab.errors import UpstreamError
from trimtab.processes.desk import Desk
from trimtab.processes.resend import Sent
from trimtab.processes.status import Status
from trimtab.record.events import Settled
from trimtab.store.telemetry import CallFilter

ARRIVED = Sent(ok=True, status=200, call="c9", detail="")
FAILED = Sent(ok=False, status=502, call="c9", detail="model small failed")
SEGMENT = "g0-0123456789ab/00000000"


def dead(name: str, **admitted: Any) -> Settled:
    """A call that failed for good, with its request kept."""
    known = {"request_body": "req", "request_bytes": 16, "run": "run-7", "key": "app", "conversation": "talk-1"}
    failed = call(name, outcome="upstream_error", detail="it fell over")
    return replace(failed, admitted=replace(failed.admitted, **known | admitted))


async def ingested(scene: Scene, *events: Any) -> None:
    """Events on their way through the spool."""
    if events:
        SegmentWriter(scene.spool, f"g0-{len(list(scene.spool.glob('*'))):012d}").write(*events)
    await scene.desk.ask(lambda stores: stores.ingest.step())


async def asked(scene: Scene, target: str, **more: Any) -> Answer:
    return await ask(scene.socket, target, **more)


async def names(scene: Scene) -> list[str]:
    return [letter["id"] for letter in (await asked(scene, "/api/dead")).json()["letters"]]


async def redriven(scene: Scene, letter: str) -> Answer:
    return await asked(scene, f"/api/dead/{letter}/redrive", method="POST")


async def test_letters_are_listed_counted_and_narrowed(scene: Scene) -> None:
    """What failed is there as soon as it is stored, by task, model, cause and age."""
    await ingested(scene, dead("c1"), dead("c2", task="other"), call("fine"))
    answer = (await asked(scene, "/api/dead?task=route&cause=upstream_error&model=small&since=2025-10-09")).json()
    assert [letter["id"] for letter in answer["letters"]] == ["c1"]
    assert [(one["task"], one["letters"]) for one in answer["tally"]] == [("other", 1), ("route", 1)]
    assert (await asked(scene, "/api/dead?limit=1")).json()["letters"] != []
    assert await names(scene) == ["c2", "c1"]
    status = msgspec.json.decode((await asked(scene, "/api/status")).body, type=Status)
    assert [(one.task, one.letters) for one in status.dead] == [("other", 1), ("route", 1)]
    assert b'trimtab_dead_letters{cause="upstream_error",task="other"} 1.0' in (await asked(scene, "/metrics")).body


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=x", "limit=10001", "limit=" + "9" * 5000),
        *("since=yesterday", "since=9999-12-31", "tsk=route"),
    ],
)
async def test_what_is_not_understood_is_refused(scene: Scene, query: str) -> None:
    """A parameter that is wrong is a mistake, not ignored."""
    assert (await asked(scene, f"/api/dead?{query}")).status == 400


async def test_a_letter_is_shown_with_its_request(scene: Scene) -> None:
    """Who called, how it ended, and what a redrive would send; or why there is nothing to send."""
    await ingested(
        scene, dead("c1"), dead("gone", request_body="00"), dead("cut", request_bytes=99), dead("c2", task="private")
    )
    shown = (await asked(scene, "/api/dead/c1")).json()
    assert (shown["request"], shown["letter"]["admitted"]["run"]) == ('{"messages": []}', "run-7")
    missing = {name: (await asked(scene, f"/api/dead/{name}")).json() for name in ("gone", "cut", "c2")}
    assert [one["request"] for one in missing.values()] == [None] * 3
    assert "not kept any more" in missing["gone"]["missing"]
    assert "not kept any more" in missing["cut"]["missing"]
    assert "redaction of task private" in missing["c2"]["missing"]
    assert (await asked(scene, "/api/dead/nope")).status == 404


async def test_a_call_is_sent_again_under_its_names(scene: Scene) -> None:
    """The same bytes on the route of its surface; once it arrived there is no letter."""
    await ingested(scene, dead("c1", parent="p", end_user="ané", trace_id="4b" * 16, parent_span="f0" * 8))
    scene.gateway.answers = [FAILED, ARRIVED]
    again = (await redriven(scene, "c1")).json()
    assert (again["ok"], again["call"], again["status"], again["detail"]) == (False, "c9", 502, "model small failed")
    assert await names(scene) == ["c1"]
    assert (await redriven(scene, "c1")).json()["ok"] is True
    assert await names(scene) == []
    headers = {
        "x-trimtab-redrive": "c1",
        "x-trimtab-redrive-key": "app",
        "x-trimtab-task": "route",
        "x-trimtab-run": "run-7",
        "x-trimtab-parent": "p",
        "x-trimtab-conversation": "talk-1",
        "x-trimtab-user": "ané",
        "traceparent": f"00-{'4b' * 16}-{'f0' * 8}-01",
    }
    assert scene.gateway.sent == [("/v1/chat/completions", headers, b'{"messages": []}')] * 2
    assert (await redriven(scene, "c1")).status == 404


async def test_the_record_of_a_redrive_decides(scene: Scene) -> None:
    """Also where control was not there to hear the answer: arrived is gone, failed is counted once."""
    await ingested(scene, dead("c1"), dead("c2"))
    await ingested(scene, dead("c3", redrive_of="c1"), replace(dead("c4", redrive_of="c2"), outcome="ok"))
    [letter] = (await asked(scene, "/api/dead")).json()["letters"]
    assert (letter["id"], letter["redrives"], letter["attempts"], letter["last_call"]) == ("c1", 1, 2, "c3")


@pytest.mark.parametrize(
    ("admitted", "words"),
    [
        ({"request_body": ""}, "keeps no whole request"),
        ({"task": "private"}, "redaction of task private"),
        ({"request_body": "00"}, "not kept any more"),
        ({"surface": "of a later release"}, "no surface that this release serves"),
    ],
)
async def test_what_cannot_be_sent_again_says_why(scene: Scene, admitted: dict[str, str], words: str) -> None:
    """Nothing is sent, and the letter stays."""
    await ingested(scene, dead("c1", **admitted))
    answer = await redriven(scene, "c1")
    assert (answer.status, words in answer.json()["error"]["message"]) == (409, True)
    assert (scene.gateway.sent, await names(scene)) == ([], ["c1"])


async def test_an_unreachable_gateway_is_told(scene: Scene) -> None:
    """The letter stays, and can be tried again."""
    await ingested(scene, dead("c1"))
    scene.gateway.answers = [UpstreamError(replica="the gateway at 127.0.0.1:1", detail="Connection refused"), ARRIVED]
    answer = await redriven(scene, "c1")
    assert (answer.status, answer.error) == (502, "upstream_error")
    assert (await redriven(scene, "c1")).json()["ok"] is True


async def test_a_letter_is_sent_once_at_a_time(scene: Scene) -> None:
    """While it is under way it is not sent again, and only so many are at all."""
    await ingested(scene, *(dead(f"c{number}") for number in range(17)))
    scene.gateway.answers = [ARRIVED] * 16
    scene.gateway.may_answer.clear()
    under_way = [asyncio.ensure_future(redriven(scene, f"c{number}")) for number in range(16)]
    while len(scene.gateway.sent) < 16:
        await asyncio.sleep(0.001)
    second, too_many = await redriven(scene, "c3"), await redriven(scene, "c16")
    assert (second.status, "already" in second.json()["error"]["message"]) == (409, True)
    assert (too_many.status, "16 letters" in too_many.json()["error"]["message"]) == (409, True)
    scene.gateway.may_answer.set()
    assert {answer.status for answer in await asyncio.gather(*under_way)} == {200}
    assert await names(scene) == ["c16"]


async def test_letters_are_dropped(scene: Scene) -> None:
    """Those that were there are told; the records of their calls stay."""
    await ingested(scene, dead("c1"), dead("c2"))
    answer = await asked(scene, "/api/dead/drop", method="POST", body=b'{"ids": ["c1", "nope"]}')
    assert answer.json() == {"ids": ["c1"]}
    assert await names(scene) == ["c2"]
    assert len(scene.telemetry.tail(CallFilter())) == 2
    for body in (b"{", b'{"ids": 3}', b'{"ids": [], "all": true}'):
        assert (await asked(scene, "/api/dead/drop", method="POST", body=body)).status == 400


def damaged(scene: Scene, *, seal: bool = True) -> SegmentWriter:
    writer = SegmentWriter(scene.spool)
    good = writer.write(call("a"))
    writer.write(call("b"), call("c"), dead("d"))
    data = bytearray(writer.path.read_bytes())
    data[good + 30] ^= 0xFF
    writer.path.write_bytes(data)
    if seal:
        writer.seal()
    return writer


def stored(scene: Scene) -> set[str]:
    return {found.admitted.call for found in scene.telemetry.tail(CallFilter())}


async def test_damaged_records_are_a_letter_and_are_salvaged(scene: Scene) -> None:
    """What is whole behind the damage is stored like any other record: a call that failed in it is a letter too."""
    damaged(scene)
    await ingested(scene)
    shown = (await asked(scene, f"/api/dead/{SEGMENT}")).json()
    assert (shown["letter"]["kind"], shown["letter"]["cause"], shown["request"]) == ("records", "unreadable", None)
    assert shown["letter"]["size_bytes"] > 0
    assert stored(scene) == {"a"}
    answer = (await redriven(scene, SEGMENT)).json()
    assert (answer["ok"], answer["events"]) == (True, 2)
    assert stored(scene) == {"a", "c", "d"}
    assert await names(scene) == ["d"]
    assert (await redriven(scene, SEGMENT)).status == 404
    assert scene.desk.lag.set_aside == 0


async def test_damaged_records_that_are_written_to_wait(scene: Scene) -> None:
    """Neither salvage nor drop takes away a segment under its writer."""
    writer = damaged(scene, seal=False)
    await ingested(scene)
    body = msgspec.json.encode({"ids": [SEGMENT]})
    dropping = await asked(scene, "/api/dead/drop", method="POST", body=body)
    for answer in (await redriven(scene, SEGMENT), dropping):
        assert (answer.status, "still being written" in answer.json()["error"]["message"]) == (409, True)
    writer.seal()
    assert (await asked(scene, "/api/dead/drop", method="POST", body=body)).json() == {"ids": [SEGMENT]}
    assert (stored(scene), await names(scene)) == ({"a"}, [])


async def test_damaged_records_whose_file_is_gone(scene: Scene) -> None:
    """It says so; the letter can be dropped."""
    writer = damaged(scene)
    await ingested(scene)
    writer.path.unlink()
    answer = await redriven(scene, SEGMENT)
    assert (answer.status, "drop the letter" in answer.json()["error"]["message"]) == (409, True)
    body = msgspec.json.encode({"ids": [SEGMENT]})
    assert (await asked(scene, "/api/dead/drop", method="POST", body=body)).json() == {"ids": [SEGMENT]}


LOOKING, ACTING = ["/api/dead", "/api/dead/c1"], ["/api/dead/c1/redrive", "/api/dead/drop"]


async def test_who_may_see_and_spend(scene: Scene) -> None:
    """A client's key opens none of it, a viewer's shows letters, and only an operator's spends money on them."""
    scene.gateway.answers = [ARRIVED]
    await ingested(scene, dead("c1"))
    for role in ("client", "viewer", "operator"):
        key = scene.secret(role=role)
        seen = [(await ask(scene.tcp, path, key=key)).status for path in LOOKING]
        assert seen == ([403, 403] if role == "client" else [200, 200])
        acted = [(await ask(scene.tcp, path, method="POST", key=key)).status for path in ACTING]
        assert acted == ([200, 400] if role == "operator" else [403, 403])


async def test_a_key_for_some_tasks_has_only_their_letters(scene: Scene) -> None:
    """Letters of other tasks are not listed or counted for it, nor shown, sent again or dropped."""
    await ingested(scene, dead("c1"), dead("c2", task="extract"))
    key = scene.secret("extract", role="operator")
    listed = (await ask(scene.tcp, "/api/dead", key=key)).json()
    assert [one["id"] for one in listed["letters"]] == ["c2"]
    assert [one["task"] for one in listed["tally"]] == ["extract"]
    assert (await ask(scene.tcp, "/api/dead?task=route", key=key)).status == 403
    assert (await ask(scene.tcp, "/api/dead/c1", key=key)).status == 404
    assert (await ask(scene.tcp, "/api/dead/c1/redrive", method="POST", key=key)).status == 404
    drop = b'{"ids": ["c2", "c1"]}'
    assert (await ask(scene.tcp, "/api/dead/drop", method="POST", key=key, body=drop)).status == 404
    assert (await ask(scene.tcp, "/api/dead/c2", key=key)).status == 200


async def test_while_telemetry_is_not_open(scene: Scene, closed_desk: Desk) -> None:
    """It says so, and status and metrics still answer."""
    scene.undertaker._desk = closed_desk
    assert (await asked(scene, "/api/dead")).error == "telemetry_unavailable"
    assert (await redriven(scene, "c1")).error == "telemetry_unavailable"
    assert closed_desk.dead == ()
