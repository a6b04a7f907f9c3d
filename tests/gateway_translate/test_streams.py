"""Streams across wires: what the client's own library puts together is what the server said."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway_translate import sdk
from tests.gateway_translate.golden import answer, chunks, forwarded, names
from trimtab.contracts.reply import Finish, Reply, ToolCall
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.surface import Asked, Facts, Keep, Reader
from trimtab.gateway.translate import answers_to_messages
from trimtab.gateway.translate.chat_over_messages import ChatOverMessages
from trimtab.record.events import Usage
from trimtab.testing import JumpingClock

to_messages = Messages().wires["openai"]
to_chat = ChatOverMessages(JumpingClock())
message_asked = Messages().read(b'{"model":"m","stream":true}')
ALL = Keep(added=True, replies=True)
Event = dict[str, Any]


def chat_asked(*, usage: bool) -> Asked:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    return ChatCompletions().read(json.dumps({"model": "m", "stream": True, "messages": [], **options}).encode())


def chunk(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return b"data: " + json.dumps({"id": "chatcmpl-1", "model": "q", "choices": [choice]}).encode() + b"\n\n"


def call(index: int | None, arguments: str | None = None, call_id: str | None = None, name: str | None = None) -> bytes:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    said = {"index": index, "id": call_id, "function": function}
    return chunk({"tool_calls": [{key: value for key, value in said.items() if value is not None}]})


def usage(**counts: Any) -> bytes:
    return b"data: " + json.dumps({"id": "chatcmpl-1", "choices": [], "usage": counts}).encode() + b"\n\n"


ROLE = chunk({"role": "assistant", "content": ""})
COUNTED = usage(prompt_tokens=20, completion_tokens=5, total_tokens=25, prompt_tokens_details={"cached_tokens": 12})
DONE = b"data: [DONE]\n\n"


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


def start(index: int, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta=fields)


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


BEGIN = event(
    "message_start",
    message={
        "id": "msg_1",
        "model": "claude",
        "content": [],
        "usage": {
            "input_tokens": 9,
            "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 2,
            "output_tokens": 1,
        },
    },
)
END = event("message_stop")


def ending(reason: str, **more: Any) -> bytes:
    return event("message_delta", delta={"stop_reason": reason, **more}, usage={"output_tokens": 7})


def message(*events: bytes, keep: Keep = Keep()) -> dict[str, Any]:  # noqa: B008
    """What Anthropic's client makes of a chat's chunks; the stream ends well."""
    reader = to_messages.reader(message_asked, keep)
    data = forwarded(reader, list(events)) + reader.ending
    assert (reader.failure, reader.finish()) == ("", True)
    return sdk.streamed_message(data)


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


def events_of(data: bytes) -> list[Event]:
    """The data of a message's events, whose names have to repeat their types."""
    found = []
    for one in chunks(data):
        name, body = one.split(b"\n")[:2]
        value = json.loads(body[len(b"data: ") :])
        assert name == b"event: " + value["type"].encode()
        found.append(value)
    return found


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


@pytest.mark.parametrize(
    ("name", "ended"), [("chat_length_stream", "max_tokens"), ("messages_length_stream", "length")]
)
def test_recorded_answers_that_ran_into_their_limit(name: str, ended: str) -> None:
    """The limit is told as one."""
    if name.startswith("chat"):
        assert (
            sdk.streamed_message(forwarded(to_messages.reader(message_asked), chunks(answer(name))))["stop_reason"]
            == ended
        )
    else:
        data = forwarded(to_chat.reader(chat_asked(usage=True)), chunks(answer(name)))
        assert sdk.streamed_chat(data)["choices"][0]["finish_reason"] == ended


READERS: dict[str, Callable[[Keep], Reader]] = {
    "chat_": lambda keep: to_messages.reader(message_asked, keep),
    "messages_": lambda keep: to_chat.reader(chat_asked(usage=True), keep),
}


@pytest.mark.parametrize("name", [*names("chat_", ".answer.sse"), *names("messages_", ".answer.sse")])
@pytest.mark.parametrize("keep", [Keep(), Keep(added=True, replies=True, end=True)])
@given(data=st.data())
def test_recorded_streams_may_come_in_any_pieces(name: str, keep: Keep, data: st.DataObject) -> None:
    """However the bytes are cut, what is written and what is told of them is the same."""
    make = READERS[name.split("_", maxsplit=1)[0] + "_"]
    stream = answer(name)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    cut, at_once = make(keep), make(keep)
    assert forwarded(cut, pieces) + cut.ending == forwarded(at_once, [stream]) + at_once.ending
    assert cut.facts == at_once.facts
    assert cut.finish()


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
    reader = to_messages.reader(message_asked, ALL)
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
    reader = to_messages.reader(message_asked, ALL)
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


STOPPABLE = [ROLE, chunk({"content": "a"}), call(0, '{"x":', "c1", "f"), call(1, "{", "c2", "g")]


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


THOUGHT_AND_CALLED = [
    BEGIN,
    event("ping"),
    start(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="h"),
    delta(0, type="thinking_delta", thinking="m"),
    delta(0, type="signature_delta", signature="c2ln"),
    stop(0),
    start(1, type="redacted_thinking", data="eA=="),
    stop(1),
    start(2, type="text", text=""),
    delta(2, type="text_delta", text="a"),
    stop(2),
    start(3, type="tool_use", id="t1", name="f", input={}),
    delta(3, type="input_json_delta", partial_json='{"x":'),
    delta(3, type="input_json_delta", partial_json="1}"),
    stop(3),
    start(4, type="text", text="b"),
    stop(4),
    start(5, type="tool_use", id="t2", name="g", input={}),
    delta(5, type="input_json_delta", partial_json=""),
    stop(5),
    start(6, type="tool_use", id="t3", name="h", input={"y": 2}),
    stop(6),
    ending("tool_use"),
    END,
]


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


CHAT_EVENTS = [
    ROLE,
    *STOPPABLE,
    call(None, "{}"),
    chunk({"content": "x"}, "stop"),
    chunk({"reasoning": "r"}),
    COUNTED,
    DONE,
]


@given(st.lists(st.binary(max_size=40) | st.sampled_from([*CHAT_EVENTS, *THOUGHT_AND_CALLED]), max_size=10))
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    """Whatever a server sends, a failed stream never ends well, and what is open can be closed."""
    for make in READERS.values():
        for keep in (Keep(), Keep(added=True, replies=True, end=True)):
            reader = make(keep)
            forwarded(reader, pieces)
            assert isinstance(reader.facts, Facts)
            assert not (reader.failure and reader.finish())
            reader.stop("length")
