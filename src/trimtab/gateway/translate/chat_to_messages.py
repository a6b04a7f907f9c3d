"""Requests of OpenAI chat as requests of Anthropic messages.

Source: the OpenAI API reference (chat completions) and the Anthropic API reference (messages).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from trimtab.gateway.surfaces.surface import NOT_JSON, Asked, Edits
from trimtab.gateway.translate.fields import Fields

DEFAULT_MAX_TOKENS: Final = 4096
"""Anthropic's wire wants a limit; this one is sent where neither the client nor the task set one."""
NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "store": (False,),
    "modalities": (["text"],),
    "verbosity": ("medium",),
    "service_tier": ("auto",),
}
"""Values that ask for what happens anyway."""
PRICE_ONLY: Final = ("prompt_cache_key", "prompt_cache_retention")
"""Fields that change what a call costs and never its answer; they are left out."""
EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh", "max"})
"""The efforts that both wires know by the same name."""
DATA_URL: Final = re.compile(r"data:(image/[a-z0-9.+-]+);base64,(.*)", re.DOTALL)
CHOICES: Final = {"auto": "auto", "required": "any", "none": "none"}
NO_PARAMETERS: Final = {"type": "object", "properties": {}}
UNSIGNED: Final = (
    "a server of this wire takes thinking back only with its signature; send `thinking_blocks`, or neither"
)

_encode = msgspec.json.Encoder().encode


def to_messages(asked: Asked, edits: Edits) -> Asked:
    """The request in Anthropic's format; raises `InvalidRequest` naming what cannot be carried to `edits.model`."""
    fields = Fields(asked.fields, edits.model)
    fields.leave("model", "trimtab", "max_tokens", "max_completion_tokens", *PRICE_ONLY)
    fields.leave_neutral(NEUTRAL)
    limit = asked.max_output_tokens
    said: dict[str, Any] = {"max_tokens": DEFAULT_MAX_TOKENS if limit is None else limit}
    system, turns = _conversation(fields)
    if system:
        said["system"] = system[0]["text"] if len(system) == 1 else system
    said["messages"] = turns
    if fields.take("stream", bool):
        said["stream"] = True
    _stream_options(fields)
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
        messages=tuple(Raw(_encode(turn)) for turn in turns),
        tools=tuple(Raw(_encode(tool)) for tool in tools),
        max_output_tokens=limit,
    )


def _conversation(request: Fields) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The system's blocks and the turns; a system message amid the conversation stays where it is."""
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    results: list[dict[str, Any]] | None = None
    for message in request.items("messages"):
        role = message.take("role", str)
        if role == "tool":
            if results is None:
                results = []
                turns.append({"role": "user", "content": results})
            results.append(_tool_result(message))
            message.end()
            continue
        results = None
        if role in {"system", "developer"}:
            texts = _texts(message, "content")
            if turns:
                turns.append({"role": "system", "content": texts})
            else:
                system += texts
        elif role == "user":
            turns.append({"role": "user", "content": _user_content(message)})
        elif role == "assistant":
            turns.append({"role": "assistant", "content": _assistant_content(message)})
        else:
            message.refuse("role", f"it is {role!r}")
        message.end()
    return system, turns


def _texts(message: Fields, name: str) -> list[dict[str, Any]]:
    """A text, or its parts, as text blocks."""
    content = message.take(name, str | list[Raw])
    if isinstance(content, str):
        return [_text(content)] if content else []
    return [_part(message, name, number, raw, only_text=True) for number, raw in enumerate(content or [])]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _user_content(message: Fields) -> str | list[dict[str, Any]]:
    content = message.take("content", str | list[Raw])
    if isinstance(content, str) or content is None:
        return content or ""
    return [_part(message, "content", number, raw) for number, raw in enumerate(content)]


def _part(message: Fields, name: str, number: int, raw: Raw, *, only_text: bool = False) -> dict[str, Any]:
    """A part of a message as a block."""
    part = message.part(name, number, raw)
    kind = part.take("type", str)
    if kind == "text":
        block = _text(part.take("text", str) or "")
    elif kind == "refusal":
        block = _text(part.take("refusal", str) or "")
    elif kind == "image_url" and not only_text:
        block = _image(part)
    else:
        part.refuse("", f"it is a part of type {kind!r}")
    part.end()
    return block


