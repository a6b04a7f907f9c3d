"""The real `anthropic` client: vLLM itself, through the gateway as it is, and across to a server of OpenAI's wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel

from tests.acceptance.conftest import Target
from trimtab.demo.jobs import SYSTEM, TOOLS

EXTRACT: dict[str, Any] = {
    "system": SYSTEM["extract"],
    "messages": [{"role": "user", "content": "Please send 12 lamps to Ada in Paris."}],
}
EXTRACTED = '{"name": "Ada", "item": "lamp", "qty": 12, "city": "Paris"}'
ROUTE: dict[str, Any] = {
    "system": [{"type": "text", "text": SYSTEM["route"]}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "my lamp has not arrived in Paris yet"}]}],
}
WEATHER: dict[str, Any] = {
    "system": SYSTEM["tool"],
    "messages": [{"role": "user", "content": "what is the weather in Paris tomorrow?"}],
}
OFFERED: Any = [
    {"name": one["name"], "description": one["description"], "input_schema": one["parameters"]}
    for one in (tool["function"] for tool in TOOLS)
]
FORECAST = {"city": "Paris", "day": "tomorrow"}
GREEDY: dict[str, Any] = {"max_tokens": 64, "extra_body": {"temperature": 0}}  # the client knows no temperature now

TARGETS = [
    "demo-gateway",
    pytest.param("vllm-direct", marks=pytest.mark.engine),
    pytest.param("vllm-messages", marks=pytest.mark.engine),
    pytest.param("vllm-gateway", marks=pytest.mark.engine),
]
SCHEMAS = pytest.mark.parametrize("target", TARGETS[1:], indirect=True)
NO_SCHEMAS = pytest.mark.parametrize("target", TARGETS[:1], indirect=True)


class Parcel(BaseModel):
    """What no prompt here asks for, so that only the schema can bring it about."""

    kind: Literal["red", "blue"]
    size: Literal["big", "small"]


@pytest.fixture(scope="session", params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    """vLLM itself and by its own wire; and, across wires, vLLM and the demo engine."""
    found: Target = request.getfixturevalue(request.param.replace("-", "_"))
    return found


@pytest.fixture
def place(request: pytest.FixtureRequest, target: Target) -> str:
    """The name of the target."""
    name: str = request.node.callspec.params["target"]
    return name


@pytest.fixture
def client(target: Target) -> Iterator[Anthropic]:
    """The synchronous client; it does not retry, so that a failure is seen."""
    with Anthropic(base_url=root(target), api_key=target.api_key, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture
async def async_client(target: Target) -> AsyncIterator[AsyncAnthropic]:
    """The asynchronous client."""
    async with AsyncAnthropic(base_url=root(target), api_key=target.api_key, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture
def message(client: Anthropic, target: Target) -> Any:
    """`client.messages.create` for this target, greedy and of at most 64 tokens unless told otherwise."""

    def create(request: dict[str, Any] = EXTRACT, **fields: Any) -> Any:
        return client.messages.create(**{"model": target.model, **GREEDY, **request, **fields})

    return create


def read_tokens(usage: Any) -> int:
    """All tokens of a prompt: Anthropic counts those from and for the cache apart."""
    cached: int = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return cached + int(usage.input_tokens)


def root(target: Target) -> str:
    """The URL as Anthropic's client wants it."""
    return target.base_url.removesuffix("/v1")


# Whole answers


def test_a_message_is_answered(message: Any, target: Target) -> None:
    """It has the text, the reason, and counts that are vLLM's, cached tokens apart."""
    answer = message()
    assert (answer.type, answer.role, answer.stop_reason, answer.stop_sequence) == (
        "message",
        "assistant",
        "end_turn",
        None,
    )
    assert [block.to_dict() for block in answer.content] == [{"type": "text", "text": EXTRACTED}]
    assert (read_tokens(answer.usage), answer.usage.output_tokens) == (49, 28)


def test_a_cached_prompt_is_counted_apart(message: Any) -> None:
    """A long prompt that was just read comes from the cache, as far as whole blocks go, and is counted once."""
    long = {**EXTRACT, "system": SYSTEM["extract"] * 20}
    first, second = (message(long, max_tokens=1).usage for _ in range(2))
    assert 0 < second.input_tokens < second.cache_read_input_tokens
    assert read_tokens(first) == read_tokens(second)


