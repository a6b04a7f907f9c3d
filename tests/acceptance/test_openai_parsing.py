"""The `openai` client's parse and streaming helpers for chats: direct, through the gateway, and across wires."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, Field

from tests.acceptance.conftest import Target
from tests.acceptance.test_openai_client import EXTRACT, EXTRACTED, FORECAST, OFFERED, WEATHER

TARGETS = [
    "demo-gateway",
    pytest.param("vllm-direct", marks=pytest.mark.engine),
    pytest.param("vllm-gateway", marks=pytest.mark.engine),
    pytest.param("vllm-messages", marks=pytest.mark.engine),
]
SCHEMAS = pytest.mark.parametrize("target", TARGETS[1:], indirect=True)
NO_SCHEMAS = pytest.mark.parametrize("target", TARGETS[:1], indirect=True)
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 64}


class Parcel(BaseModel):
    """What no prompt here asks for, so that only the schema can bring it about."""

    zip: Annotated[str, Field(pattern="^[0-9]{5}$")]
    kind: Literal["red", "blue"]


class GetWeather(BaseModel):
    """The arguments of the tool."""

    city: str
    day: str


WEATHER_TOOL: Any = openai.pydantic_function_tool(GetWeather, name="get_weather", description="weather for a city")


@pytest.fixture(scope="session", params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    """The demo engine and vLLM through the gateway, vLLM itself, and vLLM over Anthropic's wire."""
    found: Target = request.getfixturevalue(request.param.replace("-", "_"))
    return found


# The streaming helper


def test_a_stream_accumulates(client: OpenAI, target: Target) -> None:
    """Snapshots grow with the deltas, and the final completion is the whole answer with its usage."""
    options: Any = {"include_usage": True}
    with client.chat.completions.stream(
        model=target.model, messages=EXTRACT, stream_options=options, **GREEDY
    ) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    snapshots = [event.snapshot for event in events if event.type == "content.delta"]
    [done] = [event for event in events if event.type == "content.done"]
    assert snapshots[-1] == done.content == final.choices[0].message.content == EXTRACTED
    assert len(snapshots) > 5
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None
    assert (final.usage.prompt_tokens, final.usage.completion_tokens) == (49, 28)


async def test_a_tool_call_accumulates(async_client: AsyncOpenAI, target: Target) -> None:
    """The asynchronous helper tells the arguments as they grow and the call when it is done."""
    async with async_client.chat.completions.stream(
        model=target.model, messages=WEATHER, tools=OFFERED, **GREEDY
    ) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_completion()
    grown = [event.arguments for event in events if event.type == "tool_calls.function.arguments.delta"]
    [done] = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert len(grown) > 2
    assert (done.name, json.loads(done.arguments), json.loads(grown[-1])) == ("get_weather", FORECAST, FORECAST)
    choice = final.choices[0]
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].id
    assert choice.finish_reason == "tool_calls"


# Strict tools


def test_a_strict_tool_is_parsed(client: OpenAI, target: Target) -> None:
    """`parse` gives the arguments as the model that describes them."""
    answer = client.chat.completions.parse(model=target.model, messages=WEATHER, tools=[WEATHER_TOOL], **GREEDY)
    [call] = answer.choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, GetWeather)
    assert call.function.parsed_arguments.day == "tomorrow"


def test_a_strict_tool_is_parsed_from_a_stream(client: OpenAI, target: Target) -> None:
    """The streaming helper parses them too."""
    with client.chat.completions.stream(model=target.model, messages=WEATHER, tools=[WEATHER_TOOL], **GREEDY) as stream:
        [call] = stream.get_final_completion().choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, GetWeather)
    assert call.function.parsed_arguments.day == "tomorrow"


# Structured answers


@SCHEMAS
def test_an_answer_is_parsed(client: OpenAI, target: Target) -> None:
    """`parse` gives what only the schema could have brought about."""
    answer = client.chat.completions.parse(model=target.model, messages=EXTRACT, response_format=Parcel, **GREEDY)
    assert isinstance(answer.choices[0].message.parsed, Parcel)


@SCHEMAS
async def test_an_answer_is_parsed_from_a_stream(async_client: AsyncOpenAI, target: Target) -> None:
    """The asynchronous streaming helper parses it too."""
    async with async_client.chat.completions.stream(
        model=target.model, messages=EXTRACT, response_format=Parcel, **GREEDY
    ) as stream:
        final = await stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Parcel)


@SCHEMAS
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_cut_by_its_limit_raises_the_helpers_own_error(client: OpenAI, target: Target, stream: bool) -> None:
    """The helper sees that it ended by length, streamed or not."""
    asked: Any = {"model": target.model, "messages": EXTRACT, "response_format": Parcel, **GREEDY, "max_tokens": 3}
    with pytest.raises(openai.LengthFinishReasonError):
        if stream:
            with client.chat.completions.stream(**asked) as events:
                events.get_final_completion()
        else:
            client.chat.completions.parse(**asked)


@NO_SCHEMAS
def test_an_engines_refusal_of_a_schema_reaches_the_client(client: OpenAI, target: Target) -> None:
    """It is the client's own error, with the engine's words."""
    with pytest.raises(openai.BadRequestError, match="does not know response_format"):
        client.chat.completions.parse(model=target.model, messages=EXTRACT, response_format=Parcel, **GREEDY)
