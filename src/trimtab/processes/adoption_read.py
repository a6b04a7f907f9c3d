"""What the kept bodies of undeclared calls tell: their system prompt, the schema they ask for, their tools, answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from trimtab.advice.seen import Answers, SeenTool
from trimtab.contracts.shapes import MAX_DEPTH
from trimtab.data.glance import BROKEN, reply
from trimtab.data.spoken import Asked, asked_in, is_preview
from trimtab.declare.library import MAX_DESCRIPTION, TOOL_NAME
from trimtab.declare.masks import without_secrets
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.schemas import part_of
from trimtab.declare.source import Source
from trimtab.policy.compile import schema_mistakes
from trimtab.record.events import OK, Settled
from trimtab.record.redact import scrub

MOST_CALLS: Final = 200
"""Calls whose bodies are read."""
MOST_BYTES: Final = 256 << 10
MOST_TOOLS: Final = 64
MOST_SCHEMA: Final = 64 << 10
"""Characters of a schema that is proposed."""
MOST_PROMPT: Final = 1000
CUT: Final = "length"
SCHEMAS: Final = (
    ("response_format", "json_schema", "schema"),
    ("text", "format", "schema"),
    ("output_config", "format", "schema"),
    ("output_format", "schema"),
)
"""Where requests ask for answers by a schema: chat, responses, and messages in two forms."""
NO_DESCRIPTION: Final = "No description came with the requests; say what it does."
Read = Callable[[str], bytes | None]


@dataclass
class BodiesSeen:
    """What was found. `bodies` counts the requests that were kept whole."""

    system_prompt: str = ""
    bodies: int = 0
    schemas: Counter[str] = field(default_factory=Counter)
    tools: dict[str, SeenTool] = field(default_factory=dict)
    read: int = 0
    values: list[Any] = field(default_factory=list)

    @property
    def answers(self) -> Answers:
        """The answers that were read."""
        return Answers(self.read, tuple(self.values))


def bodies_seen(calls: Sequence[Settled], read: Read) -> BodiesSeen:
    """What the bodies of the latest calls tell, as far as they were kept; `calls` are newest first."""
    found = BodiesSeen()
    usable: dict[str, bool] = {}
    for call in calls[:MOST_CALLS]:
        said, whole = request_of(call, read)
        if said is None:
            continue
        found.system_prompt = found.system_prompt or system_prompt(said)
        if not whole:
            continue
        found.bodies += 1
        asked = asked_schema(said)
        if asked and _usable(asked, usable):
            found.schemas[asked] += 1
        for tool in tools_in(said):
            text = _compact(tool.input_schema)
            if len(found.tools) < MOST_TOOLS and tool.name not in found.tools and _usable(text, usable):
                found.tools[tool.name] = tool
        _read_answer(found, call, read)
    return found


def request_of(call: Settled, read: Read) -> tuple[dict[str, Any] | None, bool]:
    """A call's request as JSON, and whether it was kept whole; None where it was not kept or is not read."""
    digest = call.admitted.request_body
    body = read(digest) if digest else None
    if body is None or len(body) > MOST_BYTES:
        return None, False
    said = _json(body)
    if not isinstance(said, dict):
        return None, False
    if not is_preview(said):
        return said, True
    shown = said.get("body")
    return (shown if isinstance(shown, dict) else None), False


def system_prompt(said: dict[str, Any]) -> str:
    """The beginning of a request's system prompt, without what looks like a secret; empty for none."""
    asked = asked_in(said)
    first = asked.messages[0] if isinstance(asked, Asked) and asked.messages else {}
    if first.get("role") not in ("system", "developer"):
        return ""
    return scrub(without_secrets("".join(_texts(first.get("content")))[:MOST_PROMPT]))


def asked_schema(said: dict[str, Any]) -> str:
    """The schema by which a request asks for its answer, as JSON text with its keys in their order; empty for none."""
    for path in SCHEMAS:
        at: Any = said
        for name in path:
            at = at.get(name) if isinstance(at, dict) else None
        if isinstance(at, dict):
            return _compact(at)
    return ""


def tools_in(said: dict[str, Any]) -> Iterator[SeenTool]:
    """The functions that a request offers, in the form of its wire; those that cannot be declared are left out."""
    offered = said.get("tools")
    for one in offered if isinstance(offered, list) else ():
        if not isinstance(one, dict):
            continue
        inner = one.get("function")
        function: dict[str, Any] = inner if isinstance(inner, dict) else one
        name, schema = function.get("name"), function.get("parameters", function.get("input_schema"))
        if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
            continue
        if not isinstance(schema, dict) or schema.get("type") != "object":
            continue
        told = function.get("description")
        description = without_secrets(told)[:MAX_DESCRIPTION] if isinstance(told, str) and told.strip() else ""
        yield SeenTool(name, description or NO_DESCRIPTION, schema)


def _read_answer(found: BodiesSeen, call: Settled, read: Read) -> None:
    if call.outcome != OK or call.finish_reason == CUT or not call.response_body:
        return
    body = read(call.response_body)
    said = reply(body, MOST_BYTES) if body is not None else None
    if said is None or not said.whole:
        return
    found.read += 1
    value = _json(said.text.encode("utf-8", "replace"))
    if isinstance(value, (dict, list)):
        found.values.append(value)


def _usable(text: str, known: dict[str, bool]) -> bool:
    """Whether a schema may stand in a declaration: it is small, refers to nothing outside, and compiles."""
    if text not in known:
        known[text] = len(text) <= MOST_SCHEMA and _compiles(text)
    return known[text]


def _compiles(text: str) -> bool:
    schema = msgspec.json.decode(text)
    if _is_deep(schema, MAX_DEPTH):
        return False
    part = part_of(Source("schema", schema, dict), (), Mistakes())
    return part is not None and not schema_mistakes((part,))


def _is_deep(value: Any, left: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return left == 0 or any(_is_deep(one, left - 1) for one in inner)


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except BROKEN:
        return None


def _compact(schema: dict[str, Any]) -> str:
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
