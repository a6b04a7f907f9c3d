"""Finds tool calls in an answer as it grows: `<tool_call>{"name": ..., "arguments": ...}</tool_call>` (Hermes)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

OPENING, CLOSING = "<tool_call>", "</tool_call>"
HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*', re.DOTALL)


@dataclass(frozen=True)
class TextPart:
    """Text outside of any call."""

    text: str


@dataclass(frozen=True)
class CallBegins:
    """A call whose function's name is known; `index` counts the calls of an answer from 0."""

    index: int
    name: str


@dataclass(frozen=True)
class ArgumentsPart:
    """The next piece of a call's arguments, as the model wrote it."""

    index: int
    text: str


Part = TextPart | CallBegins | ArgumentsPart


class ToolCallReader:
    """Splits a growing answer into text and calls.

    Arguments are passed on as they come and never repaired: what the model wrote is what the client parses. Something
    between the tags that is not a call stays text, tags included. Blank text around calls is dropped.
    """

    def __init__(self, prefix: str = "", calls_limit: int | None = None) -> None:
        """`prefix` is what the answer was made to begin with; calls beyond the limit are dropped."""
        self._held = prefix
        self._place: Literal["text", "head", "arguments", "tail"] = "text"
        self._limit = calls_limit
        self._scan = _JsonEnd()
        self.calls = 0

    def add(self, text: str) -> list[Part]:
        """The parts that have become certain with this text."""
        self._held += text
        return [part for part in self._read() if self._wanted(part)]

    def rest(self) -> list[Part]:
        """What is still held back when the answer ends: a call without a name was no call."""
        held, self._held = self._held, ""
        if self._place == "head":
            return [TextPart(OPENING + held)]
        return [TextPart(held)] if self._place == "text" and self._wanted(TextPart(held)) else []

    def _wanted(self, part: Part) -> bool:
        if isinstance(part, TextPart):
            return bool(part.text if self.calls == 0 else part.text.strip())
        return (self._limit is None or part.index < self._limit) and part != ArgumentsPart(part.index, "")

    def _read(self) -> Iterator[Part]:
        while True:
            before = self._place, len(self._held)
            match self._place:
                case "text":
                    yield from self._read_text()
                case "head":
                    yield from self._read_head()
                case "arguments":
                    yield from self._read_arguments()
                case "tail":
                    self._read_tail()
            if before == (self._place, len(self._held)):
                return

    def _read_text(self) -> Iterator[Part]:
        before, opening, after = self._held.partition(OPENING)
        if opening:
            self._held, self._place = after, "head"
            yield TextPart(before.rstrip())
            return
        certain = len(self._held) - _blank_or_beginning(self._held, OPENING)
        if certain:
            yield TextPart(self._held[:certain])
            self._held = self._held[certain:]

    def _read_head(self) -> Iterator[Part]:
        head = HEAD.match(self._held)
        if head and head.end() < len(self._held):
            self._held, self._place, self._scan = self._held[head.end() :], "arguments", _JsonEnd()
            yield CallBegins(self.calls, json.loads(head[1], strict=False))
            self.calls += 1
        elif CLOSING in self._held:
            body, _, self._held = self._held.partition(CLOSING)
            self._place = "text"
            yield from self._whole(body)

    def _whole(self, body: str) -> Iterator[Part]:
        """A call whose keys came in another order, or text that only looked like a call."""
        try:
            call = json.loads(body)
            name, arguments = call["name"], call.get("arguments", {})
        except (ValueError, TypeError, KeyError):
            yield TextPart(OPENING + body + CLOSING)
            return
        yield CallBegins(self.calls, str(name))
        yield ArgumentsPart(self.calls, json.dumps(arguments, ensure_ascii=False))
        self.calls += 1

    def _read_arguments(self) -> Iterator[Part]:
        body, closing, _ = self._held.partition(CLOSING)
        certain = len(body.rstrip()) if closing else len(body) - _blank_or_beginning(body, CLOSING)
        end = self._scan.find(body[:certain])
        if end is not None or closing:
            certain = min(certain, end if end is not None else certain)
            self._place = "tail"
        yield ArgumentsPart(self.calls - 1, body[:certain])
        self._held = self._held[certain:]

    def _read_tail(self) -> None:
        _, closing, after = self._held.partition(CLOSING)
        if closing:
            self._held, self._place = after, "text"


class _JsonEnd:
    """Finds where a JSON value that comes in pieces ends, inside an object that it is a member of."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._escaped = False

    def find(self, piece: str) -> int | None:
        """The place in this piece at which the value has ended, or None."""
        for place, letter in enumerate(piece):
            if self._escaped:
                self._escaped = False
            elif self._in_string:
                self._escaped, self._in_string = letter == "\\", letter != '"'
            elif letter == '"':
                self._in_string = True
            elif letter in "{[":
                self._depth += 1
            elif self._depth == 0 and letter in "},":
                return place
            elif letter in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return place + 1
        return None


def _blank_or_beginning(text: str, tag: str) -> int:
    """How many of the last characters may still turn out to belong to a tag that follows."""
    sizes = range(min(len(tag) - 1, len(text)), 0, -1)
    beginning = next((size for size in sizes if tag.startswith(text[-size:])), 0)
    kept = text[: len(text) - beginning]
    return len(text) - len(kept.rstrip())
