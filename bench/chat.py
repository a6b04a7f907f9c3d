"""What a chat answer said, and how it ended, as a client that trusts nobody reads it.

An answer is `whole` only if everything says so: good status, proper HTTP framing, and in a stream a finish reason for
the text, `[DONE]`, and no error anywhere. It is an `error` only if it has a code and nothing in it could pass for a
good end. Whatever is neither would leave its reader in the dark, or fool it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.client import Answer

End = Literal["whole", "error", "neither"]


@dataclass
class Said:
    """One answer of one choice; `code` is that of its error."""

    text: str = ""
    finish: str = ""
    done: bool = False
    code: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    call: str = ""
    end: End = "neither"


def read(answer: Answer, *, stream: bool) -> Said:
    """What was said; a stream's events are joined."""
    said = Said(call=answer.header(b"x-trimtab-call"))
    if answer.status != 200:
        said.code = answer.error_code
        said.end = "error" if answer.whole and said.code not in ("", "unreadable", "None") else "neither"
        return said
    if stream:
        for line in answer.body.split(b"\n"):
            if line.startswith(b"data:"):
                take(said, line.removeprefix(b"data:").strip())
    elif answer.whole:
        take(said, answer.body)
        said.done = True
    if said.code:
        said.end = "neither" if said.done or said.finish else "error"
    elif answer.whole and said.done and said.finish:
        said.end = "whole"
    return said


def take(said: Said, payload: bytes) -> None:
    """One event, or one whole body."""
    if payload == b"[DONE]":
        said.done = True
        return
    data = json.loads(payload)
    if data.get("error"):
        said.code = str(data["error"].get("code") or "unreadable")
    said.usage = data.get("usage") or said.usage
    for choice in data.get("choices", []):
        spoken = choice.get("delta") or choice.get("message") or {}
        said.text += spoken.get("content") or ""
        said.finish = choice.get("finish_reason") or said.finish
