"""Requests of Anthropic messages as requests of OpenAI chat.

Source: the Anthropic API reference (messages) and the OpenAI API reference (chat completions).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from trimtab.gateway.surfaces.anthropic import refuse_thread
from trimtab.gateway.surfaces.surface import Asked, Edits
from trimtab.gateway.translate.fields import Fields

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {"service_tier": ("auto",), "speed": ("standard",)}
"""Values that ask for what happens anyway."""
NEUTRAL_TOOL: Final[dict[str, tuple[Any, ...]]] = {
    "defer_loading": (False,),
    "allowed_callers": (["direct"],),
    "eager_input_streaming": (True, False),
}
"""The same of a tool; arguments are streamed as they come in any case."""
NEUTRAL_CALL: Final[dict[str, tuple[Any, ...]]] = {"caller": ({"type": "direct"},)}
PRICE_ONLY: Final = ("cache_control",)
"""What changes the price of a call and never its answer; it is left out wherever it stands."""
EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh", "max"})
"""The efforts that both wires know by the same name."""
CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
FAILED: Final = "The tool failed:"
"""The words for `is_error`, for which a chat has no field."""
PREFILL: Final = "the last message is the assistant's, and its wire has no way to go on with it"

_encode = msgspec.json.Encoder().encode
_true = Raw(b"true")


def to_chat(asked: Asked, edits: Edits) -> Asked:
    """The request in OpenAI's format; raises `InvalidRequest` naming what cannot be carried to `edits.model`."""
    refuse_thread(asked, edits.model)
    fields = Fields(asked.fields, edits.model)
    fields.leave("model", "trimtab", "max_tokens", *PRICE_ONLY)
    fields.leave_neutral(NEUTRAL)
    said: dict[str, Any] = {}
    turns = _conversation(fields)
    said["messages"] = turns
    if asked.max_output_tokens is not None:
        said["max_completion_tokens" if edits.engine == "openai" else "max_tokens"] = asked.max_output_tokens
    if fields.take("stream", bool):
        said["stream"], said["stream_options"] = True, {"include_usage": True}
    _sampling(fields, edits, said)
    tools = [_tool(tool) for tool in fields.items("tools")]
    if tools:
        said["tools"] = tools
    _tool_choice(fields, said, offers=bool(tools or edits.tools))
    _output(fields, edits, said)
    _who(fields, said)
    fields.end()
    return Asked(
        asked.body,
        {name: Raw(_encode(value)) for name, value in said.items()},
        asked.model,
        stream=asked.stream,
        wants_usage=True,
        stream_options={"include_usage": _true},
        messages=tuple(Raw(_encode(turn)) for turn in turns),
        tools=tuple(Raw(_encode(tool)) for tool in tools),
        max_output_tokens=asked.max_output_tokens,
    )


def _conversation(request: Fields) -> list[dict[str, Any]]:
    """The system's message and those of the conversation."""
    turns: list[dict[str, Any]] = []
    system = _texts(request, "system")
    if system:
        turns.append({"role": "system", "content": system})
    role = None
    for message in request.items("messages"):
        role = message.take("role", str)
        if role == "system":
            turns.append({"role": "system", "content": _texts(message, "content") or ""})
        elif role == "user":
            turns += _user_turns(message)
        elif role == "assistant":
            turns.append(_assistant_turn(message))
        else:
            message.refuse("role", f"it is {role!r}")
        message.end()
    if role == "assistant":
        request.refuse("messages", PREFILL)
    return turns


def _texts(owner: Fields, name: str) -> str | list[dict[str, Any]] | None:
    """A text or text blocks as the content of a message; one block is its text."""
    content = owner.take(name, str | list[Raw])
    if content is None or isinstance(content, str):
        return content
    parts = []
    for number, raw in enumerate(content):
        block = owner.part(name, number, raw)
        kind = block.take("type", str)
        if kind != "text":
            block.refuse("", f"it is a block of type {kind!r}")
        parts.append(_text(block))
    return _plain(parts)


