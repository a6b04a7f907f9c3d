"""Whole replies of an OpenAI answer: texts, tool calls and log probabilities, put together out of its chunks.

Kept only for calls whose answers are checked; what every call needs is read by `openai_answers`.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from trimtab.contracts.reply import Finish, Reply, TokenProb, ToolCall

FINISHES: Final[dict[str, Finish]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "repetition": "repetition",
}
MAX_CHOICES = 128
MAX_TOOL_CALLS = 256
"""Choices and tool calls of an answer that are told apart; one with more is not checked, and `unread` says so."""


class FunctionPart(Struct):
    """What a chunk adds to a function call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallPart(Struct):
    """What a chunk adds to a tool call, or a whole one."""

    index: int | None = None
    id: str | None = None
    function: FunctionPart | None = None


class SaidPart(Struct):
    """What a chunk adds to a message, or a whole one."""

    content: Any = None
    refusal: str | None = None
    tool_calls: list[ToolCallPart] | None = None


class TopToken(Struct):
    """A token that was likely at a place."""

    token: str = ""
    logprob: float | None = None


class Token(TopToken):
    """The token that was chosen, and the likeliest at its place."""

    top_logprobs: list[TopToken] | None = None


class TokenLogprobs(Struct):
    """Log probabilities of a chat's tokens."""

    content: list[Token] | None = None


class ChoicePart(Struct):
    """What a chunk adds to a choice, or a whole one."""

    index: int = 0
    delta: SaidPart | None = None
    message: SaidPart | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: TokenLogprobs | None = None


class Part(Struct):
    """A chunk or a whole answer."""

    choices: list[ChoicePart] = []


_part = msgspec.json.Decoder(Part)


class Replies:
    """Puts the replies of one answer together."""

    __slots__ = ("_arguments", "_calls", "_replies", "_texts", "unread")

    def __init__(self) -> None:
        self.unread = ""
        self._replies: dict[int, Reply] = {}
        self._texts: dict[int, list[str]] = {}
        self._calls: dict[tuple[int, int], ToolCall] = {}
        self._arguments: dict[tuple[int, int], list[str]] = {}

    def take(self, payload: bytes) -> None:
        """Adds a chunk or a whole answer; raises `msgspec.DecodeError` for what is none."""
        for choice in _part.decode(payload).choices:
            reply = self._replies.get(choice.index)
            if reply is None:
                if len(self._replies) == MAX_CHOICES:
                    self.unread = f"it has over {MAX_CHOICES} choices"
                    continue
                reply = self._replies[choice.index] = Reply(choice.index)
                self._texts[choice.index] = []
            self._add(reply, choice)

    def _add(self, reply: Reply, choice: ChoicePart) -> None:
        said = choice.delta or choice.message
        if said is None:
            self._texts[reply.index].append(choice.text or "")
        else:
            self._texts[reply.index].append(text_of(said.content))
            reply.refusal += said.refusal or ""
            for position, part in enumerate(said.tool_calls or ()):
                self._add_call(reply, position if part.index is None else part.index, part)
        if choice.finish_reason:
            reply.finish = FINISHES.get(choice.finish_reason, "other")
        if choice.logprobs is not None and choice.logprobs.content:
            reply.logprobs += map(_token, choice.logprobs.content)

    def _add_call(self, reply: Reply, index: int, part: ToolCallPart) -> None:
        place = reply.index, index
        call = self._calls.get(place)
        if call is None:
            if len(self._calls) == MAX_TOOL_CALLS:
                self.unread = f"it has over {MAX_TOOL_CALLS} tool calls"
                return
            call = self._calls[place] = ToolCall()
            self._arguments[place] = []
            reply.tool_calls.append(call)
        call.id = call.id or part.id or ""
        if part.function is not None:
            call.name += part.function.name or ""
            self._arguments[place].append(part.function.arguments or "")

    def whole(self) -> list[Reply]:
        """The replies so far, by index."""
        for place, call in self._calls.items():
            call.arguments = "".join(self._arguments[place])
        for index, reply in self._replies.items():
            reply.text = "".join(self._texts[index])
        return [self._replies[index] for index in sorted(self._replies)]


def text_of(content: object) -> str:
    """The text of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (cast("dict[str, Any]", part).get("text") for part in content if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _token(said: Token) -> TokenProb:
    top = tuple((one.token, one.logprob) for one in said.top_logprobs or () if one.logprob is not None)
    return TokenProb(said.token, said.logprob if said.logprob is not None else float("-inf"), top)
