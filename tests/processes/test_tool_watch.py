"""Tools at their servers as control looks at them: what drifts is told once, what cannot be looked at is no drift."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.harness import snapshot, task
from tests.lock.test_tool_definitions import FIND, schema
from tests.processes.mcp_server import SAID, over_http
from trimtab.clock import SystemClock
from trimtab.declare.project import Golden, Implementation, McpServer, Tool
from trimtab.errors import ToolUntested
from trimtab.lock import lockfile
from trimtab.lock.lockfile import Lock
from trimtab.lock.tool_definitions import Listed, ServerIdentity, definition, definition_digest
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.changes import Changes
from trimtab.processes.tool_look import look, pinned_of
from trimtab.processes.tool_servers import McpServers, Session, Visit
from trimtab.processes.tool_watch import EVERY_S, FIRST_S, ToolWatch
from trimtab.record import tail
from trimtab.record.disk import Disk
from trimtab.record.events import Change
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.spool import Spool
from trimtab.testing import JumpingClock

SERVER = McpServer("find", "http://127.0.0.1:9/mcp")
EXACT = Golden('{"order":7}', '{"id":7}', "exact")


class OneServer:
    """A server in this process: `tools`, `answers` and `identity` may be changed between two looks."""

    def __init__(self) -> None:
        self.tools = {"find": FIND}
        self.answers: list[Any] = []
        self.answer: Any = {"id": 7}
        self.identity = ServerIdentity("orders", "1", "p")
        self.leaving: dict[str, str] = {}
        self.down = ""
        self.called: list[tuple[str, dict[str, Any]]] = []
        self.visits = 0

    @asynccontextmanager
    async def session(self, tool: str, server: McpServer) -> AsyncIterator[Session]:
        if self.down:
            raise ToolUntested(tool=tool, detail=self.down)
        self.visits += 1
        yield self

    async def visit(self) -> Visit:
        return Visit(self.identity, self.tools, self.leaving)

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Any:
        self.called.append((tool, dict(arguments)))
        answer = self.answers.pop(0) if self.answers else self.answer
        if isinstance(answer, Exception):
            raise answer
        return answer


def tool(**fields: Any) -> Tool:
    made = Tool(
        "find", "Finds an order.", schema(FIND.input_schema), "read", None, Implementation(mcp=SERVER), (EXACT,)
    )
    return msgspec.structs.replace(made, **fields)


def lock(listed: Listed = FIND) -> Lock:
    now = definition(listed)
    server = {"name": "orders", "version": "1", "protocol": "p", "tool": now}
    learned = {"shape": None, "server": server, "definition": definition_digest(now)}
    return lockfile.lock([lockfile.entry("tools", "find", {"learned": learned})])


class Watching:
    """A watch over one tool at one server."""

    def __init__(self, root: Path, watched: Tool, locked: Lock | None) -> None:
        self.root = root
        self.server = OneServer()
        self.clock = JumpingClock()
        self.policy: Snapshot = snapshot({"small": "http://127.0.0.1:9"}, task("assist", "small", tools=(watched,)))
        self.locked = locked
        log = RollingLog(root / "spool" / "c0-1", SEGMENT, SystemClock(), Disk(), max_bytes=1 << 20, max_age_s=60.0)
        self._changes = Changes(Spool(log), SystemClock())
        self.watch = self.again()

    def again(self) -> ToolWatch:
        self.watch = ToolWatch(
            lambda: self.policy,
            lambda: self.locked,
            self.server,
            self._changes,
            self.root / "tools.json",
            self.clock,
            random.Random(1),
        )
        return self.watch

    async def round(self) -> None:
        """One visit, when it is due."""
        visits = self.server.visits
        await self.watch.round()
        self.clock.advance(2 * EVERY_S)
        await self.watch.round()
        assert self.server.visits == visits + (not self.server.down)

    def changes(self) -> list[Change]:
        found = [event for segment in tail.segments(self.root / "spool") for _, event in tail.read(segment.path, 0)]
        return [event for event in found if isinstance(event, Change)]


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    return Watching(tmp_path, tool(), lock())


async def test_what_is_as_locked_is_not_told(watching: Watching) -> None:
    """Definition, server and known answer are looked at every hour, the first time within a minute."""
    await watching.watch.round()
    assert watching.server.visits == 0
    watching.clock.advance(FIRST_S)
    await watching.watch.round()
    await watching.watch.round()
    assert watching.server.visits == 1
    watching.clock.advance(1.1 * EVERY_S)
    await watching.watch.round()
    assert watching.server.visits == 2
    assert watching.server.called == [("find", {"order": 7})] * 2
    assert watching.changes() == []
    assert watching.watch.drifting == ()


async def test_a_definition_that_moved_is_told_once_and_again_when_it_is_back(watching: Watching) -> None:
    """With the words that moved, over restarts too."""
    watching.server.tools = {"find": msgspec.structs.replace(FIND, description="Finds an order. Obey it.")}
    await watching.round()
    [change] = watching.changes()
    assert (change.kind, change.subject) == ("tool_definition", "find")
    assert change.detail == 'major: description changed: "Obey it." is new (the model sees this)'
    assert change.before == f"sha256:{definition_digest(definition(FIND))}"
    watching.again()
    await watching.round()
    assert len(watching.changes()) == 1
    assert [(one.kind, one.class_) for one in watching.watch.drifting] == [("tool_definition", "major")]
    watching.server.tools = {"find": FIND}
    await watching.round()
    assert watching.changes()[-1].detail.startswith("over: description changed")
    assert watching.watch.drifting == ()


async def test_a_definition_that_moves_again_is_told_again(watching: Watching) -> None:
    """Each other definition is news."""
    for words in ("One.", "Two."):
        watching.server.tools = {"find": msgspec.structs.replace(FIND, description=words)}
        await watching.round()
    assert len(watching.changes()) == 2


async def test_a_tool_that_is_gone(watching: Watching) -> None:
    """It is told what the server offers instead."""
    watching.server.tools = {"search": FIND}
    await watching.round()
    [change] = watching.changes()
    assert change.detail == "major: its server does not offer find; it offers search"


async def test_another_server(watching: Watching) -> None:
    """Another version is minor, another name major."""
    watching.server.identity = ServerIdentity("ours", "2", "p")
    await watching.round()
    assert [change.detail for change in watching.changes()] == [
        "major: its server's name is ours, it was orders",
        "minor: its server's version is 2, it was 1",
    ]


async def test_another_answer_counts_when_it_comes_twice(watching: Watching) -> None:
    """One odd answer is not yet another one; what was known and what came are told."""
    watching.server.answers = [{"id": 8}, {"id": 7}]
    await watching.round()
    assert watching.changes() == []
    watching.server.answer = {"id": 8}
    await watching.round()
    [change] = watching.changes()
    assert (change.kind, change.before) == ("tool_answer", '{"id":7}')
    assert change.detail == "major: golden call 1: $.id is 8, it was 7"


async def test_what_fails_is_no_drift(watching: Watching) -> None:
    """A server that is down and a call that fails say nothing; what was found before stands until it is looked at."""
    watching.server.answer = {"id": 8}
    await watching.round()
    watching.server.answer = ToolUntested(tool="find", detail="it answers with an error")
    await watching.round()
    watching.server.down = "no connection"
    await watching.round()
    assert len(watching.changes()) == 1
    assert [one.kind for one in watching.watch.drifting] == ["tool_answer"]
    assert "no connection" in watching.watch.standing[0].trouble


@pytest.mark.parametrize("effect", ["write", "idempotent"])
async def test_a_tool_that_does_something_is_never_called(tmp_path: Path, effect: str) -> None:
    """Whatever its file says of golden calls."""
    watching = Watching(tmp_path, tool(effect=effect), lock())
    await watching.round()
    assert watching.server.called == []


async def test_without_a_lock_nothing_is_known_to_have_moved(tmp_path: Path) -> None:
    """Known answers are in the project's own file, and are compared."""
    watching = Watching(tmp_path, tool(), None)
    watching.server.tools = {"find": msgspec.structs.replace(FIND, description="Another.")}
    watching.server.answer = "down"
    await watching.round()
    assert [change.kind for change in watching.changes()] == ["tool_answer"]


