"""Requests of the Responses API: what is read of them, what is put into them, and what is refused."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from trimtab.contracts.reply import Reply, ToolCall
from trimtab.declare.project import Sampling
from trimtab.errors import DeadlineGap, InvalidRequest
from trimtab.gateway.surfaces.responses import Responses
from trimtab.gateway.surfaces.surface import Asked, Edits, OfferedTool, SchemaEdit, ToolEdit

surface = Responses()
wire = surface.wires["openai"]

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KNOWN = {"model", "stream", "input", "instructions", "tools", "max_output_tokens", "include", "background", "trimtab"}
KNOWN |= {"store", "previous_response_id", "conversation", "prompt"}
SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}')
WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}


def read(**fields: Any) -> Asked:
    return surface.read(json.dumps({"model": "task", "input": "hi", **fields}).encode())


def spliced(asked: Asked, **edits: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(wire.splice(asked, Edits(**{"model": "m", **edits})))
    return found


# Reading


def test_what_a_request_asks_for_is_read() -> None:
    """Model, stream, limit, items, tools, log probabilities, and our own inputs and ids."""
    item = {"role": "user", "content": "hi"}
    asked = read(
        stream=True,
        input=[item],
        max_output_tokens=9,
        tools=[WEATHER],
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        trimtab={"inputs": {"name": "Ada"}, "retrieval_ids": ["d1"]},
    )
    assert (asked.model, asked.stream, asked.max_output_tokens, asked.logprobs) == ("task", True, 9, True)
    assert [json.loads(bytes(message)) for message in asked.messages] == [item]
    assert (asked.inputs, asked.retrieval_ids, asked.choices) == ({"name": "Ada"}, ("d1",), 1)
    assert surface.offered(asked) == (OfferedTool("get_weather", b'{"type": "object"}'),)


def test_a_text_is_no_list_of_items() -> None:
    """With `input` as a text there are no messages, and no log probabilities unless asked for."""
    asked = read(top_logprobs=3)
    assert (asked.messages, asked.logprobs, asked.system_prompt) == ((), False, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"instructions": "Classify."},
        {"input": [{"role": "system", "content": "Classify."}]},
        {
            "input": [
                {
                    "role": "developer",
                    "content": [{"type": "input_text", "text": "Class"}, {"type": "x", "text": "ify."}],
                }
            ]
        },
        {"instructions": "Classify.", "input": [{"role": "system", "content": "Something else."}]},
    ],
)
def test_system_prompt_digest(fields: dict[str, Any]) -> None:
    """It is over the instructions, or else over the first item's text if that is the system's."""
    assert read(**fields).system_prompt == "sha256:" + hashlib.sha256(b"Classify.").hexdigest()


def test_only_functions_are_offered() -> None:
    """Tools of the server and free-form ones are left out; those of a namespace count by their own name."""
    nested = {"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find"}, {"type": "custom"}]}
    asked = read(tools=[{"type": "web_search"}, WEATHER, {"type": "custom", "name": "grep"}, nested])
    assert [tool.name for tool in surface.offered(asked)] == ["get_weather", "find"]
    assert surface.offered(asked)[1].schema == b""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"input":"x"}',
        b'{"model":3}',
        b'{"model":"a","stream":"yes"}',
        b'{"model":"a","input":7}',
        b'{"model":"a","input":{}}',
        b'{"model":"a","input":[{"role":5}]}',
        b'{"model":"a","max_output_tokens":"many"}',
        b'{"model":"a","tools":{}}',
        b'{"model":"a","tools":[7]}',
        b'{"model":"a","tools":[{"type":"function","name":{}}]}',
        b'{"model":"a","tools":[{"type":"namespace","tools":7}]}',
        b'{"model":"a","instructions":["x"]}',
        b'{"model":"a","trimtab":{"inputs":[]}}',
        b'{"model":"\xff"}',
    ],
)
def test_bad_requests_are_refused_in_words(body: bytes) -> None:
    """What the path cannot work with is an InvalidRequest, never another exception."""
    with pytest.raises(InvalidRequest):
        surface.read(body)


TOOLS = st.fixed_dictionaries(
    {"type": st.sampled_from(["function", "namespace", "custom"])},
    optional={"name": st.just("f"), "tools": JSON_VALUES, "parameters": JSON_VALUES, "strict": JSON_VALUES},
)
REQUESTS = st.fixed_dictionaries({"model": st.just("a")}, optional={"input": JSON_VALUES, "tools": st.lists(TOOLS)})


@settings(deadline=None)
@given(st.binary(max_size=80) | REQUESTS.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """No bytes make the surface raise anything but InvalidRequest."""
    try:
        asked = surface.read(body)
    except InvalidRequest:
        return
    json.loads(wire.splice(asked, Edits(model="m", prompt=(b"{}",), strict_tools=True)))


# Splicing


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=6))
def test_unknown_fields_survive_the_splice(extra: dict[str, object]) -> None:
    """Only the model changes; every field we do not know keeps its value."""
    request = {**{name: value for name, value in extra.items() if name not in KNOWN}, "model": "small", "input": "hi"}
    asked = surface.read(json.dumps(request).encode())
    assert json.loads(wire.splice(asked, Edits(model="Qwen/Qwen3-8B"))) == {**request, "model": "Qwen/Qwen3-8B"}


def test_values_keep_their_bytes() -> None:
    """What is not ours is copied as it was spelled, and no stream option is put in."""
    asked = surface.read(b'{"model":"a","stream":true,"input":[ {"role":"user", "content":"x"} ],"weird":1.10e1}')
    body = wire.splice(asked, Edits(model="b", count_tokens=True))
    assert body == b'{"model":"b","stream":true,"input":[ {"role":"user", "content":"x"} ],"weird":1.10e1}'


@pytest.mark.parametrize(
    ("sent", "limit", "expected"), [(None, 50, 50), (20, 50, 20), (80, 50, 50), (30, None, 30), (None, None, None)]
)
def test_output_limit_only_tightens(sent: int | None, limit: int | None, expected: int | None) -> None:
    """A task's limit caps the client's, and never widens it."""
    asked = read(**({"max_output_tokens": sent} if sent else {}))
    assert spliced(asked, sampling=Sampling(max_output_tokens=limit)).get("max_output_tokens") == expected


def test_sampling_and_prompt_are_put_in() -> None:
    """The task's sampling replaces the client's; rendered messages come before a text, which becomes an item."""
    asked = read(temperature=1.3, trimtab={"inputs": {}})
    prompt = (b'{"role":"system","content":"be brief"}',)
    assert spliced(asked, sampling=Sampling(temperature=0.0, top_p=0.5), prompt=prompt) == {
        "model": "m",
        "temperature": 0.0,
        "top_p": 0.5,
        "input": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
    }
    items = [{"role": "user", "content": "a"}, {"type": "function_call_output", "call_id": "c", "output": "b"}]
    assert spliced(read(input=items), prompt=prompt)["input"] == [json.loads(prompt[0]), *items]


@pytest.mark.parametrize(("name", "value"), [("seed", 7), ("stop", ("END",))])
def test_sampling_that_this_api_lacks_is_refused_by_name(name: str, value: Any) -> None:
    """A task that pins a seed or stop strings cannot be kept to here, which is said."""
    with pytest.raises(InvalidRequest, match=f"sampling.{name}"):
        spliced(read(), sampling=Sampling(**{name: value}))


def test_a_schema_goes_out_in_the_apis_form() -> None:
    """It takes the place of the client's format, of either form; the other keys of `text` stay."""
    theirs = {"verbosity": "low", "format": {"type": "json_object"}}
    asked = read(text=theirs, structured_outputs={"regex": "a"})
    edit = SchemaEdit("response_format", "order", SCHEMA)
    body = spliced(asked, schema=edit)
    form = {"type": "json_schema", "name": "order", "schema": json.loads(bytes(SCHEMA)), "strict": True}
    assert body["text"] == {"verbosity": "low", "format": form}
    assert "structured_outputs" not in body
    assert bytes(SCHEMA) in wire.splice(asked, Edits("m", schema=edit))


