"""Asking a task's model: what is asked, what comes back, and who answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, overload

import msgspec

from trimtab.runs import values
from trimtab.runs.faults import ModelFailed

T = TypeVar("T")
Message = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A call of a task: the inputs of its prompt, and messages that follow on it."""

    task: str
    messages: tuple[Message, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> bytes:
        """The request as OpenAI's chat surface takes it."""
        request: dict[str, Any] = {"model": self.task, "messages": values.to_plain(self.messages)}
        if self.inputs or not self.messages:
            request["trimtab"] = {"inputs": values.to_plain(self.inputs)}
        return values.encode(request)


@dataclass(frozen=True)
class ToolCall:
    """A tool that a model calls; `arguments` as it wrote them."""

    id: str
    name: str
    arguments: str


class Reply:
    """A model's answer. `raw` is the whole of it, as OpenAI's chat surface gives it."""

    def __init__(self, task: str, raw: Mapping[str, Any]) -> None:
        self.task = task
        self.raw = raw
        choice = _first(raw.get("choices"))
        message = choice.get("message") or {}
        self.text: str = message.get("content") or ""
        self.finish_reason: str = choice.get("finish_reason") or ""
        self.tool_calls = tuple(
            ToolCall(call.get("id") or "", call["function"]["name"], call["function"].get("arguments") or "")
            for call in message.get("tool_calls") or ()
            if call.get("function")
        )

    @overload
    def json(self) -> Any: ...

    @overload
    def json(self, kind: type[T]) -> T: ...

    def json(self, kind: Any = Any) -> Any:
        """The text as JSON, made into that type; raises `ModelFailed` where it is none."""
        try:
            return values.decoder(kind)(self.text.encode())
        except msgspec.DecodeError as unfit:
            raise ModelFailed(task=self.task, code="output_invalid", status=200, detail=str(unfit)) from unfit

    def __repr__(self) -> str:
        return f"Reply({self.text!r})"


class Models(Protocol):
    """Answers models' calls. `journaled` says whether whoever answers writes the step, as a gateway does; `url` is
    where a gateway listens, empty for none.
    """

    journaled: bool
    url: str

    async def ask(self, asked: Asked, headers: Mapping[str, str]) -> tuple[bytes, int]:
        """The answer's body, and the seq of its step, 0 where it has none; raises `ModelFailed`, or `Leaving`."""
        ...

    def ask_blocking(self, asked: Asked, headers: Mapping[str, str]) -> tuple[bytes, int]:
        """The same for code that does not await."""
        ...

    async def close(self) -> None:
        """Lets go of the running loop's connections."""
        ...


def reply_of(task: str, body: bytes) -> Reply:
    """The answer that a body is; raises `ModelFailed` for one that is none."""
    try:
        raw = msgspec.json.decode(body)
        return Reply(task, raw)
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError) as unfit:
        detail = f"the answer is no chat completion ({unfit})"
        raise ModelFailed(task=task, code="upstream_error", status=200, detail=detail) from unfit


def messages_of(messages: Sequence[Message] | str) -> tuple[Message, ...]:
    """Messages; a text is a user's."""
    return ({"role": "user", "content": messages},) if isinstance(messages, str) else tuple(messages)


def _first(choices: Any) -> dict[str, Any]:
    return choices[0] if choices else {}
