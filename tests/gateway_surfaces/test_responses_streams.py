"""Streams of the Responses API that no vLLM was recorded to send: reasoning, refusals, failures, garbage, and stops."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway_surfaces.test_responses_golden import FOLDER, STREAMS, asked, recorded
from trimtab.contracts.reply import Reply, ToolCall
from trimtab.gateway.surfaces.responses import Responses
from trimtab.gateway.surfaces.responses_draft import MAX_ITEMS, MAX_PARTS
from trimtab.gateway.surfaces.surface import Asked, Keep, Reader, UpstreamSaidError
from trimtab.record.events import Usage

ALL = Keep(added=True, replies=True)
surface = Responses()
wire = surface.wires["openai"]
REQUEST = surface.read(b'{"model":"a","input":"x","stream":true}')


def event(kind: str, **fields: Any) -> bytes:
    """An event as the API writes one."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def response(status: str, **fields: Any) -> dict[str, Any]:
    said = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status}
    return {**said, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], **fields}


CREATED = event("response.created", response=response("in_progress", output=[]))
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}


def text_item(*texts: str, **fields: Any) -> dict[str, Any]:
    return {
        **MESSAGE,
        "content": [{"type": "output_text", "text": text, "annotations": []} for text in texts],
        **fields,
    }


def ended(*output: dict[str, Any], **fields: Any) -> bytes:
    return event("response.completed", response=response("completed", output=list(output), **fields))


def fed(*events: bytes, keep: Keep = ALL, request: Asked = REQUEST) -> Reader:
    """A reader that got these events one by one."""
    reader = wire.reader(request, keep)
    for one in events:
        reader.feed(one)
    return reader


BOTH = pytest.mark.parametrize("keep", [Keep(), ALL], ids=["plain", "kept"])

# What is content


@BOTH
@pytest.mark.parametrize(
    ("said", "content"),
    [
        (event("response.in_progress", response=response("in_progress")), False),
        (event("response.output_item.added", output_index=0, item={**MESSAGE, "content": []}), False),
        (event("response.output_item.added", output_index=0, item=None), False),
        (event("response.output_item.added", output_index=0, item={"type": "web_search_call", "id": "ws"}), False),
        (event("response.output_item.added", output_index=0, item={"type": "function_call", "name": "f"}), True),
        (event("response.content_part.added", output_index=0, content_index=0, part={"type": "output_text"}), False),
        (event("response.output_text.delta", output_index=0, content_index=0, delta="a"), True),
        (event("response.output_text.delta", output_index=0, content_index=0, delta=""), False),
        (event("response.refusal.delta", output_index=0, content_index=0, delta="a"), True),
        (event("response.reasoning_text.delta", output_index=0, content_index=0, delta="a"), True),
        (event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="a"), True),
        (event("response.function_call_arguments.delta", output_index=0, delta="{"), True),
        (event("response.audio.delta", delta="AAAA"), True),
        (event("response.shell_call_output_content.delta", output_index=0, delta={"stdout": "a"}), True),
        (event("response.something.new", output_index=0, beyond={"a": 1}), False),
        (event("keepalive", sequence_number=3), False),
        (b": ping\n\n", False),
    ],
)
def test_what_is_content(said: bytes, content: bool, keep: Keep) -> None:
    """Whatever the model wrote is; what frames it is not; all of it is passed on, known or not."""
    reader = fed(CREATED, keep=keep)
    reader.feed(said)
    assert (reader.content, reader.forward, reader.failure) == (content, said, "")


@BOTH
def test_a_server_without_deltas_has_content_too(keep: Keep) -> None:
    """Its text is content with the item that is done, or at the last with the end, and is added once."""
    done = event("response.output_item.done", output_index=0, item=text_item("ab", "c"))
    reader = fed(CREATED, keep=keep)
    reader.feed(done)
    assert (reader.content, "".join(added.text for added in reader.added)) == (True, "abc" if keep == ALL else "")
    reader.feed(ended(text_item("ab", "c")))
    assert (reader.content, list(reader.added), reader.facts.text_bytes, reader.finish()) == (False, [], 3, True)
    sparse = fed(CREATED, ended(text_item("abc")), keep=keep)
    assert (sparse.content, sparse.facts.text_bytes) == (True, 3)