def test_a_schema_goes_out_in_vllms_form() -> None:
    """vLLM refuses its own form beside a text format, which is taken out, and with it a `text` that held no more."""
    edit = SchemaEdit("structured_outputs", "order", SCHEMA)
    body = spliced(read(text={"format": {"type": "text"}}), schema=edit)
    assert body["structured_outputs"] == {"json": json.loads(bytes(SCHEMA))}
    assert "text" not in body
    assert spliced(read(text={"verbosity": "low", "format": None}), schema=edit)["text"] == {"verbosity": "low"}


@pytest.mark.parametrize("text", [None, {}])
def test_an_empty_text_is_no_obstacle(text: Any) -> None:
    """A null or empty `text` takes the format."""
    assert spliced(read(text=text), schema=SchemaEdit("response_format", "o", SCHEMA))["text"]["format"]["name"] == "o"


def test_a_malformed_text_is_refused() -> None:
    """Where a schema must go in, `text` has to be an object."""
    with pytest.raises(InvalidRequest, match="`text`"):
        spliced(read(text="low"), schema=SchemaEdit("response_format", "o", SCHEMA))


def test_tools_of_the_task_are_offered_in_flat_form() -> None:
    """Except those the request has itself; what is no function stays as it is; `strict` is always told."""
    mine = ToolEdit("get_weather", "other", SCHEMA), ToolEdit("find", "orders", SCHEMA)
    body = spliced(read(tools=[WEATHER, {"type": "web_search"}]), tools=mine)
    found = {"type": "function", "name": "find", "description": "orders", "parameters": json.loads(bytes(SCHEMA))}
    assert body["tools"] == [WEATHER, {"type": "web_search"}, {**found, "strict": False}]
    assert spliced(read(), tools=mine[1:], strict_tools=True)["tools"] == [{**found, "strict": True}]


