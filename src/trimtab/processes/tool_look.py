"""One look at a tool at its MCP server: is it defined as locked, and does it answer what is known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from msgspec import Struct

from trimtab.declare.project import Golden, Tool
from trimtab.errors import ToolUntested
from trimtab.lock.golden import answer_changes
from trimtab.lock.lockfile import Lock
from trimtab.lock.shape_classes import Class, LearnedShape, read_pinned
from trimtab.lock.tool_definitions import (
    ServerIdentity,
    declared_differences,
    definition,
    definition_differences,
    definition_digest,
)
from trimtab.processes.tool_servers import Session, Visit

DEFINITION: Final = "tool_definition"
ANSWER: Final = "tool_answer"
MAX_SIDE: Final = 500
"""Characters of one side of a difference."""


class Found(Struct, frozen=True, rename={"class_": "class"}):
    """Something at a tool that is another than it was: `place` tells such things of one tool apart."""

    kind: str
    class_: Class
    place: str
    before: str
    after: str
    words: str


class Looked(Struct, frozen=True):
    """What a look brought: what is another, what was learned for the lock, and what could not be looked at."""

    found: tuple[Found, ...] = ()
    learned: dict[str, Any] = {}
    calls: int = 0
    troubles: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class PinnedTool(Struct, frozen=True):
    """What a lock knows of a tool from its server and its answers; empty where it knows nothing."""

    digest: str = ""
    server: ServerIdentity = ServerIdentity()
    definition: dict[str, Any] | None = None
    shape: LearnedShape | None = None


def pinned_of(lock: Lock | None, tool: str) -> PinnedTool:
    """What a lock knows of a tool; what is not in the form that is learned counts as not known."""
    entry = lock.get("tools", tool) if lock is not None else None
    learned = _mapping(entry.pinned.get("learned")) if entry is not None else {}
    server, shape = _mapping(learned.get("server")), learned.get("shape")
    identity = ServerIdentity(*(str(server.get(name, "")) for name in ServerIdentity.__struct_fields__))
    try:
        known = read_pinned(shape) if isinstance(shape, Mapping) else None
    except ValueError:
        known = None
    told = server.get("tool")
    return PinnedTool(str(learned.get("definition") or ""), identity, told if isinstance(told, dict) else None, known)


async def look(session: Session, visit: Visit, tool: Tool, pinned: PinnedTool) -> Looked:
    """Holds a tool against what is pinned of it, and makes its golden calls, if it only reads.

    A golden call whose answer is another is made a second time before it counts. One that fails says nothing.
    """
    offered = tool.implementation.mcp.tool if tool.implementation.mcp else tool.name
    listed = visit.tools.get(offered)
    leaving, remarks = tuple(_leaving(visit)), []
    if listed is None:
        others = ", ".join(sorted(visit.tools)[:10]) or "nothing"
        words = f"its server does not offer {offered}; it offers {others}"
        return Looked((Found(DEFINITION, "major", "tool", offered, "(not offered)", words), *leaving))
    now = definition(listed)
    found = [*leaving, *_definition(pinned, now), *_server(pinned, visit.server)]
    remarks += [f"the server's differs from tools/{tool.name}.json: {one}" for one in declared_differences(tool, now)]
    learned = {
        "server": {**{name: getattr(visit.server, name) for name in ServerIdentity.__struct_fields__}, "tool": now},
        "definition": definition_digest(now),
    }
    calls, troubles = 0, []
    for number, golden in enumerate(tool.golden if tool.effect == "read" else (), 1):
        try:
            changes, made = await _changes(session, offered, golden, pinned.shape)
        except ToolUntested as failure:
            troubles.append(f"golden call {number}: {failure.facts['detail']}")
            continue
        calls += made
        if changes:
            words = f"golden call {number}: {'; '.join(changes)}"[:MAX_SIDE]
            found.append(Found(ANSWER, "major", f"golden {number}", golden.answer[:MAX_SIDE], words, words))
    return Looked(tuple(found), learned, calls, tuple(troubles), tuple(remarks))


async def _changes(
    session: Session, tool: str, golden: Golden, shape: LearnedShape | None
) -> tuple[tuple[str, ...], int]:
    """What is another in the answer of a golden call, twice in a row, and how many calls that took."""
    arguments = json.loads(golden.arguments)
    for made in (1, 2):
        changes = answer_changes(golden, await session.call(tool, arguments), shape)
        if not changes:
            return (), made
    return changes, 2


def _definition(pinned: PinnedTool, now: Mapping[str, Any]) -> Iterator[Found]:
    """How the definition differs from the locked one; nothing where none is locked."""
    digest = definition_digest(now)
    if not pinned.digest or pinned.digest == digest:
        return
    words = definition_differences(pinned.definition, now) if pinned.definition is not None else ()
    told = "; ".join(words) or "its definition is another than the locked one"
    yield Found(DEFINITION, "major", "definition", f"sha256:{pinned.digest}", f"sha256:{digest}", told)


def _server(pinned: PinnedTool, now: ServerIdentity) -> Iterator[Found]:
    """How the server's name and version differ from the locked ones."""
    if not pinned.digest:
        return
    for name in ("name", "version"):
        before, after = getattr(pinned.server, name), getattr(now, name)
        if before != after:
            class_: Class = "major" if name == "name" else "minor"
            words = f"its server's {name} is {after or '(not told)'}, it was {before or '(not told)'}"
            yield Found(DEFINITION, class_, f"server {name}", before, after, words)


def _leaving(visit: Visit) -> Iterator[Found]:
    """What the server says of its going away."""
    for header, words in (("deprecation", "is deprecated since"), ("sunset", "goes away on")):
        value = visit.leaving.get(header)
        if value is not None:
            told = f"its server says that it {words} {_day(value)}"
            yield Found(DEFINITION, "minor", header, "", value, told)


def _day(value: str) -> str:
    """The day of an HTTP date (Sunset) or of `@` and seconds since 1970 (Deprecation); else the value as it is."""
    try:
        at = datetime.fromtimestamp(int(value[1:]), UTC) if value.startswith("@") else parsedate_to_datetime(value)
    except (ValueError, OverflowError, OSError, TypeError):
        return value
    return at.date().isoformat()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
