"""MCP servers as they are asked: over HTTP and started by a command, and what becomes of those that do not answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.processes.mcp_server import SAID, over_http
from trimtab.declare.project import McpServer
from trimtab.errors import ToolUntested
from trimtab.lock.tool_definitions import ServerIdentity
from trimtab.processes import tool_servers
from trimtab.processes.tool_servers import McpServers

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("mcp_server.py")


def started(told: Path) -> McpServer:
    return McpServer("find", command=(sys.executable, str(PROGRAM), str(told)))


async def test_a_server_at_a_url(tmp_path: Path) -> None:
    """Who it is, what it offers with schemas, and what a tool answers."""
    async with over_http(SAID) as url, McpServers(tmp_path).session("find", McpServer("find", url)) as session:
        visit = await session.visit()
        answer = await session.call("find", {"order": 7})
    assert (visit.server.name, visit.server.version) == ("orders", "1.2.0")
    assert visit.server.protocol
    assert set(visit.tools) == {"find", "fail"}
    assert visit.tools["find"].description == "Finds an order."
    assert visit.tools["find"].input_schema["required"] == ["order"]
    assert visit.leaving == {}
    assert answer == {"id": 7, "state": "open"}


async def test_a_server_that_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in the project's folder, gets none of our variables but those every program needs, and is stopped."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-servers")
    told = tmp_path / "told.json"
    told.write_text(json.dumps({"version": "3"}))
    async with McpServers(tmp_path).session("find", started(told)) as session:
        visit = await session.visit()
        assert await session.call("find", {"order": 7}) == {"id": 7, "state": "open"}
    assert visit.server.version == "3"
    seen = json.loads(told.with_suffix(".seen").read_text())
    assert seen["folder"] == str(tmp_path)
    assert "OPENAI_API_KEY" not in seen["variables"]
    assert set(seen["variables"]) <= {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LC_CTYPE"}


async def test_headers_that_tell_of_the_end(tmp_path: Path) -> None:
    """Sunset and Deprecation are passed on as they are."""
    headers = {"Sunset": "Wed, 31 Mar 2027 23:59:59 GMT", "Deprecation": "@1767225600"}
    async with over_http(SAID, headers) as url, McpServers(tmp_path).session("find", McpServer("find", url)) as session:
        visit = await session.visit()
    assert visit.leaving == {"sunset": "Wed, 31 Mar 2027 23:59:59 GMT", "deprecation": "@1767225600"}


async def test_an_error_of_a_tool_is_no_answer(tmp_path: Path) -> None:
    """A tool that fails, and one that is not offered, are told as such."""
    async with over_http(SAID) as url, McpServers(tmp_path).session("find", McpServer("find", url)) as session:
        with pytest.raises(ToolUntested, match="answers with an error: Error executing tool fail"):
            await session.call("fail", {})
        with pytest.raises(ToolUntested, match="Unknown tool"):
            await session.call("nope", {})
        assert await session.call("find", {"order": 1}) == {"id": 7, "state": "open"}


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (McpServer("find", "http://127.0.0.1:9/mcp"), "connection attempts failed"),
        (McpServer("find", command=("/bin/false",)), "Connection closed"),
        (McpServer("find", command=("no-such-program",)), "No such file"),
    ],
)
async def test_a_server_that_does_not_answer(tmp_path: Path, server: McpServer, why: str) -> None:
    """Which tool it is about, and why, is in the error."""
    with pytest.raises(ToolUntested, match=f"MCP server of find .*{why}"):
        async with McpServers(tmp_path).session("find", server):
            pass


async def test_one_that_says_nothing_is_waited_for_no_longer_than_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that never answers is stopped."""
    monkeypatch.setattr(tool_servers, "CONNECT_S", 0.2)
    with pytest.raises(ToolUntested, match="did not answer in time"):
        async with McpServers(tmp_path).session("find", McpServer("find", command=("/bin/sleep", "600"))):
            pass


async def test_one_that_answers_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server may answer in one visit is bounded."""
    monkeypatch.setattr(tool_servers, "MAX_BYTES", 200)
    with pytest.raises(ToolUntested):
        async with over_http(SAID) as url, McpServers(tmp_path).session("find", McpServer("find", url)) as session:
            await session.visit()


def test_an_identity_has_the_names_that_a_lock_has() -> None:
    """A field that is renamed would make every lock of before look changed."""
    assert ServerIdentity.__struct_fields__ == ("name", "version", "protocol")
