"""What clients get: the OpenAI answer bodies, as structs that are written to JSON in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from trimtab.demo.sampling import Drawn
from trimtab.demo.text import Vocabulary

FinishReason = Literal["stop", "length", "tool_calls"]


class CachedTokens(Struct):
    """How many of the prompt's tokens were found in the cache."""

    cached_tokens: int


class Usage(Struct):
    """Token counts; the token that ends an answer counts too, as with vLLM."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


class TokenLogprob(Struct):
    """A token and its natural log-probability."""

    token: str
    logprob: float
    bytes: list[int]


class ChatToken(Struct):
    """A token of an answer, and the most likely ones at its place."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TokenLogprob]


class ChatLogprobs(Struct):
    """The tokens of an answer or of a chunk of it."""

    content: list[ChatToken]


class TextLogprobs(Struct):
    """The tokens of a text completion; `text_offset` counts characters from the completion's first."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class FunctionPart(Struct, omit_defaults=True):
    """A function's name and a piece of its arguments."""

    name: str | None = None
    arguments: str | None = None


class ToolCallPart(Struct, omit_defaults=True):
    """A piece of a tool call: the first has id, type and name, the later ones arguments only."""

    index: int
    function: FunctionPart
    id: str | None = None
    type: Literal["function"] | None = None


class Delta(Struct, omit_defaults=True):
    """What a chunk adds to a message."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: list[ToolCallPart] | None = None


class ChunkChoice(Struct):
    """One choice of a chat chunk."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None


class CalledFunction(Struct):
    """A function that is called, its arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(Struct):
    """A whole tool call."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


class Message(Struct):
    """A whole answer."""

    content: str | None
    tool_calls: list[ToolCall] | UnsetType = UNSET
    role: Literal["assistant"] = "assistant"
    refusal: None = None


class ChatChoice(Struct):
    """One choice of a chat completion."""

    index: int
    message: Message
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class TextChoice(Struct):
    """One choice of a text completion, or what a chunk adds to it."""

    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: FinishReason | None = None


class Reply(Struct):
    """A completion or a chunk of one; a chunk has a usage (null but for the last) only if the client asked for it."""

    id: str
    object: Literal["chat.completion", "chat.completion.chunk", "text_completion"]
    created: int
    model: str
    choices: Sequence[ChatChoice | ChunkChoice | TextChoice]
    usage: Usage | UnsetType | None = UNSET


class Embedding(Struct):
    """One text's vector, as numbers or as base64 of little-endian float32."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingUsage(Struct):
    """Token counts of an embedding request."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(Struct):
    """The vectors of a request, in the order of its inputs."""

    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    object: Literal["list"] = "list"


class Model(Struct):
    """A served model and the tokens its context holds."""

    id: str
    created: int
    max_model_len: int
    owned_by: Literal["trimtab-demo"] = "trimtab-demo"
    object: Literal["model"] = "model"


class Models(Struct):
    """All served models."""

    data: list[Model]
    object: Literal["list"] = "list"


class ErrorBody(Struct):
    """What went wrong, in the words of the OpenAI wire."""

    message: str
    type: Literal["invalid_request_error", "not_found_error", "server_error"]
    param: str | None
    code: str | None


class Error(Struct):
    """The body of every answer that is not a success."""

    error: ErrorBody


DONE = b"data: [DONE]\n\n"


def event(reply: Struct) -> bytes:
    """A server-sent event with this reply as its data."""
    return b"data: " + msgspec.json.encode(reply) + b"\n\n"


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> Error:
    """The error of a refused request."""
    if status >= 500:
        return Error(ErrorBody(message, "server_error", param, code))
    return Error(ErrorBody(message, "not_found_error" if status == 404 else "invalid_request_error", param, code))


def chat_token(drawn: Drawn, vocabulary: Vocabulary) -> ChatToken:
    """A drawn token as the chat surface reports it."""
    top = [_token_logprob(token, logprob, vocabulary) for token, logprob in drawn.top]
    own = _token_logprob(drawn.token, drawn.logprob or 0.0, vocabulary)
    return ChatToken(own.token, own.logprob, own.bytes, top)


def text_logprobs(drawn: list[Drawn], vocabulary: Vocabulary, offset: int) -> TextLogprobs:
    """Drawn tokens as the text surface reports them; `offset` is where the first begins."""
    logprobs = TextLogprobs([], [], [], [])
    for one in drawn:
        word = token_text(one.token, vocabulary)
        logprobs.tokens.append(word)
        logprobs.token_logprobs.append(one.logprob or 0.0)
        logprobs.top_logprobs.append({token_text(token, vocabulary): logprob for token, logprob in one.top})
        logprobs.text_offset.append(offset)
        offset += len(word)
    return logprobs


def token_text(token: int, vocabulary: Vocabulary) -> str:
    """A token's bytes as text; half a character becomes U+FFFD."""
    return vocabulary.bytes_of(token).decode("utf-8", "replace")


def _token_logprob(token: int, logprob: float, vocabulary: Vocabulary) -> TokenLogprob:
    return TokenLogprob(token_text(token, vocabulary), logprob, list(vocabulary.bytes_of(token)))
