"""Context strategies through a whole gateway: what reaches the model of a long conversation, and what is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.gateway.harness import Events, Response, RunningGateway, read_response, snapshot, task
from tests.gateway.test_resume import counted, playing, text_of, writing
from tests.gateway.wires import CHAT, MESSAGES, RESPONSES, Wire, code_of
from trimtab.declare.project import Context, Output, Prompt, Retry, Schema, Tool, Turn
from trimtab.gateway.context.strategies import VERSION
from trimtab.gateway.context.tokens import Tokenizers
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import ContextUse
from trimtab.record.index import BodyIndex
from trimtab.testing import Answer, Reset, Script, ScriptedUpstream, chat_json, error_answer, json_answer

TEN = "abcde abcde abcde abcde abcde abcde abcde abcde abcde abcde"
"""Ten words of five letters, 13 tokens by estimate; a message of it is 18, and a request 4 more than its messages."""
DIGEST = "c" * 64


def policy(url: str, context: Context, wire: str = "openai", **more: Any) -> Snapshot:
    made = snapshot({"small": url}, task("triage", "small", context=context, context_digest=DIGEST, **more))
    return replace(made, models={"small": replace(made.models["small"], wire=wire)})


def window(**parameters: Any) -> Context:
    return Context(strategy="keep_system_and_recent", **parameters)


class Sent:
    """One call, what the upstream was sent for it, and what was recorded."""

    def __init__(self, response: Response, bodies: list[bytes], events: Events, kept: bytes | None) -> None:
        self.response = response
        self.bodies = bodies
        self.events = events
        self.kept = kept

    @property
    def use(self) -> ContextUse | None:
        [settled] = self.events.settled
        return settled.admitted.context

    def field(self, name: str) -> bytes:
        """A field of the only body that was sent, as its bytes."""
        [body] = self.bodies
        return bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])[name])


async def send(
    directory: Path, context: Context, body: object, wire: Wire = CHAT, script: Script | None = None, **more: Any
) -> Sent:
    """One call through a gateway whose upstream answers well, unless it is told otherwise."""
    stream = isinstance(body, dict) and bool(body.get("stream"))
    async with ScriptedUpstream() as upstream:
        upstream.always(script or wire.said("Done.", stream=stream))
        made = policy(upstream.url, context, wire.model_wire, **more)
        async with RunningGateway(directory, made) as gateway:
            response = await gateway.post(body, wire.path)
            events = await gateway.events()
            index = BodyIndex(directory / "bodies")
            index.update()
            kept = index.read(events.settled[0].admitted.request_body)
        return Sent(response, [request.body for request in upstream.requests], events, kept)


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "triage", "messages": list(messages), **more}


def message(role: str, content: Any = TEN, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


TALK = [
    message("system"),
    message("user"),
    message("assistant"),
    message("user"),
    message("assistant"),
    message("user"),
]
"""112 tokens: six messages of 18, and four around them."""
BYTES = [json.dumps(one, indent=1).encode() for one in TALK]
SPACED = b'{"model":"triage",\n "messages": [ ' + b" ,\n".join(BYTES) + b' ]  , "user" : "x" }'
"""The same, written as no encoder of ours would."""


@pytest.mark.parametrize("stream", [False, True])
async def test_what_fits_is_left_alone(tmp_path: Path, stream: bool) -> None:
    """A conversation that fits goes out as it came, and the record says how many tokens it was."""
    sent = await send(tmp_path, window(max_input_tokens=112), chat(*TALK, stream=stream))
    assert sent.response.status == 200
    assert json.loads(sent.bodies[0])["messages"] == TALK
    assert sent.use == ContextUse("keep_system_and_recent", DIGEST, messages=6, tokens=112)


async def test_bytes_of_what_stays_are_left_alone(tmp_path: Path) -> None:
    """What stays of the messages keeps its bytes, and the record keeps the body that the client sent."""
    sent = await send(tmp_path, window(max_input_tokens=111), SPACED)
    assert sent.response.status == 200
    assert sent.field("messages") == b"[" + b",".join(BYTES[place] for place in (0, 3, 4, 5)) + b"]"
    assert sent.field("user") == b'"x"'
    assert sent.use == ContextUse(
        "keep_system_and_recent",
        DIGEST,
        messages=6,
        dropped=2,
        tokens=76,
        dropped_tokens=36,
        kept=(0, 1, 3, 6),
    )
    assert sent.kept == SPACED


async def test_a_number_of_messages(tmp_path: Path) -> None:
    """`recent` counts messages that are not the system's."""
    sent = await send(tmp_path, window(recent=1), chat(*TALK))
    assert json.loads(sent.bodies[0])["messages"] == [TALK[0], TALK[5]]


