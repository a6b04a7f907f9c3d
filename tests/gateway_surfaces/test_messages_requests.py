"""Anthropic's surfaces read what they must of a request and leave the rest as it was."""

import contextlib
import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from trimtab.contracts.reply import Reply, ToolCall
from trimtab.declare.project import Sampling
from trimtab.errors import CallError, Draining, InvalidRequest, OutputInvalid
from trimtab.gateway.surfaces.count_tokens import CountTokens
from trimtab.gateway.surfaces.messages import NOT_RUN, Messages
from trimtab.gateway.surfaces.surface import Asked, Edits, OfferedTool, SchemaEdit, ToolEdit

messages = Messages()
count = CountTokens()
wire = messages.wires["anthropic"]

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KNOWN = {"stream", "system", "messages", "tools", "max_tokens", "trimtab", "model", "thread"}
USER = {"role": "user", "content": "hi"}
SCHEMA = Raw(b'{"type":"object"}')


def read(**fields: Any) -> Asked:
    return messages.read(json.dumps({"model": "a", "max_tokens": 100, "messages": [USER], **fields}).encode())


def spliced(asked: Asked, edits: Edits) -> Any:
    return json.loads(wire.splice(asked, edits))


def digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@given(st.dictionaries(st.text(max_size=8).filter(lambda name: name not in KNOWN), JSON_VALUES, max_size=6))
def test_unknown_fields_survive_the_splice(extra: dict[str, object]) -> None:
    """Only the model changes; every field we do not know keeps its value."""
    request = {**extra, "model": "small", "messages": [USER]}
    assert spliced(messages.read(json.dumps(request).encode()), Edits(model="big")) == {**request, "model": "big"}


def test_what_is_not_ours_keeps_its_bytes() -> None:
    """Blocks with cache_control, thinking and numbers are copied as they were spelled."""
    body = (
        b'{"model":"a","temperature":1.0e0,"thinking":{"type":"enabled","budget_tokens":2048},'
        b'"metadata":{"user_id":"u"},"messages":[{"role":"user","content":[{"type":"text","text":"\\u00e9",'
        b'"cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}'
    )
    assert wire.splice(messages.read(body), Edits(model="a")) == body


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"system": "be brief"}, "be brief"),
        (
            {"system": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief", "cache_control": {}}]},
            "be brief",
        ),
        ({"messages": [{"role": "system", "content": "in front"}, USER]}, "in front"),
        ({"system": ""}, ""),
    ],
)
def test_the_system_prompt_is_known_by_its_digest(fields: dict[str, Any], text: str) -> None:
    """A task is found by the sha256 of the system's text, its blocks joined."""
    assert read(**fields).system_prompt == digest(text)


def test_without_a_system_prompt_there_is_no_digest() -> None:
    """None stands for none, so that no task is taken for its empty prompt."""
    assert read().system_prompt is None
    assert read(system=None).system_prompt is None


def test_our_own_field_is_read_and_taken_out() -> None:
    """`trimtab` is for us alone."""
    asked = read(trimtab={"inputs": {"x": 1}, "retrieval_ids": ["d1"]}, stream=True)
    assert (asked.inputs, asked.retrieval_ids, asked.stream, asked.max_output_tokens) == ({"x": 1}, ("d1",), True, 100)
    assert "trimtab" not in spliced(asked, Edits(model="a"))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"messages":[]}', b'{"model":1}', b'{"model":"a","messages":{}}',
                                  b'{"model":"a","max_tokens":"1"}', b'{"model":"a","system":7,"messages":[]}',
                                  b'{"model":"a","tools":[7]}', b'{"model":"\xff"}', b"[" * 5000])  # fmt: skip
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """Anything the path cannot work with is the client's error."""
    with pytest.raises(InvalidRequest):
        messages.read(body)


@given(st.binary(max_size=200))
def test_garbage_is_refused(body: bytes) -> None:
    """Foreign bytes are read or refused, never a crash."""
    with contextlib.suppress(InvalidRequest):
        messages.read(body)