def _image(part: Fields) -> dict[str, Any]:
    image = part.inner("image_url")
    if image is None:
        part.refuse("image_url", "it is missing")
    url = image.take("url", str) or ""
    image.leave_neutral({"detail": ("auto",)})
    image.end()
    inline = DATA_URL.fullmatch(url)
    if inline is not None:
        source = {"type": "base64", "media_type": inline[1], "data": inline[2]}
    elif url.startswith(("https://", "http://")):
        source = {"type": "url", "url": url}
    else:
        image.refuse("url", "it is neither http nor an image in base64")
    return {"type": "image", "source": source}


def _assistant_content(message: Fields) -> str | list[dict[str, Any]]:
    thinking = _thinking(message)
    content = message.take("content", str | list[Raw])
    refusal = message.take("refusal", str)
    calls = [_tool_use(call) for call in message.items("tool_calls")]
    if isinstance(content, str) and not (thinking or calls or refusal):
        return content
    if isinstance(content, str):
        texts = [_text(content)] if content else []
    else:
        texts = [_part(message, "content", number, raw, only_text=True) for number, raw in enumerate(content or [])]
    refused = [_text(refusal)] if refusal else []
    return [*thinking, *texts, *refused, *calls]


def _thinking(message: Fields) -> list[dict[str, Any]]:
    """The signed thinking an answer of ours came with; thinking without a signature is refused."""
    blocks = []
    for block in message.items("thinking_blocks"):
        block.leave("index")
        kind = block.take("type", str)
        if kind == "thinking":
            thinking, signature = block.take("thinking", str) or "", block.take("signature", str) or ""
            blocks.append({"type": "thinking", "thinking": thinking, "signature": signature})
        elif kind == "redacted_thinking":
            blocks.append({"type": "redacted_thinking", "data": block.take("data", str) or ""})
        else:
            block.refuse("type", f"it is {kind!r}")
        block.end()
    signed = "".join(block.get("thinking", "") for block in blocks)
    for name in ("reasoning_content", "reasoning"):
        said = message.take(name, str)
        if said and said != signed:
            message.refuse(name, UNSIGNED)
    return blocks


def _tool_use(call: Fields) -> dict[str, Any]:
    call.leave("index")
    kind = call.take("type", str)
    function = call.inner("function")
    if function is None or kind not in {None, "function"}:
        call.refuse("", f"it is a call of type {kind!r}")
    arguments = function.take("arguments", str) or ""
    try:
        msgspec.json.decode(arguments, type=dict[str, Raw])
    except NOT_JSON:
        function.refuse("arguments", "they are no JSON object, and its wire has a place for nothing else")
    name = function.take("name", str) or ""
    block = {"type": "tool_use", "id": call.take("id", str) or "", "name": name, "input": Raw(arguments.encode())}
    function.end()
    call.end()
    return block


def _tool_result(message: Fields) -> dict[str, Any]:
    content = message.take("content", str | list[Raw])
    if content is not None and not isinstance(content, str):
        content = [_part(message, "content", number, raw, only_text=True) for number, raw in enumerate(content)]
    tool_use_id = message.take("tool_call_id", str) or ""
    return {"type": "tool_result", "tool_use_id": tool_use_id, "content": "" if content is None else content}


def _stream_options(fields: Fields) -> None:
    options = fields.inner("stream_options")
    if options is not None:
        options.leave("include_usage")
        options.leave_neutral({"include_obfuscation": (False,)})
        options.end()


def _sampling(fields: Fields, edits: Edits, said: dict[str, Any]) -> None:
    """Temperature, top_p, top_k and stop; what the task pins takes the client's place and is not looked at."""
    pinned = edits.sampling
    fields.leave(*(name for name in ("temperature", "top_p", "stop") if getattr(pinned, name) is not None))
    temperature = fields.take("temperature", float)
    if temperature is not None:
        if temperature > 1:
            fields.refuse("temperature", "its wire takes 0 to 1")
        said["temperature"] = temperature
    for name, kind in (("top_p", float), ("top_k", int)):
        value = fields.take(name, kind)
        if value is not None:
            said[name] = value
    stop = fields.take("stop", str | list[str])
    if stop:
        said["stop_sequences"] = [stop] if isinstance(stop, str) else stop


