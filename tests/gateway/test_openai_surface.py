"""The OpenAI surfaces read what they must and leave the rest as it was."""

import hashlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.declare.project import Sampling
from trimtab.errors import DeadlineGap, InvalidRequest
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.completions import Completions
from trimtab.gateway.surfaces.embeddings import Embeddings
from trimtab.gateway.surfaces.passthrough import Passthrough
from trimtab.gateway.surfaces.surface import Edits, UpstreamSaidError
from trimtab.record.events import Usage

chat = ChatCompletions()
WIRE = chat.wires["openai"]
ASKED = chat.read(b'{"model":"a","messages":[]}')

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(**fields: object) -> dict[str, object]:
    return {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


@given(st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=6))
def test_unknown_fields_survive_the_splice(extra: dict[str, object]) -> None:
    """Only the model changes; every field we do not know keeps its value."""
    request = {**extra, "model": "small", "messages": []}
    request.pop("trimtab", None)
    for known in ("stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "tools", "logprobs"):
        request.pop(known, None)
    spliced = json.loads(WIRE.splice(chat.read(json.dumps(request).encode()), Edits(model="Qwen/Qwen3-8B")))
    assert spliced == {**request, "model": "Qwen/Qwen3-8B"}


def test_numbers_keep_their_spelling() -> None:
    """A value that is not ours is copied as bytes, so 1.10 does not become 1.1."""
    asked = chat.read(b'{"model":"a","weird":1.10e1,"messages":[]}')
    assert b'"weird":1.10e1' in WIRE.splice(asked, Edits(model="b"))


def test_a_key_given_twice_reaches_the_replica_once() -> None:
    """What we judged is what is sent: the last of two equal keys, as our reader took it."""
    asked = chat.read(b'{"model":"a","model":"b","messages":[]}')
    assert asked.model == "b"
    assert WIRE.splice(asked, Edits(model="c")).count(b'"model"') == 1


def test_usage_is_asked_for_when_the_client_did_not() -> None:
    """A streamed request goes on with include_usage, and its other stream options stay."""
    asked = chat.read(b'{"model":"a","stream":true,"stream_options":{"x":1},"messages":[]}')
    assert not asked.wants_usage
    assert json.loads(WIRE.splice(asked, Edits(model="a")))["stream_options"] == {"x": 1, "include_usage": True}


@pytest.mark.parametrize(
    ("sent", "limit", "expected"),
    [
        ({}, 50, {"max_tokens": 50}),
        ({"max_tokens": 20}, 50, {"max_tokens": 20}),
        ({"max_tokens": 80}, 50, {"max_tokens": 50}),
        ({"max_completion_tokens": 80}, 50, {"max_completion_tokens": 50}),
        ({"max_completion_tokens": 30}, None, {"max_completion_tokens": 30}),
    ],
)
def test_output_limit_only_tightens(sent: dict[str, int], limit: int | None, expected: dict[str, int]) -> None:
    """A task's limit caps the client's under the field the client used; it never widens it."""
    asked = chat.read(json.dumps({"model": "a", "messages": [], **sent}).encode())
    spliced = json.loads(WIRE.splice(asked, Edits(model="a", sampling=Sampling(max_output_tokens=limit))))
    assert {name: value for name, value in spliced.items() if name.startswith("max_")} == expected


def test_sampling_and_prompt_are_put_in() -> None:
    """The task's sampling replaces the client's; rendered messages come before the client's; our field is gone."""
    body = {
        "model": "t",
        "temperature": 1.3,
        "messages": [{"role": "user", "content": "hi"}],
        "trimtab": {"inputs": {}},
    }
    asked = chat.read(json.dumps(body).encode())
    prompt = (b'{"role":"system","content":"be brief"}',)
    spliced = json.loads(WIRE.splice(asked, Edits("m", Sampling(temperature=0.0, stop=("END",)), prompt)))
    assert spliced == {
        "model": "m",
        "temperature": 0.0,
        "stop": ["END"],
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
    }


@pytest.mark.parametrize(
    "content", ["Classify.", [{"type": "text", "text": "Class"}, {"type": "text", "text": "ify."}]]
)
@pytest.mark.parametrize("role", ["system", "developer"])
def test_system_prompt_digest(content: object, role: str) -> None:
    """The digest is over the first system or developer text, parts joined, in UTF-8."""
    asked = chat.read(json.dumps({"model": "a", "messages": [{"role": role, "content": content}]}).encode())
    assert asked.system_prompt == "sha256:" + hashlib.sha256(b"Classify.").hexdigest()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"messages":[]}',
        b'{"model":3}',
        b'{"model":"a","stream":"yes"}',
        b'{"model":"a","messages":{}}',
        b'{"model":"a","messages":[{"role":5}]}',
        b'{"model":"a","max_tokens":"many"}',
        b'{"model":"a","trimtab":{"inputs":[]}}',
        b'{"model":"\xff"}',
    ],
)
def test_bad_requests_are_refused_in_words(body: bytes) -> None:
    """What the path cannot work with is an InvalidRequest, never another exception."""
    with pytest.raises(InvalidRequest):
        chat.read(body)


