"""Requests of chat go to Anthropic's wire with their meaning, or are refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from trimtab.declare.project import Sampling
from trimtab.errors import InvalidRequest
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.surface import Edits, SchemaEdit, ToolEdit
from trimtab.gateway.translate.chat_over_messages import ChatOverMessages
from trimtab.gateway.translate.chat_to_messages import DEFAULT_MAX_TOKENS

chat = ChatCompletions()
wire = ChatOverMessages()
PLAIN = Edits("claude")
USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
PNG = "iVBORw0KGgo="


def carried(edits: Edits = PLAIN, **fields: Any) -> Any:
    body = json.dumps({"model": "a", "messages": [USER], **fields}).encode()
    return json.loads(wire.splice(chat.read(body), edits))


def refused(edits: Edits = PLAIN, **fields: Any) -> str:
    with pytest.raises(InvalidRequest) as refusal:
        carried(edits, **fields)
    return str(refusal.value)


def said(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def turns(*messages: Any) -> Any:
    return carried(messages=list(messages))["messages"]


def test_a_plain_request() -> None:
    """The limit that Anthropic wants is the stated default where nobody set one."""
    assert carried() == {"model": "claude", "max_tokens": DEFAULT_MAX_TOKENS, "messages": [USER]}


def test_limits_sampling_and_stop() -> None:
    """Each goes into the field that means the same."""
    sent = carried(
        max_completion_tokens=50, max_tokens=60, temperature=0.5, top_p=0.9, top_k=5, stop="END", stream=True
    )
    assert sent == {
        "model": "claude",
        "max_tokens": 50,
        "messages": [USER],
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop_sequences": ["END"],
    }
    assert carried(stop=["a", "b"])["stop_sequences"] == ["a", "b"]


def test_the_task_may_pin_what_the_client_could_not_have_carried() -> None:
    """What takes the client's place is not looked at."""
    sent = carried(Edits("m", Sampling(temperature=0.0, stop=("x",), max_output_tokens=9_000)), temperature=1.9)
    assert (sent["temperature"], sent["stop_sequences"], sent["max_tokens"]) == (0.0, ["x"], 9_000)
    form = Edits("m", schema=SchemaEdit("response_format", "t", Raw(b'{"type":"object"}')))
    sent = carried(form, response_format={"type": "json_object"})
    assert sent["output_config"] == {"format": {"type": "json_schema", "schema": {"type": "object"}}}


def test_system_messages() -> None:
    """Those in front are the system's; one amid the conversation stays there."""
    sent = carried(
        messages=[
            {"role": "system", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
            USER,
            {"role": "system", "content": "now"},
        ]
    )
    assert sent["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert sent["messages"] == [USER, {"role": "system", "content": [{"type": "text", "text": "now"}]}]
    assert carried(messages=[{"role": "system", "content": "a"}, USER])["system"] == "a"


def test_images() -> None:
    """A data URL becomes its bytes in base64, any other URL stays one."""
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "auto"}},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
    ]
    assert turns({"role": "user", "content": parts}) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
            ],
        }
    ]


def test_tool_calls_and_their_results() -> None:
    """Parallel calls are blocks of one turn, and their results blocks of the next."""
    other = {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    assert turns(
        USER,
        {"role": "assistant", "content": "look", "tool_calls": [CALL, other], "refusal": None, "annotations": []},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": "and?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "three"},
    )[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "c2", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "two"}]},
            ],
        },
        {"role": "user", "content": "and?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "three"}]},
    ]


def test_signed_thinking_goes_back_as_it_came() -> None:
    """`thinking_blocks` of our own answers hold the signature, and `reasoning_content` repeats their text."""
    blocks = [
        {"index": 0, "type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"index": 1, "type": "redacted_thinking", "data": "eA=="},
    ]
    said = {"role": "assistant", "content": "so", "reasoning_content": "hm", "thinking_blocks": blocks}
    assert turns(USER, said, USER)[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eA=="},
        {"type": "text", "text": "so"},
    ]


def test_a_refusal_goes_back_as_what_the_assistant_said() -> None:
    """It is text to the model that wrote it."""
    said = {"role": "assistant", "content": None, "refusal": "I will not"}
    assert turns(USER, said, USER)[1]["content"] == [{"type": "text", "text": "I will not"}]


def test_tools() -> None:
    """Schemas go as they are; a function without parameters takes an object without properties."""
    strict = {"type": "function", "function": {"name": "g", "strict": True}}
    assert carried(tools=[TOOL, strict])["tools"] == [
        {"name": "f", "description": "d", "input_schema": SCHEMA},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}, "strict": True},
    ]


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": True}, None),
        ({}, None),
    ],
)
def test_the_choice_of_tools(fields: dict[str, Any], choice: Any) -> None:
    """Which tool, and whether several at once."""
    assert carried(tools=[TOOL], **fields).get("tool_choice") == choice


def test_a_choice_means_nothing_without_tools() -> None:
    """Anthropic refuses it then; tools of the task count."""
    assert "tool_choice" not in carried(tool_choice="none")
    edits = Edits("m", tools=(ToolEdit("f", "d", Raw(b"{}")),))
    assert carried(edits, tool_choice="required")["tool_choice"] == {"type": "any"}


def test_the_form_of_the_answer() -> None:
    """A schema constrains; a description of it goes into it; text is what comes anyway."""
    named = {"name": "n", "schema": {"type": "object"}, "strict": True}
    form = {"type": "json_schema", "json_schema": named}
    assert carried(response_format=form)["output_config"] == {
        "format": {"type": "json_schema", "schema": {"type": "object"}}
    }
    described = {"type": "json_schema", "json_schema": {**named, "description": "a thing"}}
    schema = carried(response_format=described, reasoning_effort="low")["output_config"]
    assert schema == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": {"type": "object", "description": "a thing"}},
    }
    assert "output_config" not in carried(response_format={"type": "text"})