def test_strict_tools_are_asked_for_where_nothing_else_is_said() -> None:
    """A tool that says whether it is strict is left alone, and so is one without parameters or of another kind."""
    told = [{**WEATHER, "strict": False}, {"type": "function", "name": "now"}, {"type": "web_search"}]
    body = spliced(read(tools=[WEATHER, {**WEATHER, "strict": None}, *told]), strict_tools=True)
    assert body["tools"] == [{**WEATHER, "strict": True}, {**WEATHER, "strict": True}, *told]


def test_log_probabilities_are_asked_for() -> None:
    """They are included beside what the client includes, unless it asked for them itself."""
    body = spliced(read(include=["reasoning.encrypted_content"]), top_logprobs=5)
    assert body["include"] == ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert body["top_logprobs"] == 5
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    assert spliced(read(**asked), top_logprobs=5) == {"model": "m", "input": "hi", **asked}


STATEFUL = [
    ({"previous_response_id": "resp_1"}, "`previous_response_id`"),
    ({"conversation": "conv_1"}, "`conversation`"),
    ({"conversation": {"id": "conv_1"}}, "`conversation`"),
    ({"prompt": {"id": "pmpt_1"}}, "`prompt`"),
    ({"store": True}, "`store: true`"),
    ({"background": True, "stream": True}, "`background: true`"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "`item_reference`"),
]


@pytest.mark.parametrize(("fields", "name"), STATEFUL)
def test_what_needs_a_server_that_remembers_is_refused_by_name(fields: dict[str, Any], name: str) -> None:
    """The refusal says which field and what to send instead; a server that keeps responses gets it as it is."""
    asked = read(**fields)
    with pytest.raises(InvalidRequest, match=rf"{name}.*whole history in `input`"):
        spliced(asked)
    assert spliced(asked, engine="openai") == {"model": "m", "input": "hi", **fields}


