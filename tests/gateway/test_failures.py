"""Failures on the path: what the client sees, what is tried again, and what each attempt leaves in the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.harness import RunningGateway, snapshot, task
from tests.gateway.jumping import jumped
from trimtab.declare.project import Deadlines, Retry
from trimtab.testing import (
    SCRIPTS,
    Answer,
    Close,
    Framing,
    ScriptedUpstream,
    chat_json,
    chat_stream,
    error_answer,
    event,
    refused_port,
    sse_answer,
)

HELLO: dict[str, Any] = {"model": "triage", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**HELLO, "stream": True}
ONCE = Retry(attempts=1)
LIMITS = Deadlines(connect_s=5.0, first_token_s=20.0, gap_s=5.0)


@pytest.mark.parametrize(
    ("script", "code", "status"),
    [
        ("hang_before_headers", "deadline_first_token", 504),
        ("hang_before_first_token", "deadline_first_token", 504),
        ("role_only", "deadline_first_token", 504),
        ("pings_only", "deadline_first_token", 504),
        ("failing_500", "upstream_error", 502),
        ("rate_limited", "rate_limited", 429),
    ],
)
@jumped
async def test_failures_before_content_are_real_http_errors(
    tmp_path: Path, script: str, code: str, status: int
) -> None:
    """Before the first content-bearing event the client has seen nothing, so it gets a status and a code."""
    async with ScriptedUpstream() as upstream:
        upstream.always(SCRIPTS[script]())
        policy = snapshot({"small": upstream.url}, task("triage", "small", deadline=LIMITS, retry=ONCE))
        async with RunningGateway(tmp_path, policy) as gateway:
            response = await gateway.post(STREAM)
            events = await gateway.events()
    assert (response.status, response.json()["error"]["code"]) == (status, code)
    assert response.headers["x-should-retry"] == ("true" if status in {429, 503} else "false")
    assert [attempt.cause for attempt in events.attempts] == [code]
    assert [(end.outcome, end.status) for end in events.settled] == [(code, status)]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("stall", "deadline_gap"),
        ("stall_with_pings", "deadline_gap"),
        ("cut_mid_chunk", "upstream_truncated"),
        ("cut_between_chunks", "upstream_truncated"),
        ("ended_without_marker", "upstream_truncated"),
        ("reset", "upstream_truncated"),
    ],
)
@jumped
async def test_failures_after_content_end_in_an_error_event_and_a_cut(tmp_path: Path, script: str, code: str) -> None:
    """After the head, the stream ends in a typed event, without [DONE] and without the final chunk."""
    async with ScriptedUpstream() as upstream:
        upstream.always(SCRIPTS[script]())
        policy = snapshot({"small": upstream.url}, task("triage", "small", deadline=LIMITS))
        async with RunningGateway(tmp_path, policy) as gateway:
            response = await gateway.post(STREAM)
            events = await gateway.events()
    assert response.status == 200
    assert not response.whole
    assert f'"code":"{code}"' in response.events[-1]
    assert "[DONE]" not in response.events
    assert len(upstream.requests) == 1
    assert [(end.outcome, end.status) for end in events.settled] == [(code, 200)]


@pytest.mark.parametrize(
    "bad",
    [
        event({"error": {"message": "EngineCore encountered an issue", "code": 500}}) + event(b"[DONE]"),
        b"<html>502</html>\n\n" + event(b"[DONE]"),
        b"data: {nope\n\n" + event(b"[DONE]"),
    ],
)
async def test_done_after_an_error_is_no_success(tmp_path: Path, bad: bytes) -> None:
    """What vLLM sends when its engine dies, an error and then [DONE], ends the stream badly, as does any nonsense."""
    script = sse_answer([Answer().deltas()[0], bad], Framing(gap_s=0.05))
    async with ScriptedUpstream() as upstream:
        upstream.always(script)
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small"))) as gateway:
            response = await gateway.post(STREAM)
    assert not response.whole
    assert '"code":"upstream_error"' in response.events[-1]
    assert "[DONE]" not in response.events


@pytest.mark.parametrize("first", ["failing_500", "hang_before_first_token", "rate_limited", "dropped"])
@jumped
async def test_fallback_answers_when_the_first_model_fails(tmp_path: Path, first: str) -> None:
    """A failure before content goes to the fallback inside the same call, and both attempts are recorded."""
    async with ScriptedUpstream() as bad, ScriptedUpstream() as good:
        bad.always(SCRIPTS[first]())
        good.always(chat_stream())
        policy = snapshot({"small": bad.url, "large": good.url}, task("triage", "small", "large", deadline=LIMITS))
        async with RunningGateway(tmp_path, policy) as gateway:
            response = await gateway.post(STREAM)
            events = await gateway.events()
    assert response.events[-1] == "[DONE]"
    assert (response.headers["x-trimtab-model"], response.headers["x-trimtab-attempts"]) == ("large", "2")
    assert [attempt.model for attempt in events.attempts] == ["small", "large"]
    assert events.attempts[0].cause != "ok"
    assert events.attempts[1].cause == "ok"
    assert [(end.outcome, end.attempts, end.model) for end in events.settled] == [("ok", 2, "large")]
    assert events.settled[0].first_model == "small"


async def test_nobody_listens(tmp_path: Path) -> None:
    """A refused connection is an upstream error at once, not a deadline."""
    with refused_port() as port:
        policy = snapshot({"small": f"http://127.0.0.1:{port}"}, task("triage", "small", retry=ONCE))
        async with RunningGateway(tmp_path, policy) as gateway:
            response = await gateway.post(HELLO)
            events = await gateway.events()
    assert (response.status, response.json()["error"]["code"]) == (502, "upstream_error")
    assert events.settled[0].cost_pusd == 0
    assert events.settled[0].cost_label == "exact"


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_what_the_client_did_wrong_passes_with_status_and_body(tmp_path: Path, status: int) -> None:
    """The replica's own words on a bad request reach the client, and nothing is tried again."""
    async with ScriptedUpstream() as upstream:
        upstream.always(error_answer(status, "too long"))
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small"))) as gateway:
            response = await gateway.post(HELLO)
            again = await gateway.post(HELLO)
    assert (response.status, response.json()["error"]["message"]) == (status, "too long")
    assert again.status == status
    assert upstream.connections == 1, "the connection was good and is used again"
    assert response.headers["x-should-retry"] == "false"
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_our_own_credentials_are_not_the_clients_fault(tmp_path: Path, status: int) -> None:
    """A replica that refuses our key is an upstream error that names the setting."""
    async with ScriptedUpstream() as upstream:
        upstream.always(error_answer(status, "bad key sk-abcdef"))
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small"))) as gateway:
            response = await gateway.post(HELLO)
    assert (response.status, response.json()["error"]["code"]) == (502, "upstream_error")
    assert "models.small.api_key" in response.json()["error"]["message"]
    assert "sk-abcdef" not in response.body.decode()


