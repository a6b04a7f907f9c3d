"""The parts of messages, as the surfaces share them: which are text, and how many tokens the others are taken for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

IMAGE_TOKENS: Final = 1000
"""What an image is taken for: what models make of one of about a megapixel lies between 765 and 1,600 tokens."""
MEDIA_BYTES_PER_TOKEN: Final = 64
"""Sound, video and files are taken for a token for so many bytes of their base64, and for no less than an image."""
MAX_DEPTH: Final = 6
"""Parts may hold parts, as a tool's result does; what lies deeper is counted as the JSON it is."""
TEXTS: Final = ("text", "thinking", "refusal", "output", "input_text", "title", "context")
"""Fields of a part that hold text."""
NESTED: Final = ("content", "output", "summary", "source")
"""Fields of a part that may hold parts."""
IMAGES: Final = frozenset({"image_url", "image", "input_image", "computer_screenshot"})
MEDIA: Final = frozenset({"input_audio", "audio_url", "video_url", "file", "input_file", "document", "audio", "video"})


class Found:
    """What was found in the parts of a message: texts, and tokens of what is none."""

    __slots__ = ("media_tokens", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.media_tokens = 0

    def take(self, value: Any, depth: int = 0) -> None:
        """Takes a content: a text, a part, or a list of these."""
        if isinstance(value, str):
            self.texts.append(value)
        elif isinstance(value, list) and depth < MAX_DEPTH:
            for one in value:
                self.take(one, depth + 1)
        elif isinstance(value, dict) and depth < MAX_DEPTH:
            self._part(value, depth)
        elif value is not None:
            self.json(value)

    def json(self, value: Any) -> None:
        """Takes a value as the JSON it is."""
        self.texts.append(msgspec.json.encode(value).decode())

    def _part(self, part: dict[str, Any], depth: int) -> None:
        kind = str(part.get("type"))
        if kind in IMAGES:
            self.media_tokens += IMAGE_TOKENS
        elif kind in MEDIA and not _is_text(part):
            self.media_tokens += max(IMAGE_TOKENS, sum(_sizes(part)) // MEDIA_BYTES_PER_TOKEN)
        elif kind == "redacted_thinking" or "encrypted_content" in part:
            self.media_tokens += sum(_sizes(part)) // MEDIA_BYTES_PER_TOKEN
        else:
            self._text_part(part, depth)

    def _text_part(self, part: dict[str, Any], depth: int) -> None:
        known = False
        for name in TEXTS:
            if isinstance(part.get(name), str):
                self.texts.append(part[name])
                known = True
        for name in NESTED:
            if isinstance(part.get(name), list | dict):
                self.take(part[name], depth + 1)
                known = True
            elif name in {"content", "summary"} and isinstance(part.get(name), str):
                self.texts.append(part[name])
                known = True
        if isinstance(part.get("data"), str) and part.get("type") == "text":
            self.texts.append(part["data"])
        elif not known and part:
            self.json(part)


def _is_text(part: dict[str, Any]) -> bool:
    """Whether a document is given as text, or as parts that hold it."""
    source = part.get("source")
    return isinstance(source, dict) and source.get("type") in {"text", "content"}


def _sizes(value: Any, depth: int = 0) -> Iterator[int]:
    """The sizes of all texts in a value."""
    if isinstance(value, str):
        yield len(value)
    elif depth < MAX_DEPTH and isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _sizes(one, depth + 1)