# What is read


def reasoned() -> list[bytes]:
    """An answer that thinks, summarises, says two parts, refuses, and calls a function."""
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "status": "in_progress"}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find", "arguments": ""}
    here = {"output_index": 1, "item_id": "msg_1"}
    empty = {"type": "output_text", "text": "", "annotations": []}
    return [
        CREATED,
        event("response.output_item.added", output_index=0, item=reasoning),
        event("response.reasoning_summary_part.added", output_index=0, summary_index=0, part={"type": "summary_text"}),
        event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="in short"),
        event("response.reasoning_text.delta", output_index=0, content_index=0, delta="hm"),
        event("response.output_item.added", output_index=1, item={**MESSAGE, "content": [], "status": "in_progress"}),
        event("response.content_part.added", **here, content_index=0, part=empty),
        event("response.output_text.delta", **here, content_index=0, delta="Well"),
        event("response.output_text.done", **here, content_index=0, text="Well"),
        event("response.content_part.added", **here, content_index=1, part=empty),
        event("response.output_text.delta", **here, content_index=1, delta=", no"),
        event("response.content_part.added", **here, content_index=2, part={"type": "refusal", "refusal": ""}),
        event("response.refusal.delta", **here, content_index=2, delta="I cannot"),
        event("response.output_item.added", output_index=2, item=call),
        event("response.function_call_arguments.delta", output_index=2, item_id="fc_1", delta='{"a":'),
        event("response.function_call_arguments.delta", output_index=2, item_id="fc_1", delta="1}"),
    ]


def test_items_become_one_reply() -> None:
    """Texts and refusals are joined, calls keep their id; reasoning is no text of the reply. It is so at any time."""
    facts = fed(*reasoned()).facts
    assert facts.replies == [
        Reply(text="Well, no", refusal="I cannot", tool_calls=[ToolCall("call_1", "find", '{"a":1}')])
    ]
    assert (facts.choices, facts.tool_calls, facts.finish_reason) == (1, 1, "")
    assert facts.text_bytes == len('in shorthmWell, noI cannot{"a":1}') + 1


def test_what_the_end_says_counts() -> None:
    """The response in the last event is the reply, as it is for a client that waits for it."""
    call = {"type": "function_call", "call_id": "call_2", "name": "find", "arguments": "{}"}
    facts = fed(*reasoned(), ended(text_item("Done"), call, call)).facts
    assert facts.replies[0].tool_calls == [ToolCall("call_2", "find", "{}")] * 2
    assert (facts.replies[0].text, facts.tool_calls, facts.finish_reason) == ("Done", 2, "tool_calls")


