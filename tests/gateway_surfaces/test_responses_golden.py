"""What a real vLLM answered at `/v1/responses`, byte for byte, and what is to be read of it.

`tests/engine/record_responses.py` makes the recordings; what is expected here was read off them by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.engine.record_responses import EXCHANGES, MODEL
from trimtab.contracts.reply import Reply, TokenProb, ToolCall
from trimtab.gateway.surfaces.responses import Responses
from trimtab.gateway.surfaces.surface import Asked, Edits, Facts, Keep, Reader
from trimtab.record.events import Usage

FOLDER = Path(__file__).parent / "golden_responses"
ALL = Keep(added=True, replies=True)
surface = Responses()
wire = surface.wires["openai"]
stream_event: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

EXTRACTED = '{"name": "Ada", "item": "lamp", "qty": 12, "city": "Paris"}'
ZIP = '{"zip": "00000", "kind": "red"}'
FORECAST = '{"city": "Paris", "day": "tomorrow"}'

TEXTS = {
    "text": (EXTRACTED, "stop", Usage(input=49, output=28)),
    "stream": (EXTRACTED, "stop", Usage(input=49, output=28)),
    "prompt": (EXTRACTED, "stop", Usage(input=49, output=28)),
    "items_stream": ("shipping", "stop", Usage(input=54, output=2)),
    "schema": (ZIP, "stop", Usage(input=49, output=24)),
    "schema_stream": (ZIP, "stop", Usage(input=49, output=24)),
    "structured_outputs": (ZIP, "stop", Usage(input=49, output=24)),
    "cut": ('{"name": "Ada", "item', "length", Usage(input=49, output=9)),
    "cut_stream": ('{"name": "Ada", "item', "length", Usage(input=49, output=9)),
    "logprobs": ('{"name":', "length", Usage(input=49, output=3)),
    "logprobs_stream": ('{"name":', "length", Usage(input=49, output=3)),
    "turns": ("</tool_call>", "stop", Usage(input=1, cache_read=128, output=2)),
}
"""Text, finish and usage of the exchanges that answer in text."""
CALLS = {
    "tool": (FORECAST, Usage(input=71, output=29)),
    "tool_stream": (FORECAST, Usage(input=71, output=29)),
    "task_tool": ('{"city": "Perer", "day": "tomorrow"}', Usage(input=51, output=30)),
}
"""Arguments and usage of those that call get_weather."""
STREAMS = sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.200.sse"))
WHOLES = sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.200.json"))


def asked(name: str) -> Asked:
    return surface.read((FOLDER / f"{name}.request.json").read_bytes())


def recorded(name: str) -> bytes:
    [path] = FOLDER.glob(f"{name}.[0-9]*")
    return path.read_bytes()


def events_of(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: ")]


def read(name: str, keep: Keep = ALL, chunks: list[bytes] | None = None) -> tuple[bytes, Reader]:
    """What the client sees of a recorded stream, and its reader, which was fed event by event unless told otherwise."""
    reader = wire.reader(asked(name), keep)
    seen = b""
    events = [event + b"\n\n" for event in recorded(name).split(b"\n\n")[:-1]]
    for chunk in events if chunks is None else chunks:
        reader.feed(chunk)
        seen += reader.forward
    return seen, reader


def facts_of(name: str) -> Facts:
    if name in WHOLES:
        return wire.whole(asked(name), recorded(name), ALL).facts
    seen, reader = read(name)
    assert seen == recorded(name)
    assert reader.finish()
    return reader.facts


def test_every_recording_is_looked_at() -> None:
    """No exchange is recorded that no test here reads."""
    assert set(STREAMS + WHOLES) == {*TEXTS, *CALLS, "custom_tool_stream"}
    assert set(EXCHANGES) == {*STREAMS, *WHOLES, "no_model", "bad_temperature"}


@pytest.mark.parametrize("name", EXCHANGES)
def test_requests_go_out_as_recorded(name: str) -> None:
    """The surface makes today of each request what vLLM took then."""
    request, edits = EXCHANGES[name]
    fields = {"model": "task", "temperature": 0, "max_output_tokens": 64, **request}
    put_in = {field: getattr(edits, field) for field in edits.__struct_fields__}
    body = wire.splice(surface.read(json.dumps(fields).encode()), Edits(**{**put_in, "model": edits.model or MODEL}))
    assert body == (FOLDER / f"{name}.request.json").read_bytes()


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str) -> None:
    """Text, how it ended and usage, whole and streamed; a cut answer is told by its status alone."""
    text, finish, usage = TEXTS[name]
    facts = facts_of(name)
    assert (facts.finish_reason, facts.usage, facts.tool_calls, facts.choices) == (finish, usage, 0, 1)
    assert (facts.upstream_model, facts.upstream_id[:5], facts.text_bytes) == (MODEL, "resp_", len(text))
    [reply] = facts.replies
    assert (reply.text, reply.finish, reply.refusal, reply.tool_calls) == (text, finish, "", [])


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    """The call with its id, and that it ended with one."""
    arguments, usage = CALLS[name]
    facts = facts_of(name)
    assert (facts.finish_reason, facts.usage, facts.tool_calls) == ("tool_calls", usage, 1)
    [reply] = facts.replies
    [call] = reply.tool_calls
    assert (call.name, call.arguments, call.id[:14]) == ("get_weather", arguments, "chatcmpl-tool-")
    assert (reply.text, reply.finish) == ("", "tool_calls")


def test_a_call_of_a_free_form_tool() -> None:
    """It counts as a tool call, but is none to hold against a schema."""
    facts = facts_of("custom_tool_stream")
    assert (facts.finish_reason, facts.tool_calls, facts.text_bytes) == ("tool_calls", 1, 1 + len("Paris"))
    assert facts.replies == [Reply(finish="tool_calls")]


@pytest.mark.parametrize("name", ["logprobs", "logprobs_stream"])
def test_log_probabilities(name: str) -> None:
    """Tokens with the likeliest at their place, and their mean and lowest."""
    facts = facts_of(name)
    [reply] = facts.replies
    assert reply.logprobs[0] == TokenProb(
        '{"', -0.00017033556650858372, (('{"', -0.00017033556650858372), ("name", -11.02061939239502))
    )
    assert [token.token for token in reply.logprobs] == ['{"', "name", '":']
    assert facts.logprobs is not None
    assert (facts.logprobs.tokens, facts.logprobs.lowest) == (3, -0.00017033556650858372)
    assert facts.logprobs.mean == pytest.approx((-0.0001703356 - 0.0001267114 - 0.0001416106) / 3, abs=1e-9)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("keep", [Keep(), ALL], ids=["plain", "kept"])
def test_streams_pass_byte_for_byte(name: str, keep: Keep) -> None:
    """Unless something is to be edited, every event is passed on as it came, when it came, the last one as the last."""
    reader = wire.reader(asked(name), keep)
    events = [event + b"\n\n" for event in recorded(name).split(b"\n\n")[:-1]]
    for event in events:
        assert not reader.done
        reader.feed(event)
        assert reader.forward == event
        begins_call = b"output_item.added" in event and b'_call"' in event
        assert reader.content == (b".delta\n" in event or begins_call)
    assert (reader.done, reader.finish(), reader.failure) == (True, True, "")


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_split_reads_the_same(name: str, data: st.DataObject) -> None:
    """However the bytes of a stream are cut, the client sees the same, and the same is read."""
    stream = recorded(name)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    for keep in (Keep(), ALL):
        seen, reader = read(name, keep, chunks)
        assert seen == stream
        assert reader.finish()
        assert reader.facts == read(name, keep)[1].facts


@pytest.mark.parametrize("name", STREAMS)
def test_a_cut_stream_is_not_whole(name: str) -> None:
    """Without its last event it is truncated, wherever it ends."""
    events = [event + b"\n\n" for event in recorded(name).split(b"\n\n")[:-1]]
    for count in range(len(events)):
        _, reader = read(name, ALL, events[:count])
        assert (reader.finish(), reader.failure) == (False, "")


@pytest.mark.parametrize("name", [name for name in STREAMS if name in TEXTS])
def test_added_text_is_the_text(name: str) -> None:
    """Piece by piece, each with the event that brought it."""
    reader = wire.reader(asked(name), ALL)
    text = ""
    for event in recorded(name).split(b"\n\n")[:-1]:
        reader.feed(event + b"\n\n")
        added = "".join(piece.text for piece in reader.added)
        assert bool(added) == (b".delta\n" in event)
        text += added
    assert text == TEXTS[name][0]


@pytest.mark.parametrize("name", STREAMS)
def test_the_end_is_held(name: str) -> None:
    """With `keep.end` nothing says that what a contract is about is done; with the rest the stream is what it was."""
    seen, reader = read(name, Keep(end=True))
    assert seen + reader.ending == recorded(name)
    assert events_of(reader.ending)[-1]["type"] == "response.completed"
    done = [event["item"]["type"] for event in events_of(seen) if event["type"] == "response.output_item.done"]
    assert set(done) <= {"reasoning", "custom_tool_call"}


def test_log_probabilities_that_only_we_asked_for_are_hidden() -> None:
    """Streamed and whole, the client sees none, nor that we asked, and all else as it was; the record has them."""
    request = surface.read(b'{"model":"a","input":"x"}')
    hiding = Keep(replies=True, hide_logprobs=True)
    whole = wire.whole(request, recorded("logprobs"), hiding)
    seen, reader = b"", wire.reader(request, hiding)
    for event in recorded("logprobs_stream").split(b"\n\n")[:-1]:
        reader.feed(event + b"\n\n")
        seen += reader.forward
    for facts in (whole.facts, reader.facts):
        assert len(facts.replies[0].logprobs) == 3
        assert facts.logprobs is not None
    for shown, before in zip(events_of(seen), events_of(recorded("logprobs_stream")), strict=True):
        assert shown == without(before)
        stream_event.validate_python(shown, strict=False)
    assert json.loads(whole.body) == without(json.loads(recorded("logprobs")))
    assert b'"logprobs":[{' not in seen + whole.body


def without(value: Any) -> Any:
    """The same with empty log probabilities, and with null for how many were asked for."""
    if isinstance(value, list):
        return [without(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    changed: dict[str, Any] = {"logprobs": [], "top_logprobs": None}
    return {name: changed[name] if name in changed else without(inner) for name, inner in value.items()}


def test_the_wish_of_the_client_is_shown_again() -> None:
    """`top_logprobs` without `include` is the client's own; it comes back as it was asked."""
    request = surface.read(b'{"model":"a","input":"x","top_logprobs":1}')
    whole = wire.whole(request, recorded("logprobs"), Keep(hide_logprobs=True))
    assert json.loads(whole.body)["top_logprobs"] == 1


@pytest.mark.parametrize("name", ["no_model", "bad_temperature"])
def test_refusals_are_shown_as_they_are(name: str) -> None:
    """A client of this API knows them."""
    assert wire.rejected(400, recorded(name)) == recorded(name)


@pytest.mark.parametrize("name", STREAMS)
def test_the_recordings_are_what_the_client_knows(name: str) -> None:
    """Every recorded event has a type of the official client, so that these tests speak of the API it speaks."""
    for event in events_of(recorded(name)):
        stream_event.validate_python(event)
    assert Response.model_validate(events_of(recorded(name))[-1]["response"]).output


def test_a_call_reads_the_same_streamed_and_whole() -> None:
    """But for the ids that vLLM makes up."""
    whole, streamed = facts_of("tool").replies[0], facts_of("tool_stream").replies[0]
    for reply in (whole, streamed):
        reply.tool_calls = [ToolCall("", call.name, call.arguments) for call in reply.tool_calls]
    assert whole == streamed
