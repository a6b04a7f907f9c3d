"""What was answered in a call, as turns: of an answer in one piece, or of a stream of events put together again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from trimtab.console.said import (
    Part,
    PartKind,
    Turn,
    bounded,
    dicts,
    item_parts,
    listed,
    message_turn,
    parts_of,
    pretty,
    said_of,
    string,
    told,
)

MOST_PIECES: Final = 512
"""How many texts, calls and thoughts of one stream are told apart."""
KINDS: Final[dict[str, PartKind]] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
DATA: Final = b"data:"


def is_stream(body: bytes) -> bool:
    """Whether a body is server-sent events."""
    return body.lstrip(b"\r\n\xef\xbb\xbf")[:6].startswith((b"data:", b"event:", b"id:", b":"))


def whole_turns(said: Any) -> tuple[Turn, ...]:
    """What an answer in one piece said, given as its JSON; nothing where it is none of the formats."""
    return bounded(_whole(said)) if isinstance(said, dict) else ()


def streamed_turns(body: bytes) -> tuple[Turn, ...]:
    """What the events of a stream said, put together; of one that was cut, as far as it came."""
    gathered = _Gathered()
    for line in body.splitlines():
        event = said_of(line[len(DATA) :]) if line.startswith(DATA) else None
        if isinstance(event, dict):
            gathered.take(event)
    return bounded(gathered.turns())


def _whole(answer: dict[str, Any]) -> Iterator[Turn]:
    choices = dicts(answer.get("choices"))
    for number, choice in enumerate(choices):
        place = number if len(choices) > 1 else None
        if isinstance(choice.get("message"), dict):
            yield message_turn(choice["message"], place)
        elif isinstance(choice.get("text"), str):
            yield Turn("assistant", (Part("text", choice["text"]),), choice=place)
    if isinstance(answer.get("content"), list):
        yield Turn(string(answer.get("role")) or "assistant", tuple(parts_of(answer["content"])))
    if isinstance(answer.get("output"), list):
        parts = tuple(part for item in dicts(answer["output"]) for part in item_parts(item))
        yield Turn("assistant", parts)
    if isinstance(answer.get("data"), list) and dicts(answer["data"]):
        yield Turn("answer", (Part("data", _vectors(dicts(answer["data"]))),))
    if answer.get("error"):
        yield Turn("error", (Part("data", told(answer["error"])),))


def _vectors(data: list[dict[str, Any]]) -> str:
    """How many vectors there are, and how long: nobody reads them."""
    first = data[0].get("embedding")
    if isinstance(first, list):
        return f"{len(data):,} vectors of {len(first):,} numbers"
    if isinstance(first, str):
        return f"{len(data):,} vectors of {len(first) * 3 // 16:,} numbers"
    return f"{len(data):,} items"


Place = tuple[Any, ...]


class _Gathered:
    """Puts the pieces of a stream together: by the choice they are of, what they are, and their place in it."""

    def __init__(self) -> None:
        self._texts: dict[Place, list[str]] = {}
        self._names: dict[Place, list[str]] = {}
        self._others: list[Turn] = []
        self._whole: tuple[Turn, ...] = ()

    def turns(self) -> tuple[Turn, ...]:
        """All that came, one turn for each choice."""
        if self._whole:
            return self._whole + tuple(self._others)
        choices = list(dict.fromkeys(place[0] for place in self._texts))
        found = []
        for choice in choices:
            parts = [self._part(place) for place in self._texts if place[0] == choice]
            number = choice if len(choices) > 1 and isinstance(choice, int) else None
            found.append(Turn("assistant", tuple(part for part in parts if part.text or part.name), choice=number))
        return (*found, *self._others)

    def take(self, event: dict[str, Any]) -> None:
        """Takes in an event of any format."""
        kind = string(event.get("type"))
        if event.get("error"):
            self._others.append(Turn("error", (Part("data", told(event["error"])),)))
        elif kind.startswith("response."):
            self._take_response(kind, event)
        elif kind.startswith("content_block"):
            self._take_block(kind, event)
        else:
            for choice in dicts(event.get("choices")):
                self._take_choice(choice)

    def _take_choice(self, choice: dict[str, Any]) -> None:
        number = choice.get("index", 0)
        self._add((number, "text", 0), choice.get("text"))
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return
        for key in ("reasoning_content", "reasoning"):
            if isinstance(delta.get(key), str):
                self._add((number, "reasoning", 0), delta[key])
                break
        content = delta.get("content")
        for text in [content] if isinstance(content, str) else [one.get("text") for one in dicts(content)]:
            self._add((number, "text", 0), text)
        self._add((number, "refusal", 0), delta.get("refusal"))
        for call in dicts(delta.get("tool_calls")):
            function = call.get("function")
            if isinstance(function, dict):
                place = (number, "tool_call", call.get("index", 0))
                self._name(place, function.get("name"), call.get("id"))
                self._add(place, function.get("arguments"))

    def _take_block(self, kind: str, event: dict[str, Any]) -> None:
        index, block, delta = event.get("index"), event.get("content_block"), event.get("delta")
        if kind == "content_block_start" and isinstance(block, dict):
            match block.get("type"):
                case "tool_use" | "server_tool_use":
                    self._name((0, "tool_call", index), block.get("name"), block.get("id"))
                case "redacted_thinking":
                    self._add((0, "reasoning", index), "(kept by the provider)")
                case _:
                    self._add((0, "text", index), block.get("text"))
        elif kind == "content_block_delta" and isinstance(delta, dict):
            self._add((0, "text", index), delta.get("text"))
            self._add((0, "reasoning", index), delta.get("thinking"))
            self._add((0, "tool_call", index), delta.get("partial_json"))

    def _take_response(self, kind: str, event: dict[str, Any]) -> None:
        item, index = event.get("item"), event.get("output_index")
        if kind in KINDS:
            inner = event.get("content_index", event.get("summary_index"))
            self._add((0, KINDS[kind], index, inner), event.get("delta"))
        elif kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
            self._add((0, "tool_call", index), event.get("delta"))
        elif kind == "response.output_item.added" and isinstance(item, dict) and item.get("name"):
            self._name((0, "tool_call", index), item.get("name"), item.get("call_id"))
        elif kind in ENDS and isinstance(event.get("response"), dict):
            response = event["response"]
            if listed(response.get("output")) or response.get("error"):
                self._whole = tuple(_whole(response))

    def _add(self, place: Place, text: Any) -> None:
        if isinstance(text, str) and text and self._knows(place):
            self._texts[place].append(text)

    def _name(self, place: Place, name: Any, ident: Any) -> None:
        if self._knows(place):
            known = self._names.setdefault(place, ["", ""])
            known[0] += string(name)
            known[1] = known[1] or string(ident)

    def _knows(self, place: Place) -> bool:
        if not all(isinstance(one, (str, int, type(None))) for one in place):
            return False
        if place not in self._texts and len(self._texts) < MOST_PIECES:
            self._texts[place] = []
        return place in self._texts

    def _part(self, place: Place) -> Part:
        kind, text = place[1], "".join(self._texts[place])
        name, ident = self._names.get(place, ("", ""))
        return Part(kind, pretty(text) if kind == "tool_call" else text, name, ident)