def test_sampling_goes_into_the_wires_own_fields() -> None:
    """A task's sampling takes the client's place; its limit only tightens."""
    sampling = Sampling(temperature=0.5, top_p=0.9, max_output_tokens=50, stop=("END",))
    said = spliced(read(temperature=1, stop_sequences=["x"]), Edits("m", sampling))
    assert (said["temperature"], said["top_p"], said["max_tokens"], said["stop_sequences"]) == (0.5, 0.9, 50, ["END"])
    assert spliced(read(max_tokens=20), Edits("m", sampling))["max_tokens"] == 20
    assert spliced(read(max_tokens=None), Edits("m", sampling))["max_tokens"] == 50


@pytest.mark.parametrize(
    ("edits", "named"),
    [(Edits("m", Sampling(seed=1)), "`seed`"), (Edits("m", top_logprobs=5), "log probabilities")],
)
def test_what_the_wire_has_no_field_for_is_refused_by_name(edits: Edits, named: str) -> None:
    """A task cannot ask for what would be dropped."""
    with pytest.raises(InvalidRequest, match=named):
        wire.splice(read(), edits)


@pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}])
@pytest.mark.parametrize("surface", [messages, count])
def test_a_conversation_that_the_server_is_to_hold_is_refused_where_none_does(
    surface: Messages | CountTokens, thread: dict[str, Any]
) -> None:
    """vLLM ignores `thread` with status 200; told so in this way, Anthropic's client sends the whole history."""
    asked = read(thread=thread)
    for engine in ("vllm", "other"):
        with pytest.raises(InvalidRequest, match="`thread` needs a server that keeps conversations") as raised:
            surface.wires["anthropic"].splice(asked, Edits("qwen", engine=engine))
        error = json.loads(messages.error(raised.value))["error"]
        assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
        assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")
    assert spliced(asked, Edits("claude", engine="anthropic"))["thread"] == thread
    assert spliced(read(thread=None), Edits("qwen", engine="vllm"))["thread"] is None


def test_other_errors_have_no_details() -> None:
    """Only what the client can go on from has them."""
    assert "details" not in json.loads(messages.error(InvalidRequest(detail="it is wrong")))["error"]


def test_a_prompt_is_put_in_front() -> None:
    """The rendered system text goes before the client's, the other turns before the client's turns."""
    prompt = (b'{"role":"system","content":"Sort."}', b'{"role":"user","content":"first"}')
    said = spliced(read(system="mine"), Edits("m", prompt=prompt))
    assert said["system"] == [{"type": "text", "text": "Sort."}, {"type": "text", "text": "mine"}]
    assert said["messages"] == [{"role": "user", "content": "first"}, USER]
    assert spliced(read(), Edits("m", prompt=prompt))["system"] == "Sort."
    block = {"type": "text", "text": "mine", "cache_control": {"type": "ephemeral"}}
    assert spliced(read(system=[block]), Edits("m", prompt=prompt))["system"][1] == block
    assert spliced(read(system="mine"), Edits("m", prompt=prompt[1:]))["system"] == "mine"


def test_a_schema_goes_out_as_output_config() -> None:
    """What else stands in `output_config` stays."""
    edits = Edits("m", schema=SchemaEdit("output_config", "t", SCHEMA))
    form = {"type": "json_schema", "schema": {"type": "object"}}
    assert spliced(read(), edits)["output_config"] == {"format": form}
    assert spliced(read(output_config={"effort": "low", "format": None}), edits)["output_config"] == {
        "effort": "low",
        "format": form,
    }


def test_tools_of_the_task_are_added_unless_the_request_has_one_of_that_name() -> None:
    """The client's own definition wins."""
    mine = {"name": "mine", "input_schema": {"type": "object"}}
    edits = Edits("m", tools=(ToolEdit("mine", "d", SCHEMA), ToolEdit("theirs", "d", SCHEMA)))
    added = {"name": "theirs", "description": "d", "input_schema": {"type": "object"}}
    assert spliced(read(tools=[mine]), edits)["tools"] == [mine, added]