async def test_the_async_client_is_answered_too(async_client: AsyncAnthropic, target: Target) -> None:
    """Eight requests at once, in blocks and in plain text, each get the answer that one alone gets."""
    answers = await asyncio.gather(
        *(async_client.messages.create(model=target.model, **{**GREEDY, **request}) for request in (EXTRACT, ROUTE) * 4)
    )
    assert [answer.content[0].to_dict()["text"] for answer in answers] == [EXTRACTED, "shipping"] * 4


def test_the_limit_is_told(message: Any) -> None:
    """An answer that ran into its limit says so."""
    answer = message(max_tokens=9)
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 9)
    assert EXTRACTED.startswith(answer.content[0].text)


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_sequence_cuts_the_answer(client: Anthropic, target: Target, place: str, stream: bool) -> None:
    """The text ends before it and the answer names it, where the server tells which it was."""
    asked = {**GREEDY, **EXTRACT, "stop_sequences": ["nowhere", ', "qty']}
    if stream:
        with client.messages.stream(model=target.model, **asked) as events:
            answer = events.get_final_message()
    else:
        answer = client.messages.create(model=target.model, **asked)
    assert answer.content[0].to_dict()["text"] == '{"name": "Ada", "item": "lamp"'
    told = ("end_turn", None) if place == "demo-gateway" else ("stop_sequence", ', "qty')
    assert (answer.stop_reason, answer.stop_sequence) == told


# Streams


def test_the_streaming_helper(client: Anthropic, target: Target) -> None:
    """Its pieces join to the text of the final message, which is that of the whole answer."""
    with client.messages.stream(model=target.model, **GREEDY, **EXTRACT) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == final.content[0].to_dict()["text"] == EXTRACTED
    assert len(pieces) > 5
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 28)
    assert read_tokens(final.usage) == 49


def test_a_raw_stream(message: Any) -> None:
    """Events come in the order that the API documents."""
    kinds = [event.type for event in message(stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


async def test_async_streams_do_not_mix(async_client: AsyncAnthropic, target: Target) -> None:
    """Eight streams at once each carry their own answer."""

    async def streamed(request: dict[str, Any]) -> str:
        async with async_client.messages.stream(model=target.model, **GREEDY, **request) as stream:
            return await stream.get_final_text()

    texts = await asyncio.gather(*(streamed(request) for request in (EXTRACT, ROUTE) * 4))
    assert texts == [EXTRACTED, "shipping"] * 4


def test_a_stream_can_be_left(message: Any) -> None:
    """A client that closes a stream early can go on asking."""
    stream = message(stream=True, max_tokens=1000)
    for _, event in zip(range(4), stream, strict=False):
        assert event.type
    stream.close()
    assert message().content[0].text == EXTRACTED


# Tools


def test_a_tool_is_called_and_answered(message: Any) -> None:
    """The call has a name, its input and an id; its result goes back and adds to the prompt."""
    first = message(WEATHER, tools=OFFERED)
    [call] = first.content
    assert (call.type, call.name, call.input, first.stop_reason) == ("tool_use", "get_weather", FORECAST, "tool_use")
    history = [
        *WEATHER["messages"],
        {"role": "assistant", "content": [call.to_dict()]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]},
    ]
    second = message({**WEATHER, "messages": history}, tools=OFFERED)
    assert read_tokens(second.usage) > read_tokens(first.usage)
    assert second.stop_reason in ("end_turn", "max_tokens", "tool_use")


def test_a_tool_call_is_streamed(client: Anthropic, target: Target) -> None:
    """Its input comes in pieces that join to that of the final message; no text is sent."""
    with client.messages.stream(model=target.model, tools=OFFERED, **GREEDY, **WEATHER) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        final = stream.get_final_message()
    [call] = final.content
    assert (call.type, call.input, final.stop_reason) == ("tool_use", FORECAST, "tool_use")  # type: ignore[union-attr]
    assert len(pieces) > 2


def test_tool_choice_none_calls_nothing(message: Any) -> None:
    """The answer is text, whatever it says."""
    answer = message(WEATHER, tools=OFFERED, tool_choice={"type": "none"})
    assert {block.type for block in answer.content} <= {"text"}
    assert answer.stop_reason == "end_turn"


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "auto", "disable_parallel_tool_use": True}])
def test_tool_choice_lets_the_model_choose(message: Any, choice: dict[str, Any]) -> None:
    """Some tool is called, or may be; the model calls the right one."""
    [call] = message(WEATHER, tools=OFFERED, tool_choice=choice).content
    assert (call.name, call.input) == ("get_weather", FORECAST)


