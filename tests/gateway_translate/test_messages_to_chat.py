"""Requests of Anthropic messages go to OpenAI's wire with their meaning, or are refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from trimtab.declare.project import Sampling
from trimtab.errors import InvalidRequest
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.surface import Edits, Resume, SchemaEdit, ToolEdit
from trimtab.gateway.translate.messages_to_chat import FAILED

messages = Messages()
wire = messages.wires["openai"]
PLAIN = Edits("qwen")
USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOL = {"name": "f", "description": "d", "input_schema": SCHEMA}
CACHED = {"cache_control": {"type": "ephemeral"}}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "one"}
FORM = {"type": "json_schema", "schema": {"type": "object"}}


def carried(edits: Edits = PLAIN, **fields: Any) -> Any:
    body = json.dumps({"model": "a", "max_tokens": 9, "messages": [USER], **fields}).encode()
    return json.loads(wire.splice(messages.read(body), edits))


def refused(**fields: Any) -> str:
    with pytest.raises(InvalidRequest) as refusal:
        carried(**fields)
    return str(refusal.value)


def turns(*said: Any) -> Any:
    return carried(messages=list(said))["messages"]


def test_a_plain_request() -> None:
    """`max_tokens` is the name that every server of this wire knows."""
    assert carried() == {"model": "qwen", "max_tokens": 9, "messages": [USER]}


def test_sampling_stop_and_streaming() -> None:
    """Usage is always part of a message, so a stream is asked for it."""
    assert carried(temperature=0.5, top_p=0.9, top_k=5, stop_sequences=["END"], stream=True) == {
        "model": "qwen",
        "max_tokens": 9,
        "messages": [USER],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop": ["END"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_policy_puts_in_goes_in_the_other_wires_form() -> None:
    """Sampling, seed, prompt, schema and tools, as for a chat."""
    edits = Edits(
        "m",
        Sampling(temperature=0.1, seed=7, stop=("s",), max_output_tokens=5),
        (b'{"role":"system","content":"p"}',),
        SchemaEdit("structured_outputs", "t", Raw(b'{"type":"object"}')),
        (ToolEdit("g", "d", Raw(b"{}")),),
        strict_tools=True,
        top_logprobs=2,
        count_tokens=True,
    )
    sent = carried(
        edits, temperature=1.0, stop_sequences=["x"], stream=True, tools=[TOOL], output_config={"format": FORM}
    )
    function = {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
    added = {"name": "g", "description": "d", "parameters": {}, "strict": True}
    assert sent == {
        "model": "m",
        "messages": [{"role": "system", "content": "p"}, USER],
        "max_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "tools": [{"type": "function", "function": function}, {"type": "function", "function": added}],
        "temperature": 0.1,
        "seed": 7,
        "stop": ["s"],
        "structured_outputs": {"json": {"type": "object"}},
        "logprobs": True,
        "top_logprobs": 2,
    }


def test_an_interrupted_answer_can_go_on() -> None:
    """The wire resumes as the chat does."""
    assert wire.resumes
    sent = carried(Edits("m", resume=Resume("so fa", 3)), stream=True)
    assert sent["messages"] == [USER, {"role": "assistant", "content": "so fa"}]
    assert (sent["continue_final_message"], sent["max_tokens"]) == (True, 6)


def test_the_system() -> None:
    """A lone block is its text; several stay parts, so that nothing has to be put between them."""
    assert carried(system="s")["messages"][0] == {"role": "system", "content": "s"}
    one = {"type": "text", "text": "s", **CACHED}
    assert carried(system=[one])["messages"][0] == {"role": "system", "content": "s"}
    parts = [{"type": "text", "text": "s"}, {"type": "text", "text": "s"}]
    assert carried(system=[one, one])["messages"][0] == {"role": "system", "content": parts}
    assert turns(USER, {"role": "system", "content": "now"})[1] == {"role": "system", "content": "now"}


def test_images() -> None:
    """Bytes in base64 become a data URL."""
    blocks = [
        {"type": "text", "text": "see", "citations": None},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}, **CACHED},
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
    ]
    assert turns({"role": "user", "content": blocks})[0]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
    ]


def test_tool_calls_and_their_results() -> None:
    """Blocks of one turn become calls of one message; results become messages of their own, where they stand."""
    sent = turns(
        USER,
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "text", "text": "look"},
                {**USE, "caller": {"type": "direct"}},
                {**USE, "id": "t2", "input": {}, **CACHED},
            ],
        },
        {
            "role": "user",
            "content": [
                RESULT,
                {
                    **RESULT,
                    "tool_use_id": "t2",
                    "content": [{"type": "text", "text": "no"}],
                    "is_error": True,
                    **CACHED,
                },
                {"type": "text", "text": "and?"},
            ],
        },
        {"role": "assistant", "content": [USE]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "is_error": False}]},
    )
    called = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    assert sent == [
        USER,
        {
            "role": "assistant",
            "content": "look",
            "reasoning_content": "hm",
            "tool_calls": [called, {"id": "t2", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "one"},
        {"role": "tool", "tool_call_id": "t2", "content": f"{FAILED} no"},
        {"role": "user", "content": "and?"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "t1", "content": ""},
    ]


def test_text_before_a_result_stays_before_it() -> None:
    """The order of a turn's blocks is that of the messages."""
    text, image = (
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"type": "url", "url": "https://x.example"}},
    )
    sent = turns(
        USER, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [text, image, RESULT, text]}
    )
    parts = [text, {"type": "image_url", "image_url": {"url": "https://x.example"}}]
    assert sent[2:] == [
        {"role": "user", "content": parts},
        {"role": "tool", "tool_call_id": "t1", "content": "one"},
        {"role": "user", "content": "see"},
    ]