@jumped
async def test_total_is_shared_by_all_attempts(tmp_path: Path) -> None:
    """The call ends with its total deadline although the fallback's clocks are fresh."""
    async with ScriptedUpstream() as upstream:
        upstream.always(SCRIPTS["hang_before_headers"]())
        limits = Deadlines(connect_s=5.0, first_token_s=20.0, gap_s=5.0, total_s=30.0)
        policy = snapshot(
            {"small": upstream.url, "large": upstream.url}, task("triage", "small", "large", deadline=limits)
        )
        async with RunningGateway(tmp_path, policy) as gateway:
            response = await gateway.post(STREAM)
            events = await gateway.events()
    assert (response.status, response.json()["error"]["code"]) == (504, "deadline_total")
    assert [attempt.cause for attempt in events.attempts] == ["deadline_first_token", "deadline_total"]
    assert events.settled[0].total_s == pytest.approx(30.0, abs=0.1)


@jumped
async def test_the_client_may_shorten_the_total_but_not_lengthen_it(tmp_path: Path) -> None:
    """x-trimtab-deadline-ms takes effect when it is shorter, and the rest goes upstream."""
    async with ScriptedUpstream() as upstream:
        upstream.always(SCRIPTS["hang_before_headers"]())
        limits = Deadlines(connect_s=1.0, first_token_s=9.0, gap_s=1.0, total_s=0.3)
        policy = snapshot({"small": upstream.url}, task("triage", "small", deadline=limits, retry=ONCE))
        async with RunningGateway(tmp_path, policy) as gateway:
            for asked, limit in (("100", "0.1 s"), ("60000", "0.3 s")):
                error = (await gateway.post(HELLO, x_trimtab_deadline_ms=asked)).json()["error"]
                assert error["code"] == "deadline_total"
                assert f"within its {limit};" in error["message"]
            nonsense = await gateway.post(HELLO, x_trimtab_deadline_ms="soon")
            events = await gateway.events()
    assert nonsense.status == 400
    for end, limit_s in zip(events.settled, (0.1, 0.3), strict=True):
        assert end.total_s is not None
        assert end.total_s >= limit_s
    told = [int(request.header("x-trimtab-deadline-ms") or 0) for request in upstream.requests]
    assert 0 < told[0] <= 100
    assert 0 < told[1] <= 300


async def test_a_client_that_leaves_cancels_the_upstream(tmp_path: Path) -> None:
    """The replica sees the connection close, and the call is settled as client_gone with what was said so far."""
    async with ScriptedUpstream() as upstream:
        upstream.always(SCRIPTS["stall"]())
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small"))) as gateway:
            reader, writer = await gateway.send(STREAM)
            await reader.readuntil(b"Hello")
            writer.close()
            [request] = await upstream.received(1)
            await request.over()
            events = await gateway.events()
    [settled] = events.settled
    assert settled.outcome == "client_gone"
    assert settled.cost_label == "estimated"
    assert settled.usage is not None
    assert settled.usage.output > 0


async def test_breaker_opens_and_spares_the_replica(tmp_path: Path) -> None:
    """After enough failures the replica is not asked any more, and the client is told when to come back."""
    async with ScriptedUpstream() as upstream:
        upstream.always(SCRIPTS["failing_500"]())
        policy = snapshot({"small": upstream.url}, task("triage", "small", retry=ONCE))
        async with RunningGateway(tmp_path, policy) as gateway:
            codes = [(await gateway.post(HELLO)).json()["error"]["code"] for _ in range(8)]
            refused = await gateway.post(HELLO)
    assert codes[0] == "upstream_error"
    assert refused.status == 503
    assert refused.json()["error"]["code"] == "circuit_open"
    assert int(refused.headers["retry-after"]) >= 1
    assert len(upstream.requests) < 9


async def test_stale_pooled_connection_costs_no_attempt_of_an_embedding(tmp_path: Path) -> None:
    """A kept-alive connection that the replica closed meanwhile is replaced, for a call that may be sent twice."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_json().then(Close()), chat_json())
        policy = snapshot({"small": upstream.url}, task("triage", "small", retry=ONCE))
        async with RunningGateway(tmp_path, policy) as gateway:
            first = await gateway.post({"model": "triage", "input": "x"}, "/v1/embeddings")
            second = await gateway.post({"model": "triage", "input": "x"}, "/v1/embeddings")
    assert (first.status, second.status) == (200, 200)