def test_saying_no_to_state_is_fine() -> None:
    """Null, false and absence ask for nothing."""
    fields = {"previous_response_id": None, "conversation": None, "prompt": None, "store": False, "background": False}
    assert spliced(read(**fields)) == {"model": "m", "input": "hi", **fields}
    assert spliced(read(input="an item_reference")) == {"model": "m", "input": "an item_reference"}


# Asking again


def test_a_text_is_asked_for_again() -> None:
    """Question, answer and complaint, in this order; nothing else changes."""
    asked = surface.reask(read(instructions="x"), Reply(text="nonsense"), ["it is no JSON"])
    said = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "nonsense"},
        {"role": "user", "content": "it is no JSON"},
    ]
    assert spliced(asked) == {"model": "m", "input": said, "instructions": "x"}
    assert [json.loads(bytes(message)) for message in asked.messages] == said
    again = surface.reask(asked, Reply(text="more"), ["still none"])
    assert spliced(again)["input"][3:] == [
        {"role": "assistant", "content": "more"},
        {"role": "user", "content": "still none"},
    ]


def test_calls_are_asked_for_again() -> None:
    """Each call is said again and answered, a good one too."""
    calls = [ToolCall("c1", "get_weather", '{"city": 3}'), ToolCall("c2", "find", "{}")]
    asked = surface.reask(read(input=[]), Reply(text="Well.", tool_calls=calls), ["city is no string", ""])
    said = spliced(asked)["input"]
    assert said[:3] == [
        {"role": "assistant", "content": "Well."},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city": 3}'},
        {"type": "function_call", "call_id": "c2", "name": "find", "arguments": "{}"},
    ]
    assert said[3] == {"type": "function_call_output", "call_id": "c1", "output": "city is no string"}
    assert (said[4]["type"], said[4]["call_id"]) == ("function_call_output", "c2")
    assert "not made" in said[4]["output"]


@pytest.mark.parametrize(
    "call", [ToolCall("c1", "find", "{nope"), ToolCall("c1", "find", "[]"), ToolCall("", "find", "{}")]
)
def test_a_call_that_cannot_be_repeated_goes_back_as_text(call: ToolCall) -> None:
    """Servers refuse a history with arguments that are no object, or a call without an id."""
    asked = surface.reask(read(), Reply(tool_calls=[call]), ["wrong"])
    assert spliced(asked)["input"][1:] == [
        {"role": "assistant", "content": f"find({call.arguments})"},
        {"role": "user", "content": "wrong"},
    ]


def test_asking_again_keeps_the_prompt_in_front() -> None:
    """What the task renders is put before the grown input, once."""
    asked = surface.reask(read(), Reply(text="a"), ["b"])
    said = spliced(asked, prompt=(b'{"role":"system","content":"s"}',))["input"]
    assert [item["role"] for item in said] == ["system", "user", "assistant", "user"]


# Errors


def test_errors_have_the_apis_shape() -> None:
    """The body is OpenAI's; the event has the documented fields, and the object that clients look for."""
    failure = DeadlineGap(replica="model small", limit_s=1.0, task="triage")
    error = json.loads(surface.error(failure))["error"]
    assert (error["code"], error["type"], error["param"]) == ("deadline_gap", "api_error", None)
    name, data = surface.error_event(failure).decode().removesuffix("\n\n").split("\n")
    event = json.loads(data.removeprefix("data: "))
    assert name == "event: error"
    assert (event["type"], event["code"], event["param"]) == ("error", "deadline_gap", None)
    assert event["message"] == str(failure)
    assert event["error"] == error


def test_a_servers_refusal_is_shown_as_it_is() -> None:
    """The wire is the surface's own."""
    assert wire.rejected(400, b'{"error": 1}') == b'{"error": 1}'
    assert (wire.path, wire.resumes) == ("", False)