def _text(block: Fields) -> dict[str, Any]:
    part = {"type": "text", "text": block.take("text", str) or ""}
    block.leave(*PRICE_ONLY)
    block.end()
    return part


def _plain(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """The content of a message: a lone text as it is, since not every server takes parts."""
    if not parts:
        return ""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _user_turns(message: Fields) -> list[dict[str, Any]]:
    """A user's turn: results of tools become messages of their own, where they stand."""
    content = message.take("content", str | list[Raw])
    if content is None or isinstance(content, str):
        return [{"role": "user", "content": content or ""}]
    turns: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for number, raw in enumerate(content):
        block = message.part("content", number, raw)
        kind = block.take("type", str)
        if kind == "tool_result":
            if parts:
                turns.append({"role": "user", "content": _plain(parts)})
                parts = []
            turns.append(_tool_result(block))
        elif kind == "text":
            parts.append(_text(block))
        elif kind == "image":
            parts.append(_image(block))
        else:
            block.refuse("", f"it is a block of type {kind!r}")
    if parts or not turns:
        turns.append({"role": "user", "content": _plain(parts)})
    return turns


def _image(block: Fields) -> dict[str, Any]:
    source = block.inner("source")
    if source is None:
        block.refuse("source", "it is missing")
    kind = source.take("type", str)
    if kind == "base64":
        url = f"data:{source.take('media_type', str)};base64,{source.take('data', str)}"
    elif kind == "url":
        url = source.take("url", str) or ""
    else:
        source.refuse("type", f"it is {kind!r}")
    source.end()
    block.leave(*PRICE_ONLY)
    block.end()
    return {"type": "image_url", "image_url": {"url": url}}


def _tool_result(block: Fields) -> dict[str, Any]:
    content = _texts(block, "content") or ""
    if block.take("is_error", bool):
        content = f"{FAILED} {content}" if isinstance(content, str) else [{"type": "text", "text": FAILED}, *content]
    turn = {"role": "tool", "tool_call_id": block.take("tool_use_id", str) or "", "content": content}
    block.leave(*PRICE_ONLY)
    block.end()
    return turn


def _assistant_turn(message: Fields) -> dict[str, Any]:
    """An assistant's turn. A chat has one place for all its text and one for its calls, so their order is lost."""
    content = message.take("content", str | list[Raw])
    if content is None or isinstance(content, str):
        return {"role": "assistant", "content": content or ""}
    texts: list[dict[str, Any]] = []
    thinking: list[str] = []
    calls: list[dict[str, Any]] = []
    for number, raw in enumerate(content):
        block = message.part("content", number, raw)
        kind = block.take("type", str)
        if kind == "text":
            texts.append(_text(block))
        elif kind == "thinking":
            thinking.append(block.take("thinking", str) or "")
            block.leave("signature")
            block.end()
        elif kind == "tool_use":
            calls.append(_tool_call(block))
        else:
            block.refuse("", f"it is a block of type {kind!r}")
    turn: dict[str, Any] = {"role": "assistant", "content": _plain(texts) if texts or not calls else None}
    if any(thinking):
        turn["reasoning_content"] = "".join(thinking)
    if calls:
        turn["tool_calls"] = calls
    return turn


def _tool_call(block: Fields) -> dict[str, Any]:
    arguments = block.raw("input")
    function = {"name": block.take("name", str) or "", "arguments": bytes(arguments or b"{}").decode()}
    call = {"id": block.take("id", str) or "", "type": "function", "function": function}
    block.leave(*PRICE_ONLY)
    block.leave_neutral(NEUTRAL_CALL)
    block.end()
    return call


def _sampling(fields: Fields, edits: Edits, said: dict[str, Any]) -> None:
    """Temperature, top_p, top_k and stop; what the task pins takes the client's place."""
    pinned = edits.sampling
    for name, named, kind, pin in (
        ("temperature", "temperature", float, pinned.temperature),
        ("top_p", "top_p", float, pinned.top_p),
        ("top_k", "top_k", int, None),
        ("stop_sequences", "stop", list[str], pinned.stop),
    ):
        value = fields.take(name, kind)
        if pin is None and value is not None and value != []:
            said[named] = value


def _tool(tool: Fields) -> dict[str, Any]:
    kind = tool.take("type", str)
    if kind not in {None, "custom"}:
        tool.refuse("", f"it is a tool of type {kind!r}")
    function: dict[str, Any] = {"name": tool.take("name", str) or ""}
    description = tool.take("description", str)
    if description is not None:
        function["description"] = description
    schema = tool.raw("input_schema")
    if schema is not None:
        function["parameters"] = schema
    if tool.take("strict", bool):
        function["strict"] = True
    tool.leave(*PRICE_ONLY)
    tool.leave_neutral(NEUTRAL_TOOL)
    tool.end()
    return {"type": "function", "function": function}


def _tool_choice(fields: Fields, said: dict[str, Any], *, offers: bool) -> None:
    """Which tool, and whether several at once; nothing of it has a meaning where no tool is offered."""
    choice = fields.inner("tool_choice")
    if choice is None:
        return
    kind = choice.take("type", str)
    one_at_most = choice.take("disable_parallel_tool_use", bool)
    carried: Any
    if kind == "tool":
        carried = {"type": "function", "function": {"name": choice.take("name", str) or ""}}
    elif kind in CHOICES:
        carried = CHOICES[kind]
    else:
        choice.refuse("type", f"it is {kind!r}")
    choice.end()
    if offers:
        said["tool_choice"] = carried
        if one_at_most:
            said["parallel_tool_calls"] = False


def _output(fields: Fields, edits: Edits, said: dict[str, Any]) -> None:
    """The form of the answer, and how much thought goes into it; a task's schema takes the place of the client's."""
    thinking = fields.inner("thinking")
    effort = None
    if thinking is not None:
        effort = _thinking_effort(thinking)
    config = fields.inner("output_config")
    if config is None:
        if effort is not None:
            said["reasoning_effort"] = effort
        return
    asked = config.take("effort", str)
    if asked is not None and asked not in EFFORTS:
        config.refuse("effort", f"its wire has no effort {asked!r}")
    if asked is not None and effort is not None:
        config.refuse("effort", "thinking is disabled, and its wire has one field for both")
    if asked is not None or effort is not None:
        said["reasoning_effort"] = asked or effort
    if edits.schema is not None:
        config.leave("format")
    form = config.inner("format")
    if form is not None:
        kind, schema = form.take("type", str), form.raw("schema")
        if kind != "json_schema" or schema is None:
            config.refuse("format", f"it is of type {kind!r}; give a json_schema with its schema")
        form.end()
        named = {"name": "output", "schema": schema, "strict": True}
        said["response_format"] = {"type": "json_schema", "json_schema": named}
    config.end()


def _thinking_effort(thinking: Fields) -> str | None:
    """The effort that stands for how thinking is set; None where the model decides, as it does without a word of it."""
    kind = thinking.take("type", str)
    if kind not in {"disabled", "adaptive"}:
        thinking.refuse("type", f"it is {kind!r}, and its wire has no budget of thinking; use adaptive and an effort")
    thinking.leave_neutral({"display": ("summarized",)})
    thinking.end()
    return "none" if kind == "disabled" else None


def _who(fields: Fields, said: dict[str, Any]) -> None:
    """Whom the request is made for."""
    metadata = fields.inner("metadata")
    if metadata is not None:
        user = metadata.take("user_id", str)
        metadata.end()
        if user:
            said["user"] = user
    tier = fields.take("service_tier", str)
    if tier == "standard_only":
        said["service_tier"] = "default"
    elif tier is not None:
        fields.refuse("service_tier", f"its wire has no tier {tier!r}")
