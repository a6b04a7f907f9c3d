"""What a model answered, the same for every wire format: text, refusal, tool calls and how it ended."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Finish = Literal["", "stop", "length", "tool_calls", "content_filter", "repetition", "other"]
"""How an answer ended; "" while it goes on, `length` for every limit on tokens, `other` for what no wire shares."""


class ToolCall(Struct):
    """A tool call as the model wrote it; `arguments` is the JSON text it wrote, whether or not it is JSON."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class TokenProb(Struct):
    """A token of the answer's text, its log probability, and those of the likeliest tokens at its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Reply(Struct):
    """One choice of an answer. `logprobs` is empty unless the request asked for them."""

    index: int = 0
    text: str = ""
    refusal: str = ""
    finish: Finish = ""
    tool_calls: list[ToolCall] = []
    logprobs: list[TokenProb] = []
