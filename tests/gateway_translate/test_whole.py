"""Answers in one piece across wires, and errors of the servers behind them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway_translate import sdk
from tests.gateway_translate.golden import answer
from trimtab.contracts.reply import Reply, ToolCall
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.surface import Edits, Keep, UpstreamSaidError
from trimtab.gateway.translate.chat_over_messages import ChatOverMessages
from trimtab.record.events import Usage
from trimtab.testing import JumpingClock

to_messages = Messages().wires["openai"]
to_chat = ChatOverMessages(JumpingClock())
message_asked = Messages().read(b'{"model":"m"}')
chat_asked = ChatCompletions().read(b'{"model":"m","messages":[]}')
REPLIES = Keep(replies=True)


def message(said: Any, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """What Anthropic's client reads of a chat completion."""
    choice = {"index": 0, "message": said, "finish_reason": finish, **more}
    body = json.dumps({"id": "chatcmpl-1", "model": "q", "choices": [choice]}).encode()
    return sdk.whole_message(to_messages.whole(message_asked, body).body)


def completion(*blocks: Any, stop_reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    """What OpenAI's client reads of a message."""
    counted = {"input_tokens": 1, "output_tokens": 2}
    body = {"id": "msg_1", "model": "c", "content": blocks, "stop_reason": stop_reason, "usage": counted, **more}
    return sdk.whole_chat(to_chat.whole(chat_asked, json.dumps(body).encode()).body)


@pytest.mark.parametrize(
    ("name", "content", "reason", "output"),
    [
        ("chat_text", [{"type": "text", "text": "account"}], "end_turn", 2),
        ("chat_schema", [{"type": "text", "text": '{"label": "account"}'}], "end_turn", 10),
        ("chat_stop_sequence", [{"type": "text", "text": "acc"}], "stop_sequence", 1),
    ],
)
def test_recorded_chats_as_messages(name: str, content: list[Any], reason: str, output: int) -> None:
    """Text, reason and usage, as vLLM said them."""
    read = sdk.whole_message(to_messages.whole(message_asked, answer(name)).body)
    assert (read["content"], read["stop_reason"], read["usage"]["output_tokens"]) == (content, reason, output)
    assert (read["type"], read["role"], read["model"], read["usage"]["input_tokens"]) == (
        "message",
        "assistant",
        "tiny",
        52,
    )
    assert read["stop_sequence"] == ("ount" if reason == "stop_sequence" else None)


def test_a_recorded_tool_call_of_a_chat_as_a_message() -> None:
    """The call is a block; the facts keep its arguments as they were written."""
    whole = to_messages.whole(message_asked, answer("chat_tool"), REPLIES)
    read = sdk.whole_message(whole.body)
    (block,) = read["content"]
    assert (block["name"], block["input"], read["stop_reason"]) == (
        "get_weather",
        {"city": "Oslo", "day": "today"},
        "tool_use",
    )
    assert whole.facts.replies[0].tool_calls[0].arguments == '{"city": "Oslo", "day": "today"}'
    assert whole.facts.usage == Usage(input=51, output=28)


def test_recorded_messages_as_chats() -> None:
    """Each is what vLLM's own chat says to the same request."""
    for kind in ("text", "tool", "schema", "stop_sequence"):
        read, own = (
            sdk.whole_chat(body)
            for body in (
                to_chat.whole(chat_asked, answer(f"messages_{kind}")).body,
                answer(f"chat_{kind}"),
            )
        )
        (got,), (expected,) = read["choices"], own["choices"]
        assert got["finish_reason"] == expected["finish_reason"]
        assert got["message"]["content"] == expected["message"]["content"]
        calls, expected_calls = (one["message"].get("tool_calls") or [] for one in (got, expected))
        assert [json.loads(one["function"]["arguments"]) for one in calls] == [
            json.loads(one["function"]["arguments"]) for one in expected_calls
        ]
        for counts in ("prompt_tokens", "completion_tokens", "total_tokens"):
            assert read["usage"][counts] == own["usage"][counts]


def test_all_of_a_chat_in_a_message() -> None:
    """Thinking first, then text, then calls."""
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    read = message({"role": "assistant", "content": "a", "reasoning": "hm", "tool_calls": calls}, "tool_calls")
    assert read["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}},
    ]
    refused = message({"content": None, "refusal": "no"})
    assert (refused["content"], refused["stop_reason"]) == ([{"type": "text", "text": "no"}], "refusal")
    assert message({"content": ""})["content"] == []


@pytest.mark.parametrize("arguments", ['{"x":', "", "[1]", "null", '"x"', '{"x":1} {}'])
def test_an_invalid_call_is_never_made_a_valid_one(arguments: str) -> None:
    """A block would need an object; the client gets the words of the model, and the record the call."""
    said = {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]}
    choice = {"index": 0, "message": said, "finish_reason": "tool_calls"}
    whole = to_messages.whole(message_asked, json.dumps({"id": "1", "choices": [choice]}).encode(), REPLIES)
    read = json.loads(whole.body)
    assert read["content"] == [{"type": "text", "text": f"f({arguments})"}]
    assert read["stop_reason"] == "end_turn"
    assert whole.facts.replies == [Reply(finish="tool_calls", tool_calls=[ToolCall("c", "f", arguments)])]


