"""Calls through a whole gateway: what the client sees and what is recorded."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.harness import RunningGateway, snapshot, task
from trimtab.record.events import Usage
from trimtab.testing import Answer, ScriptedUpstream, chat_json, chat_stream

HELLO = {"model": "triage", "messages": [{"role": "user", "content": "hi"}]}


async def test_a_whole_answer_passes_untouched(tmp_path: Path) -> None:
    """The client gets the replica's body as it was, and one exact record of the call is kept."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_json())
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small"))) as gateway:
            response = await gateway.post(HELLO)
            events = await gateway.events()
    assert response.status == 200
    assert response.json()["choices"][0]["message"]["content"] == "Hello, world!"
    assert response.headers["x-trimtab-model"] == "small"
    assert upstream.requests[0].header("authorization") is None
    [settled] = events.settled
    assert (settled.outcome, settled.status, settled.attempts) == ("ok", 200, 1)
    assert settled.usage == Usage(input=9, output=4)
    assert (settled.cost_pusd, settled.cost_label) == (9 * 150_000 + 4 * 600_000, "exact")
    assert settled.admitted == events.admitted[0]
    assert settled.ttft_s is None


async def test_a_stream_ends_with_done_and_without_our_usage_event(tmp_path: Path) -> None:
    """A client that did not ask for usage sees none, but the record has it."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_stream())
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small"))) as gateway:
            response = await gateway.post({**HELLO, "stream": True})
            events = await gateway.events()
    assert response.whole
    assert response.events[-1] == "[DONE]"
    assert b'"usage"' not in response.body
    [settled] = events.settled
    assert settled.usage == Usage(input=9, output=4)
    assert settled.answer_tokens == 4
    assert settled.ttft_s is not None


async def test_an_answer_in_one_event_has_no_time_per_token(tmp_path: Path) -> None:
    """Without a second event there is nothing to measure a gap or a time per token by, so there is no figure."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_stream(Answer(pieces=("shipping",))))
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("triage", "small"))) as gateway:
            await gateway.post({**HELLO, "stream": True})
            [settled] = (await gateway.events()).settled
    assert settled.ttft_s is not None
    assert (settled.answer_tokens, settled.tpot_s, settled.longest_gap_s) == (4, None, None)
