"""What clients send: the OpenAI request bodies that the demo engine understands, checked as they are read.

Fields it does not know are ignored, as vLLM does. Fields that would change the answer, and that it cannot honour, are
refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from trimtab.errors import EngineRefusal

CHOICES_LIMIT = 16
ALTERNATIVES_LIMIT = 20

Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Alternatives = Annotated[int, Meta(ge=0, le=ALTERNATIVES_LIMIT)]


class StreamOptions(Struct):
    """Whether a last chunk with the usage is wanted."""

    include_usage: bool | None = None


class Generation(Struct, kw_only=True):
    """What chat and text completions have in common; the tail of the list is what cannot be honoured here."""

    model: str
    n: Annotated[int, Meta(ge=1, le=CHOICES_LIMIT)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Positive | None = None
    min_tokens: NotNegative | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    include_stop_str_in_output: bool | None = None
    stop_token_ids: list[NotNegative] | None = None
    ignore_eos: bool | None = None
    logit_bias: dict[str, float] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None

    response_format: Any = None
    structured_outputs: Any = None
    repetition_penalty: Any = None
    min_p: Any = None
    prompt_logprobs: Any = None


class FunctionCall(Struct):
    """A function that the assistant called, its arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(Struct):
    """A call in the conversation so far."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class ContentPart(Struct):
    """A part of a message; only text is understood."""

    type: str
    text: str | None = None


class Message(Struct, omit_defaults=True):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None


class Function(Struct):
    """A function on offer; `parameters` is JSON Schema and is not enforced."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Struct):
    """A tool on offer."""

    function: Function
    type: Literal["function"] = "function"


class ChosenFunction(Struct):
    """The name of the function that must be called."""

    name: str


class ToolChoice(Struct):
    """The demand that one certain function be called."""

    function: ChosenFunction
    type: Literal["function"] = "function"


class ChatRequest(Generation, kw_only=True):
    """The body of POST /v1/chat/completions."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Positive | None = None
    logprobs: bool | None = None
    top_logprobs: Alternatives | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None

    functions: Any = None
    function_call: Any = None
    audio: Any = None


class CompletionRequest(Generation, kw_only=True):
    """The body of POST /v1/completions."""

    prompt: str | list[Any]
    logprobs: Alternatives | None = None
    echo: bool | None = None

    suffix: Any = None
    best_of: Any = None


class EmbeddingRequest(Struct, kw_only=True):
    """The body of POST /v1/embeddings."""

    model: str
    input: str | list[Any]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


Body = TypeVar("Body", ChatRequest, CompletionRequest, EmbeddingRequest)

# What cannot be honoured, with the value that asks for nothing.
CANNOT: dict[str, Any] = {
    "response_format": {"type": "text"},
    "structured_outputs": {},
    "repetition_penalty": 1,
    "min_p": 0,
    "prompt_logprobs": 0,
    "functions": [],
    "function_call": "none",
    "audio": {},
    "suffix": "",
    "best_of": 1,
}


def read(kind: type[Body], content: bytes) -> Body:
    """The request in these bytes; EngineRefusal (400) says what is wrong and where."""
    try:
        body = msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        place = re.search(r"\$\.?([^`]*)", str(error))
        raise EngineRefusal(400, f"the body is not valid: {error}", param=place[1] if place else None) from error
    for name, nothing in CANNOT.items():
        if getattr(body, name, None) not in (None, nothing):
            raise EngineRefusal(400, f"it does not know {name}; leave it out or use a full engine", param=name)
    if isinstance(body, Generation) and body.stream_options and not body.stream:
        raise EngineRefusal(400, "stream_options need stream: true", param="stream_options")
    return body


def texts_of(value: str | list[Any], param: str, limit: int) -> list[str | list[int]]:
    """One or many inputs, each a text or token ids; EngineRefusal (400) for anything else."""
    if isinstance(value, str):
        return [value]
    if value and all(isinstance(item, int) for item in value):
        return [value]
    texts = [item for item in value if isinstance(item, str) or (item and _token_ids(item))]
    if not value or len(texts) != len(value) or len(value) > limit:
        raise EngineRefusal(400, f"{param} must be a text, token ids, or a list of 1 to {limit} of these", param=param)
    return texts


def _token_ids(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, int) for item in value)
