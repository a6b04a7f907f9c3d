"""Answers that are held back: kept alive, cut, left, drained, bounded, tried again, and released once as they were."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import RunningGateway, read_response, snapshot, task
from tests.gateway.jumping import jump, play
from tests.gateway.wires import CHAT, WIRES, Wire, code_of
from trimtab.declare.project import Deadlines, Output, Retry, Schema, ToolCalls
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import (
    Framing,
    Hang,
    JumpingClock,
    Script,
    ScriptedUpstream,
    Send,
    Wait,
    error_answer,
    event,
)

SCHEMA = '{"additionalProperties":false,"properties":{"label":{"enum":["bug","praise"]}},"required":["label"]}'
GOOD, BAD = '{"label":"bug"}', '{"label":"wish"}'
KEPT_ALIVE = b": the answer is being checked\n\n"
STREAM: dict[str, Any] = {"model": "triage", "messages": [{"role": "user", "content": "It broke."}], "stream": True}
PATIENT = Deadlines(connect_s=60.0, first_token_s=60.0, gap_s=60.0)


def holding(url: str, *, wire: Wire = CHAT, on_invalid: str = "reject", **more: Any) -> Snapshot:
    """A task whose answers are held, on a model of the surface's own wire."""
    output = Output(Schema(SCHEMA, "d"), on_invalid, hold=True)  # type: ignore[arg-type]
    policy = snapshot({"small": url}, task("triage", "small", **{"output": output, "deadline": PATIENT, **more}))
    return replace(policy, models={"small": replace(policy.models["small"], wire=wire.model_wire)})


def after(seconds: float, script: Script) -> Script:
    """The script, begun later."""
    return Script((Wait(seconds), *script.steps))


def begun(events: list[bytes], *then: Any) -> Script:
    """A stream that begins with these events."""
    return Script((Send(Framing().head()), *Framing().steps(events), *then))


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_comments_keep_a_client_alive_and_the_head_goes_out_once(wire: Wire) -> None:
    """Two comments in 12 s, then the whole answer behind the same head."""
    script = after(12, wire.said(GOOD[:5], GOOD[5:]))
    played = play(
        lambda url: holding(url, wire=wire), [script], {"model": "triage", "stream": True, **wire.request}, wire.path
    )
    response = played.response
    assert (response.status, response.whole) == (200, True)
    assert response.body.startswith(KEPT_ALIVE * 2)
    assert response.body.count(KEPT_ALIVE) == 2
    assert response.body.count(b"HTTP/1.1") == 0
    assert wire.text(response) == GOOD
    assert wire.ended(response)
    assert played.logged == []
    settled = played.settled
    assert (settled.outcome, settled.status, settled.verdict) == ("ok", 200, "valid")
    assert settled.ttft_s == pytest.approx(12, abs=0.1)


def test_an_answer_that_comes_sooner_has_no_comment() -> None:
    """The first comment comes after 5 s, and none after the answer has begun."""
    slow = Script((Send(Framing().head()), *Framing(gap_s=1.0).steps(CHAT.events((GOOD,), "stop")), *Framing().end()))
    played = play(holding, [slow], STREAM)
    assert KEPT_ALIVE not in played.response.body
    assert CHAT.text(played.response) == GOOD


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize(
    ("script", "code"),
    [(lambda _: error_answer(500, "no"), "upstream_error"), (lambda wire: wire.said(BAD), "output_invalid")],
)
def test_a_failure_behind_the_first_comment_is_an_event_and_a_cut(wire: Wire, script: Any, code: str) -> None:
    """The client has status 200 already, so that the error comes in the surface's own event, and nothing behind it."""
    played = play(
        lambda url: holding(url, wire=wire, retry=Retry(attempts=1)),
        [after(6, script(wire))],
        {"model": "triage", "stream": True, **wire.request},
        wire.path,
    )
    response = played.response
    assert (response.status, response.whole) == (200, False)
    assert response.body.startswith(KEPT_ALIVE)
    assert code_of(response) == code
    assert wire.text(response) == ""
    assert wire.finish(response) == ""
    assert not wire.ended(response)
    assert (played.settled.outcome, played.settled.status) == (code, 200)


