"""What was said in a call, as turns of a conversation: read of the bodies that were kept, whatever their format.

The formats are those of clients: OpenAI chat completions, completions, responses and embeddings, and Anthropic
messages. Bodies are foreign bytes: what cannot be read gives no turns, and nothing of a body is ever loaded or run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, structs

from trimtab.console.text import short

MOST_PARTS: Final = 2000
"""Of one body; what comes after is left to the raw bytes."""
MOST_JSON: Final = 200_000
"""Characters of JSON that are set out over lines; longer ones stay as they are."""
MOST_URL: Final = 200
CUT: Final = 2000
"""Characters of a part that are shown in any case, where room for a whole conversation runs out."""
HALF: Final = b"\\ud"
"""How the escape of a half of a character begins: some clients send such, and JSON readers differ on it."""
BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
PartKind = Literal["text", "reasoning", "tool_call", "tool_result", "refusal", "media", "data"]
MEDIA: Final = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "input_audio": "audio",
    "audio": "audio",
    "video_url": "video",
    "input_file": "file",
    "file": "file",
    "document": "document",
}
"""Kinds of parts that are shown as a placeholder, and what they are called."""
TEXTS: Final = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})


class Part(Struct, frozen=True, omit_defaults=True):
    """A part of a turn. `name` is that of a tool, or what kind of media it is; `id` joins a tool's call and result."""

    kind: PartKind
    text: str = ""
    name: str = ""
    id: str = ""
    error: bool = False


class Turn(Struct, frozen=True, omit_defaults=True):
    """What one side said. `choice` tells several answers to one request apart."""

    role: str
    parts: tuple[Part, ...]
    name: str = ""
    choice: int | None = None


def said_of(body: bytes) -> Any:
    """A body's JSON; None for what is none. Halves of characters in it become U+FFFD."""
    try:
        return msgspec.json.decode(body)
    except BROKEN:
        pass
    try:
        return _whole_characters(json.loads(body)) if HALF in body.lower() else None
    except (ValueError, RecursionError):
        return None


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_whole_characters(one) for one in value]
    return {key: _whole_characters(one) for key, one in value.items()} if isinstance(value, dict) else value


def pretty(text: str) -> str:
    """JSON set out over lines, and anything else as it is."""
    if text.lstrip()[:1] not in ("{", "[") or len(text) > MOST_JSON:
        return text
    try:
        return msgspec.json.format(text, indent=2)
    except (*BROKEN, ValueError):
        return text


def told(value: Any) -> str:
    """Any JSON as text: a string as it is, everything else set out over lines."""
    if isinstance(value, str):
        return value
    try:
        return pretty(msgspec.json.encode(value).decode("utf-8", "replace"))
    except (RecursionError, TypeError, ValueError, msgspec.EncodeError):
        return "(too deep to be shown)"


def request_turns(said: Any) -> tuple[Turn, ...]:
    """What a request asked, given as its JSON: the inputs of a prompt, then its messages in order."""
    return bounded(_request(said)) if isinstance(said, dict) else ()


def tool_names(said: Any) -> tuple[str, ...]:
    """The tools that a request brought."""
    found = []
    for tool in dicts(said.get("tools")) if isinstance(said, dict) else ():
        inner = tool.get("function")
        name = inner.get("name") if isinstance(inner, dict) else tool.get("name") or tool.get("type")
        found.append(name if isinstance(name, str) else "?")
    return tuple(found[:256])