def test_strict_arguments_are_asked_for_where_nothing_was_said_of_them() -> None:
    """A tool that Anthropic defines has no schema to be strict about."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    tools = [{"name": "a", "input_schema": {}}, {"name": "b", "input_schema": {}, "strict": False}, search]
    said = spliced(read(tools=tools), Edits("m", strict_tools=True))["tools"]
    assert said == [{"name": "a", "input_schema": {}, "strict": True}, tools[1], search]


def test_the_tools_of_a_request() -> None:
    """Each tool with a name may be called; one that Anthropic defines has no schema we know."""
    tools = [{"name": "a", "input_schema": {"type": "object"}}, {"type": "bash_20250124", "name": "bash"}]
    assert messages.offered(read(tools=tools)) == (OfferedTool("a", b'{"type": "object"}'), OfferedTool("bash", b""))


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (InvalidRequest(detail="x"), "invalid_request_error"),
        (OutputInvalid(task="t", detail="x"), "invalid_request_error"),
        (Draining(), "overloaded_error"),
    ],
)
def test_errors_have_anthropics_shape_and_our_code(failure: CallError, kind: str) -> None:
    """The type is Anthropic's for the status; our own code stands beside it."""
    body = json.loads(messages.error(failure))
    assert body == {"type": "error", "error": {"type": kind, "message": str(failure), "code": failure.code}}
    name, data = messages.error_event(failure).split(b"\n")[:2]
    assert (name, json.loads(data[6:])) == (b"event: error", body)


def reasked(asked: Asked, reply: Reply, *complaints: str) -> list[Any]:
    """The turns that are added, the same in the messages and in the body."""
    again = messages.reask(asked, reply, complaints)
    said = spliced(again, Edits("m"))["messages"]
    assert said == [json.loads(bytes(message)) for message in again.messages]
    return said[len(asked.messages) :]


def test_a_text_is_asked_for_again() -> None:
    """The model sees its answer and what is wrong with it."""
    assert reasked(read(), Reply(text="no json"), "it is no JSON") == [
        {"role": "assistant", "content": [{"type": "text", "text": "no json"}]},
        {"role": "user", "content": [{"type": "text", "text": "it is no JSON"}]},
    ]


def test_an_empty_answer_is_asked_for_again_without_an_empty_turn() -> None:
    """Anthropic refuses empty texts."""
    assert reasked(read(), Reply(text=" "), "it is empty") == [
        {"role": "user", "content": [{"type": "text", "text": "it is empty"}]}
    ]


def test_tool_calls_are_asked_for_again() -> None:
    """Each call gets its result; one whose arguments are no object goes back in words, and is never made one."""
    calls = [ToolCall("t1", "a", '{"x":1}'), ToolCall("t2", "b", '{"x":'), ToolCall("t3", "c", '{"y": "no"}')]
    turns = reasked(read(), Reply(text="now", tool_calls=calls), "", "not JSON", "y is no number")
    assert turns == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "now"},
                {"type": "tool_use", "id": "t1", "name": "a", "input": {"x": 1}},
                {"type": "text", "text": 'b {"x":'},
                {"type": "tool_use", "id": "t3", "name": "c", "input": {"y": "no"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": NOT_RUN},
                {"type": "tool_result", "tool_use_id": "t3", "content": "y is no number", "is_error": True},
                {"type": "text", "text": "b: not JSON"},
            ],
        },
    ]


def test_while_thinking_is_on_calls_go_back_in_words() -> None:
    """Anthropic refuses a call without the signed thinking that came before it, which a reply does not hold."""
    asked = read(thinking={"type": "enabled", "budget_tokens": 1024})
    turns = reasked(asked, Reply(tool_calls=[ToolCall("t1", "a", '{"x":1}')]), "x is no text")
    assert turns == [
        {"role": "assistant", "content": [{"type": "text", "text": 'a {"x":1}'}]},
        {"role": "user", "content": [{"type": "text", "text": "a: x is no text"}]},
    ]


def test_counting_leaves_sampling_out_and_never_streams() -> None:
    """A count takes no limit, and what a task pins for answers has no place in it."""
    asked = count.read(b'{"model":"a","messages":[],"stream":true,"trimtab":{"inputs":{}}}')
    assert not asked.stream
    edits = Edits("m", Sampling(temperature=0, seed=1, max_output_tokens=5), tools=(ToolEdit("t", "d", SCHEMA),))
    assert json.loads(count.wires["anthropic"].splice(asked, edits)) == {
        "model": "m",
        "messages": [],
        "stream": True,
        "tools": [{"name": "t", "description": "d", "input_schema": {"type": "object"}}],
    }


def test_only_servers_of_its_own_wire_count() -> None:
    """OpenAI's wire has no such request."""
    assert set(count.wires) == {"anthropic"}
    assert set(messages.wires) == {"anthropic", "openai"}
    assert msgspec.structs.asdict(count.read(b'{"model":"a"}'))["model"] == "a"