@pytest.mark.parametrize(
    ("limits", "script", "code", "kept_alive"),
    [
        ({"first_token_s": 3.0}, Script((Hang(),)), "deadline_first_token", 0),
        ({"first_token_s": 13.0}, Script((Hang(),)), "deadline_first_token", 2),
        ({"gap_s": 3.0}, begun(CHAT.events((GOOD[:5],), "stop")[:2], Hang()), "deadline_gap", 0),
        ({"gap_s": 7.0}, begun(CHAT.events((GOOD[:5],), "stop")[:2], Hang()), "deadline_gap", 1),
        ({"total_s": 4.0}, begun(CHAT.events((GOOD[:5],), "stop")[:2], Hang()), "deadline_total", 0),
        ({"total_s": 21.0}, begun(CHAT.events((GOOD[:5],), "stop")[:2], Hang()), "deadline_total", 4),
    ],
)
def test_clocks_run_while_an_answer_is_held(
    limits: dict[str, float], script: Script, code: str, kept_alive: int
) -> None:
    """Content that only we have seen winds the gap clock up, and the client is told as befits what it has got."""
    deadline = Deadlines(**{"connect_s": 60.0, "first_token_s": 60.0, "gap_s": 60.0, **limits})
    played = play(lambda url: holding(url, deadline=deadline, retry=Retry(attempts=1)), [script], STREAM)
    response = played.response
    assert response.status == (200 if kept_alive else 504)
    assert response.body.count(KEPT_ALIVE) == kept_alive
    assert code_of(response) == code
    assert CHAT.text(response) == "" if kept_alive else True
    assert (played.settled.outcome, played.settled.verdict) == (code, "")


def leaving(script: Script, *, stay_s: float) -> Any:
    """A client that goes away after a while: what was recorded, and how long the upstream was kept busy after it."""

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as upstream:
                upstream.always(script)
                async with RunningGateway(Path(directory), holding(upstream.url), clock=clock) as gateway:
                    _, writer = await gateway.send(STREAM)
                    await upstream.received(1)
                    await asyncio.sleep(stay_s)
                    left_at = clock.monotonic()
                    writer.close()
                    await upstream.requests[0].over()
                    events = await gateway.events()
                    gone_at = upstream.requests[0].gone_at
                assert gone_at is not None
                return events, gone_at - left_at, len(upstream.requests)

    return jump(main)


@pytest.mark.parametrize("stay_s", [1.0, 7.0])
@pytest.mark.parametrize("script", [Script((Hang(),)), begun(CHAT.events((GOOD[:5],), "stop")[:2], Hang())])
def test_a_client_that_leaves_stops_the_replica_at_once(script: Script, stay_s: float) -> None:
    """Also one that has seen nothing, or comments only; no verdict is made up for what nobody judged."""
    events, after_s, asked = leaving(script, stay_s=stay_s)
    [settled] = events.settled
    assert (settled.outcome, settled.verdict, settled.failing, asked) == ("client_gone", "", (), 1)
    assert settled.cost_label == "estimated"
    assert [attempt.cause for attempt in events.attempts] == ["client_gone"]
    assert after_s < 0.1


def test_another_model_answers_after_content_that_was_held() -> None:
    """What was held is dropped with its attempt: the client sees the fallback's answer alone."""

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as bad, ScriptedUpstream() as good:
                bad.always(begun(CHAT.events(('{"label":',), "stop")[:2], Send(b"0\r\n\r\n")))
                good.always(CHAT.said(GOOD))
                policy = holding(bad.url)
                large = replace(policy.models["small"], name="large", served_name="large", replicas=(good.url,))
                policy = replace(
                    policy,
                    models={**policy.models, "large": large},
                    tasks={"triage": replace(policy.tasks["triage"], models=("small", "large"))},
                )
                async with RunningGateway(Path(directory), policy, clock=clock) as gateway:
                    return await gateway.post(STREAM), await gateway.events()

    response, events = jump(main)
    assert CHAT.text(response) == GOOD
    assert response.headers["x-trimtab-model"] == "large"
    assert [(one.model, one.cause) for one in events.attempts] == [("small", "upstream_truncated"), ("large", "ok")]


@pytest.mark.parametrize(("text", "whole"), [(GOOD, True), (BAD, False)])
def test_a_client_of_http_1_0(text: str, whole: bool) -> None:
    """Its answer ends with the connection; a failure behind the first comment is a reset, for want of another sign."""

    async def main(clock: JumpingClock) -> tuple[bytes, bool]:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as upstream:
                upstream.always(after(6, CHAT.said(text)))
                async with RunningGateway(Path(directory), holding(upstream.url), clock=clock) as gateway:
                    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                    body = json.dumps(STREAM).encode()
                    head = f"POST {CHAT.path} HTTP/1.0\r\nhost: g\r\nauthorization: Bearer tt_test\r\n"
                    writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
                    got = b""
                    try:
                        while data := await reader.read(65536):
                            got += data
                    except ConnectionResetError:
                        return got, False
                    finally:
                        writer.close()
                    return got, True

    got, ended = jump(main)
    assert got.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding" not in got.lower()
    assert ended is whole
    assert (b"data: [DONE]" in got) is whole