def test_all_of_a_message_in_a_chat() -> None:
    """Texts are joined; signed thinking is kept so that it can be sent back."""
    read = completion(
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "eA=="},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
        {"type": "text", "text": "b"},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        stop_reason="tool_use",
    )
    (choice,) = read["choices"]
    said = choice["message"]
    assert (said["content"], said["reasoning_content"], choice["finish_reason"]) == ("ab", "hm", "tool_calls")
    assert [(one["id"], one["function"]) for one in said["tool_calls"]] == [
        ("t1", {"name": "f", "arguments": '{"x": 1}'}),
        ("t2", {"name": "g", "arguments": "{}"}),
    ]
    assert [block["type"] for block in said["thinking_blocks"]] == ["thinking", "redacted_thinking"]
    assert read["usage"]["total_tokens"] == 3
    back = ChatCompletions().read(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "q"}, said]}).encode()
    )
    assert json.loads(to_chat.splice(back, Edits("m")))["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "eA=="},
    ]


def test_only_calls() -> None:
    """Without a text the content is null, as of any chat."""
    read = completion({"type": "tool_use", "id": "t", "name": "f", "input": {}}, stop_reason="tool_use")
    assert read["choices"][0]["message"]["content"] is None


def test_a_refusal() -> None:
    """Why it was refused stands where a chat has it."""
    read = completion(stop_reason="refusal", stop_details={"type": "refusal", "explanation": "no"})
    assert (read["choices"][0]["message"]["refusal"], read["choices"][0]["finish_reason"]) == ("no", "content_filter")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"type":"error","error":{"message":"x"}}',
        b'{"content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}}]}',
    ],
)
def test_what_is_no_answer_for_a_chat(body: bytes) -> None:
    """It is the server's failure, never an empty answer."""
    with pytest.raises(UpstreamSaidError):
        to_chat.whole(chat_asked, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"error":{"message":"x"}}',
        b'{"choices":[]}',
        b'{"choices":[{"message":{"content":"a"}},{"index":1,"message":{"content":"b"}}]}',
        b'{"choices":[{"delta":{"content":"a"}}]}',
        b'{"choices":[{"message":{"content":[{"type":"text"}]}}]}',
        b'{"choices":[{"message":{"content":"a","audio":{"id":"x"}}}]}',
        b'{"choices":[{"message":{"content":"a","annotations":[{"type":"url_citation"}]}}]}',
    ],
)
def test_what_is_no_answer_for_a_message(body: bytes) -> None:
    """It is the server's failure, never an empty answer, and nothing is dropped."""
    with pytest.raises(UpstreamSaidError):
        to_messages.whole(message_asked, body)


@given(st.binary(max_size=120))
def test_garbage_is_the_servers_failure(body: bytes) -> None:
    """Foreign bytes never crash the translation."""
    for wire, asked in ((to_messages, message_asked), (to_chat, chat_asked)):
        with pytest.raises(UpstreamSaidError):
            wire.whole(asked, body, REPLIES)


def test_errors_in_the_clients_shape() -> None:
    """The client of each wire reads the message of the other's server."""
    told = json.loads(to_chat.rejected(404, answer("messages_unknown_model")))["error"]
    assert told == {
        "message": "The model `nope` does not exist. Valid aliases: tiny.",
        "type": "NotFoundError",
        "param": None,
        "code": None,
    }
    told = json.loads(to_messages.rejected(400, answer("chat_bad")))
    assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
    assert told["error"]["message"].startswith("temperature must be non-negative")
    assert json.loads(to_chat.rejected(413, b"<html>"))["error"]["message"] == "<html>"
