"""The real `openai` client against every target: what works directly must work through the gateway just so."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.acceptance.conftest import Target
from trimtab.demo.jobs import SYSTEM, TOOLS

ORDER = "Please send 12 lamps to Ada in Paris."
EXTRACT: list[Any] = [{"role": "system", "content": SYSTEM["extract"]}, {"role": "user", "content": ORDER}]
EXTRACTED = '{"name": "Ada", "item": "lamp", "qty": 12, "city": "Paris"}'
ROUTE: list[Any] = [
    {"role": "system", "content": SYSTEM["route"]},
    {"role": "user", "content": "my lamp has not arrived in Paris yet"},
]
WEATHER: list[Any] = [
    {"role": "system", "content": SYSTEM["tool"]},
    {"role": "user", "content": "what is the weather in Paris tomorrow?"},
]
OFFERED: Any = TOOLS
FORECAST = {"city": "Paris", "day": "tomorrow"}


@pytest.fixture
def chat(client: OpenAI, target: Target) -> Any:
    """`client.chat.completions.create` for this target, greedy and of at most 64 tokens unless told otherwise."""

    def create(messages: Any = EXTRACT, **fields: Any) -> Any:
        chosen = {"temperature": 0, "max_tokens": 64, **fields}
        return client.chat.completions.create(model=target.model, messages=messages, **chosen)

    return create


def content_of(chunks: Iterable[Any], index: int = 0) -> str:
    """The text of one choice of a stream."""
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(choice.delta.content or "" for choice in choices)


def finish_of(chunks: Iterable[Any], index: int = 0) -> list[str]:
    """All finish reasons that a stream gave for one choice."""
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return [choice.finish_reason for choice in choices if choice.finish_reason]


def calls_of(chunks: Iterable[Any]) -> list[tuple[str, str, str]]:
    """Id, name and arguments of the tool calls of a stream."""
    calls: list[tuple[str, str, str]] = []
    for part in (part for chunk in chunks for choice in chunk.choices for part in choice.delta.tool_calls or ()):
        if part.index == len(calls):
            calls.append(("", "", ""))
        identity, name, arguments = calls[part.index]
        function = part.function
        calls[part.index] = (part.id or identity, function.name or name, arguments + (function.arguments or ""))
    return calls


# Chat


def test_a_chat_is_answered(chat: Any, target: Target) -> None:
    """A greedy answer has the text, an honest end, and a usage that adds up and counts the end token."""
    answer = chat()
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == EXTRACTED
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert (usage.prompt_tokens, usage.completion_tokens) == (49, 28)  # vLLM's counts


async def test_the_async_client_is_answered_too(async_client: AsyncOpenAI, target: Target) -> None:
    """Eight requests at once each get the answer that one alone gets."""
    answers = await asyncio.gather(
        *(
            async_client.chat.completions.create(model=target.model, messages=messages, temperature=0, max_tokens=64)
            for messages in (EXTRACT, ROUTE) * 4
        )
    )
    assert [answer.choices[0].message.content for answer in answers] == [EXTRACTED, "shipping"] * 4


def test_models_are_listed(client: OpenAI, target: Target) -> None:
    """The model that the suite asks for is among those listed."""
    assert target.model in [model.id for model in client.models.list()]


def test_text_parts_are_joined(chat: Any) -> None:
    """A message in parts means the same as one text."""
    halves = [{"type": "text", "text": ORDER[:10]}, {"type": "text", "text": ORDER[10:]}]
    answer = chat([EXTRACT[0], {"role": "user", "content": halves}])
    assert answer.choices[0].message.content == EXTRACTED


# Streams


def test_a_stream_says_what_the_answer_says(chat: Any) -> None:
    """Its text is the answer's, its chunks share one id, it has one finish reason, and no usage unasked."""
    chunks = list(chat(stream=True))
    assert content_of(chunks) == EXTRACTED
    assert finish_of(chunks) == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.usage for chunk in chunks if chunk.usage] == []
    assert all(chunk.choices for chunk in chunks)


def test_a_stream_has_its_usage_when_asked(chat: Any) -> None:
    """With include_usage the last chunk, and no other, has the usage, the same as without streaming, and no choice."""
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    assert [chunk.usage for chunk in chunks[:-1] if chunk.usage] == []
    assert chunks[-1].choices == []
    usage, whole = chunks[-1].usage, chat().usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (whole.prompt_tokens, whole.completion_tokens)
    assert content_of(chunks) == EXTRACTED