def test_for_whom() -> None:
    """The user's id goes into the metadata."""
    assert carried(user="u")["metadata"] == {"user_id": "u"}
    assert carried(safety_identifier="u", user="u")["metadata"] == {"user_id": "u"}
    assert carried(service_tier="default")["service_tier"] == "standard_only"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 1),
        ("logprobs", False),
        ("top_logprobs", 0),
        ("presence_penalty", 0.0),
        ("frequency_penalty", 0),
        ("logit_bias", {}),
        ("seed", None),
        ("store", False),
        ("modalities", ["text"]),
        ("service_tier", "auto"),
        ("verbosity", "medium"),
        ("stream_options", {"include_usage": True, "include_obfuscation": False}),
        ("metadata", {}),
        ("prompt_cache_key", "k"),
        ("prompt_cache_retention", "24h"),
        ("made_up", None),
    ],
)
def test_what_asks_for_nothing_is_not_carried(name: str, value: Any) -> None:
    """A value that changes nothing of the answer needs no place on the other wire."""
    assert carried(**{name: value}) == carried()


REFUSED: dict[str, Any] = {
    "n": 2,
    "logprobs": True,
    "top_logprobs": 3,
    "logit_bias": {"50256": -100},
    "seed": 7,
    "presence_penalty": 0.1,
    "frequency_penalty": -1,
    "audio": {"voice": "alloy", "format": "wav"},
    "modalities": ["text", "audio"],
    "prediction": {"type": "content", "content": "x"},
    "web_search_options": {"search_context_size": "low"},
    "functions": [{"name": "f"}],
    "function_call": "auto",
    "store": True,
    "metadata": {"k": "v"},
    "verbosity": "high",
    "service_tier": "flex",
    "reasoning_effort": "minimal",
    "temperature": 1.2,
    "response_format": {"type": "json_object"},
    "min_p": 0.1,
    "made_up": False,
}


@pytest.mark.parametrize("name", REFUSED)
def test_fields_that_cannot_be_carried_are_refused_by_name(name: str) -> None:
    """Never dropped: the refusal names the field and the model."""
    assert f"`{name}` cannot be carried to model claude" in refused(**{name: REFUSED[name]})


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"stream_options": {"continuous_usage_stats": True}}, "stream_options.continuous_usage_stats"),
        ({"tools": [TOOL, {"type": "custom", "custom": {"name": "x"}}]}, "tools[1]"),
        ({"tools": [{**TOOL, "x": 1}]}, "tools[0].x"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice"),
        ({"tool_choice": "auto-ish"}, "tool_choice"),
        ({"user": "a", "safety_identifier": "b"}, "safety_identifier"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema",
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"schema": {"description": "a"}, "description": "b"},
                }
            },
            "response_format.json_schema.description",
        ),
    ],
)
def test_what_stands_deeper_is_refused_by_its_place(fields: dict[str, Any], place: str) -> None:
    """The place is told as it would be written."""
    assert f"`{place}` cannot be carried" in refused(**fields)


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"role": "function", "name": "f", "content": "x"}, "role"),
        ({**USER, "name": "ann"}, "name"),
        ({**USER, "cache_control": {"type": "ephemeral"}}, "cache_control"),
        (said({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}), "content[0]"),
        (said({"type": "file", "file": {"file_id": "f"}}), "content[0]"),
        ({**said(image("https://x.example")), "role": "system"}, "content[0]"),
        (said(image("https://x.example", detail="high")), "content[0].image_url.detail"),
        (said(image("file:///etc/passwd")), "content[0].image_url.url"),
        (said(image("data:image/png,raw")), "content[0].image_url.url"),
        ({"role": "assistant", "content": "x", "reasoning_content": "hm"}, "reasoning_content"),
        ({"role": "assistant", "content": "x", "reasoning": "hm"}, "reasoning"),
        ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, "audio"),
        ({"role": "assistant", "content": "x", "function_call": {"name": "f", "arguments": "{}"}}, "function_call"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {}}]}, "tool_calls[0]"),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": '{"x":'}}]},
            "tool_calls[0].function.arguments",
        ),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": ""}}]},
            "tool_calls[0].function.arguments",
        ),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "[1]"}}]},
            "tool_calls[0].function.arguments",
        ),
    ],
)  # fmt: skip
def test_messages_that_cannot_be_carried_are_refused_by_their_place(message: dict[str, Any], place: str) -> None:
    """An invalid call is never made a valid one."""
    assert f"`messages[1].{place}` cannot be carried" in refused(messages=[USER, message])


@pytest.mark.parametrize(
    "fields",
    [{"temperature": "hot"}, {"tools": {}}, {"messages": [7]}, {"stop": 7}, {"stream_options": 7}, {"user": 7}],
)
def test_what_is_malformed_is_refused(fields: dict[str, Any]) -> None:
    """The gateway could not say what it means, and the other server would not either."""
    with pytest.raises(InvalidRequest):
        carried(**fields)


@given(
    st.dictionaries(
        st.sampled_from([*REFUSED, "messages", "tools", "tool_choice", "stop", "user", "stream_options", "top_p"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["type", "role", "content", "text", "function", "name", "url", "x"]),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=8,
        ),
    )
)
def test_any_request_is_carried_or_refused(fields: dict[str, Any]) -> None:
    """Foreign values never crash the translation."""
    try:
        asked = chat.read(json.dumps({"model": "a", **fields}).encode())
        said = json.loads(wire.splice(asked, PLAIN))
    except InvalidRequest:
        return
    assert {"model", "max_tokens", "messages"} <= set(said)
