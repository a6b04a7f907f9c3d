"""Streams of chats as messages: what Anthropic's own client puts together is what the server said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway_translate import sdk
from tests.gateway_translate.golden import answer, chunks, forwarded
from tests.gateway_translate.streams import (
    COUNTED,
    DONE,
    ROLE,
    STOPPABLE,
    call,
    chunk,
    events_of,
    message_asked,
    to_messages,
    usage,
)
from trimtab.contracts.reply import Finish, Reply, ToolCall
from trimtab.gateway.surfaces.surface import Keep
from trimtab.gateway.translate import answers_to_messages


def message(*events: bytes) -> dict[str, Any]:
    """What Anthropic's client makes of a chat's chunks; the stream ends well."""
    reader = to_messages.reader(message_asked)
    data = forwarded(reader, list(events))
    assert (reader.failure, reader.finish()) == ("", True)
    return sdk.streamed_message(data)


def test_a_recorded_chat_as_a_message() -> None:
    """Chunk for chunk: the text of vLLM's chunks, one block, its usage at the end."""
    reader = to_messages.reader(message_asked)
    data = forwarded(reader, chunks(answer("chat_text_stream")))
    assert [one["type"] for one in events_of(data)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    read = sdk.streamed_message(data)
    assert read["content"] == [{"type": "text", "text": "account"}]
    assert (read["stop_reason"], read["model"], read["role"], read["type"]) == (
        "end_turn",
        "tiny",
        "assistant",
        "message",
    )
    assert (read["usage"]["input_tokens"], read["usage"]["output_tokens"]) == (52, 2)
    assert read["id"].startswith("msg_")


@pytest.mark.parametrize("name", ["chat_tool_stream", "chat_forced_tool_stream"])
def test_a_recorded_tool_call_of_a_chat_as_a_message(name: str) -> None:
    """A call is `tool_use` even where vLLM says `stop` of one that was forced."""
    read = sdk.streamed_message(forwarded(to_messages.reader(message_asked), chunks(answer(name))))
    (block,) = read["content"]
    assert (block["type"], block["name"], block["input"]) == (
        "tool_use",
        "get_weather",
        {"city": "Oslo", "day": "today"},
    )
    assert read["stop_reason"] == "tool_use"
    assert read["usage"]["output_tokens"] == 28


def test_blocks_come_one_after_another() -> None:
    """Thinking, text, a call and text again: each has its own index, and is closed before the next begins."""
    reader = to_messages.reader(message_asked)
    data = forwarded(
        reader,
        [
            ROLE,
            chunk({"reasoning_content": "hm"}),
            chunk({"reasoning": "!"}),
            chunk({"content": "a"}),
            call(0, '{"x":1}', "c1", "f"),
            chunk({"content": "b"}),
            call(1, "{}", "c2", "g"),
            chunk({}, "tool_calls"),
            COUNTED,
            DONE,
        ],
    )
    order = [(one["type"].removeprefix("content_block_"), one["index"]) for one in events_of(data) if "index" in one]
    assert order == [
        *[("start", 0), ("delta", 0), ("delta", 0), ("stop", 0)],
        *[("start", 1), ("delta", 1), ("stop", 1)],
        *[("start", 2), ("delta", 2), ("stop", 2)],
        *[("start", 3), ("delta", 3), ("stop", 3)],
        *[("start", 4), ("delta", 4), ("stop", 4)],
    ]
    read = sdk.streamed_message(data)
    assert read["content"] == [
        {"type": "thinking", "thinking": "hm!", "signature": ""},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}},
        {"type": "text", "text": "b"},
        {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
    ]
    assert read["usage"]["input_tokens"] == 8
    assert read["usage"]["cache_read_input_tokens"] == 12


PIECES = {0: ['{"x":', ' "a', 'b"}'], 1: ['{"y"', ": [1, 2]", "}"], 2: ["{", '"z": {"k": "}"', "}}"]}