@pytest.mark.parametrize(("limit_s", "cut"), [(30.0, 0), (8.0, 1)])
def test_a_worker_that_goes_away_lets_a_held_answer_end(limit_s: float, cut: int) -> None:
    """Draining waits for it; what takes longer than that is cut, and settled as left."""

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as upstream:
                upstream.always(after(12, CHAT.said(GOOD)))
                async with RunningGateway(Path(directory), holding(upstream.url), clock=clock) as gateway:
                    reader, writer = await gateway.send(STREAM)
                    await upstream.received(1)
                    gateway.pipeline.draining = True
                    cut = await gateway.server.drain(limit_s)
                    response = await read_response(reader)
                    writer.close()
                    return response, cut, await gateway.events()

    response, was_cut, events = jump(main)
    [settled] = events.settled
    assert was_cut == cut
    assert response.whole is not bool(cut)
    assert settled.outcome == ("client_gone" if cut else "ok")
    assert (CHAT.text(response) == GOOD) is not bool(cut)


def test_what_is_held_is_bounded() -> None:
    """Over 32 MiB the answer cannot be checked: a typed error, the replica is stopped, and it is not asked again."""
    piece = "x" * (7 << 20)
    events = [event({"id": "c", "choices": [{"index": 0, "delta": {"content": piece}}]}) for _ in range(5)]

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as upstream:
                upstream.always(begun(events, Hang()))
                output = Output(Schema('{"type":"string"}', "d"), "repair")
                policy = holding(upstream.url, output=output, redaction="digest")
                async with RunningGateway(Path(directory), policy, clock=clock) as gateway:
                    response = await gateway.post(STREAM)
                    await upstream.requests[0].over()
                    return response, await gateway.events(), upstream.requests

    events[0] = event({"id": "c", "choices": [{"index": 0, "delta": {"content": '"' + piece}}]})
    response, recorded, requests = jump(main)
    assert (response.status, code_of(response)) == (422, "output_invalid")
    assert "33554432" in response.json()["error"]["message"]
    assert requests[0].gone_at is not None
    assert len(requests) == 1
    assert recorded.settled[0].cost_label == "estimated"


def test_an_event_without_end_is_bounded() -> None:
    """No more than 8 MiB are waited for to become an event."""
    endless = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * (9 << 20)
    played = play(
        lambda url: holding(url, retry=Retry(attempts=1), redaction="digest"), [begun([endless], Hang())], STREAM
    )
    assert (played.response.status, code_of(played.response)) == (502, "upstream_error")
    assert "no end" in played.response.json()["error"]["message"]


def test_a_client_that_reads_late_gets_all_of_it() -> None:
    """An answer that is released at once may be larger than what a connection takes at once."""
    text = '"' + "y" * (6 << 20) + '"'

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as upstream:
                upstream.always(CHAT.said(text[: 3 << 20], text[3 << 20 :]))
                output = Output(Schema('{"type":"string"}', "d"), "reject", hold=True)
                policy = holding(upstream.url, output=output, redaction="digest")
                async with RunningGateway(Path(directory), policy, clock=clock) as gateway:
                    reader, writer = await gateway.send(STREAM)
                    events = await gateway.events()
                    while not events.settled:
                        await asyncio.sleep(0.01)
                        events = await gateway.events()
                    response = await read_response(reader)
                    writer.close()
                    return response, events

    response, events = jump(main)
    assert response.whole
    assert CHAT.text(response) == text
    assert events.settled[0].outcome == "ok"


def test_a_task_that_repairs_tool_calls_holds_nothing_where_there_are_no_tools() -> None:
    """Text then comes as it is made, and a late one begins its answer once."""
    policy = {"output": None, "tool_calls": ToolCalls("repair"), "repetition": "flag"}
    script = after(
        12,
        begun(
            CHAT.events(("a", "b"), "stop")[:2],
            Wait(3),
            *Framing().steps(CHAT.events(("a", "b"), "stop")[2:]),
            *Framing().end(),
        ),
    )
    played = play(lambda url: holding(url, **policy), [script], STREAM)
    assert CHAT.text(played.response) == "ab"
    assert played.response.whole
    assert KEPT_ALIVE not in played.response.body
    assert played.logged == []
    assert played.settled.ttft_s == pytest.approx(12, abs=0.1)


async def test_pipelined_request_behind_a_held_answer(tmp_path: Path) -> None:
    """The connection goes on with the next request once the held answer has ended."""
    async with ScriptedUpstream() as upstream:
        upstream.always(CHAT.said(GOOD))
        async with RunningGateway(tmp_path, holding(upstream.url)) as gateway:
            reader, writer = await gateway.send(STREAM)
            body = json.dumps(STREAM).encode()
            head = f"POST {CHAT.path} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer tt_test\r\n"
            writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
            first, second = await read_response(reader), await read_response(reader)
            writer.close()
    assert CHAT.text(first) == CHAT.text(second) == GOOD