@pytest.mark.parametrize("stream", [False, True])
def test_a_named_tool_is_called(client: Anthropic, target: Target, stream: bool) -> None:
    """The tool that the client names is called, whatever the question is."""
    named: Any = {"type": "tool", "name": "find_order"}
    asked: dict[str, Any] = {
        "system": SYSTEM["tool"],
        "messages": [{"role": "user", "content": "show me the orders of Ada"}],
    }
    if stream:
        with client.messages.stream(model=target.model, tools=OFFERED, tool_choice=named, **GREEDY, **asked) as events:
            [call] = events.get_final_message().content
    else:
        [call] = client.messages.create(model=target.model, tools=OFFERED, tool_choice=named, **GREEDY, **asked).content
    assert call.type == "tool_use"
    assert (call.name, call.input) == ("find_order", {"customer": "Ada"})


# Structured answers


@SCHEMAS
def test_an_answer_is_parsed(client: Anthropic, target: Target) -> None:
    """`messages.parse` gives what only the schema could have brought about."""
    answer = client.messages.parse(model=target.model, output_format=Parcel, **GREEDY, **EXTRACT)
    assert isinstance(answer.parsed_output, Parcel)


@SCHEMAS
def test_an_answer_is_parsed_from_a_stream(client: Anthropic, target: Target) -> None:
    """The streaming helper parses it too."""
    with client.messages.stream(model=target.model, output_format=Parcel, **GREEDY, **EXTRACT) as stream:
        assert isinstance(stream.get_final_message().parsed_output, Parcel)


@NO_SCHEMAS
def test_an_engines_refusal_of_a_schema_reaches_the_client(client: Anthropic, target: Target) -> None:
    """It is the client's own error, with the engine's words."""
    with pytest.raises(anthropic.BadRequestError, match="does not know response_format"):
        client.messages.parse(model=target.model, output_format=Parcel, **GREEDY, **EXTRACT)


# Counting


def test_tokens_are_counted(client: Anthropic, target: Target, place: str) -> None:
    """As many as the answer's usage says; where nobody counts, the client is told so."""
    if place in ("vllm-direct", "vllm-messages"):
        assert client.messages.count_tokens(model=target.model, **EXTRACT).input_tokens == 49
        return
    with pytest.raises(anthropic.BadRequestError, match="count_tokens cannot be carried"):
        client.messages.count_tokens(model=target.model, **EXTRACT)


# Errors


def code_of(error: anthropic.APIStatusError) -> str:
    """Our code in an error's body."""
    assert isinstance(error.body, dict)
    assert error.body["type"] == "error"
    return str(error.body["error"].get("code"))


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_not_found(message: Any, place: str, stream: bool) -> None:
    """The client raises its class for the status, with our code."""
    with pytest.raises(anthropic.NotFoundError, match="nobody") as caught:
        message(model="nobody", stream=stream)
    if place != "vllm-direct":
        assert code_of(caught.value) == "unknown_model"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fields",
    [
        {"extra_body": {"temperature": -1}},
        {"max_tokens": 99_999},
        {"messages": [{"role": "user", "content": "x " * 5000}]},
        {"messages": "none"},
    ],
)
def test_a_mistake_is_the_clients_own_error(message: Any, place: str, fields: dict[str, Any], stream: bool) -> None:
    """Streamed too, before anything was sent; with a message, and across wires with Anthropic's type of error."""
    with pytest.raises(anthropic.BadRequestError) as caught:
        message(stream=stream, **fields)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["message"]
    if place in ("demo-gateway", "vllm-gateway"):
        assert caught.value.body["error"]["type"] == "invalid_request_error"


async def test_a_mistake_is_the_async_clients_error_too(async_client: AsyncAnthropic) -> None:
    """The asynchronous client raises the same class."""
    with pytest.raises(anthropic.NotFoundError):
        await async_client.messages.create(model="nobody", **GREEDY, **EXTRACT)


def test_what_cannot_be_carried_is_refused_by_name(message: Any, place: str) -> None:
    """A field of Anthropic's that OpenAI's wire has no place for goes along on its own wire and is refused across."""
    asked = {"extra_body": {"temperature": 0, "speed": "fast"}}
    if place in ("vllm-direct", "vllm-messages"):
        assert message(**asked).content[0].text == EXTRACTED
        return
    with pytest.raises(anthropic.BadRequestError, match="`speed`") as caught:
        message(**asked)
    assert code_of(caught.value) == "invalid_request"


@NO_SCHEMAS
def test_models_are_listed_in_the_clients_own_shape(client: Anthropic, target: Target) -> None:
    """What may be asked for, as a client of this API reads it."""
    page = client.models.list()
    assert [(model.type, model.display_name) for model in page.data if model.id == target.model] == [
        ("model", target.model)
    ]
    assert page.has_more is False