@given(st.binary(max_size=80))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """No bytes make the reader raise anything but InvalidRequest."""
    for surface in (chat, Completions(), Embeddings()):
        try:
            asked = surface.read(body)
        except InvalidRequest:
            continue
        json.loads(surface.wires["openai"].splice(asked, Edits(model="m")))


def test_embeddings_do_not_stream() -> None:
    """A streamed embedding request is refused."""
    with pytest.raises(InvalidRequest, match="stream"):
        Embeddings().read(b'{"model":"a","input":"x","stream":true}')


def test_stream_is_read_to_its_end() -> None:
    """Role-only and empty deltas are no content; usage we asked for stays with us; [DONE] ends it."""
    reader = WIRE.reader(chat.read(b'{"model":"a","stream":true,"messages":[]}'))
    steps = [
        (delta(role="assistant", content=""), False),
        (delta(content="Hel"), True),
        (delta(content=""), False),
        (delta(tool_calls=[{"index": 0, "id": "x", "function": {"name": "f", "arguments": ""}}]), True),
        (delta(reasoning_content="hm"), True),
    ]
    for value, content in steps:
        reader.feed(event(value))
        assert (reader.content, reader.forward) == (content, event(value))
    last = {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    usage = {"id": "c1", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
    reader.feed(event(last) + event(usage))
    assert reader.forward == event(last)
    reader.feed(b"data: [DONE]\n\n")
    assert reader.done
    assert reader.finish()
    assert reader.facts.usage == Usage(input=7, output=3)
    assert (reader.facts.finish_reason, reader.facts.tool_calls, reader.facts.upstream_model) == ("stop", 1, "m")


def test_usage_reaches_a_client_that_asked() -> None:
    """With include_usage the usage event is forwarded."""
    reader = WIRE.reader(chat.read(b'{"model":"a","stream":true,"stream_options":{"include_usage":true}}'))
    usage = event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
    reader.feed(usage)
    assert reader.forward == usage


def test_error_then_done_is_a_failure() -> None:
    """vLLM's error event followed by [DONE] is not a good end, and neither is shown to the client."""
    reader = WIRE.reader(chat.read(b'{"model":"a","stream":true}'))
    reader.feed(event(delta(content="x")))
    reader.feed(event({"error": {"message": "EngineCore encountered an issue", "code": 500}}) + b"data: [DONE]\n\n")
    assert reader.failure == "EngineCore encountered an issue"
    assert reader.forward == b""
    assert not reader.finish()


@pytest.mark.parametrize("bad", [b"data: {nope\n\n", b'data: {"choices": 5}\n\n', b"data: \xff\xfe\n\n"])
def test_malformed_events_fail_the_stream(bad: bytes) -> None:
    """An event that is not the surface's ends the stream as a failure."""
    reader = WIRE.reader(chat.read(b'{"model":"a","stream":true}'))
    reader.feed(bad)
    assert reader.failure


def test_a_stream_without_done_is_not_whole() -> None:
    """The body's end is not the terminal marker."""
    reader = WIRE.reader(chat.read(b'{"model":"a","stream":true}'))
    reader.feed(event(delta(content="x")))
    assert not reader.finish()


def test_logprobs_are_summed_up() -> None:
    """Mean and lowest of the chosen tokens' log probabilities over all chunks."""
    reader = WIRE.reader(chat.read(b'{"model":"a","stream":true,"logprobs":true}'))
    for value in (-0.1, -0.5):
        chunk = delta(content="x")
        chunk["choices"][0]["logprobs"] = {"content": [{"token": "x", "logprob": value}]}  # type: ignore[index]
        reader.feed(event(chunk))
    summary = reader.facts.logprobs
    assert summary is not None
    assert (summary.tokens, round(summary.mean, 9), summary.lowest) == (2, -0.3, -0.5)


def test_whole_answers() -> None:
    """Facts of an unstreamed answer; an error with status 200, or nonsense, is an upstream error."""
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}, {"id": "2"}]}
    answer = {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    facts = WIRE.whole(ASKED, json.dumps(answer).encode()).facts
    assert (facts.tool_calls, facts.finish_reason, facts.usage) == (2, "tool_calls", None)
    for bad in (b'{"error":{"message":"boom"}}', b"<html>", b"[1]"):
        with pytest.raises(UpstreamSaidError):
            WIRE.whole(ASKED, bad)


def test_errors_have_the_surfaces_shape() -> None:
    """An error body carries message, type, param and our code."""
    failure = DeadlineGap(replica="model small", limit_s=1.0, task="triage")
    error = msgspec.json.decode(chat.error(failure))["error"]
    assert (error["code"], error["type"], error["param"]) == ("deadline_gap", "api_error", None)
    assert chat.error_event(failure) == b"data: " + chat.error(failure) + b"\n\n"


def test_passthrough_touches_nothing() -> None:
    """Any bytes go through both ways as they are."""
    surface = Passthrough()
    asked = surface.read(b"\x00anything")
    wire = surface.wires["openai"]
    assert wire.splice(asked, Edits(model="m")) == b"\x00anything"
    reader = wire.reader(asked)
    reader.feed(b"\x01\x02")
    assert (reader.forward, reader.content, reader.finish()) == (b"\x01\x02", True, True)
