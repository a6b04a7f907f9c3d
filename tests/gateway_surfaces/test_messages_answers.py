"""Anthropic's answers: bytes pass as they came, and what they tell is read out of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway_translate import sdk
from tests.gateway_translate.golden import answer, chunks, forwarded, names
from trimtab.contracts.reply import Finish, Reply, ToolCall
from trimtab.gateway.surfaces.anthropic_answers import MAX_BLOCKS, MessageReader
from trimtab.gateway.surfaces.count_tokens import CountTokens
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.sse import MAX_EVENT_BYTES
from trimtab.gateway.surfaces.surface import Added, Facts, Keep, UpstreamSaidError
from trimtab.record.events import Usage

messages = Messages()
wire = messages.wires["anthropic"]
asked = messages.read(b'{"model":"m","stream":true}')
STREAMS = names("messages_", ".answer.sse")
ALL = Keep(added=True, replies=True)


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
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 1},
    },
)
PING = event("ping")
END = event("message_stop")


def ending(reason: str | None, **more: Any) -> bytes:
    return event(
        "message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 7}, **more
    )


THOUGHT_AND_CALLED = [
    BEGIN,
    PING,
    start(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="hm"),
    delta(0, type="signature_delta", signature="c2ln"),
    stop(0),
    start(1, type="text", text=""),
    delta(1, type="text_delta", text="I "),
    delta(1, type="text_delta", text="look"),
    stop(1),
    start(2, type="tool_use", id="t1", name="a", input={}),
    delta(2, type="input_json_delta", partial_json=""),
    delta(2, type="input_json_delta", partial_json='{"x":'),
    delta(2, type="input_json_delta", partial_json="1}"),
    stop(2),
    start(3, type="tool_use", id="t2", name="b", input={}),
    stop(3),
    ending("tool_use"),
    END,
]


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_streams_pass_as_they_came(name: str) -> None:
    """Chunk for chunk the client gets the server's bytes, and the stream is whole."""
    reader = wire.reader(asked)
    for chunk in chunks(answer(name)):
        reader.feed(chunk)
        assert reader.forward == chunk
    assert (reader.finish(), reader.failure) == (True, "")


@pytest.mark.parametrize("name", STREAMS)
@given(data=st.data())
def test_recorded_streams_may_come_in_any_pieces(name: str, data: st.DataObject) -> None:
    """However the bytes are cut, the client gets them all, and the facts are the same."""
    stream = answer(name)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    reader, at_once = wire.reader(asked, ALL), wire.reader(asked, ALL)
    assert forwarded(reader, pieces) == stream == forwarded(at_once, [stream])
    assert reader.facts == at_once.facts
    assert reader.done


def test_the_facts_of_a_recorded_tool_call() -> None:
    """Read by hand out of the recording."""
    reader = wire.reader(asked, Keep(replies=True))
    forwarded(reader, chunks(answer("messages_tool_stream")))
    facts = reader.facts
    assert (facts.upstream_model, facts.finish_reason, facts.choices, facts.tool_calls) == ("tiny", "tool_calls", 1, 1)
    assert facts.usage == Usage(input=51, output=28)
    (reply,) = facts.replies
    assert (reply.finish, reply.tool_calls[0].name) == ("tool_calls", "get_weather")
    assert reply.tool_calls[0].arguments == '{"city": "Oslo", "day": "today"}'


@pytest.mark.parametrize(
    ("name", "finish", "output"),
    [("messages_text", "stop", 2), ("messages_tool", "tool_calls", 28), ("messages_stop_sequence", "stop", 1)],
)
def test_recorded_whole_answers(name: str, finish: str, output: int) -> None:
    """The bytes stay; finish and usage are read."""
    whole = wire.whole(asked, answer(name))
    assert whole.body == answer(name)
    assert whole.facts.finish_reason == finish
    assert whole.facts.usage is not None
    assert whole.facts.usage.output == output


def test_what_bears_content() -> None:
    """Text, thinking, tool calls and their arguments do; beginnings, pings, signatures and ends do not."""
    reader = wire.reader(asked)
    bearing = []
    for number, chunk in enumerate(THOUGHT_AND_CALLED):
        reader.feed(chunk)
        if reader.content:
            bearing.append(number)
    assert bearing == [3, 7, 8, 10, 12, 13, 15]