async def test_async_streams_do_not_mix(async_client: AsyncOpenAI, target: Target) -> None:
    """Eight streams at once each carry their own answer."""

    async def streamed(messages: Any) -> str:
        chunks = await async_client.chat.completions.create(
            model=target.model, messages=messages, temperature=0, max_tokens=64, stream=True
        )
        return content_of([chunk async for chunk in chunks])

    texts = await asyncio.gather(*(streamed(messages) for messages in (EXTRACT, ROUTE) * 4))
    assert texts == [EXTRACTED, "shipping"] * 4


def test_a_stream_can_be_left(chat: Any) -> None:
    """A client that closes a stream early can go on asking."""
    stream = chat(stream=True, max_tokens=1000, extra_body={"ignore_eos": True})
    for _, chunk in zip(range(3), stream, strict=False):
        assert chunk.choices
    stream.close()
    assert chat().choices[0].message.content == EXTRACTED


def test_letters_of_all_scripts_survive_streaming(chat: Any) -> None:
    """Random bytes of many alphabets come out the same streamed and whole."""
    asked = {"temperature": 2.0, "seed": 11, "max_tokens": 120, "extra_body": {"ignore_eos": True}}
    messages = [{"role": "user", "content": "naïve café 注文した商品 🙏🏽"}]
    whole = chat(messages, **asked).choices[0].message.content
    assert content_of(chat(messages, stream=True, **asked)) == whole
    assert not whole.isascii()


# Tools


def test_a_tool_is_called(chat: Any) -> None:
    """The call has a name, arguments that parse, an id, and the end says that a tool is called."""
    choice = chat(WEATHER, tools=OFFERED).choices[0]
    [call] = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "get_weather")
    assert json.loads(call.function.arguments) == FORECAST
    assert call.id
    assert not choice.message.content
    assert choice.finish_reason == "tool_calls"


def test_a_tool_call_is_streamed(chat: Any) -> None:
    """Its pieces join to the same call, in more than one piece, and no text is sent."""
    chunks = list(chat(WEATHER, tools=OFFERED, stream=True))
    [(identity, name, arguments)] = calls_of(chunks)
    assert (name, json.loads(arguments)) == ("get_weather", FORECAST)
    assert identity
    assert content_of(chunks) == ""
    assert finish_of(chunks) == ["tool_calls"]
    assert sum(bool(choice.delta.tool_calls) for chunk in chunks for choice in chunk.choices) > 2


async def test_a_tool_call_is_streamed_to_the_async_client(async_client: AsyncOpenAI, target: Target) -> None:
    """The asynchronous client sees the same pieces."""
    stream = await async_client.chat.completions.create(
        model=target.model, messages=WEATHER, tools=OFFERED, temperature=0, max_tokens=64, stream=True
    )
    [(_, name, arguments)] = calls_of([chunk async for chunk in stream])
    assert (name, json.loads(arguments)) == ("get_weather", FORECAST)


def test_the_answer_to_a_call_goes_back(chat: Any) -> None:
    """A conversation with a call, its result and another question is taken, and adds to the prompt."""
    call = chat(WEATHER, tools=OFFERED).choices[0].message.tool_calls[0]
    history = [
        *WEATHER,
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
        {"role": "user", "content": "what is the weather in Oslo today?"},
    ]
    answer = chat(history, tools=OFFERED)
    assert answer.usage.prompt_tokens > chat(WEATHER, tools=OFFERED).usage.prompt_tokens
    assert answer.choices[0].finish_reason in ("stop", "length", "tool_calls")


def test_tool_choice_none_calls_nothing(chat: Any) -> None:
    """The answer is text, whatever it says."""
    choice = chat(WEATHER, tools=OFFERED, tool_choice="none").choices[0]
    assert not choice.message.tool_calls
    assert choice.finish_reason == "stop"


def test_tool_choice_required_calls_one(chat: Any) -> None:
    """Some tool is called."""
    choice = chat(WEATHER, tools=OFFERED, tool_choice="required").choices[0]
    assert json.loads(choice.message.tool_calls[0].function.arguments) == FORECAST
    assert choice.finish_reason == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
