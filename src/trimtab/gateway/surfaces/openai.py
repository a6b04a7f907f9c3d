"""Requests and errors, as the OpenAI surfaces share them; `openai_answers` reads what comes back.

Source: the OpenAI API reference (chat completions, completions, embeddings) and vLLM's additions to it
(`structured_outputs`, `continue_final_message`, `continuous_usage_stats`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from trimtab.contracts.reply import Reply, ToolCall
from trimtab.declare.project import Sampling
from trimtab.errors import CallError, InvalidRequest
from trimtab.gateway.surfaces.surface import NOT_JSON, Asked, Edits, OfferedTool, Resume, SchemaEdit, ToolEdit

SYSTEM_ROLES = frozenset({"system", "developer"})
ABSENT = Raw()
NO_SAMPLING = Sampling()
SHORT_PROMPT_BYTES = 8 << 10
"""Digests of system prompts up to this size are remembered, 256 of them."""


class StreamOptions(Struct):
    """The one stream option the path must know."""

    include_usage: bool | None = None


class Extension(Struct):
    """Our own body field, `trimtab`: inputs for the task's prompt, the digest of its version that the messages were
    rendered from, and ids of what a retriever found for this call.
    """

    inputs: dict[str, Any] | None = None
    retrieval_ids: tuple[str, ...] = ()
    prompt: str = ""


class Said(Struct):
    """What of a request the path must know."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    logprobs: bool | int | None = None
    trimtab: Extension | None = None


class SaidInChat(Said):
    """The same of a chat."""

    messages: tuple[Raw, ...] = ()
    tools: tuple[Raw, ...] | None = None


class Message(Struct):
    """As much of a message as tells whether it is the system's."""

    role: str = ""
    content: Raw = ABSENT


class ContentPart(Struct):
    """A text part of a message."""

    text: str = ""


class Function(Struct):
    """The function of a tool."""

    name: str = ""
    parameters: Raw = ABSENT
    strict: bool | None = None


class FunctionTool(Struct):
    """A tool of a request; other kinds than functions have no `function`."""

    function: Function | None = None


_fields = msgspec.json.Decoder(dict[str, Raw])
_said = msgspec.json.Decoder(Said)
_said_in_chat = msgspec.json.Decoder(SaidInChat)
_message = msgspec.json.Decoder(Message)
_content = msgspec.json.Decoder(str | list[ContentPart] | None)
_tool = msgspec.json.Decoder(FunctionTool)
_encode = msgspec.json.Encoder().encode


def read_request(body: bytes) -> Asked:
    """What every OpenAI request has: the model, streaming, our own inputs and the output limit."""
    try:
        return _asked(body, _said.decode(body))
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"the body is not a request of this API: {wrong}") from None


def read_chat(body: bytes) -> Asked:
    """The same, with the tools, the message list and the digest of the first system or developer text."""
    try:
        said = _said_in_chat.decode(body)
        asked = _asked(body, said)
        if said.messages:
            asked.messages = said.messages
            asked.system_prompt = _system_prompt(said.messages[0])
        if said.tools:
            asked.tools = said.tools
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"the body is not a request of this API: {wrong}") from None
    return asked


def _asked(body: bytes, said: Said) -> Asked:
    if said.model is None:
        raise InvalidRequest(detail="`model` is missing: name a task or a model")
    asked = Asked(body, _fields.decode(body), said.model)
    if said.stream:
        asked.stream = True
        if said.stream_options is not None:
            asked.wants_usage = bool(said.stream_options.include_usage)
            asked.stream_options = _fields.decode(asked.fields["stream_options"])
    if said.trimtab is not None:
        asked.inputs, asked.retrieval_ids = said.trimtab.inputs, said.trimtab.retrieval_ids
        asked.prompt_version = said.trimtab.prompt
    limit = said.max_completion_tokens
    asked.max_output_tokens = said.max_tokens if limit is None else limit
    if said.n is not None:
        asked.choices = said.n
    if said.logprobs is not None:
        asked.logprobs = said.logprobs is not False
    return asked


def _system_prompt(first: Raw) -> str | None:
    """The digest of the first message's text, if it is the system's."""
    message = _message.decode(first)
    if message.role not in SYSTEM_ROLES:
        return None
    content = bytes(message.content)
    return _remembered_digest(content) if len(content) <= SHORT_PROMPT_BYTES else text_digest(content)


def text_digest(content: bytes) -> str:
    """`sha256:` and the digest of a JSON text in UTF-8, or of the texts of its parts joined."""
    value = _content.decode(content) if content else None
    text = value if isinstance(value, str) else "".join(part.text for part in value or [])
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


_remembered_digest = lru_cache(maxsize=256)(text_digest)


def offered(asked: Asked) -> tuple[OfferedTool, ...]:
    """The functions a chat request offers; what is malformed is for the model's server to refuse."""
    functions = [_function_of(tool) for tool in asked.tools]
    return tuple(OfferedTool(one.name, bytes(one.parameters)) for one in functions if one is not None)


def _function_of(tool: Raw) -> Function | None:
    try:
        return _tool.decode(tool).function
    except NOT_JSON:
        return None


