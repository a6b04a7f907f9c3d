"""Streams of messages as chats: what OpenAI's own client puts together is what the server said."""

import json
from typing import Any

import pytest

from tests.gateway_translate import sdk
from tests.gateway_translate.golden import answer, chunks, forwarded
from tests.gateway_translate.streams import (
    BEGIN,
    DONE,
    END,
    THOUGHT_AND_CALLED,
    chat_asked,
    delta,
    ending,
    event,
    start,
    to_chat,
)
from trimtab.gateway.surfaces.surface import Keep
from trimtab.record.events import Usage


def completion(*events: bytes, with_usage: bool = True) -> dict[str, Any]:
    """What OpenAI's client makes of a message's events; the stream ends well."""
    reader = to_chat.reader(chat_asked(usage=with_usage))
    data = forwarded(reader, list(events))
    assert (reader.failure, reader.finish()) == ("", True)
    assert data.endswith(DONE)
    return sdk.streamed_chat(data)


def said(completed: dict[str, Any]) -> dict[str, Any]:
    """The message of the one choice, without what is null."""
    (choice,) = completed["choices"]
    return {key: value for key, value in choice["message"].items() if value is not None}


def test_a_recorded_message_as_a_chat() -> None:
    """The same task on the other wire gives the same text as vLLM's own chat."""
    reader = to_chat.reader(chat_asked(usage=True))
    completed = sdk.streamed_chat(forwarded(reader, chunks(answer("messages_long_stream"))))
    own = sdk.streamed_chat(answer("chat_long_stream"))
    assert said(completed) == said(own)
    assert completed["choices"][0]["finish_reason"] == "stop"
    counts = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert {name: completed["usage"][name] for name in counts} == {name: own["usage"][name] for name in counts}


@pytest.mark.parametrize("name", ["messages_tool_stream", "messages_forced_tool_stream"])
def test_a_recorded_tool_call_of_a_message_as_a_chat(name: str) -> None:
    """Name, arguments and id go over; the number of the call counts calls, not blocks."""
    completed = sdk.streamed_chat(forwarded(to_chat.reader(chat_asked(usage=False)), chunks(answer(name))))
    (called,) = said(completed)["tool_calls"]
    assert (called["function"]["name"], json.loads(called["function"]["arguments"])) == (
        "get_weather",
        {"city": "Oslo", "day": "today"},
    )
    assert called["id"].startswith("chatcmpl-tool-")
    assert (called["index"], completed["choices"][0]["finish_reason"]) == (0, "tool_calls")
    assert "usage" not in completed or completed["usage"] is None


def test_a_message_with_everything_as_a_chat() -> None:
    """Calls are numbered among themselves; thinking is readable, and its signature is kept beside it."""
    completed = completion(*THOUGHT_AND_CALLED)
    read = said(completed)
    assert read["content"] == "ab"
    assert read["reasoning_content"] == "hm"
    assert read["thinking_blocks"] == [
        {"index": 0, "type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"index": 1, "type": "redacted_thinking", "data": "eA=="},
    ]
    calls = [
        (one["index"], one["id"], one["function"]["name"], one["function"]["arguments"]) for one in read["tool_calls"]
    ]
    assert calls == [(0, "t1", "f", '{"x":1}'), (1, "t2", "g", "{}"), (2, "t3", "h", '{"y": 2}')]
    assert completed["choices"][0]["finish_reason"] == "tool_calls"
    counts = completed["usage"]
    assert (counts["prompt_tokens"], counts["completion_tokens"], counts["total_tokens"]) == (15, 7, 22)
    assert counts["prompt_tokens_details"] == {"cached_tokens": 4, "cache_write_tokens": 2}
    assert (completed["id"], completed["model"], completed["object"]) == ("chatcmpl-1", "claude", "chat.completion")


def test_a_client_that_did_not_ask_for_usage_gets_none() -> None:
    """As OpenAI's own servers do; the record has it all the same."""
    reader = to_chat.reader(chat_asked(usage=False))
    data = forwarded(reader, THOUGHT_AND_CALLED)
    assert b'"usage"' not in data
    assert reader.facts.usage == Usage(input=9, cache_read=4, cache_write=2, output=7)


def test_pings_keep_the_client_alive() -> None:
    """A chat has no such event, but every client reads comments."""
    reader = to_chat.reader(chat_asked(usage=False))
    reader.feed(event("ping"))
    assert (reader.forward, reader.content) == (b": ping\n\n", False)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_how_a_message_ended(reason: str, finish: str) -> None:
    """In OpenAI's words; a word it has none for stays."""
    reader = to_chat.reader(chat_asked(usage=False))
    data = forwarded(reader, [BEGIN, ending(reason), END])
    found = [json.loads(one[6:])["choices"][0]["finish_reason"] for one in chunks(data) if one != DONE]
    assert found == [None, finish]


def test_a_refusal_of_a_message_is_one_of_a_chat() -> None:
    """Why it was refused stands where a chat has it."""
    reader = to_chat.reader(chat_asked(usage=False))
    data = forwarded(reader, [BEGIN, ending("refusal", stop_details={"type": "refusal", "explanation": "no"}), END])
    assert b'"delta":{"refusal":"no"},"logprobs":null,"finish_reason":"content_filter"' in data


@pytest.mark.parametrize("events", range(len(THOUGHT_AND_CALLED) - 1))
def test_a_message_can_be_ended_at_any_event(events: int) -> None:
    """It says how it ended, and has its terminal marker."""
    reader = to_chat.reader(chat_asked(usage=True), Keep(end=True))
    data = forwarded(reader, THOUGHT_AND_CALLED[:events]) + reader.stop("length")
    assert sdk.streamed_chat(data)["choices"][0]["finish_reason"] == "length"
    assert data.endswith(DONE)


@pytest.mark.parametrize(
    ("events", "failure"),
    [
        ([BEGIN, start(0, type="server_tool_use", id="s", name="web_search", input={})], "server_tool_use"),
        ([BEGIN, start(0, type="text", text=""), delta(0, type="citations_delta", citation={})], "citations_delta"),
        ([BEGIN, delta(0, type="input_json_delta", partial_json="{}")], "did not begin"),
        ([BEGIN, event("error", error={"type": "overloaded_error", "message": "Overloaded"})], "Overloaded"),
        ([BEGIN, b"data: {]\n\n"], "not valid"),
    ],
)
def test_what_a_chat_has_no_place_for_fails_the_stream(events: list[bytes], failure: str) -> None:
    """It is never dropped: the stream fails, and nothing after it is written."""
    reader = to_chat.reader(chat_asked(usage=True))
    forwarded(reader, events)
    assert failure in reader.failure
    reader.feed(END)
    assert (reader.forward, reader.finish()) == (b"", False)