@given(st.permutations([index for index, pieces in PIECES.items() for _ in pieces]))
def test_calls_that_are_woven_into_each_other_are_disentangled(order: list[int]) -> None:
    """Whatever the order of the pieces, each call gets its own, in blocks that follow each other."""
    waiting = {index: iter(pieces) for index, pieces in PIECES.items()}
    begun: set[int] = set()
    events = [ROLE]
    for index in order:
        first = index not in begun
        begun.add(index)
        events.append(call(index, next(waiting[index]), f"c{index}" if first else None, f"f{index}" if first else None))
    reader = to_messages.reader(message_asked, Keep(added=True, replies=True))
    data = forwarded(reader, [*events, chunk({}, "tool_calls"), DONE])
    assert reader.failure == ""
    open_blocks: list[int] = []
    for one in events_of(data):
        if one["type"] == "content_block_start":
            assert open_blocks == []
            open_blocks = [one["index"]]
        elif one["type"] == "content_block_delta":
            assert open_blocks == [one["index"]]
        elif one["type"] == "content_block_stop":
            assert open_blocks.pop() == one["index"]
    read = {block["id"]: block["input"] for block in sdk.streamed_message(data)["content"]}
    assert read == {"c0": {"x": "ab"}, "c1": {"y": [1, 2]}, "c2": {"z": {"k": "}"}}}
    assert {one.id: one.arguments for one in reader.facts.replies[0].tool_calls} == {
        "c0": '{"x": "ab"}',
        "c1": '{"y": [1, 2]}',
        "c2": '{"z": {"k": "}"}}',
    }


def test_a_call_streams_as_it_comes() -> None:
    """Nothing is held back of a call that no other is woven into."""
    reader = to_messages.reader(message_asked)
    forwarded(reader, [ROLE, call(0, None, "c1", "f")])
    for piece in ('{"x"', ":", "1}"):
        reader.feed(call(0, piece))
        assert events_of(reader.forward)[-1]["delta"]["partial_json"] == piece


def test_calls_without_numbers_are_told_apart_by_their_ids() -> None:
    """Some servers number none: an id begins a call, and pieces without one belong to the last."""
    read = message(
        ROLE, call(None, "{", "c1", "f"), call(None, "}"), call(None, "{}", "c2", "g"), chunk({}, "stop"), DONE
    )
    assert [(block["id"], block["input"]) for block in read["content"]] == [("c1", {}), ("c2", {})]


def test_a_call_without_an_id_gets_one() -> None:
    """A result has to name the call it answers."""
    read = message(ROLE, call(0, "{}", None, "f"), call(1, "{}", None, "f"), chunk({}, "tool_calls"), DONE)
    first, second = (block["id"] for block in read["content"])
    assert first
    assert first != second


def test_a_call_without_arguments_is_told_in_words() -> None:
    """A block would have `{}` for its input, which the model did not say."""
    reader = to_messages.reader(message_asked, Keep(added=True, replies=True))
    data = forwarded(reader, [ROLE, call(0, "", "c1", "f"), chunk({}, "tool_calls"), DONE])
    read = sdk.streamed_message(data)
    assert read["content"] == [{"type": "text", "text": "f()"}]
    assert read["stop_reason"] == "end_turn"
    assert reader.facts.replies == [Reply(finish="tool_calls", tool_calls=[ToolCall("c1", "f", "")])]


def test_arguments_that_are_cut_short_stay_so() -> None:
    """What the model wrote goes to the client as it is, never made whole."""
    reader = to_messages.reader(message_asked)
    data = forwarded(reader, [ROLE, call(0, '{"x": "a', "c1", "f"), chunk({}, "length"), DONE])
    pieces = [one["delta"]["partial_json"] for one in events_of(data) if one["type"] == "content_block_delta"]
    assert pieces == ['{"x": "a']
    assert sdk.streamed_message(data)["stop_reason"] == "max_tokens"


def test_a_refusal_of_a_chat_is_one_of_a_message() -> None:
    """Its words are the text; the reason is `refusal`."""
    read = message(ROLE, chunk({"refusal": "I will "}), chunk({"refusal": "not"}), chunk({}, "stop"), DONE)
    assert (read["content"], read["stop_reason"]) == ([{"type": "text", "text": "I will not"}], "refusal")


