"""Asks the MCP servers of a project's tools what these are: to learn it for the lock, and to verify that it holds.

What answers look like is not asked but taken from what control has learned of calls (`state.db`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.declare.project import Project, Tool
from trimtab.errors import StoreError, ToolUntested
from trimtab.journal.tool_shapes import read_tool_shapes
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import with_learned
from trimtab.lock.shape_counts import MIN_ANSWERS
from trimtab.lock.shape_learning import ToolShape, learned_shape
from trimtab.processes.directory import DataDirectory
from trimtab.processes.tool_look import Looked, look, pinned_of
from trimtab.processes.tool_servers import McpServers, Servers
from trimtab.processes.tool_shapes import Drifting, decode, drifting
from trimtab.processes.tool_watch import Standing, by_servers, read_standing

NOT_LOCKED: Final = "its definition is not locked; run `trimtab lock --live`"


class VerifiedTool(Struct, frozen=True):
    """One tool after a look at its server and at what calls have shown. `trouble` says why there was no look.

    `shape` are the changes of its answers' shape that last, as control has noticed them.
    """

    tool: str
    looked: Looked = Looked()
    shape: tuple[Drifting, ...] = ()
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was looked at and all is as locked; what is minor is no fault."""
        classes = {*(one.class_ for one in self.looked.found), *(one.class_ for one in self.shape)}
        return not ("major" in classes or self.trouble or self.looked.troubles)


class TaughtTool(Struct, frozen=True):
    """What was learned of one tool for the lock, in words; `trouble` says what could not be."""

    tool: str
    words: str = ""
    trouble: str = ""


def tools_now(project: Project, lock: Lock | None, tools: Iterable[str] = ()) -> tuple[VerifiedTool, ...]:
    """Every declared tool, or those named, held against the lock: its definition, golden calls and answers' shape.

    Tools that no MCP server offers are not called; of them only the shape of answers is told.
    """
    return asyncio.run(verify(project, lock, McpServers(Path(project.root)), frozenset(tools)))


async def verify(
    project: Project, lock: Lock | None, servers: Servers, named: frozenset[str]
) -> tuple[VerifiedTool, ...]:
    """The same with the servers that are handed in."""
    declared = {name: tool for name, tool in declared_tools(project).items() if not named or name in named}
    known = kept_shapes(project)
    shapes = {name: tuple(drifting(name, known[name])) for name in declared.keys() & known.keys()}
    found = {name: VerifiedTool(name, shape=shapes.get(name, ())) for name in declared}
    for server, tools in by_servers(declared.values()).items():
        try:
            async with servers.session(tools[0].name, server) as session:
                visit = await session.visit()
                for tool in tools:
                    pinned = pinned_of(lock, tool.name)
                    looked = await look(session, visit, tool, pinned)
                    trouble = "" if pinned.digest else NOT_LOCKED
                    found[tool.name] = VerifiedTool(tool.name, looked, shapes.get(tool.name, ()), trouble)
        except ToolUntested as failure:
            for tool in tools:
                found[tool.name] = VerifiedTool(tool.name, shape=shapes.get(tool.name, ()), trouble=str(failure))
    return tuple(found[name] for name in sorted(found))


def learn_tools(project: Project, lock: Lock) -> tuple[Lock, tuple[TaughtTool, ...]]:
    """The lock with what the servers say of their tools and what calls have shown of their answers.

    What cannot be learned stays as it was: a server that does not answer, a tool that answered too seldom.
    """
    return asyncio.run(learn(project, lock, McpServers(Path(project.root))))


async def learn(project: Project, lock: Lock, servers: Servers) -> tuple[Lock, tuple[TaughtTool, ...]]:
    """The same with the servers that are handed in."""
    known = kept_shapes(project)
    looked = {one.tool: one for one in await verify(project, lock, servers, frozenset())}
    taught = []
    for name in declared_tools(project):
        entry = lock.get("tools", name)
        if entry is None:
            continue
        held = entry.pinned.get("learned") or {}
        shape, words = _shape(known.get(name), held.get("shape"))
        told = looked[name].looked.learned
        if told:
            words = f"its definition at its server is locked; {words}"
        lock = with_learned(lock, name, {"server": None, "definition": "", **held, **told, "shape": shape})
        taught.append(TaughtTool(name, words, "" if told else looked[name].trouble))
    return lock, tuple(taught)


def declared_tools(project: Project) -> dict[str, Tool]:
    """The tools of a project's tasks, by name."""
    return dict(sorted((tool.name, tool) for task in project.tasks.values() for tool in task.tools))


def kept_shapes(project: Project) -> dict[str, ToolShape]:
    """What control has learned of the answers of tools, by tool; nothing where it never ran, or cannot be read."""
    try:
        kept = read_tool_shapes(DataDirectory.of(project).state)
    except StoreError:
        return {}
    return {name: tool for name, learned in kept.items() if (tool := decode(learned)) is not None}


def kept_standing(project: Project) -> dict[str, Standing]:
    """What control has found of tools at their MCP servers; nothing where it never ran."""
    return {one.tool: one for one in read_standing(DataDirectory.of(project).tools)}


def _shape(known: ToolShape | None, held: object) -> tuple[object, str]:
    """The shape to lock: the locked one while that is still the same, so that a lock does not change by itself."""
    if known is None or known.answers < MIN_ANSWERS:
        seen = known.answers if known is not None else 0
        return held, f"the shape of its answers is not learned yet ({seen} of {MIN_ANSWERS} answers seen)"
    fresh = learned_shape(known).pinned()
    if isinstance(held, dict) and held.get("paths") == fresh["paths"]:
        return held, "the shape of its answers is as locked"
    return fresh, f"the shape of its answers is learned from {known.answers}"