@BOTH
@pytest.mark.parametrize(
    ("kind", "fields", "finish"),
    [
        ("completed", {"status": "completed"}, "stop"),
        ("completed", {"status": None}, "stop"),
        ("incomplete", {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ("completed", {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ("incomplete", {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ("incomplete", {"status": None, "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ("incomplete", {"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "other"),
        ("incomplete", {"status": "incomplete", "incomplete_details": None}, "other"),
    ],
)
def test_how_it_ended(kind: str, fields: dict[str, Any], finish: str, keep: Keep) -> None:
    """The status inside decides, and the reason where it is incomplete."""
    end = event(f"response.{kind}", response={**response(""), "output": [text_item("a")], **fields})
    reader = fed(CREATED, end, keep=keep)
    assert (reader.done, reader.facts.finish_reason) == (True, finish)


def test_usage_becomes_disjoint_classes() -> None:
    """As OpenAI tells it: cached and written tokens are part of the input, reasoning of the output."""
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 130,
    }
    expected = Usage(input=30, cache_read=60, cache_write=10, output=30, reasoning=20)
    assert fed(CREATED, ended(text_item("a"), usage=usage)).facts.usage == expected
    assert fed(CREATED, ended(text_item("a"), usage=None)).facts.usage is None


# What goes wrong


@BOTH
@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (event("error", code="server_error", message="boom", param=None, sequence_number=3), "boom"),
        (event("error", error={"type": "server_error", "message": "boom"}), "boom"),
        (event("error"), "the stream failed"),
        (b'data: {"error": {"message": "EngineCore died"}}\n\n', "EngineCore died"),
        (event("response.failed", response=response("failed", error={"code": "x", "message": "no luck"})), "no luck"),
        (event("response.failed", response=response("failed", error=None)), "the response failed"),
        (event("response.completed", response=response("failed", error={"message": "no luck"})), "no luck"),
        (event("response.completed", response=response("cancelled")), "the response is cancelled"),
        (b'data: {"choices": []}\n\n', "an event of the stream has no type"),
    ],
)
def test_failures_are_told(said: bytes, failure: str, keep: Keep) -> None:
    """A stream that says it failed is a failure, which we tell the client in our own words; nothing more is passed."""
    reader = fed(CREATED, keep=keep)
    reader.feed(said)
    assert (reader.failure, reader.forward, reader.done, reader.finish()) == (failure, b"", False, False)
    reader.feed(ended(text_item("a")))
    assert (reader.failure, reader.forward, reader.finish()) == (failure, b"", False)


@BOTH
@pytest.mark.parametrize(
    "bad",
    [
        b"data: {nope\n\n",
        b"event: x\ndata: [1]\n\n",
        b"data: \xff\xfe\n\n",
        b"<html>\n\n",
        event("response.output_text.delta", delta="a", logprobs=[{"token": 3}]),
        event("response.output_item.added", output_index=0, item=[]),
        event("response.completed", response=None),
        event("response.completed", response=response("completed", output=7)),
        b"data: " + b"[" * 5000 + b"\n\n",
    ],
)
def test_garbage_is_a_failure(bad: bytes, keep: Keep) -> None:
    """An event that is not the API's ends the stream as a failure, and is not passed on."""
    reader = fed(CREATED, bad, keep=keep)
    assert reader.failure
    assert reader.forward == b""
    assert not reader.finish()


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_raise(name: str, data: st.DataObject) -> None:
    """Whatever a stream is damaged into: reading it, asking what it told, and stopping it never raise."""
    stream = bytearray(recorded(name))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(stream)))
        with_what = data.draw(st.binary(max_size=4) | st.sampled_from([b"null", b"{}", b"[]", b"7", b'"a"', b"\n\n"]))
        stream[start : start + data.draw(st.integers(0, 40))] = with_what
    for keep in (Keep(), ALL, Keep(replies=True, end=True, hide_logprobs=True)):
        reader = fed(bytes(stream), keep=keep, request=asked(name))
        assert reader.facts.text_bytes >= 0
        assert not (reader.finish() and reader.failure)
        if keep != Keep():
            assert reader.stop("repetition").endswith(b"\n\n")


FIELDS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            sorted({json.loads(line[6:])["type"] for line in recorded("stream").splitlines() if line[:6] == b"data: "})
        )
    },
    optional={
        name: st.none()
        | st.integers(-1, 3)
        | st.text(max_size=3)
        | st.lists(st.none(), max_size=1)
        | st.just({"type": "message", "content": [{"logprobs": [1]}]})
        | st.just({"output": [{"type": "message", "content": [{"logprobs": [1]}]}]})
        for name in (
            "response",
            "item",
            "part",
            "delta",
            "text",
            "output_index",
            "content_index",
            "sequence_number",
            "logprobs",
        )
    },
)