def test_what_is_kept_of_an_answer() -> None:
    """The text of each read, and the reply; a call without pieces has the input it began with."""
    reader = wire.reader(asked, ALL)
    added = []
    for chunk in THOUGHT_AND_CALLED:
        reader.feed(chunk)
        added += reader.added
    assert added == [Added(0, "I "), Added(0, "look")]
    calls = [ToolCall("t1", "a", '{"x":1}'), ToolCall("t2", "b", "{}")]
    assert reader.facts.replies == [Reply(text="I look", finish="tool_calls", tool_calls=calls)]
    assert reader.facts.usage == Usage(input=9, cache_read=4, output=7)
    assert (reader.facts.upstream_id, reader.facts.tool_calls) == ("msg_1", 2)


def test_usage_counts_only_when_the_end_has_told_it() -> None:
    """What a start says of the output is not what was made, so an interrupted answer has no exact usage."""
    reader = wire.reader(asked)
    forwarded(reader, THOUGHT_AND_CALLED[:8])
    assert reader.facts.usage is None


@pytest.mark.parametrize("keep_end", [True, False])
def test_the_end_can_be_held_back(keep_end: bool) -> None:
    """From the event that tells why it ended on, everything is the ending."""
    reader = wire.reader(asked, Keep(end=keep_end))
    seen = forwarded(reader, [*THOUGHT_AND_CALLED[:-1], PING, THOUGHT_AND_CALLED[-1], PING])
    before, after = b"".join(THOUGHT_AND_CALLED[:-2]), THOUGHT_AND_CALLED[-2] + PING + END
    assert (seen, reader.ending) == ((before, after) if keep_end else (before + after, b""))
    assert reader.done


@pytest.mark.parametrize(
    ("reason", "finish", "told"),
    [
        ("end_turn", "stop", "stop"),
        ("stop_sequence", "stop", "stop"),
        ("max_tokens", "length", "length"),
        ("model_context_window_exceeded", "length", "length"),
        ("tool_use", "tool_calls", "tool_calls"),
        ("refusal", "content_filter", "content_filter"),
        ("pause_turn", "other", "pause_turn"),
    ],
)
def test_how_an_answer_ended(reason: str, finish: Finish, told: str) -> None:
    """In the words all wires share; a word of Anthropic's alone stays as it is in the record."""
    reader = wire.reader(asked, Keep(replies=True))
    forwarded(reader, [BEGIN, ending(reason), END])
    assert (reader.facts.finish_reason, reader.facts.replies[0].finish) == (told, finish)


def test_a_refusal_is_told_with_its_reason() -> None:
    """The explanation stands in `stop_details`."""
    details = {"type": "refusal", "explanation": "no", "category": "cyber"}
    end = event("message_delta", delta={"stop_reason": "refusal", "stop_details": details}, usage={"output_tokens": 1})
    reader = wire.reader(asked, Keep(replies=True))
    forwarded(reader, [BEGIN, end, END])
    assert reader.facts.replies == [Reply(refusal="no", finish="content_filter")]


@pytest.mark.parametrize("events", [1, 4, 8, 9, 13, 15, 17])
@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_tokens"), ("repetition", "repetition"), ("other", "end_turn")]
)
def test_a_stream_can_be_ended_at_any_event(events: int, finish: Finish, reason: str) -> None:
    """What is open is closed, so that Anthropic's own client has a whole message, which says how it ended."""
    for keep in (Keep(), Keep(end=True)):
        reader = wire.reader(asked, keep)
        seen = forwarded(reader, THOUGHT_AND_CALLED[:events])
        message = sdk.streamed_message(seen + reader.stop(finish))
        assert message["stop_reason"] == reason
        closed = (seen + reader.stop(finish)).count(b'"content_block_stop"')
        assert closed == len(message["content"])


def test_a_stream_can_be_ended_before_it_began() -> None:
    """An empty message is a message."""
    message = sdk.streamed_message(wire.reader(asked).stop("length"))
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")


def test_a_held_end_can_be_replaced() -> None:
    """With the server's own end held back, another one fits behind what was forwarded."""
    reader = wire.reader(asked, Keep(end=True))
    seen = forwarded(reader, THOUGHT_AND_CALLED)
    assert sdk.streamed_message(seen + reader.ending)["stop_reason"] == "tool_use"
    assert sdk.streamed_message(seen + reader.stop("repetition"))["stop_reason"] == "repetition"


