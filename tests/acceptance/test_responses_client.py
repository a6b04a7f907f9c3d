"""The real `openai` client's Responses helpers and vLLM: what works directly must work through the gateway just so."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Annotated, Any, Literal

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, Field

from tests.acceptance.conftest import Target
from trimtab.demo.jobs import SYSTEM, TOOLS

EXTRACT: dict[str, Any] = {"instructions": SYSTEM["extract"], "input": "Please send 12 lamps to Ada in Paris."}
EXTRACTED = '{"name": "Ada", "item": "lamp", "qty": 12, "city": "Paris"}'
ROUTE: dict[str, Any] = {
    "input": [
        {"role": "system", "content": SYSTEM["route"]},
        {"role": "user", "content": [{"type": "input_text", "text": "my lamp has not arrived in Paris yet"}]},
    ]
}
WEATHER: dict[str, Any] = {"instructions": SYSTEM["tool"], "input": "what is the weather in Paris tomorrow?"}
OFFERED: Any = [{"type": "function", "strict": None, **tool["function"]} for tool in TOOLS]
FORECAST = {"city": "Paris", "day": "tomorrow"}


class Parcel(BaseModel):
    """What no prompt here asks for, so that only the schema can bring it about."""

    zip: Annotated[str, Field(pattern="^[0-9]{5}$")]
    kind: Literal["red", "blue"]


class GetWeather(BaseModel):
    """The arguments of the tool."""

    city: str
    day: str


TARGETS = [
    pytest.param("vllm-direct", marks=pytest.mark.engine),
    pytest.param("vllm-gateway", marks=pytest.mark.engine),
]


@pytest.fixture(scope="session", params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    """VLLM, directly and through the gateway: the demo engine does not serve this API."""
    found: Target = request.getfixturevalue(request.param.replace("-", "_"))
    return found


@pytest.fixture
def through_gateway(request: pytest.FixtureRequest, target: Target) -> bool:
    """Whether the target is the gateway."""
    return bool(request.node.callspec.params["target"] == "vllm-gateway")


@pytest.fixture
def respond(client: OpenAI, target: Target) -> Any:
    """`client.responses.create` for this target, greedy and of at most 64 tokens unless told otherwise."""

    def create(request: dict[str, Any] = EXTRACT, **fields: Any) -> Any:
        return client.responses.create(model=target.model, **{**greedy(), **request, **fields})

    return create


def greedy() -> dict[str, Any]:
    return {"temperature": 0, "max_output_tokens": 64}


# Whole answers


def test_a_response_is_made(respond: Any) -> None:
    """It has the text, an honest status, and vLLM's own counts."""
    answer = respond()
    assert (answer.object, answer.status, answer.output_text) == ("response", "completed", EXTRACTED)
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (49, 28, 77)
    [message] = answer.output
    assert (message.type, message.role) == ("message", "assistant")


def test_items_are_taken(respond: Any) -> None:
    """A list of items, a system message among them, means what instructions and a text mean."""
    assert respond(ROUTE).output_text == "shipping"


async def test_the_async_client_is_answered_too(async_client: AsyncOpenAI, target: Target) -> None:
    """Eight requests at once each get the answer that one alone gets."""
    answers = await asyncio.gather(
        *(
            async_client.responses.create(model=target.model, **{**greedy(), **request})
            for request in (EXTRACT, ROUTE) * 4
        )
    )
    assert [answer.output_text for answer in answers] == [EXTRACTED, "shipping"] * 4


def test_the_limit_is_told(respond: Any) -> None:
    """An answer that ran into its limit is incomplete, and says why."""
    answer = respond(max_output_tokens=9)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.output_text == EXTRACTED[: len(answer.output_text)]
    assert answer.usage.output_tokens == 9


def test_log_probabilities(respond: Any) -> None:
    """They are of the tokens of the text, with as many alternatives as were asked for."""
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "max_output_tokens": 3}
    tokens = respond(**asked).output[0].content[0].logprobs
    assert "".join(token.token for token in tokens) == '{"name":'
    assert all(len(token.top_logprobs) == 2 and math.exp(token.logprob) > 0.99 for token in tokens)


# Streams