def test_tools() -> None:
    """Schemas go as they are; strict asks for the same on both wires."""
    other = {"name": "g", "input_schema": {}, "strict": True, "type": "custom", "defer_loading": False, **CACHED}
    assert carried(tools=[TOOL, other])["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}},
        {"type": "function", "function": {"name": "g", "parameters": {}, "strict": True}},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "f"}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"tool_choice": "auto", "parallel_tool_calls": False}),
        ({"type": "any", "disable_parallel_tool_use": False}, {"tool_choice": "required"}),
    ],
)
def test_the_choice_of_tools(choice: dict[str, Any], expected: dict[str, Any]) -> None:
    """Which tool, and whether several at once."""
    sent = carried(tools=[TOOL], tool_choice=choice)
    assert {name: sent[name] for name in ("tool_choice", "parallel_tool_calls") if name in sent} == expected
    assert "tool_choice" not in carried(tool_choice=choice)


def test_the_form_of_the_answer_and_the_effort() -> None:
    """Anthropic's form always constrains, so it is strict here."""
    sent = carried(output_config={"format": FORM, "effort": "high"})
    assert sent["reasoning_effort"] == "high"
    named = {"name": "output", "schema": {"type": "object"}, "strict": True}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": named}
    assert carried(thinking={"type": "disabled"})["reasoning_effort"] == "none"
    assert carried(thinking={"type": "adaptive"}) == carried()
    assert carried(thinking={"type": "adaptive"}, output_config={"effort": "low"})["reasoning_effort"] == "low"


def test_for_whom() -> None:
    """The id in the metadata is the user."""
    assert carried(metadata={"user_id": "u"})["user"] == "u"
    assert carried(service_tier="standard_only")["service_tier"] == "default"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service_tier", "auto"),
        ("speed", "standard"),
        ("cache_control", {"type": "ephemeral"}),
        ("metadata", {"user_id": None}),
        ("stop_sequences", []),
        ("mcp_servers", []),
        ("container", None),
    ],
)
def test_what_asks_for_nothing_is_not_carried(name: str, value: Any) -> None:
    """A value that changes nothing of the answer needs no place on the other wire."""
    assert carried(**{name: value}) == carried()


REFUSED: dict[str, Any] = {
    "container": "c",
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "diagnostics": {"previous_message_id": "m"},
    "inference_geo": "us",
    "mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}],
    "service_tier": "priority",
    "speed": "fast",
    "user_profile_id": "p",
    "chat_template_kwargs": {"enable_thinking": False},
    "made_up": 0,
}


