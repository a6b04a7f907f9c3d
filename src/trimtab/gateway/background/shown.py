"""What clients are told of a background call: an object of the Responses API, or how it stands, or the very answer.

Source: the OpenAI API reference (responses, background mode).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from trimtab.journal.background import OVER, BackgroundCall, Polled

NS: Final = 1_000_000_000
POLL_AFTER_S: Final = 1
_fields = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode
USUAL: Final[dict[str, Any]] = {
    "metadata": {},
    "temperature": None,
    "top_p": None,
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "max_output_tokens": None,
}


def response_object(polled: Polled) -> bytes:
    """The call as a response: while it is not there, with what was asked; then as the server told it, under our id."""
    call = polled.call
    if call.status in {"completed", "incomplete"} and polled.content is not None:
        answer: dict[str, Any] = {**_fields.decode(polled.content)}
        return _encode({**answer, "id": call.run, "background": True})
    shown: dict[str, Any] = dict(_fields.decode(call.shown))
    error = None
    if call.status == "failed":
        error = {"code": call.error, "message": call.detail or call.error}
    return _encode(
        {
            "id": call.run,
            "object": "response",
            "created_at": call.submitted_ns // NS,
            "status": call.status,
            "background": True,
            "completed_at": None,
            "error": error,
            "incomplete_details": None,
            "instructions": None,
            **USUAL,
            **shown,
            "output": [],
            "previous_response_id": None,
            "store": True,
            "tools": [],
            "usage": None,
        }
    )


def status_object(call: BackgroundCall) -> bytes:
    """How a call stands."""
    over = call.status in OVER
    return _encode(
        {
            "id": call.run,
            "object": "background",
            "status": call.status,
            "task": call.task,
            "surface": call.surface,
            "created_at": call.submitted_ns // NS,
            "deadline_at": call.deadline_ns // NS,
            "ended_at": call.over_ns // NS if call.over_ns is not None else None,
            "kept_until": call.expires_ns // NS if call.expires_ns is not None else None,
            "attempts": call.tries,
            "error": {"code": call.error, "message": call.detail} if over and call.error else None,
            "poll": f"/v1/background/{call.run}",
        }
    )


def status_lines(call: BackgroundCall) -> bytes:
    """Header lines that tell the same of an answer in any shape."""
    lines = b"x-trimtab-background: %b\r\n" % call.status.encode()
    if call.status not in OVER:
        lines += b"retry-after: %d\r\n" % POLL_AFTER_S
    return lines