def test_a_named_tool_is_called(chat: Any, stream: bool) -> None:
    """The tool that the client names is called, whatever the question is."""
    named = {"type": "function", "function": {"name": "find_order"}}
    asked = [WEATHER[0], {"role": "user", "content": "show me the orders of Ada"}]
    answer = chat(asked, tools=OFFERED, tool_choice=named, stream=stream)
    if stream:
        [(_, name, arguments)] = calls_of(answer)
    else:
        [call] = answer.choices[0].message.tool_calls
        name, arguments = call.function.name, call.function.arguments
    assert (name, json.loads(arguments)) == ("find_order", {"customer": "Ada"})


# Log-probabilities


def test_logprobs_are_of_the_tokens(chat: Any) -> None:
    """The tokens join to the text and the end token; each is the first of its alternatives, all below zero."""
    choice = chat(logprobs=True, top_logprobs=3).choices[0]
    tokens = choice.logprobs.content
    assert "".join(token.token for token in tokens).startswith(EXTRACTED)
    assert bytes(value for token in tokens for value in token.bytes).startswith(EXTRACTED.encode())
    assert len(tokens) == 28
    for token in tokens:
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].token == token.token
        assert token.logprob <= 0
        assert sum(math.exp(one.logprob) for one in token.top_logprobs) < 1.0001


def test_logprobs_are_streamed(chat: Any) -> None:
    """A stream has the same log-probabilities as the whole answer."""
    asked = {"logprobs": True, "top_logprobs": 2}
    whole = [(token.token, token.logprob) for token in chat(**asked).choices[0].logprobs.content]
    choices = [choice for chunk in chat(stream=True, **asked) for choice in chunk.choices if choice.logprobs]
    streamed = [(token.token, token.logprob) for choice in choices for token in choice.logprobs.content]
    assert [token for token, _ in streamed] == [token for token, _ in whole]
    assert [logprob for _, logprob in streamed] == pytest.approx([logprob for _, logprob in whole], abs=1e-3)


def test_no_logprobs_unasked(chat: Any) -> None:
    """Without the wish there are none."""
    assert chat().choices[0].logprobs is None


# Sampling


def test_several_choices(chat: Any) -> None:
    """With n there are n choices, numbered, and their tokens are counted together."""
    drawn = {"temperature": 2.0, "seed": 1, "max_tokens": 20, "extra_body": {"ignore_eos": True}}
    answer = chat(EXTRACT[1:], n=3, **drawn)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3
    assert answer.usage.completion_tokens == 60
    assert answer.usage.prompt_tokens == chat(EXTRACT[1:], **drawn).usage.prompt_tokens


def test_several_choices_are_streamed(chat: Any) -> None:
    """Both choices of a stream are complete; so cold, each is the greedy one, which vLLM gives only once."""
    chunks = list(chat(n=2, stream=True, temperature=0.05))
    assert [content_of(chunks, index) for index in (0, 1)] == [EXTRACTED, EXTRACTED]
    assert [finish_of(chunks, index) for index in (0, 1)] == [["stop"], ["stop"]]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("stop", [', "qty', ["nowhere", ', "qty']])
def test_a_stop_string_cuts_the_answer(chat: Any, stop: Any, stream: bool) -> None:
    """The text ends before the first stop string, and none of it gets out, streamed or not."""
    answer = chat(stop=stop, stream=stream)
    if stream:
        chunks = list(answer)
        text, finish = content_of(chunks), finish_of(chunks)
    else:
        text, finish = answer.choices[0].message.content, [answer.choices[0].finish_reason]
    assert (text, finish) == ('{"name": "Ada", "item": "lamp"', ["stop"])


def test_the_seed_decides(chat: Any) -> None:
    """The same seed gives the same text, another seed another."""

    def drawn(seed: int) -> str:
        text: str = chat(temperature=1.5, seed=seed, extra_body={"ignore_eos": True}).choices[0].message.content
        return text

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_length_is_limited(client: OpenAI, target: Target, name: str) -> None:
    """Under either name, the limit is kept and given as the reason."""
    limit: Any = {name: 5}
    answer = client.chat.completions.create(model=target.model, messages=EXTRACT, temperature=0, **limit)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    assert answer.choices[0].finish_reason == "length"
    assert EXTRACTED.startswith(answer.choices[0].message.content or "-")


