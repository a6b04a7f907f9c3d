"""The items of a response while they are written: what has come of each, and the events that would end it here."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from trimtab.gateway.surfaces.openai_answers import ABSENT
from trimtab.gateway.surfaces.responses_answers import Event, Item, reply_of, tokens_of

MAX_ITEMS: Final = 1024
MAX_PARTS: Final = 1024
"""Items of an answer, and parts of an item, that are kept; an answer with more fails."""


class Kind(NamedTuple):
    """How a kind of text is told of: where it stands in its item, and in which events."""

    place: str
    text: str
    position: str
    text_done: str
    part_done: str


KINDS: Final = {
    "output_text": Kind("content", "text", "content_index", "response.output_text.done", "response.content_part.done"),
    "refusal": Kind("content", "refusal", "content_index", "response.refusal.done", "response.content_part.done"),
    "reasoning_text": Kind(
        "content", "text", "content_index", "response.reasoning_text.done", "response.content_part.done"
    ),
    "summary_text": Kind(
        "summary",
        "text",
        "summary_index",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
    ),
}
"""By the type of the part."""
KIND_OF_EVENT: Final = {
    "output_text": "output_text",
    "refusal": "refusal",
    "reasoning_text": "reasoning_text",
    "reasoning_summary_text": "summary_text",
}
"""By the name of its events: `response.NAME.delta` and `response.NAME.done`."""
PARTS: Final = {"content_part": "content", "reasoning_part": "content", "reasoning_summary_part": "summary"}


class Written(NamedTuple):
    """How that is told of which is written for a call: its field, and the event that ends it."""

    field: str
    done: str


CALLS: Final = {
    "function_call": Written("arguments", "response.function_call_arguments.done"),
    "custom_tool_call": Written("input", "response.custom_tool_call_input.done"),
}
"""By the type of the item."""
ARGUMENTS: Final = {"function_call_arguments": "arguments", "custom_tool_call_input": "input"}
EMPTY: Final = Raw(b'""')


class TooLarge(Exception):
    """An answer with more items or parts than are kept."""


class FullEvent(Event):
    """All of an event that tells what an item is becoming."""

    sequence_number: int | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    part: Raw = ABSENT
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None


class Part(Struct):
    """A part of an item: what it was announced as, its text, and whether that and the part itself are done."""

    kind: str
    fields: dict[str, Raw] = {}
    texts: list[str] = []
    announced: bool = False
    text_done: bool = False
    done: bool = False


class PartKind(Struct):
    """The kind of a part."""

    type: str = ""


_fields = msgspec.json.Decoder(dict[str, Raw])
_part_kind = msgspec.json.Decoder(PartKind)
_item = msgspec.json.Decoder(Item)
_encode = msgspec.json.Encoder().encode


class Draft:
    """One item. `whole` is the item as the server told it at its end."""

    __slots__ = ("_arguments", "_arguments_done", "_fields", "_kind", "_parts", "index", "whole")

    def __init__(self, index: int) -> None:
        self.index = index
        self.whole: Raw | None = None
        self._kind = Item()
        self._fields: dict[str, Raw] = {}
        self._parts: dict[tuple[str, int], Part] = {}
        self._arguments: list[str] = []
        self._arguments_done = False

    @property
    def kind(self) -> str:
        """The type it was announced with; "" if it was not."""
        return self._kind.type

    def take(self, event: FullEvent) -> str:
        """Adds what an event tells of this item; the message text that it brought."""
        _, _, rest = event.type.partition(".")
        subject, _, what = rest.rpartition(".")
        if subject == "output_item":
            return self._take_item(event, what)
        if subject in KIND_OF_EVENT:
            return self._take_text(event, KIND_OF_EVENT[subject], what)
        if subject in PARTS:
            self._take_part(event, PARTS[subject], what)
        elif subject in ARGUMENTS:
            self._take_arguments(event, ARGUMENTS[subject], what)
        return ""

    def _take_item(self, event: FullEvent, what: str) -> str:
        """Raises for an item that could not be read later."""
        if event.item is ABSENT or bytes(event.item) == b"null":
            return ""
        fields, item = _fields.decode(event.item), _item.decode(event.item)
        tokens_of(item)
        if what == "added":
            self._fields, self._kind = fields, item
            return ""
        untold = not any(part.texts for part in self._parts.values())
        self.whole = event.item
        return reply_of([item], "").text if untold else ""

    def _take_text(self, event: FullEvent, kind: str, what: str) -> str:
        index = event.summary_index if kind == "summary_text" else event.content_index
        part = self._part(KINDS[kind].place, index or 0, kind)
        text = ""
        if what == "delta":
            text = event.delta if isinstance(event.delta, str) else ""
        elif what == "done":
            part.text_done = True
            text = "" if part.texts else event.text or event.refusal or ""
        if text:
            part.texts.append(text)
        return text if kind == "output_text" else ""

    def _take_part(self, event: FullEvent, place: str, what: str) -> None:
        index = event.summary_index if place == "summary" else event.content_index
        kind = "" if event.part is ABSENT else _part_kind.decode(event.part).type
        part = self._part(place, index or 0, kind)
        if what == "done":
            part.done = True
        elif event.part is not ABSENT:
            part.kind, part.fields, part.announced = kind, _fields.decode(event.part), True

    def _take_arguments(self, event: FullEvent, name: str, what: str) -> None:
        if what == "delta" and isinstance(event.delta, str):
            self._arguments.append(event.delta)
        elif what == "done":
            self._arguments_done = True
            whole = getattr(event, name)
            self._arguments = self._arguments if whole is None else [whole]

    def _part(self, place: str, index: int, kind: str) -> Part:
        part = self._parts.get((place, index))
        if part is None:
            if len(self._parts) == MAX_PARTS:
                raise TooLarge
            part = self._parts[place, index] = Part(kind)
        return part

    def item(self) -> Item:
        """The item as it stands."""
        return _item.decode(self.whole or _encode(self._closed("in_progress")))

    def ended(self, status: str) -> Any:
        """The item as it stands in a response that ends here."""
        return self.whole or self._closed(status)

    def closing(self, status: str) -> list[dict[str, Any]]:
        """The events that end an open item here, without their sequence numbers."""
        if self.whole is not None:
            return []
        here = {"item_id": self._fields.get("id", EMPTY), "output_index": self.index}
        events: list[dict[str, Any]] = []
        for (_, index), part in sorted(self._parts.items()):
            kind = KINDS.get(part.kind)
            if kind is None:
                continue
            place = {**here, kind.position: index}
            if not part.text_done:
                logprobs: dict[str, Any] = {"logprobs": []} if part.kind == "output_text" else {}
                events.append({"type": kind.text_done, **place, kind.text: "".join(part.texts), **logprobs})
            if part.announced and not part.done:
                events.append({"type": kind.part_done, **place, "part": _closed_part(part, kind)})
        name = CALLS.get(self._kind.type)
        if name is not None and not self._arguments_done:
            events.append({"type": name.done, **here, name.field: "".join(self._arguments)})
        ended = {"output_index": self.index, "item": self._closed(status)}
        return [*events, {"type": "response.output_item.done", **ended}]

    def _closed(self, status: str) -> dict[str, Any]:
        fields: dict[str, Any] = {**self._fields, "status": status}
        for (place, _), part in sorted(self._parts.items()):
            kind = KINDS.get(part.kind)
            if kind is not None:
                fields[place] = [] if isinstance(fields.get(place, EMPTY), Raw) else fields[place]
                fields[place].append(_closed_part(part, kind))
        name = CALLS.get(self._kind.type)
        if name is not None:
            fields[name.field] = "".join(self._arguments)
        return fields


def _closed_part(part: Part, kind: Kind) -> dict[str, Any]:
    return {"type": part.kind, **part.fields, kind.text: "".join(part.texts)}