@pytest.mark.parametrize(
    ("finish", "more", "reason", "sequence"),
    [
        ("stop", {}, "end_turn", None),
        ("stop", {"stop_reason": "END"}, "stop_sequence", "END"),
        ("stop", {"stop_reason": 151643}, "end_turn", None),
        ("length", {}, "max_tokens", None),
        ("content_filter", {}, "refusal", None),
        ("repetition", {}, "repetition", None),
        ("tool_calls", {}, "end_turn", None),
    ],
)
def test_how_a_chat_ended(finish: str, more: dict[str, Any], reason: str, sequence: str | None) -> None:
    """In Anthropic's words; a word it has none for stays, since `end_turn` would be a lie."""
    read = message(ROLE, chunk({"content": "x"}, finish, **more), DONE)
    assert (read["stop_reason"], read["stop_sequence"]) == (reason, sequence)


def test_the_end_of_a_chat_can_be_held_back() -> None:
    """From the chunk that tells how it ended on, all is the ending, and another one fits in its place."""
    reader = to_messages.reader(message_asked, Keep(end=True))
    seen = forwarded(reader, [ROLE, chunk({"content": "a"}), chunk({"content": "b"}, "stop"), COUNTED, DONE])
    assert b'"b"' not in seen
    assert sdk.streamed_message(seen + reader.ending)["content"] == [{"type": "text", "text": "ab"}]
    assert reader.done


def test_an_interrupted_chat_goes_on_in_the_same_message() -> None:
    """The client sees one message; its usage is the sum."""
    keep = Keep(added=True, hide_counts=True)
    first, second = (to_messages.reader(message_asked, keep) for _ in range(2))
    counted = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    seen = forwarded(
        first,
        [
            ROLE,
            chunk({"content": "so "}).replace(
                b', "choices"', b', "usage": %b, "choices"' % json.dumps(counted).encode()
            ),
        ],
    )
    assert first.tokens == 2
    second.resume(first)
    end = usage(prompt_tokens=12, completion_tokens=3, total_tokens=15)
    seen += forwarded(second, [ROLE, chunk({"content": "far"}), chunk({}, "stop"), end, DONE])
    read = sdk.streamed_message(seen)
    assert read["content"] == [{"type": "text", "text": "so far"}]
    assert (read["usage"]["input_tokens"], read["usage"]["output_tokens"]) == (10, 5)


@pytest.mark.parametrize("events", range(len(STOPPABLE) + 1))
@pytest.mark.parametrize(("finish", "reason"), [("length", "max_tokens"), ("repetition", "repetition")])
def test_a_chat_can_be_ended_at_any_event(events: int, finish: Finish, reason: str) -> None:
    """What was held back is written, what is open is closed, and it says how it ended."""
    reader = to_messages.reader(message_asked, Keep(end=True))
    data = forwarded(reader, STOPPABLE[:events]) + reader.stop(finish)
    assert sdk.streamed_message(data)["stop_reason"] == reason
    kinds = [one["type"] for one in events_of(data)]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop")
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


@pytest.mark.parametrize(
    ("events", "failure"),
    [
        ([ROLE, chunk({"function_call": {"name": "f"}})], "function_call"),
        ([ROLE, chunk({"audio": {"id": "a"}})], "audio"),
        ([ROLE, chunk({"content": [{"type": "text"}]})], "not valid"),
        ([ROLE, chunk({"content": "x"}).replace(b'"index": 0', b'"index": 1')], "more than one choice"),
        ([ROLE, call(0, "{}", "c", "f"), call(1, "{", "d", "g"), call(0, "x")], "were complete"),
        ([ROLE, b'data: {"error":{"message":"boom"}}\n\n'], "boom"),
    ],
)
def test_what_a_message_has_no_place_for_fails_the_stream(events: list[bytes], failure: str) -> None:
    """It is never dropped: the stream fails, and nothing after it is written."""
    reader = to_messages.reader(message_asked)
    forwarded(reader, events)
    assert failure in reader.failure
    reader.feed(DONE)
    assert (reader.forward, reader.finish()) == (b"", False)


def test_what_waits_for_the_call_in_front_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that weaves more than that fails."""
    monkeypatch.setattr(answers_to_messages, "MAX_WAITING", 10)
    reader = to_messages.reader(message_asked)
    forwarded(reader, [ROLE, call(0, "{", "c", "f"), call(1, "x" * 10, "d", "g")])
    assert reader.failure == ""
    reader.feed(call(1, "x"))
    assert "10 characters" in reader.failure