def _tool(tool: Fields) -> dict[str, Any]:
    kind = tool.take("type", str)
    function = tool.inner("function")
    if function is None or kind not in {None, "function"}:
        tool.refuse("", f"it is a tool of type {kind!r}")
    carried: dict[str, Any] = {"name": function.take("name", str) or ""}
    description = function.take("description", str)
    if description is not None:
        carried["description"] = description
    carried["input_schema"] = function.raw("parameters") or NO_PARAMETERS
    if function.take("strict", bool):
        carried["strict"] = True
    function.end()
    tool.end()
    return carried


def _tool_choice(fields: Fields, said: dict[str, Any], *, offers: bool) -> None:
    """Which tool, and whether several at once; nothing of it has a meaning where no tool is offered."""
    asked = fields.raw("tool_choice")
    parallel = fields.take("parallel_tool_calls", bool)
    choice: dict[str, Any] = {"type": "auto"}
    if asked is not None and bytes(asked).startswith(b'"'):
        word = msgspec.json.decode(asked, type=str)
        if word not in CHOICES:
            fields.refuse("tool_choice", f"it is {word!r}")
        choice = {"type": CHOICES[word]}
    elif asked is not None:
        choice = _named_tool(fields.part("tool_choice", None, asked))
    if parallel is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    if offers and (asked is not None or parallel is False):
        said["tool_choice"] = choice


def _named_tool(choice: Fields) -> dict[str, Any]:
    kind = choice.take("type", str)
    function = choice.inner("function")
    if kind != "function" or function is None:
        choice.refuse("", f"it is of type {kind!r}")
    name = function.take("name", str) or ""
    function.end()
    choice.end()
    return {"type": "tool", "name": name}


def _output(fields: Fields, edits: Edits, said: dict[str, Any]) -> None:
    """The form of the answer and the effort on it; a task's schema takes the place of the client's form."""
    config: dict[str, Any] = {}
    if edits.schema is not None:
        fields.leave("response_format")
    form = fields.inner("response_format")
    if form is not None:
        kind = form.take("type", str)
        if kind == "json_schema":
            config["format"] = {"type": "json_schema", "schema": _schema(form)}
        elif kind != "text":
            fields.refuse("response_format", f"it is of type {kind!r}; give a json_schema")
        form.end()
    effort = fields.take("reasoning_effort", str)
    if effort is not None:
        if effort not in EFFORTS:
            fields.refuse("reasoning_effort", f"its wire has no effort {effort!r}")
        config["effort"] = effort
    if config:
        said["output_config"] = config


def _schema(form: Fields) -> Any:
    """The schema of a `json_schema`; its name is a label, and this wire always constrains, strict or not."""
    named = form.inner("json_schema")
    schema = None if named is None else named.raw("schema")
    if named is None or schema is None:
        form.refuse("json_schema", "it holds no schema")
    named.leave("name", "strict")
    described = named.take("description", str)
    named.end()
    if described is None:
        return schema
    fields = msgspec.json.decode(schema, type=dict[str, Raw])
    if "description" in fields:
        named.refuse("description", "its schema has a description already")
    return {**fields, "description": described}


def _who(fields: Fields, said: dict[str, Any]) -> None:
    """Whom the request is made for."""
    user, safety = fields.take("user", str), fields.take("safety_identifier", str)
    if user and safety and user != safety:
        fields.refuse("safety_identifier", "`user` says another, and its wire has one place for both")
    if user or safety:
        said["metadata"] = {"user_id": user or safety}
    tier = fields.take("service_tier", str)
    if tier == "default":
        said["service_tier"] = "standard_only"
    elif tier is not None:
        fields.refuse("service_tier", f"its wire has no tier {tier!r}")
