"""What a scripted chat model says: one answer, as events of a stream or as one JSON body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from trimtab.testing.scripts import PLAIN, Framing, Script, event, json_answer, sse_answer

DONE: Final = event(b"[DONE]")
CREATED_S: Final = 1_767_225_600


@dataclass(frozen=True)
class ToolCall:
    """One tool call; a stream sends its arguments in these pieces."""

    name: str
    arguments: tuple[str, ...]
    id: str = "call_scripted"


@dataclass(frozen=True)
class Answer:
    """One answer of a chat model, in the pieces that a stream sends it in.

    Each piece is one delta of every choice. `usage` None leaves it out. `done` says whether the stream ends with its
    terminal marker.
    """

    pieces: tuple[str, ...] = ("Hello", ",", " world", "!")
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    choices: int = 1
    finish_reason: str = "stop"
    usage: Mapping[str, object] | None = field(
        default_factory=lambda: {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    )
    done: bool = True
    model: str = "scripted"
    id: str = "chatcmpl-scripted"

    def events(self) -> list[bytes]:
        """The events of the streamed answer, in order: role, deltas, finish, usage, `[DONE]`."""
        return [*self.opening(), *self.deltas(), *self.closing()]

    def opening(self) -> list[bytes]:
        """The role of each choice, which is no content yet."""
        return [self._delta(choice, {"role": "assistant", "content": ""}) for choice in range(self.choices)]

    def deltas(self) -> list[bytes]:
        """Every content-bearing event; choices take turns."""
        return [self._delta(choice, delta) for delta in self._contents() for choice in range(self.choices)]

    def closing(self) -> list[bytes]:
        """What follows on the content of a whole answer."""
        events = [self._delta(choice, {}, self.finish_reason) for choice in range(self.choices)]
        if self.usage is not None:
            events.append(event(self._envelope("chat.completion.chunk", [], usage=dict(self.usage))))
        return [*events, DONE] if self.done else events

    def body(self) -> dict[str, Any]:
        """The same answer in one piece."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.pieces) or None}
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.tool_calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": "".join(call.arguments)},
                }
                for call in self.tool_calls
            ]
        choices = [
            {"index": choice, "message": message, "finish_reason": self.finish_reason} for choice in range(self.choices)
        ]
        usage = {} if self.usage is None else {"usage": dict(self.usage)}
        return self._envelope("chat.completion", choices, **usage)

    def _contents(self) -> Iterator[dict[str, Any]]:
        for piece in self.reasoning:
            yield {"reasoning_content": piece}
        for piece in self.pieces:
            yield {"content": piece}
        for index, call in enumerate(self.tool_calls):
            named = {
                "index": index,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": ""},
            }
            yield {"tool_calls": [named]}
            for piece in call.arguments:
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def _delta(self, choice: int, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choices = [{"index": choice, "delta": delta, "finish_reason": finish_reason}]
        return event(self._envelope("chat.completion.chunk", choices))

    def _envelope(self, kind: str, choices: list[dict[str, Any]], **more: object) -> dict[str, Any]:
        envelope = {"id": self.id, "object": kind, "created": CREATED_S, "model": self.model, "choices": choices}
        return {**envelope, **more}


HELLO: Final = Answer()


def chat_stream(answer: Answer = HELLO, framing: Framing = PLAIN) -> Script:
    """A good streamed answer."""
    return sse_answer(answer.events(), framing)


def chat_json(answer: Answer = HELLO) -> Script:
    """A good answer in one piece."""
    return json_answer(answer.body())
