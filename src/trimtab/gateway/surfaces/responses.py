"""`POST /v1/responses`: requests and errors; `responses_answers` reads what comes back.

Source: the OpenAI API reference (responses, streaming events) and vLLM's additions to it (`structured_outputs`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from trimtab.contracts.reply import Reply, ToolCall
from trimtab.declare.project import Sampling
from trimtab.errors import CallError, InvalidRequest
from trimtab.gateway.surfaces import openai, responses_answers
from trimtab.gateway.surfaces.openai import ABSENT, NO_SAMPLING, NOT_CALLED, SYSTEM_ROLES, text_digest
from trimtab.gateway.surfaces.responses_history import RESPONSES
from trimtab.gateway.surfaces.responses_kept import KeptReader
from trimtab.gateway.surfaces.surface import (
    NOT_JSON,
    NOTHING_KEPT,
    Asked,
    Edits,
    History,
    Keep,
    OfferedTool,
    Reader,
    SchemaEdit,
    ToolEdit,
    Whole,
    Wire,
)

LOGPROBS: Final = "message.output_text.logprobs"
"""What `include` names to ask for log probabilities."""
NEEDS_STATE: Final = ("previous_response_id", "conversation", "prompt")
NOT_HERE: Final = ("stop", "seed")
"""Sampling that this API does not have."""
NULL: Final = b"null"


class Said(Struct):
    """What of a request the path must know."""

    model: str | None = None
    stream: bool | None = None
    input: Raw = ABSENT
    instructions: str | None = None
    tools: tuple[Raw, ...] | None = None
    max_output_tokens: int | None = None
    include: tuple[str, ...] | None = None
    background: bool | None = None
    trimtab: openai.Extension | None = None


class InputItem(Struct):
    """As much of an input item as tells whether it is the system's."""

    role: str = ""
    type: str = ""
    content: Raw = ABSENT


class Tool(Struct):
    """A tool as this API has it: flat; a namespace holds more of them."""

    type: str = ""
    name: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None
    tools: Raw = ABSENT

    @property
    def schema(self) -> bytes:
        """The JSON Schema of its arguments; empty where none is given."""
        schema = bytes(self.parameters)
        return b"" if schema == NULL else schema


_fields = msgspec.json.Decoder(dict[str, Raw])
_said = msgspec.json.Decoder(Said)
_input = msgspec.json.Decoder(str | tuple[Raw, ...] | None)
_item = msgspec.json.Decoder(InputItem)
_tool = msgspec.json.Decoder(Tool)
_list = msgspec.json.Decoder(tuple[Raw, ...])
_object = msgspec.json.Decoder(dict[str, Raw] | None)
_include = msgspec.json.Decoder(list[str] | None)
_encode = msgspec.json.Encoder().encode
_remembered_digest = lru_cache(maxsize=256)(text_digest)


def read_request(body: bytes) -> Asked:
    """What a request asks for; `messages` are its input items where `input` is a list."""
    try:
        return _asked(body, _said.decode(body))
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"the body is not a request of this API: {wrong}") from None


def _asked(body: bytes, said: Said) -> Asked:
    if said.model is None:
        raise InvalidRequest(detail="`model` is missing: name a task or a model")
    asked = Asked(body, _fields.decode(body), said.model, stream=bool(said.stream), wants_usage=True)
    asked.background = bool(said.background)
    items = _input.decode(said.input) if said.input is not ABSENT else None
    if isinstance(items, tuple):
        asked.messages = items
    asked.system_prompt = _system_prompt(asked, said)
    asked.max_output_tokens = said.max_output_tokens
    if said.tools:
        asked.tools = said.tools
        offered(asked)
    asked.logprobs = LOGPROBS in (said.include or ())
    if said.trimtab is not None:
        asked.inputs, asked.retrieval_ids = said.trimtab.inputs, said.trimtab.retrieval_ids
        asked.prompt_version = said.trimtab.prompt
    return asked


def _system_prompt(asked: Asked, said: Said) -> str | None:
    """The digest of the instructions, or else of the first item's text if it is the system's."""
    if said.instructions:
        return _digest(bytes(asked.fields["instructions"]))
    if not asked.messages:
        return None
    first = _item.decode(asked.messages[0])
    return _digest(bytes(first.content)) if first.role in SYSTEM_ROLES else None


def _digest(text: bytes) -> str:
    return _remembered_digest(text) if len(text) <= openai.SHORT_PROMPT_BYTES else text_digest(text)