@settings(max_examples=200, deadline=None)
@given(st.lists(FIELDS, max_size=6))
def test_no_fields_raise(said: list[dict[str, Any]]) -> None:
    """Events with the right names and the wrong values in them."""
    for keep in (Keep(), ALL, Keep(replies=True, end=True, hide_logprobs=True)):
        reader = fed(
            *(
                event(one["type"], **one) if "type" not in one else b"data: " + json.dumps(one).encode() + b"\n\n"
                for one in said
            ),
            keep=keep,
        )
        assert reader.facts.text_bytes >= 0
        if keep != Keep():
            reader.stop("length")


@pytest.mark.parametrize("what", ["items", "parts"])
def test_an_answer_has_only_so_many_items_and_parts(what: str) -> None:
    """One more than are kept fails the answer, if it is to be checked; otherwise nothing is kept and all may pass."""
    count = MAX_ITEMS if what == "items" else MAX_PARTS
    place = {"items": "output_index", "parts": "content_index"}[what]
    events = [
        event("response.output_text.delta", **{"output_index": 0, "content_index": 0, place: index}, delta="a")
        for index in range(count + 1)
    ]
    reader = fed(CREATED, *events[:-1])
    assert reader.failure == ""
    reader.feed(events[-1])
    assert reader.failure == "the answer has too many items"
    assert fed(CREATED, *events, keep=Keep()).failure == ""


@BOTH
def test_a_done_marker_is_passed_on_only_behind_the_end(keep: Keep) -> None:
    """`[DONE]` alone ends nothing, and a client must not take it for an end; behind the end it may stand."""
    marker = b"data: [DONE]\n\n"
    early = fed(CREATED, marker, keep=keep)
    assert (early.forward, early.finish()) == (b"", False)
    reader = fed(CREATED, ended(text_item("a")), keep=keep)
    reader.feed(marker)
    assert (reader.forward, reader.finish()) == (marker, True)
    reader.feed(event("response.output_text.delta", delta="more"))
    assert (reader.forward, reader.content) == (b"", False)


def test_the_marker_is_held_with_the_end() -> None:
    """With `keep.end` it is part of the end."""
    end, marker = ended(text_item("a")), b"data: [DONE]\n\n"
    reader = fed(CREATED, end, marker, keep=Keep(end=True))
    assert (reader.forward, reader.ending) == (b"", end + marker)


# Whole answers


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[1]",
        b"{}",
        b'{"error":{"message":"boom"}}',
        b'{"id":"x","choices":[]}',
        json.dumps(response("failed", error={"message": "boom"})).encode(),
        json.dumps(response("cancelled", output=[])).encode(),
        json.dumps(response("completed", output=[text_item("a", status=7), 3])).encode(),
        json.dumps(response("completed", output=[{**MESSAGE, "content": [{"logprobs": [1]}]}])).encode(),
    ],
)
def test_whole_answers_that_are_none(body: bytes) -> None:
    """An error with status 200, a failed response or nonsense is an error of the server."""
    with pytest.raises(UpstreamSaidError):
        wire.whole(REQUEST, body, ALL)


def test_a_whole_answer_passes_as_it_is() -> None:
    """Its bytes are the client's, whether it is kept or not; one that was only taken in has no end yet."""
    body = json.dumps(response("completed", output=[text_item("a"), {"type": "new_kind", "content": 7}])).encode()
    assert wire.whole(REQUEST, body).body == wire.whole(REQUEST, body, ALL).body == body
    assert wire.whole(REQUEST, body).facts.replies == []
    queued = wire.whole(REQUEST, json.dumps(response("queued", output=[])).encode()).facts
    assert (queued.finish_reason, queued.upstream_id) == ("", "resp_1")


def test_the_recordings_lie_where_they_should() -> None:
    """The tests above would be empty without them."""
    assert len(list(FOLDER.glob("*.200.sse"))) == len(STREAMS) == 7
