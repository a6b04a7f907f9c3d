"""The providers' own clients through the gateway on a real vLLM: each on its own wire and across to the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from msgspec.structs import replace

from tests.engine import record_messages as asked
from tests.gateway.harness import KEY, RunningGateway, snapshot, task
from trimtab.declare.project import Wire

pytestmark = pytest.mark.engine

WIRES: list[Wire] = ["openai", "anthropic"]
CALLED = {"city": "Oslo", "day": "today"}


@pytest.fixture(params=WIRES)
async def gateway(request: pytest.FixtureRequest, vllm_url: str, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway whose model `tiny` is the vLLM, over one wire."""
    policy = snapshot({"tiny": vllm_url})
    model = replace(policy.models["tiny"], wire=request.param, engine="vllm", served_name="jobs-small")
    policy = replace(policy, models={"tiny": model})
    async with RunningGateway(tmp_path, policy) as running:
        yield running


def messages_client(gateway: RunningGateway) -> anthropic.AsyncAnthropic:
    """Anthropic's client, which sends its key as it does."""
    return anthropic.AsyncAnthropic(api_key=KEY.decode(), base_url=f"http://127.0.0.1:{gateway.port}", max_retries=0)


def chat_client(gateway: RunningGateway) -> openai.AsyncOpenAI:
    """OpenAI's client."""
    return openai.AsyncOpenAI(api_key=KEY.decode(), base_url=f"http://127.0.0.1:{gateway.port}/v1", max_retries=0)


def told(name: str) -> Any:
    """A recorded request as a client is told it: its helper streams, and it knows `temperature` no more."""
    body = {key: value for key, value in asked.EXCHANGES[name][1].items() if key not in {"stream", "stream_options"}}
    extra = {key: body.pop(key) for key in ("temperature",) if key in body}
    return {**body, "extra_body": extra}


async def message(gateway: RunningGateway, name: str, *, stream: bool) -> anthropic.types.Message:
    """The answer to a recorded request, in one piece or by the streaming helper."""
    body = told(name)
    async with messages_client(gateway) as client:
        if not stream:
            return await client.messages.create(**body)
        async with client.messages.stream(**body) as events:
            return await events.get_final_message()


async def completion(gateway: RunningGateway, name: str, *, stream: bool) -> Any:
    """The same of a chat."""
    body = told(name)
    async with chat_client(gateway) as client:
        if not stream:
            return await client.chat.completions.create(**body)
        options = {"include_usage": True}
        async with client.chat.completions.stream(**body, stream_options=options) as events:
            return await events.get_final_completion()


@pytest.mark.parametrize("stream", [False, True])
async def test_messages(gateway: RunningGateway, stream: bool) -> None:
    """Text, a schema, a tool call and its result, with usage and reasons, over both wires."""
    text = await message(gateway, "messages_text", stream=stream)
    assert [block.to_dict() for block in text.content] == [{"type": "text", "text": "account"}]
    assert (text.stop_reason, text.usage.output_tokens) == ("end_turn", 2)
    assert text.usage.input_tokens + (text.usage.cache_read_input_tokens or 0) == 52
    held = await message(gateway, "messages_schema", stream=stream)
    assert held.content[0].to_dict()["text"] == '{"label": "account"}'
    for name in ("messages_tool", "messages_forced_tool_stream"):
        called = await message(gateway, name, stream=stream)
        (block,) = called.content
        assert (block.type, getattr(block, "name", None), getattr(block, "input", None)) == (
            "tool_use",
            "get_weather",
            CALLED,
        )
        assert (called.stop_reason, called.usage.output_tokens) == ("tool_use", 28)
    stopped = await message(gateway, "messages_stop_sequence", stream=stream)
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "ount")
    assert (await message(gateway, "messages_length_stream", stream=stream)).stop_reason == "max_tokens"
    assert (await message(gateway, "messages_tool_result", stream=stream)).stop_reason == "end_turn"


@pytest.mark.parametrize("stream", [False, True])
async def test_chats(gateway: RunningGateway, stream: bool) -> None:
    """The same of a chat."""
    text = await completion(gateway, "chat_text", stream=stream)
    assert (text.choices[0].message.content, text.choices[0].finish_reason) == ("account", "stop")
    assert (text.usage.prompt_tokens, text.usage.completion_tokens) == (52, 2)
    held = await completion(gateway, "chat_schema", stream=stream)
    assert held.choices[0].message.content == '{"label": "account"}'
    called = (await completion(gateway, "chat_tool", stream=stream)).choices[0]
    (call,) = called.message.tool_calls
    assert (call.function.name, call.function.arguments) in {
        ("get_weather", '{"city": "Oslo", "day": "today"}'),
        ("get_weather", '{"city":"Oslo","day":"today"}'),
    }
    assert called.finish_reason == "tool_calls"


async def test_errors(gateway: RunningGateway) -> None:
    """What the server refuses, and what we refuse, is read by each client as its own."""
    async with messages_client(gateway) as client:
        with pytest.raises(anthropic.BadRequestError, match="max_model_len"):
            await client.messages.create(**{**told("messages_too_long"), "max_tokens": 5_000})
        with pytest.raises(anthropic.NotFoundError, match="There is no task or model"):
            await client.messages.create(**told("messages_unknown_model"))
    async with chat_client(gateway) as chat:
        with pytest.raises(openai.BadRequestError):
            await chat.chat.completions.create(**{**told("chat_text"), "max_tokens": 100_000})


async def test_counting(gateway: RunningGateway) -> None:
    """Servers of Anthropic's wire count; for others the client is told that they do not."""
    async with messages_client(gateway) as client:
        if gateway.policy.models["tiny"].wire == "anthropic":
            counted = await client.messages.count_tokens(**told("count_tokens"))
            assert counted.input_tokens == 52
        else:
            with pytest.raises(anthropic.BadRequestError, match="count_tokens cannot be carried"):
                await client.messages.count_tokens(**told("count_tokens"))


async def test_what_cannot_be_carried_is_refused_by_name(gateway: RunningGateway) -> None:
    """Only across wires, and before anything is sent."""
    async with chat_client(gateway) as client:
        body = {**told("chat_text"), "seed": 7}
        if gateway.policy.models["tiny"].wire == "openai":
            assert (await client.chat.completions.create(**body)).choices[0].message.content == "account"
        else:
            with pytest.raises(openai.BadRequestError, match="`seed` cannot be carried"):
                await client.chat.completions.create(**body)
    settled = (await gateway.events()).settled
    assert len(settled) <= 1


@pytest.mark.parametrize("first", WIRES)
async def test_a_fallback_crosses_providers(first: Wire, vllm_url: str, tmp_path: Path) -> None:
    """Where the servers of one wire are down, those of the other answer, to clients of both, streamed too."""
    second: Wire = "anthropic" if first == "openai" else "openai"
    policy = snapshot({"down": "http://127.0.0.1:9", "up": vllm_url}, task("tiny", "down", "up"))
    models = {
        "down": replace(policy.models["down"], wire=first),
        "up": replace(policy.models["up"], wire=second, engine="vllm", served_name="jobs-small"),
    }
    async with RunningGateway(tmp_path, replace(policy, models=models)) as gateway:
        for stream in (False, True):
            text = await message(gateway, "messages_text", stream=stream)
            assert [block.to_dict() for block in text.content] == [{"type": "text", "text": "account"}]
            chat = await completion(gateway, "chat_text", stream=stream)
            assert chat.choices[0].message.content == "account"
        events = await gateway.events()
    assert {(one.model, one.outcome, one.attempts) for one in events.settled} == {("up", "ok", 2)}