def bounded(turns: Iterator[Turn] | tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The turns up to the most parts that are shown, with a word where the rest was left out."""
    found: list[Turn] = []
    left = MOST_PARTS
    for turn in turns:
        if left <= 0:
            found.append(Turn("rest", (Part("data", "(more than is shown here; the raw bytes have it all)"),)))
            break
        parts = turn.parts[:left]
        left -= max(1, len(parts))
        found.append(structs.replace(turn, parts=parts))
    return tuple(found)


def within(turns: tuple[Turn, ...], most: int) -> tuple[Turn, ...]:
    """The turns in so many characters: of earlier ones only the beginning is left where room runs out."""
    left, found = most, []
    for turn in reversed(turns):
        parts = []
        for part in turn.parts:
            kept = part if len(part.text) <= max(left, CUT) else _cut(part, max(left, CUT))
            left -= len(kept.text)
            parts.append(kept)
        found.append(structs.replace(turn, parts=tuple(parts)))
    return tuple(reversed(found))


def _cut(part: Part, most: int) -> Part:
    rest = f"\n[{len(part.text) - most:,} characters more; the raw bytes have them all]"
    return structs.replace(part, text=part.text[:most] + rest)


def _request(said: dict[str, Any]) -> Iterator[Turn]:
    extension = said.get("trimtab")
    if isinstance(extension, dict) and extension.get("inputs"):
        yield Turn("inputs", (Part("data", told(extension["inputs"])),))
    for name in ("system", "instructions"):
        if said.get(name):
            yield Turn("system", tuple(parts_of(said[name])))
    for message in listed(said.get("messages")):
        yield message_turn(message)
    if "prompt" in said:
        yield from (Turn("prompt", (one,)) for one in _inputs(said["prompt"]))
    given = said.get("input")
    if isinstance(given, list) and any(isinstance(one, dict) for one in given):
        yield from (item_turn(one) for one in given)
    elif given is not None:
        yield from (Turn("input" if isinstance(given, list) else "user", (one,)) for one in _inputs(given))


def _inputs(given: Any) -> Iterator[Part]:
    """Texts of a completion or an embedding, which may also be given as numbers of tokens."""
    if isinstance(given, list) and given and all(isinstance(one, int) for one in given):
        yield Part("data", f"{len(given):,} tokens as numbers")
        return
    for one in listed(given) if isinstance(given, list) else [given]:
        if isinstance(one, list):
            yield from _inputs(one)
        else:
            yield Part("text" if isinstance(one, str) else "data", told(one))


def message_turn(message: Any, choice: int | None = None) -> Turn:
    """A message of chat completions or of Anthropic's messages."""
    if not isinstance(message, dict):
        return Turn("user", tuple(parts_of(message)), choice=choice)
    role = string(message.get("role")) or "assistant"
    if role in ("tool", "function"):
        ident = string(message.get("tool_call_id"))
        name = string(message.get("name"))
        text = "\n".join(part.text for part in parts_of(message.get("content")))
        return Turn(role, (Part("tool_result", pretty(text), name, ident),), choice=choice)
    parts: list[Part] = []
    for key in ("reasoning_content", "reasoning"):
        if isinstance(message.get(key), str) and message[key]:
            parts.append(Part("reasoning", message[key]))
            break
    parts += parts_of(message.get("content"))
    if string(message.get("refusal")):
        parts.append(Part("refusal", message["refusal"]))
    calls = [*dicts(message.get("tool_calls"))]
    if isinstance(message.get("function_call"), dict):
        calls.append({"function": message["function_call"]})
    parts += map(_tool_call, calls)
    if isinstance(message.get("audio"), dict):
        parts.append(Part("media", string(message["audio"].get("transcript")), "audio"))
    return Turn(role, tuple(parts), string(message.get("name")), choice)


def item_turn(item: Any) -> Turn:
    """An item of the responses format: a message, a tool's call or result, or reasoning."""
    if not isinstance(item, dict):
        return Turn("user", tuple(parts_of(item)))
    match item.get("type", "message"):
        case "message":
            return Turn(string(item.get("role")) or "assistant", tuple(parts_of(item.get("content"))))
        case "function_call_output" | "custom_tool_call_output":
            text = "\n".join(part.text for part in parts_of(item.get("output")))
            return Turn("tool", (Part("tool_result", pretty(text), "", string(item.get("call_id"))),))
        case _:
            return Turn("assistant", tuple(item_parts(item)))


def item_parts(item: dict[str, Any]) -> Iterator[Part]:
    """The parts of an item that the model made."""
    match item.get("type"):
        case "message":
            yield from parts_of(item.get("content"))
        case "reasoning":
            text = "\n\n".join(part.text for name in ("summary", "content") for part in parts_of(item.get(name)))
            yield Part("reasoning", text or "(kept by the provider)")
        case "function_call" | "custom_tool_call":
            text = string(item.get("arguments")) or string(item.get("input"))
            yield Part("tool_call", pretty(text), string(item.get("name")), string(item.get("call_id")))
        case _:
            yield Part("data", told(item))


def parts_of(content: Any) -> Iterator[Part]:
    """The parts of a message's content."""
    if isinstance(content, str):
        if content:
            yield Part("text", content)
        return
    for one in content if isinstance(content, list) else () if content is None else (content,):
        if isinstance(one, str):
            yield Part("text", one)
        elif isinstance(one, dict):
            yield _block(one)
        else:
            yield Part("data", told(one))


def _block(block: dict[str, Any]) -> Part:
    kind = block.get("type")
    if kind in TEXTS:
        return Part("text", string(block.get("text")))
    if isinstance(kind, str) and kind in MEDIA:
        return Part("media", _described(block), MEDIA[kind])
    match kind:
        case "refusal":
            return Part("refusal", string(block.get("refusal")))
        case "thinking":
            return Part("reasoning", string(block.get("thinking")))
        case "redacted_thinking":
            return Part("reasoning", "(kept by the provider)")
        case "tool_use" | "server_tool_use":
            return Part("tool_call", told(block.get("input")), string(block.get("name")), string(block.get("id")))
        case "tool_result":
            text = "\n".join(part.text for part in parts_of(block.get("content")))
            is_error = block.get("is_error") is True
            return Part("tool_result", pretty(text), "", string(block.get("tool_use_id")), error=is_error)
    return Part("data", told(block))


def _tool_call(call: dict[str, Any]) -> Part:
    function = call.get("function")
    if not isinstance(function, dict):
        return Part("data", told(call))
    arguments = function.get("arguments")
    return Part("tool_call", pretty(told(arguments)), string(function.get("name")), string(call.get("id")))


def _described(block: dict[str, Any]) -> str:
    """What a placeholder says of a picture, a sound or a file: never a link."""
    kind = string(block.get("type"))
    inner = block.get(kind) if isinstance(block.get(kind), dict) else block.get("source") or block
    if not isinstance(inner, dict):
        inner = block
    place = string(inner.get("url")) or string(inner.get("image_url")) or string(block.get("image_url"))
    data = string(inner.get("data")) or string(inner.get("file_data"))
    if place.startswith("data:"):
        head, _, data = place.partition(",")
        return f"{short(head[5:].partition(';')[0], 60)}, {len(data):,} characters of data in the request"
    if data:
        media = string(inner.get("media_type")) or string(inner.get("format"))
        return f"{short(media, 60)}, {len(data):,} characters of data in the request".lstrip(", ")
    name = place or string(inner.get("filename")) or string(inner.get("file_id"))
    return f"at {short(name, MOST_URL)}, not loaded" if name else "not loaded"


def listed(value: Any) -> list[Any]:
    """A list, or nothing."""
    return value if isinstance(value, list) else []


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, or nothing."""
    return [one for one in listed(value) if isinstance(one, dict)]


def string(value: Any) -> str:
    """A text, or nothing."""
    return value if isinstance(value, str) else ""
