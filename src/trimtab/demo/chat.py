"""POST /v1/chat/completions: the template, tool calls, and the chunks and choices of a chat."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from trimtab.demo.exchange import Exchange, Service, encoded, orders_for
from trimtab.demo.replies import (
    CalledFunction,
    ChatChoice,
    ChatLogprobs,
    ChatToken,
    ChunkChoice,
    Delta,
    FinishReason,
    FunctionPart,
    Message,
    ToolCall,
    ToolCallPart,
    chat_token,
)
from trimtab.demo.requests import ChatRequest, ToolChoice
from trimtab.demo.requests import Message as SentMessage
from trimtab.demo.scheduler import Piece
from trimtab.demo.toolcalls import ArgumentsPart, CallBegins, Part, TextPart, ToolCallReader
from trimtab.errors import EngineRefusal


class ChatExchange(Exchange):
    """A chat request and its answers."""

    kind = "chat.completion"
    chunk_kind = "chat.completion.chunk"

    def __init__(self, service: Service, request: ChatRequest, reply_id: str) -> None:
        _check(request)
        model = service.model(request.model)
        self._vocabulary = model.vocabulary
        beginning = _forced_beginning(request)
        tools = [msgspec.to_builtins(tool) for tool in request.tools or ()]
        text = model.template.render([_for_template(message) for message in request.messages], tools)
        logprobs = (request.top_logprobs or 0) if request.logprobs else None
        limit = request.max_completion_tokens or request.max_tokens
        seed = service.seeds.getrandbits(62) if request.seed is None else request.seed
        orders = orders_for(request, model, encoded(model, text + beginning), limit, logprobs, seed)
        super().__init__(service, request, orders, reply_id)
        self._service = service
        self._named = isinstance(request.tool_choice, ToolChoice)
        self._answers = [_Answer(_reader(request, beginning)) for _ in orders]

    def extend(self, index: int, piece: Piece) -> list[ChunkChoice]:
        """Add a piece to an answer: its role first, then text and calls, at last why it ended."""
        answer = self._answers[index]
        deltas = [self._delta(answer, part) for part in answer.parts(piece)]
        chunks = [ChunkChoice(index, delta) for delta in deltas]
        if piece.finish:
            called = answer.calls and piece.finish == "stop" and not self._named
            answer.finish = "tool_calls" if called else piece.finish
            chunks.append(ChunkChoice(index, Delta(), finish_reason=answer.finish))
        if piece.drawn.logprob is not None:
            answer.tokens.append(chat_token(piece.drawn, self._vocabulary))
            chunks = chunks or [ChunkChoice(index, Delta())]
            chunks[0].logprobs = ChatLogprobs(answer.tokens[-1:])
        if not answer.begun:
            answer.begun = True
            chunks.insert(0, ChunkChoice(index, Delta(role="assistant", content="")))
        return chunks

    def choices(self) -> list[ChatChoice]:
        """The messages as they stand."""
        return [answer.choice(index) for index, answer in enumerate(self._answers)]

    def _delta(self, answer: _Answer, part: Part) -> Delta:
        match part:
            case TextPart(text):
                answer.text += text
                return Delta(content=text)
            case CallBegins(index, name):
                call = ToolCall(f"call_{self._service.new_id()}", CalledFunction(name, ""))
                answer.calls.append(call)
                function = FunctionPart(name, "")
                return Delta(tool_calls=[ToolCallPart(index, function, call.id, "function")])
            case ArgumentsPart(index, text):
                answer.calls[index].function.arguments += text
                return Delta(tool_calls=[ToolCallPart(index, FunctionPart(arguments=text))])


class _Answer:
    """One choice as it grows."""

    def __init__(self, reader: ToolCallReader | None) -> None:
        self.begun = False
        self.text = ""
        self.calls: list[ToolCall] = []
        self.tokens: list[ChatToken] = []
        self.finish: FinishReason | None = None
        self._reader = reader

    def parts(self, piece: Piece) -> list[Part]:
        """What a piece adds, split into text and calls."""
        if self._reader is None:
            return [TextPart(piece.text)] if piece.text else []
        return self._reader.add(piece.text) + (self._reader.rest() if piece.finish else [])

    def choice(self, index: int) -> ChatChoice:
        """The choice with what it has by now."""
        message = Message(self.text or (None if self.calls else ""), self.calls or UNSET)
        return ChatChoice(index, message, ChatLogprobs(self.tokens) if self.tokens else None, self.finish)


def _check(request: ChatRequest) -> None:
    if request.top_logprobs and not request.logprobs:
        raise EngineRefusal(400, "top_logprobs need logprobs: true", param="top_logprobs")
    for place, message in enumerate(request.messages):
        kinds = {part.type for part in message.content} if isinstance(message.content, list) else set()
        if kinds - {"text"}:
            detail = f"it reads text only, not {', '.join(sorted(kinds - {'text'}))}"
            raise EngineRefusal(400, detail, param=f"messages[{place}].content")
    names = [tool.function.name for tool in request.tools or ()]
    chosen = request.tool_choice
    if isinstance(chosen, ToolChoice) and chosen.function.name not in names:
        raise EngineRefusal(400, f"tool_choice names {chosen.function.name!r}, which is not in tools")
    if chosen == "required" and not names:
        raise EngineRefusal(400, "tool_choice is required, but there are no tools", param="tool_choice")


def _for_template(message: SentMessage) -> dict[str, Any]:
    """The message as the template reads it; a developer is a system to these models."""
    rendered: dict[str, Any] = msgspec.to_builtins(message)
    rendered["role"] = "system" if message.role == "developer" else message.role
    return rendered


def _forced_beginning(request: ChatRequest) -> str:
    """How an answer is made to call a tool: it begins as a call, with the name too if one is demanded.

    Nothing else is enforced: a model that goes on with something that is no call has written text.
    """
    match request.tool_choice:
        case ToolChoice(function):
            return f'<tool_call>\n{{"name": {msgspec.json.encode(function.name).decode()}, "arguments":'
        case "required":
            return '<tool_call>\n{"name":'
        case _:
            return ""


def _reader(request: ChatRequest, beginning: str) -> ToolCallReader | None:
    if not request.tools or request.tool_choice == "none":
        return None
    return ToolCallReader(beginning, 1 if request.parallel_tool_calls is False else None)