def offered(asked: Asked) -> tuple[OfferedTool, ...]:
    """The functions a request offers, those in namespaces under their own names; the server's own tools are none."""
    return tuple(_functions(asked.tools, nested=False))


def _functions(tools: Sequence[Raw], *, nested: bool) -> list[OfferedTool]:
    found = []
    for raw in tools:
        tool = _tool.decode(raw)
        if tool.type == "function":
            found.append(OfferedTool(tool.name or "", tool.schema))
        elif tool.type == "namespace" and not nested and tool.tools is not ABSENT:
            found += _functions(_list.decode(tool.tools), nested=True)
    return found


def splice_request(asked: Asked, edits: Edits) -> bytes:
    """The request for the replica: model, sampling, prompt, schema and tools put in, our own field taken out.

    Every other value keeps its bytes, in the order the client sent them. There is no wish for usage in every event
    here. Raises `InvalidRequest` for what needs a server that keeps responses, if this one does not.
    """
    if edits.engine != "openai":
        _refuse_state(asked, edits.model)
    fields: dict[str, Any] = {**asked.fields, "model": edits.model}
    fields.pop("trimtab", None)
    if edits.prompt:
        fields["input"] = [*map(Raw, edits.prompt), *_items(asked)]
    if edits.sampling != NO_SAMPLING:
        _splice_sampling(fields, asked, edits.sampling)
    if edits.schema is not None:
        _splice_schema(fields, edits.schema)
    if edits.tools or edits.strict_tools:
        _splice_tools(fields, asked, edits)
    if edits.top_logprobs is not None and not asked.logprobs:
        fields["include"] = [*_included(fields), LOGPROBS]
        fields["top_logprobs"] = edits.top_logprobs
    return _encode(fields)


def _refuse_state(asked: Asked, model: str) -> None:
    fields = asked.fields
    needing = [f"`{name}`" for name in NEEDS_STATE if bytes(fields.get(name, NULL)) != NULL]
    needing += [f"`{name}: true`" for name in ("background", "store") if bytes(fields.get(name, NULL)) == b"true"]
    if b"item_reference" in asked.body and any(_item.decode(item).type == "item_reference" for item in asked.messages):
        needing.append("`item_reference` in `input`")
    if needing:
        raise InvalidRequest(
            detail=f"{', '.join(needing)} needs a server that keeps responses, and that of {model} keeps none: "
            "send the whole history in `input`"
        )


def _items(asked: Asked) -> list[Any]:
    """The input as items, which a text is one of."""
    said = asked.fields.get("input")
    if said is not None and bytes(said).startswith(b'"'):
        return [{"role": "user", "content": said}]
    return list(asked.messages)


def _splice_sampling(fields: dict[str, Any], asked: Asked, sampling: Sampling) -> None:
    for name in NOT_HERE:
        if getattr(sampling, name) is not None:
            raise InvalidRequest(
                detail=f"the task pins sampling.{name}, which the Responses API does not have; use /v1/chat/completions"
            )
    for name in ("temperature", "top_p"):
        value = getattr(sampling, name)
        if value is not None:
            fields[name] = value
    limit = sampling.max_output_tokens
    if limit is not None and (asked.max_output_tokens is None or asked.max_output_tokens > limit):
        fields["max_output_tokens"] = limit


def _splice_schema(fields: dict[str, Any], edit: SchemaEdit) -> None:
    """The task's schema takes the place of whatever form the client asked for; a vLLM refuses two forms at once."""
    fields.pop("structured_outputs", None)
    text: dict[str, Any] = {**_decoded(fields, "text", _object, {})}
    text.pop("format", None)
    if edit.form == "structured_outputs":
        fields["structured_outputs"] = {"json": edit.schema}
    else:
        text["format"] = {"type": "json_schema", "name": edit.name, "schema": edit.schema, "strict": True}
    if text:
        fields["text"] = text
    else:
        fields.pop("text", None)


def _splice_tools(fields: dict[str, Any], asked: Asked, edits: Edits) -> None:
    tools: list[Any] = [_strict(tool) for tool in asked.tools] if edits.strict_tools else list(asked.tools)
    names = {tool.name for tool in offered(asked)}
    tools += [_function(tool, strict=edits.strict_tools) for tool in edits.tools if tool.name not in names]
    if tools:
        fields["tools"] = tools


