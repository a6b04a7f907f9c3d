"""`POST /v1/messages`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from trimtab.contracts.reply import Reply
from trimtab.errors import CallError
from trimtab.gateway.surfaces import anthropic
from trimtab.gateway.surfaces.anthropic_wire import MessagesWire
from trimtab.gateway.surfaces.messages_history import MESSAGES
from trimtab.gateway.surfaces.surface import NOT_JSON, Asked, History, OfferedTool, Wire
from trimtab.gateway.translate.messages_over_chat import MessagesOverChat

NOT_RUN = "This call is valid but was not run, since another one beside it is not. Repeat it with the corrected one."
THINKING_ON = frozenset({"enabled", "adaptive"})


class Messages:
    """Anthropic messages, streamed and not."""

    name = "messages"
    method = "POST"
    path = "/v1/messages"
    repeatable = False
    forwards_headers = False
    wires: Mapping[str, Wire] = {"anthropic": MessagesWire(), "openai": MessagesOverChat()}
    history: History | None = MESSAGES

    def read(self, body: bytes) -> Asked:
        """What the request asks for, its messages included."""
        return anthropic.read_request(body, streams=True)

    def offered(self, asked: Asked) -> tuple[OfferedTool, ...]:
        """The tools of the request."""
        return anthropic.offered(asked)

    def reask(self, asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
        """The request with the reply as the assistant's turn and what is wrong with it as the user's."""
        return reask(asked, reply, complaints)

    def error(self, failure: CallError) -> bytes:
        """An error in Anthropic's shape."""
        return anthropic.error_body(failure)

    def error_event(self, failure: CallError) -> bytes:
        """An error as the last event of a stream."""
        return anthropic.error_event(failure)


def reask(asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
    """The request again, with the reply it got and the complaints about it.

    A tool call whose arguments are a JSON object goes back as the block it was, its complaint as the result. This wire
    has no block for any other call, nor, while thinking is on, for a call without the signed thinking before it: such
    a call goes back in words, and so does its complaint.
    """
    about_calls = len(complaints) == len(reply.tool_calls) and bool(reply.tool_calls)
    said: list[dict[str, Any]] = [_text(reply.text)] if reply.text.strip() else []
    results: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = [] if about_calls else [_text(complaint) for complaint in complaints]
    in_words = _thinking_on(asked)
    for number, call in enumerate(reply.tool_calls):
        complaint = (complaints[number] if about_calls else "") or NOT_RUN
        if in_words or not _is_object(call.arguments):
            said.append(_text(f"{call.name} {call.arguments}".strip() or "(a tool call without a name)"))
            words.append(_text(f"{call.name}: {complaint}"))
            continue
        block_id = call.id or f"toolu_{number}"
        block = {"type": "tool_use", "id": block_id, "name": call.name, "input": Raw(call.arguments.encode())}
        said.append(block)
        result = {"type": "tool_result", "tool_use_id": block_id, "content": complaint}
        results.append({**result, "is_error": True} if complaint != NOT_RUN else result)
    turns = [{"role": "assistant", "content": said}] if said else []
    turns.append({"role": "user", "content": [*results, *words]})
    messages = (*asked.messages, *(Raw(msgspec.json.encode(turn)) for turn in turns))
    fields = {**asked.fields, "messages": Raw(msgspec.json.encode(messages))}
    return msgspec.structs.replace(asked, fields=fields, messages=messages)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _is_object(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments, type=dict[str, Raw])
    except (*NOT_JSON, UnicodeEncodeError):
        return False
    return True


def _thinking_on(asked: Asked) -> bool:
    raw = asked.fields.get("thinking")
    if raw is None:
        return False
    try:
        return msgspec.json.decode(raw, type=dict[str, Any]).get("type") in THINKING_ON
    except NOT_JSON:
        return False