def test_a_conversation_that_the_server_is_to_hold_is_refused_as_where_none_does() -> None:
    """In the way that Anthropic's client goes on from."""
    with pytest.raises(InvalidRequest, match="`thread` needs a server") as raised:
        carried(thread={"type": "create"})
    details = json.loads(messages.error(raised.value))["error"]["details"]
    assert details == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


@pytest.mark.parametrize("name", REFUSED)
def test_fields_that_cannot_be_carried_are_refused_by_name(name: str) -> None:
    """Never dropped: the refusal names the field and the model."""
    assert f"`{name}` cannot be carried to model qwen" in refused(**{name: REFUSED[name]})


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"metadata": {"user_id": "u", "team": "x"}}, "metadata.team"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.type"),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, "thinking.display"),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, "output_config.effort"),
        ({"output_config": {"effort": "heroic"}}, "output_config.effort"),
        ({"output_config": {"task_budget": {"total": 1}}}, "output_config.task_budget"),
        ({"output_config": {"format": {"type": "grammar"}}}, "output_config.format"),
        ({"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]}, "tools[1]"),
        ({"tools": [{**TOOL, "input_examples": [{"x": 1}]}]}, "tools[0].input_examples"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"system": [{"type": "image", "source": {}}]}, "system[0]"),
        ({"system": [{"type": "text", "text": "x", "citations": [{}]}]}, "system[0].citations"),
        ({"messages": [USER, {"role": "assistant", "content": "It is ("}]}, "messages"),
    ],
)
def test_what_stands_deeper_is_refused_by_its_place(fields: dict[str, Any], place: str) -> None:
    """The place is told as it would be written; a prefill is one, since no chat goes on with an assistant's turn."""
    assert f"`{place}` cannot be carried" in refused(**fields)


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


@pytest.mark.parametrize(
    ("turn", "place"),
    [
        ({"role": "tool", "content": "x"}, "role"),
        ({**USER, "name": "x"}, "name"),
        (user({"type": "document", "source": {"type": "text", "data": "x"}}), "content[0]"),
        (user({"type": "image", "source": {"type": "file", "file_id": "f"}}), "content[0].source.type"),
        (user({"type": "image", "source": {"type": "url", "url": "u", "x": 1}}), "content[0].source.x"),
        (user({"type": "image", "source": {"type": "url", "url": "u"}, "transformations": {"x": 1}}),
         "content[0].transformations"),
        (user({**RESULT, "content": [{"type": "image", "source": {}}]}), "content[0].content[0]"),
        (user({**RESULT, "content": [{"type": "tool_reference", "tool_name": "x"}]}), "content[0].content[0]"),
        (user({"type": "tool_addition", "tool": {}}), "content[0]"),
        (assistant({"type": "redacted_thinking", "data": "eA=="}), "content[0]"),
        (assistant({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}), "content[0]"),
        (assistant({**USE, "caller": {"type": "code_execution_20250825"}}), "content[0].caller"),
        (assistant({"type": "text", "text": "x", "citations": [{"type": "char_location"}]}), "content[0].citations"),
    ],
)  # fmt: skip
def test_turns_that_cannot_be_carried_are_refused_by_their_place(turn: dict[str, Any], place: str) -> None:
    """Blocks without a counterpart, wherever they stand."""
    assert f"`messages[1].{place}` cannot be carried" in refused(messages=[USER, turn, USER])


@given(
    st.dictionaries(
        st.sampled_from([*REFUSED, "messages", "tools", "tool_choice", "system", "thinking", "output_config", "top_p"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["type", "role", "content", "text", "source", "name", "input", "x"]),
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
        asked = messages.read(json.dumps({"model": "a", **fields}).encode())
        sent = json.loads(wire.splice(asked, PLAIN))
    except InvalidRequest:
        return
    assert {"model", "messages"} <= set(sent)


def test_openai_itself_has_the_limit_under_its_newer_name() -> None:
    """Its newest models refuse `max_tokens`; other servers may not know the newer one."""
    sent = carried(Edits("gpt", engine="openai"))
    assert (sent.get("max_completion_tokens"), sent.get("max_tokens")) == (9, None)
    assert carried()["max_tokens"] == 9
