"""Streams that are interrupted and go on at another replica, and answers that repeat themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import Response, RunningGateway, snapshot, task
from tests.gateway.jumping import jumped
from trimtab.declare.project import Deadlines, Output, Retry, Schema
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import Usage
from trimtab.testing import SCRIPTS, Answer, Framing, Hang, Reset, Script, ScriptedUpstream, Send, chat_stream, event

ASK: dict[str, Any] = {"model": "write", "messages": [{"role": "user", "content": "Tell."}], "stream": True}
LIMITS = Deadlines(connect_s=5.0, first_token_s=20.0, gap_s=5.0)


def chunk(text: str, made: int, prompt: int, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
    return event(
        {
            "id": f"chatcmpl-{prompt}",
            "object": "chat.completion.chunk",
            "created": prompt,
            "model": "served",
            "choices": [choice],
            "usage": {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made},
        }
    )


def counted(*pieces: str, prompt: int = 9, ends: bool = True, finish: str = "stop") -> list[bytes]:
    """What a vLLM with `continuous_usage_stats` sends."""
    events = [chunk("", 0, prompt, delta={"role": "assistant", "content": ""})]
    events += [chunk(piece, at, prompt) for at, piece in enumerate(pieces, 1)]
    if ends:
        events.append(chunk("", len(pieces), prompt, delta={}, finish_reason=finish))
        usage = {"prompt_tokens": prompt, "completion_tokens": len(pieces), "total_tokens": prompt + len(pieces)}
        events.append(event({"id": "u", "object": "x", "created": 1, "model": "m", "choices": [], "usage": usage}))
        events.append(event(b"[DONE]"))
    return events


def playing(events: list[bytes], *then: Any) -> Script:
    steps = Framing().steps(events)
    return Script((Send(Framing().head()), *steps, *(then or (Send(b"0\r\n\r\n"),))))


def writing(*urls: str, **more: Any) -> Snapshot:
    policy = snapshot({"small": list(urls)}, task("write", "small", **{"deadline": LIMITS, **more}))
    return replace(policy, models={"small": replace(policy.models["small"], engine="vllm")})


def chunks(response: Response) -> list[dict[str, Any]]:
    return [json.loads(text) for text in response.events if text.startswith("{")]


def text_of(response: Response) -> str:
    return "".join(
        choice["delta"].get("content") or "" for one in chunks(response) for choice in one.get("choices", [])
    )


@pytest.mark.parametrize("fault", [Reset(), Send(b"0\r\n\r\n"), Hang(), Send(b'14\r\ndata: {"error": {}}\r\n\r\n')])
@jumped
async def test_an_interrupted_stream_goes_on_as_one(tmp_path: Path, fault: Any) -> None:
    """Cut, ended without a marker or fallen silent: the client sees one answer, and the record both and the seam."""
    async with ScriptedUpstream() as upstream:
        upstream.add(playing(counted("Où ", "est", ends=False), fault), playing(counted(" le", " chat", prompt=11)))
        async with RunningGateway(tmp_path, writing(upstream.url)) as gateway:
            response = await gateway.post({**ASK, "stream_options": {"include_usage": True}})
            events = await gateway.events()
    assert response.whole
    assert response.events[-1] == "[DONE]"
    assert text_of(response) == "Où est le chat"
    told = chunks(response)
    assert {one["id"] for one in told} == {"chatcmpl-9"}
    assert [one["choices"][0]["delta"].get("role") for one in told if one["choices"]].count("assistant") == 1
    assert told[-1]["usage"] == {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    assert all("usage" not in one for one in told[:-1])
    again = json.loads(upstream.requests[1].body)
    assert again["messages"][-1] == {"role": "assistant", "content": "Où est"}
    assert (again["continue_final_message"], again["add_generation_prompt"]) == (True, False)
    [settled] = events.settled
    assert (settled.outcome, settled.attempts, settled.seams) == ("ok", 2, (len("Où est".encode()),))
    assert [attempt.usage for attempt in events.attempts] == [Usage(input=9, output=2), Usage(input=11, output=2)]
    assert settled.usage == Usage(input=20, output=4)
    assert settled.answer_tokens == 4


@jumped
async def test_the_limit_on_tokens_counts_what_was_made(tmp_path: Path) -> None:
    """The other replica may make what is left of the limit and no more."""
    async with ScriptedUpstream() as upstream:
        upstream.add(playing(counted("a", "b", "c", ends=False), Reset()), playing(counted("d", finish="length")))
        async with RunningGateway(tmp_path, writing(upstream.url)) as gateway:
            response = await gateway.post({**ASK, "max_tokens": 4})
    assert text_of(response) == "abcd"
    assert json.loads(upstream.requests[1].body)["max_tokens"] == 1


@pytest.mark.parametrize(("least", "left"), [(4, 1), (2, 0)])
@jumped
async def test_the_least_number_of_tokens_counts_what_was_made(tmp_path: Path, least: int, left: int) -> None:
    """A vLLM refuses a request that has to make more tokens than it may."""
    async with ScriptedUpstream() as upstream:
        upstream.add(playing(counted("a", "b", "c", ends=False), Reset()), playing(counted("d", finish="length")))
        async with RunningGateway(tmp_path, writing(upstream.url)) as gateway:
            response = await gateway.post({**ASK, "max_tokens": 4, "min_tokens": least})
    assert text_of(response) == "abcd"
    assert json.loads(upstream.requests[1].body)["min_tokens"] == left


@jumped
async def test_a_stream_that_had_reached_its_limit_just_ends(tmp_path: Path) -> None:
    """When only the end was lost there is nothing left to ask for."""
    async with ScriptedUpstream() as upstream:
        upstream.always(playing(counted("a", "b", ends=False), Reset()))
        async with RunningGateway(tmp_path, writing(upstream.url)) as gateway:
            response = await gateway.post({**ASK, "max_tokens": 2})
            [settled] = (await gateway.events()).settled
    assert text_of(response) == "ab"
    assert response.events[-1] == "[DONE]"
    assert chunks(response)[-1]["choices"][0]["finish_reason"] == "length"
    assert len(upstream.requests) == 1
    assert (settled.outcome, settled.finish_reason) == ("ok", "length")


@pytest.mark.parametrize("policy", [{}, {"repetition": "stop"}])
@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("finish", ["stop", "length"])
@jumped
async def test_a_stream_that_had_told_its_end_is_not_gone_on_with(
    tmp_path: Path, finish: str, lost: int, policy: dict[str, Any]
) -> None:
    """Only usage or the marker was lost: another replica would write on behind the end of the answer."""
    async with ScriptedUpstream() as upstream:
        upstream.add(playing(counted("a", "b", finish=finish)[:-lost], Reset()))
        upstream.always(playing(counted("c")))
        async with RunningGateway(tmp_path, writing(upstream.url, **policy)) as gateway:
            response = await gateway.post({**ASK, "stream_options": {"include_usage": True}})
            [settled] = (await gateway.events()).settled
    assert text_of(response) == "ab"
    assert response.events[-1] == "[DONE]"
    ends = [one["choices"][0]["finish_reason"] for one in chunks(response) if one["choices"]]
    assert [end for end in ends if end] == [finish]
    assert chunks(response)[-1]["usage"] == {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    assert len(upstream.requests) == 1
    assert (settled.outcome, settled.seams, settled.finish_reason) == ("ok", (), finish)


@jumped
async def test_an_answer_that_had_told_its_end_ends_as_told_across_wires(tmp_path: Path) -> None:
    """The same for a client of messages, who is told the reason that the chat gave."""
    ask = {"model": "write", "messages": ASK["messages"], "stream": True, "max_tokens": 9}
    async with ScriptedUpstream() as upstream:
        upstream.add(playing(counted("a", "b")[:-2], Reset()))
        upstream.always(playing(counted("c")))
        async with RunningGateway(tmp_path, writing(upstream.url)) as gateway:
            response = await gateway.post(ask, path="/v1/messages")
    told = [json.loads(line[6:]) for line in response.body.decode().split("\n") if line.startswith("data: ")]
    assert "".join(one["delta"]["text"] for one in told if one["type"] == "content_block_delta") == "ab"
    assert [one["delta"]["stop_reason"] for one in told if one["type"] == "message_delta"] == ["end_turn"]
    assert told[-1]["type"] == "message_stop"
    assert len(upstream.requests) == 1


@jumped
async def test_several_seams(tmp_path: Path) -> None:
    """An answer may be interrupted as often as the call has tries; the second goes on from the joined text."""
    async with ScriptedUpstream() as upstream:
        upstream.add(
            playing(counted("a", ends=False), Reset()),
            playing(counted("b", ends=False), Reset()),
            playing(counted("c")),
        )
        async with RunningGateway(tmp_path, writing(upstream.url)) as gateway:
            response = await gateway.post(ASK)
            [settled] = (await gateway.events()).settled
    assert text_of(response) == "abc"
    assert settled.seams == (1, 2)
    assert json.loads(upstream.requests[2].body)["messages"][-1]["content"] == "ab"


@jumped
async def test_tries_are_bounded_and_end_in_the_typed_error(tmp_path: Path) -> None:
    """A replica that fails every time ends the stream as it does without resuming."""
    async with ScriptedUpstream() as upstream:
        upstream.add(playing(counted("a", ends=False), Reset()))
        upstream.always(SCRIPTS["dropped"]())
        async with RunningGateway(tmp_path, writing(upstream.url)) as gateway:
            response = await gateway.post(ASK)
            [settled] = (await gateway.events()).settled
    assert not response.whole
    assert '"code":"upstream_error"' in response.events[-1]
    assert "[DONE]" not in response.events
    assert len(upstream.requests) == 3
    assert settled.seams == (1,)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"presence_penalty": 0.5},
        {"frequency_penalty": -1},
    ],
)
@jumped
async def test_what_is_not_plain_text_is_never_resumed(tmp_path: Path, more: dict[str, Any]) -> None:
    """Tools, log probabilities, structured output and several choices get the typed error."""
    async with ScriptedUpstream() as upstream:
        upstream.always(playing(counted("a", ends=False), Reset()))
        async with RunningGateway(tmp_path, writing(upstream.url)) as gateway:
            response = await gateway.post({**ASK, **more})
    assert '"code":"upstream_truncated"' in response.events[-1]
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("more", [{"retry": Retry(attempts=3, resume=False)}, {"retry": Retry(attempts=1)}])
@jumped
async def test_a_task_may_forbid_it(tmp_path: Path, more: dict[str, Any]) -> None:
    """Without `resume`, or without another try, nothing goes on and no counts are asked for."""
    async with ScriptedUpstream() as upstream:
        upstream.always(playing(counted("a", ends=False), Reset()))
        async with RunningGateway(tmp_path, writing(upstream.url, **more)) as gateway:
            response = await gateway.post(ASK)
    assert '"code":"upstream_truncated"' in response.events[-1]
    assert "continuous_usage_stats" not in json.loads(upstream.requests[0].body)["stream_options"]


@jumped
async def test_a_task_with_a_schema_is_never_resumed(tmp_path: Path) -> None:
    """Half an answer of one grammar and half of another is nobody's contract."""
    output = Output(Schema('{"type":"string"}', "d"), "reject")
    async with ScriptedUpstream() as upstream:
        upstream.always(playing(counted('"a', ends=False), Reset()))
        async with RunningGateway(tmp_path, writing(upstream.url, output=output)) as gateway:
            response = await gateway.post(ASK)
    assert '"code":"upstream_truncated"' in response.events[-1]