def _strict(raw: Raw) -> Any:
    """The tool with its arguments constrained, unless it says otherwise itself."""
    tool = _tool.decode(raw)
    if tool.type != "function" or tool.strict is not None or not tool.schema:
        return raw
    return {**_fields.decode(raw), "strict": True}


def _function(tool: ToolEdit, *, strict: bool) -> dict[str, Any]:
    """`strict` is always told: OpenAI takes a tool that says nothing for a strict one."""
    said = {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {**said, "strict": strict}


def _included(fields: dict[str, Any]) -> list[str]:
    return list(_decoded(fields, "include", _include, []))


def _decoded(fields: dict[str, Any], name: str, decoder: msgspec.json.Decoder[Any], absent: Any) -> Any:
    """A field of the request, decoded; `absent` where it is not there or null."""
    try:
        return (decoder.decode(fields[name]) if name in fields else None) or absent
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"`{name}` is not what this API takes: {wrong}") from None


def reask_request(asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
    """The request with the reply behind its input, and what is wrong with that.

    A function call is answered by a `function_call_output`. A reply with a call whose arguments are no JSON object, or
    that has no id, goes back as the text it is: servers refuse it in a history.
    """
    calls = reply.tool_calls
    text = reply.text or reply.refusal
    answers: list[dict[str, Any]] = []
    if calls and not (len(calls) == len(complaints) and all(map(_can_be_repeated, calls))):
        told = [f"{call.name}({call.arguments})" for call in calls]
        text = "\n".join([text, *told] if text else told)
        answers.append({"role": "user", "content": "\n".join(filter(None, complaints))})
    elif calls:
        answers += [
            {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
            for call in calls
        ]
        answers += [
            {"type": "function_call_output", "call_id": call.id, "output": complaint or NOT_CALLED}
            for call, complaint in zip(calls, complaints, strict=True)
        ]
    else:
        answers.append({"role": "user", "content": "\n".join(complaints)})
    said = [{"role": "assistant", "content": text}] if text else []
    items = (*_items(asked), *said, *answers)
    messages = tuple(item if isinstance(item, Raw) else Raw(_encode(item)) for item in items)
    return replace(asked, messages=messages, fields={**asked.fields, "input": Raw(_encode(messages))})


def _can_be_repeated(call: ToolCall) -> bool:
    try:
        _fields.decode(call.arguments)
    except NOT_JSON:
        return False
    return bool(call.id)


def error_event(failure: CallError) -> bytes:
    """The `error` event of this API's streams; it also has the object `error`, which clients look for in any event.

    Its sequence number is 0: the events before it are the server's, and nobody can ask for those after it.
    """
    error: dict[str, Any] = msgspec.json.decode(openai.error_body(failure))["error"]
    said = {"type": "error", "code": error["code"], "message": error["message"], "param": None, "sequence_number": 0}
    return b"event: error\ndata: " + _encode({**said, "error": error}) + b"\n\n"


class ResponsesWire:
    """Responses to a server that serves them: bytes are left alone where possible."""

    path = ""
    resumes = False

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica."""
        return splice_request(asked, edits)

    def reader(self, asked: Asked, keep: Keep = NOTHING_KEPT) -> Reader:
        """A reader of this answer's events."""
        if keep == NOTHING_KEPT:
            return responses_answers.EventReader()
        return KeptReader(keep, asked.fields.get("top_logprobs"))

    def whole(self, asked: Asked, body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
        """An answer in one piece."""
        return responses_answers.whole_answer(body, keep, asked.fields.get("top_logprobs"))

    def rejected(self, status: int, body: bytes) -> bytes:
        """The server's error as it is."""
        return body


class Responses:
    """OpenAI responses, streamed and not. What the server keeps of them is not served here."""

    name = "responses"
    method = "POST"
    path = "/v1/responses"
    repeatable = False
    forwards_headers = False
    wires: Mapping[str, Wire] = {"openai": ResponsesWire()}
    history: History | None = RESPONSES

    def read(self, body: bytes) -> Asked:
        """What the request asks for, its input items included."""
        return read_request(body)

    def offered(self, asked: Asked) -> tuple[OfferedTool, ...]:
        """The functions of the request."""
        return offered(asked)

    def reask(self, asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
        """The request with the reply and what is wrong with it behind its input."""
        return reask_request(asked, reply, complaints)

    def error(self, failure: CallError) -> bytes:
        """An error in OpenAI's shape."""
        return openai.error_body(failure)

    def error_event(self, failure: CallError) -> bytes:
        """An error as the last event of a stream."""
        return error_event(failure)