def test_a_stream_says_what_the_answer_says(respond: Any) -> None:
    """Its deltas join to the text of the response that ends it; numbers are consecutive."""
    events = list(respond(stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == events[-1].response.output_text == EXTRACTED
    assert len(deltas) > 5
    assert [event.type for event in (events[0], events[-1])] == ["response.created", "response.completed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].response.usage.output_tokens == 28


def test_the_streaming_helper_accumulates(client: OpenAI, target: Target) -> None:
    """Snapshots grow with the deltas, and the final response is whole."""
    with client.responses.stream(model=target.model, **greedy(), **EXTRACT) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert snapshots[-1] == final.output_text == EXTRACTED
    assert snapshots == sorted(snapshots, key=len)


async def test_the_asynchronous_streaming_helper(async_client: AsyncOpenAI, target: Target) -> None:
    """Four streams at once each carry their own answer."""

    async def streamed(request: dict[str, Any]) -> str:
        async with async_client.responses.stream(model=target.model, **{**greedy(), **request}) as stream:
            return (await stream.get_final_response()).output_text

    texts = await asyncio.gather(*(streamed(request) for request in (EXTRACT, ROUTE) * 2))
    assert texts == [EXTRACTED, "shipping"] * 2


def test_a_stream_can_be_left(respond: Any) -> None:
    """A client that closes a stream early can go on asking."""
    stream = respond(stream=True, max_output_tokens=1000, extra_body={"ignore_eos": True})
    for _, event in zip(range(6), stream, strict=False):
        assert event.type.startswith("response.")
    stream.close()
    assert respond().output_text == EXTRACTED


# Tools


def test_a_tool_is_called_and_answered(respond: Any) -> None:
    """The call has a name, arguments that parse and an id; its answer goes back and adds to the prompt."""
    first = respond(WEATHER, tools=OFFERED)
    [call] = first.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "get_weather", FORECAST)
    history = [
        {"role": "user", "content": WEATHER["input"]},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain"},
    ]
    second = respond({"instructions": SYSTEM["tool"], "input": history}, tools=OFFERED)
    assert second.usage.input_tokens > first.usage.input_tokens
    assert second.status in ("completed", "incomplete")


def test_a_tool_call_is_streamed(client: OpenAI, target: Target) -> None:
    """Its arguments come in pieces that join to those of the final response."""
    with client.responses.stream(model=target.model, tools=OFFERED, **greedy(), **WEATHER) as stream:
        pieces = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        [call] = stream.get_final_response().output
    assert len(pieces) > 2
    assert call.type == "function_call"
    assert json.loads("".join(pieces)) == json.loads(call.arguments) == FORECAST


def test_a_named_tool_is_called(respond: Any) -> None:
    """The tool that the client names is called, whatever the question is."""
    asked = {"instructions": SYSTEM["tool"], "input": "show me the orders of Ada"}
    [call] = respond(asked, tools=OFFERED, tool_choice={"type": "function", "name": "find_order"}).output
    assert (call.name, json.loads(call.arguments)) == ("find_order", {"customer": "Ada"})


def test_a_tool_is_parsed(client: OpenAI, target: Target) -> None:
    """`responses.parse` gives the arguments as the model that describes them."""
    tool = openai.pydantic_function_tool(GetWeather, name="get_weather")
    answer = client.responses.parse(model=target.model, tools=[tool], **greedy(), **WEATHER)
    [call] = answer.output
    assert call.type == "function_call"
    assert isinstance(call.parsed_arguments, GetWeather)
    assert call.parsed_arguments.day == "tomorrow"


# Structured text


def test_a_text_is_parsed(client: OpenAI, target: Target) -> None:
    """`responses.parse` gives what only the schema could have brought about."""
    answer = client.responses.parse(model=target.model, text_format=Parcel, **greedy(), **EXTRACT)
    assert isinstance(answer.output_parsed, Parcel)


def test_a_text_is_parsed_from_a_stream(client: OpenAI, target: Target) -> None:
    """The streaming helper parses it too."""
    with client.responses.stream(model=target.model, text_format=Parcel, **greedy(), **EXTRACT) as stream:
        final = stream.get_final_response()
    assert isinstance(final.output_parsed, Parcel)


# Refusals


def test_a_bad_value_is_refused(respond: Any) -> None:
    """A negative temperature is a bad request, with the server's own words."""
    with pytest.raises(openai.BadRequestError, match="temperature"):
        respond(temperature=-1)


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    """The model is named."""
    with pytest.raises(openai.NotFoundError, match="nobody"):
        client.responses.create(model="nobody", input="x")


def test_an_earlier_response_cannot_be_gone_on_with(respond: Any, through_gateway: bool) -> None:
    """Neither keeps one; the gateway says what to do instead."""
    said = "whole history in `input`" if through_gateway else "not found"
    with pytest.raises(openai.APIStatusError, match=said) as raised:
        respond(previous_response_id=respond().id)
    assert raised.value.status_code == (400 if through_gateway else 404)


def test_a_conversation_is_not_silently_dropped(respond: Any, through_gateway: bool) -> None:
    """vLLM ignores the field and answers all the same; the gateway refuses it."""
    if not through_gateway:
        assert respond(conversation="conv_1").status == "completed"
        return
    with pytest.raises(openai.BadRequestError, match="`conversation`"):
        respond(conversation="conv_1")


def test_a_stored_response_is_not_served(client: OpenAI, target: Target, respond: Any) -> None:
    """There is nothing behind an id."""
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(respond().id)