def test_a_bias_forces_the_end(chat: Any) -> None:
    """A bias of 100 on the end token makes the answer empty."""
    answer = chat(logit_bias={"2": 100})
    assert answer.usage.completion_tokens == 1
    assert not answer.choices[0].message.content


# Text completions


def test_a_text_is_completed(client: OpenAI, target: Target) -> None:
    """A raw prompt is continued, without a template."""
    turns = [("system", SYSTEM["extract"]), ("user", ORDER)]
    prompt = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)
    prompt += "<|im_start|>assistant\n" + EXTRACTED[:25]
    answer = client.completions.create(model=target.model, prompt=prompt, temperature=0, max_tokens=40)
    assert answer.object == "text_completion"
    assert answer.choices[0].text == EXTRACTED[25:]
    assert answer.choices[0].finish_reason == "stop"


def test_a_text_is_streamed(client: OpenAI, target: Target) -> None:
    """The stream's text is the answer's, and its usage comes when asked."""
    asked: Any = {"model": target.model, "prompt": "my lamp", "temperature": 0, "max_tokens": 12}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(stream=True, stream_options={"include_usage": True}, **asked))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == whole.choices[0].text
    assert whole.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_several_prompts_and_choices(client: OpenAI, target: Target) -> None:
    """Two prompts with two choices each give four, in the order of the prompts; echo repeats each prompt."""
    answer = client.completions.create(model=target.model, prompt=["my lamp", "my desk"], n=2, echo=True, max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [choice.text[:7] for choice in answer.choices] == ["my lamp", "my lamp", "my desk", "my desk"]


def test_text_logprobs(client: OpenAI, target: Target) -> None:
    """The tokens join to the text, each at its offset, with as many alternatives as asked."""
    answer = client.completions.create(model=target.model, prompt="my lamp", temperature=0, max_tokens=6, logprobs=2)
    found, text = answer.choices[0].logprobs, answer.choices[0].text
    assert found is not None
    assert found.tokens is not None
    assert "".join(found.tokens).startswith(text)
    assert found.text_offset is not None
    assert [text[at : at + len(token)] for at, token in zip(found.text_offset, found.tokens, strict=True)][:2] == (
        found.tokens[:2]
    )
    assert found.token_logprobs is not None
    assert all(logprob <= 0 for logprob in found.token_logprobs)
    assert found.top_logprobs is not None
    assert all(1 <= len(top) <= 2 for top in found.top_logprobs)


# Embeddings


def test_texts_are_embedded(client: OpenAI, target: Target) -> None:
    """Each text has a vector of length 1, the same in both encodings; an engine without embeddings says 404."""
    if not target.embeddings:
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model=target.model, input="a lamp")
        return
    packed = client.embeddings.create(model=target.model, input=["a lamp", "a desk"])
    plain = client.embeddings.create(model=target.model, input=["a lamp", "a desk"], encoding_format="float")
    assert [item.index for item in packed.data] == [0, 1]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert math.hypot(*one.embedding) == pytest.approx(1, abs=1e-4)
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert packed.usage.prompt_tokens == packed.usage.total_tokens > 0


# Errors


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"model": "nope"}, openai.NotFoundError),
        ({"temperature": -1}, openai.BadRequestError),
        ({"max_tokens": 99_999}, openai.BadRequestError),
        ({"messages": [{"role": "user", "content": "x " * 5000}]}, openai.BadRequestError),
        ({"top_logprobs": 3}, openai.BadRequestError),
    ],
)
def test_a_mistake_is_the_clients_own_error(
    client: OpenAI, target: Target, fields: dict[str, Any], kind: type[openai.APIStatusError], stream: bool
) -> None:
    """The client raises its class for the status, with a message; streamed too, before anything was sent."""
    body: dict[str, Any] = {"model": target.model, "messages": EXTRACT, "max_tokens": 4, "stream": stream, **fields}
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**body)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"]
    assert {"type", "param", "code"} <= set(caught.value.body)


async def test_a_mistake_is_the_async_clients_error_too(async_client: AsyncOpenAI) -> None:
    """The asynchronous client raises the same class."""
    with pytest.raises(openai.NotFoundError):
        await async_client.chat.completions.create(model="nope", messages=EXTRACT)


def test_an_unknown_route_is_not_found(client: OpenAI) -> None:
    """A route that is not served is a 404, not a crash."""
    with pytest.raises(openai.NotFoundError):
        client.get("/nothing/here", cast_to=object)
