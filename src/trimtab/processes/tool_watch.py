"""Looks at every declared tool that an MCP server offers, on a schedule, and tells when one is another than locked.

Every server is visited once an hour, give or take a tenth, and for the first time within the first minute of control's
life. What was found is kept over restarts, so that a drift is told once while it lasts, and once when it is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from trimtab.clock import Clock
from trimtab.declare.project import McpServer, Tool
from trimtab.errors import LockInvalid, StoreError, ToolUntested
from trimtab.lock.lockfile import Lock
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.changes import Changes
from trimtab.processes.logs import event
from trimtab.processes.roster import write_json
from trimtab.processes.tool_look import Found, Looked, look, pinned_of
from trimtab.processes.tool_servers import Servers
from trimtab.processes.tool_shapes import Drifting

EVERY_S: Final = 3600.0
JITTER: Final = 0.1
FIRST_S: Final = 60.0
LOOK_S: Final = 5.0
MAX_TOLD: Final = 10

log = logging.getLogger("trimtab.control")


class Standing(Struct, frozen=True):
    """Where a tool stands: what was found and since when, and why it could not be looked at, if so."""

    tool: str
    looked_ns: int = 0
    found: tuple[tuple[Found, int], ...] = ()
    trouble: str = ""


class ToolWatch:
    """The looks of one host. `run` works until it is cancelled; `drifting` may be asked for at any time."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        lock: Callable[[], Lock | None],
        servers: Servers,
        changes: Changes,
        kept: Path,
        clock: Clock,
        random: Random,
    ) -> None:
        """`kept` is the file in which what was found outlives this process."""
        self._snapshot = snapshot
        self._lock = lock
        self._servers = servers
        self._changes = changes
        self._kept = kept
        self._clock = clock
        self._random = random
        self._standing = {one.tool: one for one in read_standing(kept)}
        self._due: dict[McpServer, float] = {}

    @property
    def standing(self) -> tuple[Standing, ...]:
        """Where every tool stands that was looked at and is still declared."""
        declared = {tool.name for tool in watched(self._snapshot())}
        return tuple(one for name, one in sorted(self._standing.items()) if name in declared)

    @property
    def drifting(self) -> tuple[Drifting, ...]:
        """What is another than it was."""
        return tuple(
            Drifting(one.tool, found.kind, found.class_, found.place, found.words, since_ns)
            for one in self.standing
            for found, since_ns in one.found
        )

    async def run(self) -> None:
        """Looks every 5 s for servers that are due."""
        while True:
            await self.round()
            await asyncio.sleep(LOOK_S)

    async def round(self) -> None:
        """Visits every server that is due, one after another: a look is no hurry and must not be a load."""
        by_server = by_servers(watched(self._snapshot()))
        now = self._clock.monotonic()
        self._due = {server: self._due.get(server, now + self._random.random() * FIRST_S) for server in by_server}
        for server, tools in by_server.items():
            if self._clock.monotonic() < self._due[server]:
                continue
            await self._visit(server, tools)
            wait_s = EVERY_S * (1 + JITTER * (2 * self._random.random() - 1))
            self._due[server] = self._clock.monotonic() + wait_s

    async def _visit(self, server: McpServer, tools: Sequence[Tool]) -> None:
        try:
            lock = await asyncio.to_thread(self._lock)
            async with self._servers.session(tools[0].name, server) as session:
                visit = await session.visit()
                for tool in tools:
                    self._take(tool, await look(session, visit, tool, pinned_of(lock, tool.name)))
        except (ToolUntested, LockInvalid) as failure:
            self._trouble(tools, str(failure))
        self._keep()

    def _take(self, tool: Tool, looked: Looked) -> None:
        before = self._standing.get(tool.name, Standing(tool.name))
        now_ns = self._clock.wall_ns()
        since = {(one.kind, one.place): at_ns for one, at_ns in before.found}
        held = {(one.kind, one.place): one for one, _ in before.found}
        unsure = {key for key in held if looked.troubles and key[0] == "tool_answer"}
        found = {(one.kind, one.place): one for one in looked.found}
        found |= {key: held[key] for key in unsure - found.keys()}
        self._note(tool.name, [one for key, one in found.items() if key not in held or one.after != held[key].after])
        self._note_end(tool.name, [one for key, one in held.items() if key not in found])
        trouble = "; ".join(looked.troubles)
        if trouble and trouble != before.trouble:
            event(log, logging.WARNING, "tool_untested", tool=tool.name, detail=trouble)
        kept = tuple((one, since.get(key, now_ns)) for key, one in found.items())
        self._standing[tool.name] = Standing(tool.name, now_ns, kept, trouble)

    def _trouble(self, tools: Iterable[Tool], trouble: str) -> None:
        for tool in tools:
            before = self._standing.get(tool.name, Standing(tool.name))
            if trouble != before.trouble:
                event(log, logging.WARNING, "tool_untested", tool=tool.name, detail=trouble)
            self._standing[tool.name] = msgspec.structs.replace(before, trouble=trouble)

    def _note(self, tool: str, began: Sequence[Found]) -> None:
        for one in began[:MAX_TOLD]:
            detail = f"{one.class_}: {one.words}"
            event(log, logging.WARNING, one.kind, tool=tool, change=one.class_, detail=detail)
            self._changes.note(one.kind, tool, detail, before=one.before, after=one.after, by="control")

    def _note_end(self, tool: str, ended: Sequence[Found]) -> None:
        for one in ended:
            event(log, logging.INFO, f"{one.kind}_over", tool=tool, detail=one.words)
            detail = f"over: {one.words}"
            self._changes.note(one.kind, tool, detail, before=one.after, after=one.before, by="control")

    def _keep(self) -> None:
        try:
            write_json(self._kept, msgspec.json.encode(self.standing))
        except (OSError, StoreError) as failure:
            event(log, logging.ERROR, "tools_not_kept", path=str(self._kept), error=str(failure))

    def __repr__(self) -> str:
        return f"ToolWatch({len(self._standing)} tools, {len(self.drifting)} drifting)"


def watched(snapshot: Snapshot) -> tuple[Tool, ...]:
    """The tools of a snapshot's tasks that an MCP server offers, each once."""
    found = {tool.name: tool for task in snapshot.tasks.values() for tool in task.tools}
    return tuple(tool for _, tool in sorted(found.items()) if tool.implementation.mcp is not None)


def by_servers(tools: Iterable[Tool]) -> dict[McpServer, list[Tool]]:
    """Tools by the server that offers them; `tool` of these is empty."""
    found: dict[McpServer, list[Tool]] = {}
    for tool in tools:
        if tool.implementation.mcp is not None:
            found.setdefault(msgspec.structs.replace(tool.implementation.mcp, tool=""), []).append(tool)
    return found


def read_standing(kept: Path) -> list[Standing]:
    """What an earlier life found; nothing where its file is gone or is not its own."""
    try:
        return msgspec.json.decode(kept.read_bytes(), type=list[Standing])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