@pytest.mark.parametrize(
    ("events", "failure"),
    [
        (event("error", error={"type": "overloaded_error", "message": "Overloaded"}), "Overloaded"),
        (b'event: error\ndata: {"type":"error"}\n\n', "an error without a word about it"),
        (b"event: message_start\ndata: {]\n\n", "not valid"),
        (b"<html>\n\n", "no server-sent events"),
        (start(MAX_BLOCKS, type="text", text="x"), f"block {MAX_BLOCKS}"),
        (delta(-1, type="text_delta", text="x"), "block -1"),
        (b'event: ping\ndata: {"type":' + b"[" * 5000 + b"\n\n", "not valid"),
        (b"data: " + b"x" * (MAX_EVENT_BYTES + 1), "no end"),
    ],
)
def test_what_fails_a_stream(events: bytes, failure: str) -> None:
    """It is told, never raised; the bad event is not forwarded, and nothing after it is read."""
    reader = wire.reader(asked)
    forwarded(reader, [BEGIN])
    reader.feed(events)
    assert failure in reader.failure
    assert reader.forward == b""
    reader.feed(END)
    assert (reader.forward, reader.finish()) == (b"", False)


def test_a_stream_without_its_terminal_marker_is_not_whole() -> None:
    """An end that is told is not yet the end."""
    reader = wire.reader(asked)
    forwarded(reader, THOUGHT_AND_CALLED[:-1])
    assert not reader.finish()


@given(st.lists(st.binary(max_size=40) | st.sampled_from(THOUGHT_AND_CALLED), max_size=8))
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    """Whatever a server sends, a failed stream never ends well."""
    for keep in (Keep(), Keep(added=True, replies=True, end=True)):
        reader = MessageReader(keep)
        forwarded(reader, pieces)
        assert isinstance(reader.facts, Facts)
        assert not (reader.failure and reader.finish())
        reader.stop("length")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"id":"x"}',
        b'{"type":"error","error":{"type":"api_error","message":"x"}}',
        b'{"content":[7]}',
        b'{"content":null}',
        b"[" * 5000,
    ],
)
def test_a_whole_answer_that_is_none(body: bytes) -> None:
    """A good status with an error, or with anything else than a message, is the server's failure."""
    with pytest.raises(UpstreamSaidError):
        wire.whole(asked, body)


def test_a_whole_answer_is_kept_as_a_reply() -> None:
    """Arguments are the text the server sent, spaces and all."""
    body = (
        b'{"id":"m","type":"message","content":[{"type":"thinking","thinking":"hm","signature":"s"},'
        b'{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{ "x" : 1 }},'
        b'{"type":"text","text":"b"}],"stop_reason":"tool_use",'
        b'"usage":{"input_tokens":1,"output_tokens":2}}'
    )
    facts = wire.whole(asked, body, Keep(replies=True)).facts
    call = ToolCall("t", "f", '{ "x" : 1 }')
    assert facts.replies == [Reply(text="ab", finish="tool_calls", tool_calls=[call])]


def test_errors_of_a_server_in_anthropics_shape() -> None:
    """One that has the shape stays; vLLM's own validation has OpenAI's, and is put into it."""
    kept = answer("messages_unknown_model")
    assert wire.rejected(404, kept) == kept
    told = json.loads(wire.rejected(400, answer("messages_no_limit")))
    assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
    assert "max_tokens" in told["error"]["message"]
    assert json.loads(wire.rejected(413, b"<html>too large</html>"))["error"] == {
        "type": "request_too_large",
        "message": "<html>too large</html>",
    }
    named = wire.rejected(404, b'{"error":{"message":"no","code":"model_not_found","type":"x"}}')
    assert json.loads(named)["error"] == {"type": "not_found_error", "message": "no", "code": "model_not_found"}


@given(st.integers(400, 499), st.binary(max_size=80))
def test_any_error_of_a_server_becomes_one_in_anthropics_shape(status: int, body: bytes) -> None:
    """Foreign bytes cannot break the shape."""
    told = json.loads(wire.rejected(status, body))
    assert told["type"] == "error"
    assert {"type", "message"} <= set(told["error"])


def test_a_count_tells_no_usage() -> None:
    """Counting costs nothing; the bytes pass as they came."""
    whole = CountTokens().wires["anthropic"].whole(asked, answer("count_tokens"))
    assert whole == (answer("count_tokens"), Facts())


@pytest.mark.parametrize("body", [b"{}", b'{"input_tokens":-1}', b"[]", b'{"error":{"message":"no"}}', b""])
def test_an_answer_that_is_no_count(body: bytes) -> None:
    """A good status does not make a count."""
    with pytest.raises(UpstreamSaidError):
        CountTokens().wires["anthropic"].whole(asked, body)
