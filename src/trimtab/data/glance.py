"""A glance at the bodies of a call: what was asked and answered, as far as they were kept.

A preview shows the first 200 characters of each text, so that a shorter text is whole. Bodies are foreign bytes: what
cannot be read gives None.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from trimtab.data.spoken import Asked, answered, answered_in, asked_in, is_preview
from trimtab.record.redact import PREVIEW_CHARACTERS

STREAMED_TEXTS: Final = (
    "choices.0.delta.content",
    "choices.0.text",
    "response.output.0.content.0.text",
    "text",
    "delta.text",
)
"""Where the preview of a stream has the answer's text, by wire format: chat, completions, responses (the whole text, at
its end), messages."""
MAX_CHARACTERS: Final = 8000
"""Of what was asked; the rest is passed over."""
BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Question(NamedTuple):
    """What was asked: the inputs of the task's prompt, and the text of the string inputs and the last user message."""

    text: str
    inputs: dict[str, Any]


class Reply(NamedTuple):
    """The text of an answer, and whether it is all of it."""

    text: str
    whole: bool


def question(body: bytes, most_bytes: int) -> Question | None:
    """What a request asked; None where that cannot be told, or the body is larger than `most_bytes`."""
    said = _object(body) if len(body) <= most_bytes else None
    if said is not None and is_preview(said):
        said = said.get("body")
    asked = asked_in(said) if isinstance(said, dict) else None
    if not isinstance(asked, Asked):
        return None
    inputs = asked.inputs or {}
    texts = [value for _, value in sorted(inputs.items()) if isinstance(value, str)]
    last = next(filter(None, map(_user_text, reversed(asked.messages))), "")
    return Question("\n".join([*texts, last] if last else texts)[:MAX_CHARACTERS], inputs)


def reply(body: bytes, most_bytes: int) -> Reply | None:
    """What an answer said; None where that cannot be told, or the body is larger than `most_bytes`."""
    if len(body) > most_bytes:
        return None
    said = _object(body) if body.startswith(b'{"redaction":') else None
    if said is None or not is_preview(said):
        found = answered(body, most_bytes)
        text = found.get("text") if isinstance(found, dict) else found
        return Reply(text, whole=True) if isinstance(text, str) and text else None
    text = _previewed(said.get("body"))
    return Reply(text, len(text) < PREVIEW_CHARACTERS) if text else None


def _previewed(shown: Any) -> str:
    """The text of an answer that a preview shows."""
    if not isinstance(shown, dict):
        return ""
    for place in STREAMED_TEXTS:
        if isinstance(shown.get(place), str):
            return str(shown[place])
    found = answered_in(shown)
    text = found.get("text") if isinstance(found, dict) else found
    return text if isinstance(text, str) else ""


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        said = msgspec.json.decode(body)
    except BROKEN:
        return None
    return said if isinstance(said, dict) else None


def _user_text(message: dict[str, Any]) -> str:
    return "\n".join(_texts(message.get("content"))) if message.get("role", "user") == "user" else ""


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]