async def test_a_window_over_all_messages(tmp_path: Path) -> None:
    """`token_window` lets the system's messages go like any other."""
    sent = await send(tmp_path, Context(strategy="token_window", max_input_tokens=111), chat(*TALK))
    assert json.loads(sent.bodies[0])["messages"] == TALK[1:]


async def test_full_refuses_what_is_too_large(tmp_path: Path) -> None:
    """Without a strategy a limit is a limit: the error tells both counts, nothing is sent, and the call is settled."""
    sent = await send(tmp_path, Context(max_input_tokens=111), chat(*TALK))
    assert sent.response.status == 400
    assert code_of(sent.response) == "invalid_request"
    assert "its input is 112 tokens by estimate" in sent.response.json()["error"]["message"]
    assert "holds 111" in sent.response.json()["error"]["message"]
    assert not sent.bodies
    [settled] = sent.events.settled
    assert (settled.outcome, settled.attempts, settled.cost_pusd) == ("invalid_request", 0, 0)
    assert sent.use == ContextUse("full", DIGEST, messages=6, tokens=112)


async def test_full_lets_pass_what_is_not(tmp_path: Path) -> None:
    """At the limit everything goes out."""
    sent = await send(tmp_path, Context(max_input_tokens=112), chat(*TALK))
    assert json.loads(sent.bodies[0])["messages"] == TALK


async def test_nothing_is_looked_at_without_a_strategy(tmp_path: Path) -> None:
    """A task that has neither strategy nor limit has no context in its record."""
    sent = await send(tmp_path, Context(), chat(*TALK))
    assert sent.response.status == 200
    assert sent.use is None


@pytest.mark.parametrize(
    "context", [window(max_input_tokens=39), Context(strategy="token_window", max_input_tokens=21)], ids=["keep", "any"]
)
async def test_a_last_message_that_does_not_fit(tmp_path: Path, context: Context) -> None:
    """What the user says last is never dropped: it is refused, with both counts."""
    sent = await send(tmp_path, context, chat(*TALK))
    assert sent.response.status == 400
    told = sent.response.json()["error"]["message"]
    assert f"{context.max_input_tokens + 1} tokens by estimate" in told
    assert f"holds {context.max_input_tokens}" in told
    assert not sent.bodies