@jumped
async def test_reasoning_is_not_plain_text(tmp_path: Path) -> None:
    """Another replica is not told what the first one thought, so it cannot go on from there."""
    thinking = chunk("", 1, 9, delta={"reasoning_content": "hm"})
    async with ScriptedUpstream() as upstream:
        upstream.always(playing([thinking, *counted("a", ends=False)], Reset()))
        async with RunningGateway(tmp_path, writing(upstream.url)) as gateway:
            response = await gateway.post(ASK)
    assert '"code":"upstream_truncated"' in response.events[-1]


@pytest.mark.parametrize("mode", ["flag", "stop"])
@jumped
async def test_a_loop_is_flagged_or_stopped(tmp_path: Path, mode: str) -> None:
    """Stopped, the stream ends at once with a finish reason that says so, and the replica is cancelled."""
    loop = Answer(pieces=("I am sorry. ",) * 400)
    script = Script((Send(Framing().head()), *Framing().steps(loop.events()[:-3]), Hang()))
    async with ScriptedUpstream() as upstream:
        upstream.always(script if mode == "stop" else chat_stream(loop))
        policy = snapshot({"small": upstream.url}, task("write", "small", repetition=mode))
        async with RunningGateway(tmp_path, policy) as gateway:
            response = await gateway.post(ASK)
            [settled] = (await gateway.events()).settled
    assert response.whole
    assert response.events[-1] == "[DONE]"
    assert (settled.outcome, settled.repetition) == ("ok", "loop")
    assert settled.repetition_stopped is (mode == "stop")
    if mode == "stop":
        assert settled.finish_reason == "repetition"
        assert chunks(response)[-1]["choices"][0]["finish_reason"] == "repetition"
        assert len(text_of(response)) < 12 * 400
    else:
        assert settled.finish_reason == "stop"
        assert text_of(response) == "I am sorry. " * 400