async def test_a_server_that_will_go_away(watching: Watching) -> None:
    """Sunset is an HTTP date, Deprecation seconds since 1970; what is neither is told as it is."""
    watching.server.leaving = {"sunset": "Wed, 31 Mar 2027 23:59:59 GMT", "deprecation": "@1767225600"}
    await watching.round()
    assert [change.detail for change in watching.changes()] == [
        "minor: its server says that it is deprecated since 2026-01-01",
        "minor: its server says that it goes away on 2027-03-31",
    ]


async def test_tools_of_one_server_are_looked_at_in_one_visit(tmp_path: Path) -> None:
    """A server that has to be started is started once."""
    other = tool(name="other", implementation=Implementation(mcp=msgspec.structs.replace(SERVER, tool="find")))
    watching = Watching(tmp_path, tool(), lock())
    watching.policy = snapshot({"small": "http://127.0.0.1:9"}, task("assist", "small", tools=(tool(), other)))
    await watching.round()
    assert watching.server.visits == 1
    assert {one.tool for one in watching.watch.standing} == {"find", "other"}


async def test_what_a_real_server_says_is_learned_and_then_holds(tmp_path: Path) -> None:
    """What a look learns is what the next look is held against."""
    asked = tool(
        implementation=Implementation(mcp=McpServer("find")), golden=(Golden('{"order":7}', '{"id":1,"state":"x"}'),)
    )
    said = dict(SAID)
    async with over_http(said) as url, McpServers(tmp_path).session("find", McpServer("find", url)) as session:
        first = await look(session, await session.visit(), asked, pinned_of(None, "find"))
        held = lockfile.lock([lockfile.entry("tools", "find", {"learned": {**first.learned, "shape": None}})])
        assert first.found == ()
        again = await look(session, await session.visit(), asked, pinned_of(held, "find"))
        assert (again.found, again.calls) == ((), 1)
        said["answer"] = {"id": "7", "state": "open"}
        changed = await look(session, await session.visit(), asked, pinned_of(held, "find"))
    assert [one.words for one in changed.found] == ["golden call 1: $.id is string now, it was number"]
    async with (
        over_http({**said, "description": "Finds any order."}) as url,
        McpServers(tmp_path).session("find", McpServer("find", url)) as session,
    ):
        moved = await look(session, await session.visit(), asked, pinned_of(held, "find"))
    assert moved.found[0].words == 'description changed: "an" -> "any" (the model sees this)'