CALLS = [
    message("user"),
    message(
        "assistant", None, tool_calls=[{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    ),
    message("tool", TEN, tool_call_id="a"),
    message(
        "assistant", None, tool_calls=[{"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    ),
    message("tool", TEN, tool_call_id="b"),
]


async def test_calls_of_tools_go_with_their_results(tmp_path: Path) -> None:
    """Of an agent's history the question and the newest call with its result stay."""
    sent = await send(tmp_path, window(recent=3), chat(*CALLS))
    assert json.loads(sent.bodies[0])["messages"] == [CALLS[0], *CALLS[3:]]


async def test_a_repair_goes_on_with_what_stayed(tmp_path: Path) -> None:
    """The model that is asked again gets what it got before, its answer and what is wrong with it."""
    schema = Schema('{"type":"object"}', "d" * 64)
    async with ScriptedUpstream() as upstream:
        upstream.add(CHAT.said("[]", stream=False), CHAT.said("{}", stream=False))
        made = policy(upstream.url, window(recent=3), output=Output(schema, "repair"))
        async with RunningGateway(tmp_path, made) as gateway:
            response = await gateway.post(chat(*CALLS))
            events = await gateway.events()
    assert response.status == 200
    first, second = [json.loads(one.body)["messages"] for one in upstream.requests]
    assert first == [CALLS[0], *CALLS[3:]]
    assert second[:3] == first
    assert [one["role"] for one in second[3:]] == ["assistant", "user"]
    [settled] = events.settled
    assert [one.tool for one in settled.tool_results] == ["f"]  # as they came, whatever was sent


async def test_an_interrupted_stream_goes_on_with_what_stayed(tmp_path: Path) -> None:
    """The replica that goes on gets what the first one got, and the answer so far."""
    async with ScriptedUpstream() as upstream:
        upstream.add(playing(counted("Où ", "est", ends=False), Reset()), playing(counted(" le", " chat")))
        made = writing(upstream.url, context=window(recent=1), context_digest=DIGEST)
        async with RunningGateway(tmp_path, made) as gateway:
            response = await gateway.post({"model": "write", "messages": TALK, "stream": True})
    assert text_of(response) == "Où est le chat"
    first, second = [json.loads(one.body)["messages"] for one in upstream.requests]
    assert first == [TALK[0], TALK[5]]
    assert second == [*first, {"role": "assistant", "content": "Où est"}]


def test_the_rules_have_the_version_that_is_declared() -> None:
    """A rule that changes is another version, in the declaration and so in the lock."""
    assert Context().version == VERSION


async def test_tokens_are_estimated_of_what_was_sent(tmp_path: Path) -> None:
    """Where the server tells no usage, what was dropped is not taken to have been read."""
    sent = await send(tmp_path, window(recent=1), chat(*TALK), script=chat_json(Answer(usage=None)))
    [settled] = sent.events.settled
    assert settled.usage is not None
    assert settled.usage.input == 40  # two messages of 18, and four around them


BLOCKS = [
    message("user", TEN),
    message("assistant", [{"type": "text", "text": TEN}]),
    message("user", [{"type": "text", "text": TEN}]),
    message("assistant", [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]),
    message("user", [{"type": "tool_result", "tool_use_id": "t1", "content": TEN}]),
    message("assistant", [{"type": "tool_use", "id": "t2", "name": "f", "input": {}}]),
    message("user", [{"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": TEN}]}]),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("recent", "kept"), [(7, (0, 1, 2, 3, 4, 5, 6)), (5, (2, 3, 4, 5, 6)), (3, (2, 5, 6))])
async def test_anthropic_messages(tmp_path: Path, stream: bool, recent: int, kept: tuple[int, ...]) -> None:
    """The system's text stands apart and stays; what is left begins with a user who answers no call."""
    body = {"model": "triage", "max_tokens": 9, "system": TEN, "messages": BLOCKS, "stream": stream}
    sent = await send(tmp_path, window(recent=recent), body, MESSAGES)
    assert sent.response.status == 200
    assert json.loads(sent.bodies[0])["messages"] == [BLOCKS[place] for place in kept]
    assert json.loads(sent.bodies[0])["system"] == TEN
    assert sent.use is not None
    assert (sent.use.messages, sent.use.dropped) == (7, 7 - len(kept))


async def test_messages_to_a_model_of_another_wire(tmp_path: Path) -> None:
    """What is translated is what stays."""
    body = {"model": "triage", "max_tokens": 9, "system": "Be brief.", "messages": BLOCKS}
    async with ScriptedUpstream() as upstream:
        upstream.always(CHAT.said("Done.", stream=False))
        async with RunningGateway(tmp_path, policy(upstream.url, window(recent=3))) as gateway:
            response = await gateway.post(body, MESSAGES.path)
    assert response.status == 200
    roles = [one["role"] for one in json.loads(upstream.requests[0].body)["messages"]]
    assert roles == ["system", "user", "assistant", "tool"]


ITEMS = [
    message("developer"),
    message("user"),
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "a", "output": TEN},
    {"type": "reasoning", "id": "rs_2", "summary": []},
    {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "b", "output": TEN},
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("recent", "kept"), [(7, tuple(range(8))), (4, (0, 1, 5, 6, 7)), (1, (0, 1, 5, 6, 7))])
async def test_responses(tmp_path: Path, stream: bool, recent: int, kept: tuple[int, ...]) -> None:
    """Items are messages; reasoning goes with its call."""
    body = {"model": "triage", "input": ITEMS, "instructions": TEN, "stream": stream}
    sent = await send(tmp_path, window(recent=recent), body, RESPONSES)
    assert sent.response.status == 200
    assert json.loads(sent.bodies[0])["input"] == [ITEMS[place] for place in kept]
    assert json.loads(sent.bodies[0])["instructions"] == TEN


async def test_a_response_of_one_text(tmp_path: Path) -> None:
    """An input that is a text is one message."""
    sent = await send(tmp_path, window(recent=1), {"model": "triage", "input": TEN}, RESPONSES)
    assert json.loads(sent.bodies[0])["input"] == TEN
    assert sent.use == ContextUse("keep_system_and_recent", DIGEST, messages=1, tokens=22)


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("previous_response_id", {"previous_response_id": "resp_0"}),
        ("conversation", {"conversation": {"id": "conv_0"}}),
        ("item_reference", {"input": [*ITEMS, {"type": "item_reference", "id": "m_0"}]}),
    ],
)
async def test_what_is_kept_at_the_provider(tmp_path: Path, field: str, more: dict[str, Any]) -> None:
    """A conversation that is partly at the provider is refused by name where messages would have to go."""
    body = {"model": "triage", "input": ITEMS, **more}
    sent = await send(tmp_path, window(recent=2), body, RESPONSES)
    assert sent.response.status == 400
    assert f"`{field}` leaves a part of it at the provider" in sent.response.json()["error"]["message"]
    assert not sent.bodies