def splice_request(asked: Asked, edits: Edits, *, generates: bool) -> bytes:
    """The request for the replica: model, usage, sampling, prompt, schema and tools put in, our own field taken out.

    Every other value keeps its bytes, in the order the client sent them.
    """
    fields: dict[str, Any] = {**asked.fields, "model": edits.model}
    fields.pop("trimtab", None)
    if asked.stream and (edits.count_tokens or not asked.wants_usage):
        fields["stream_options"] = {**asked.stream_options, "include_usage": True}
        if edits.count_tokens:
            fields["stream_options"]["continuous_usage_stats"] = True
    if edits.prompt:
        fields["messages"] = [*map(Raw, edits.prompt), *asked.messages]
    if generates:
        if edits.sampling != NO_SAMPLING:
            _splice_sampling(fields, asked, edits.sampling)
        if edits.schema is not None:
            _splice_schema(fields, edits.schema)
        if edits.tools or edits.strict_tools:
            _splice_tools(fields, asked, edits)
        if edits.top_logprobs is not None and not asked.logprobs:
            fields["logprobs"], fields["top_logprobs"] = True, edits.top_logprobs
        if edits.resume is not None:
            _splice_resume(fields, edits.resume)
    return _encode(fields)


def _splice_sampling(fields: dict[str, Any], asked: Asked, sampling: Sampling) -> None:
    for name in ("temperature", "top_p", "seed", "stop"):
        value = getattr(sampling, name)
        if value is not None:
            fields[name] = value
    limit = sampling.max_output_tokens
    if limit is not None and (asked.max_output_tokens is None or asked.max_output_tokens > limit):
        fields[_limit_name(fields)] = limit


def _limit_name(fields: dict[str, Any]) -> str:
    return "max_completion_tokens" if "max_completion_tokens" in fields else "max_tokens"


def _splice_schema(fields: dict[str, Any], edit: SchemaEdit) -> None:
    """The task's schema takes the place of whatever form the client asked for."""
    fields.pop("response_format", None)
    fields.pop("structured_outputs", None)
    if edit.form == "structured_outputs":
        fields["structured_outputs"] = {"json": edit.schema}
    else:
        schema = {"name": edit.name, "schema": edit.schema, "strict": True}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}


def _splice_tools(fields: dict[str, Any], asked: Asked, edits: Edits) -> None:
    tools: list[Any] = [_strict(tool) for tool in asked.tools] if edits.strict_tools else list(asked.tools)
    names = {tool.name for tool in offered(asked)}
    tools += [_function(tool, strict=edits.strict_tools) for tool in edits.tools if tool.name not in names]
    if tools:
        fields["tools"] = tools


def _strict(tool: Raw) -> Any:
    """The tool with its arguments constrained, unless it says otherwise itself."""
    function = _function_of(tool)
    if function is None or function.strict is not None or function.parameters == ABSENT:
        return tool
    fields: dict[str, Any] = {**_fields.decode(tool)}
    fields["function"] = {**_fields.decode(fields["function"]), "strict": True}
    return fields


def _function(tool: ToolEdit, *, strict: bool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    if strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _splice_resume(fields: dict[str, Any], resume: Resume) -> None:
    """vLLM goes on with the last message; what was made already counts against the limits."""
    messages = fields["messages"]
    if isinstance(messages, Raw):
        messages = msgspec.json.decode(messages, type=list[Raw])
    fields["messages"] = [*messages, {"role": "assistant", "content": resume.text}]
    fields["continue_final_message"], fields["add_generation_prompt"] = True, False
    for name, least in (("max_completion_tokens", 1), ("max_tokens", 1), ("min_tokens", 0)):
        limit = fields.get(name)
        limit = msgspec.json.decode(limit) if isinstance(limit, Raw) else limit
        if isinstance(limit, int):
            fields[name] = max(least, limit - resume.tokens)


def reask_chat(asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
    """The chat with the reply behind it, and what is wrong with that.

    A tool call is answered by a message of role `tool`. Servers refuse a history in which arguments are no JSON object,
    a call has no name or no id of its own, or a turn has no content, so that such a reply goes back as the text it is.
    """
    said: dict[str, Any] = {"role": "assistant", "content": reply.text or (None if reply.tool_calls else "")}
    answers: list[dict[str, Any]] = []
    if reply.tool_calls and not _can_be_repeated(reply.tool_calls):
        calls = [f"{call.name}({call.arguments})" for call in reply.tool_calls]
        said["content"] = "\n".join([reply.text, *calls] if reply.text else calls)
        answers.append({"role": "user", "content": "\n".join(filter(None, complaints))})
    elif reply.tool_calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in reply.tool_calls
        ]
        for call, complaint in zip(reply.tool_calls, complaints, strict=True):
            answers.append({"role": "tool", "tool_call_id": call.id, "content": complaint or NOT_CALLED})
    else:
        answers.append({"role": "user", "content": "\n".join(complaints)})
    return with_messages(asked, [Raw(_encode(message)) for message in (said, *answers)])


def _can_be_repeated(calls: Sequence[ToolCall]) -> bool:
    try:
        for call in calls:
            _fields.decode(call.arguments)
    except NOT_JSON:
        return False
    return all(call.id and call.name for call in calls) and len({call.id for call in calls}) == len(calls)


NOT_CALLED = "This call is good but was not made, because another one was wrong. Repeat it together with that one."


def with_messages(asked: Asked, more: Sequence[Raw]) -> Asked:
    """The request with messages added at the end."""
    messages = (*asked.messages, *more)
    return replace(asked, messages=messages, fields={**asked.fields, "messages": Raw(_encode(messages))})


def error_body(failure: CallError) -> bytes:
    """An error in OpenAI's shape, with our code."""
    kind = "invalid_request_error" if failure.status < 500 else "api_error"
    return msgspec.json.encode({"error": {"message": str(failure), "type": kind, "param": None, "code": failure.code}})


def told_error(code: str, message: str) -> bytes:
    """The same of an error that was told of before."""
    return msgspec.json.encode({"error": {"message": message, "type": "api_error", "param": None, "code": code}})


def error_event(failure: CallError) -> bytes:
    """The error as a server-sent event."""
    return b"data: " + error_body(failure) + b"\n\n"