@pytest.mark.parametrize("context", [Context(max_input_tokens=21), window(max_input_tokens=21)], ids=["full", "keep"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": TEN}),
        ("/v1/completions", {"prompt": ["short", TEN]}),
        ("/v1/completions", {"prompt": list(range(13))}),
        ("/v1/completions", {"prompt": [[1, 2], list(range(13))]}),
        ("/v1/embeddings", {"input": TEN}),
        ("/v1/embeddings", {"input": [TEN, "short"]}),
    ],
)
async def test_texts_are_counted_alone(tmp_path: Path, context: Context, path: str, body: dict[str, Any]) -> None:
    """A prompt or an input is a request of its own, of which nothing can go: the largest is held to the limit."""
    async with ScriptedUpstream() as upstream:
        upstream.always(json_answer({"object": "list", "data": [], "model": "m", "choices": []}))
        async with RunningGateway(tmp_path, policy(upstream.url, context)) as gateway:
            refused = await gateway.post({"model": "triage", **body}, path)
            gateway.pipeline.switch(policy(upstream.url, replace(context, max_input_tokens=22)))
            taken = await gateway.post({"model": "triage", **body}, path)
    assert refused.status == 400
    assert "22 tokens by estimate" in refused.json()["error"]["message"]
    assert taken.status == 200
    [request] = upstream.requests
    field = "prompt" if "prompt" in body else "input"
    assert json.loads(request.body)[field] == body[field]


async def test_counting_is_no_call_of_a_model(tmp_path: Path) -> None:
    """A count of tokens is for the client's own messages, so that no strategy changes it."""
    body = {"model": "triage", "messages": BLOCKS}
    async with ScriptedUpstream() as upstream:
        upstream.always(json_answer({"input_tokens": 9}))
        async with RunningGateway(tmp_path, policy(upstream.url, window(recent=1), "anthropic")) as gateway:
            response = await gateway.post(body, "/v1/messages/count_tokens")
    assert response.status == 200
    assert json.loads(upstream.requests[0].body)["messages"] == BLOCKS


PROMPT = Prompt((Turn("system", TEN), Turn("user", "{{ topic }}")), ("topic",), "p" * 64)


async def test_the_tasks_own_prompt_stays(tmp_path: Path) -> None:
    """The task's prompt is counted and never dropped, and its tools are counted."""
    body = {**chat(*TALK[1:]), "trimtab": {"inputs": {"topic": TEN}}}
    tool = Tool("look", TEN, Schema("{}", "d" * 64))
    sent = await send(tmp_path, window(max_input_tokens=130), body, prompt=PROMPT, tools=(tool,))
    said = json.loads(sent.bodies[0])["messages"]
    assert [one["content"] for one in said[:2]] == [TEN, TEN]
    assert said[2:] == TALK[3:]
    assert sent.use is not None
    assert 4 + 36 + 54 + 13 < sent.use.tokens <= 130


async def test_a_fallback_and_a_second_try_get_the_same(tmp_path: Path) -> None:
    """A strategy is applied once a call: every attempt asks with the same messages."""
    async with ScriptedUpstream() as upstream:
        upstream.add(error_answer(503, "later"))
        upstream.always(CHAT.said("Done.", stream=False))
        one = task("triage", "small", "large", context=window(recent=1), retry=Retry(attempts=3))
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url, "large": upstream.url}, one)) as gateway:
            response = await gateway.post(chat(*TALK))
            events = await gateway.events()
    assert response.status == 200
    assert [json.loads(one.body)["messages"] for one in upstream.requests] == [[TALK[0], TALK[5]]] * 2
    assert [one.model for one in events.attempts] == ["small", "large"]


class HeldExecutor(Executor):
    """Runs what it is given when it is told to."""

    def __init__(self) -> None:
        self.held: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.held.append((future, partial(fn, *args, **kwargs)))
        return future

    def run(self) -> None:
        """Runs all that is held."""
        while self.held:
            future, act = self.held.pop()
            if future.set_running_or_notify_cancel():
                future.set_result(act())


LONG = [message("user", "word " * 20_000), message("assistant"), message("user")]
"""More than is counted between two calls."""


@pytest.mark.parametrize("stays", [True, False])
async def test_a_long_history_is_counted_apart(tmp_path: Path, stays: bool) -> None:
    """It is counted in a thread; a client that leaves meanwhile is settled as gone, and nothing is sent."""
    executor = HeldExecutor()
    async with ScriptedUpstream() as upstream:
        upstream.always(CHAT.said("Done.", stream=False))
        gateway = RunningGateway(tmp_path, policy(upstream.url, window(recent=1)))
        gateway.tokenizers = Tokenizers(tmp_path, lambda: executor)
        async with gateway:
            reader, writer = await gateway.send(chat(*LONG))
            while not executor.held:
                await asyncio.sleep(0)
            assert not upstream.requests
            if stays:
                executor.run()
                response = await read_response(reader)
                assert response.status == 200
            else:
                writer.transport.abort()
            events = await gateway.events()
            executor.run()
            writer.close()
    [settled] = events.settled
    assert settled.outcome == ("ok" if stays else "client_gone")
    assert [json.loads(one.body)["messages"] for one in upstream.requests] == [LONG[2:]] * stays
