"""Asks MCP servers what their tools are, and calls those that only read: with the `mcp` package, extra `mcp`.

Requests go to the declared server alone: redirects stay on its origin, proxies of the environment are not used, and a
server that is started by a command gets only the variables every program needs (PATH, HOME, ...), runs in the
project's folder and is stopped at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from trimtab import __version__
from trimtab.declare.project import McpServer
from trimtab.errors import ToolUntested
from trimtab.lock.tool_definitions import Listed, ServerIdentity

if TYPE_CHECKING:
    import httpx2
    from mcp import Client

CONNECT_S: Final = 30.0
"""To reach a server, or to start it, and to agree on a protocol."""
ANSWER_S: Final = 30.0
MAX_PAGES: Final = 50
MAX_TOOLS: Final = 2000
MAX_BYTES: Final = 16 << 20
"""Of all that a server reached by URL answers in one visit."""
MAX_DETAIL: Final = 300
HEADERS: Final = ("deprecation", "sunset")


class Visit(Struct, frozen=True):
    """What a server told. `leaving` are its headers on going away: Deprecation (RFC 9745), Sunset (RFC 8594)."""

    server: ServerIdentity
    tools: dict[str, Listed]
    leaving: dict[str, str]


class Session(Protocol):
    """A server that is connected to."""

    async def visit(self) -> Visit:
        """Who it is and all its tools."""

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Any:
        """The answer of a tool as JSON: its structured content, else its text, read as JSON where it is."""


class Servers(Protocol):
    """How servers are reached. Everything raises `ToolUntested` where that fails."""

    def session(self, tool: str, server: McpServer) -> AbstractAsyncContextManager[Session]:
        """Connects to the server of a tool; the end of the context ends a server that was started for it."""


class McpServers:
    """The servers as they are; those that are started run in `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @asynccontextmanager
    async def session(self, tool: str, server: McpServer) -> AsyncIterator[Session]:
        """Connects to the server of a tool."""
        if find_spec("mcp") is None:
            raise ToolUntested(tool=tool, detail="the package mcp is not installed, install trimtab[mcp]")
        inside: Exception | None = None
        try:
            async with self._connected(tool, server) as session:
                try:
                    yield session
                except Exception as failure:
                    inside = failure
                    raise
        except Exception as failure:
            if inside is not None:
                raise inside from None  # task groups of the package wrap it
            raise failure if isinstance(failure, ToolUntested) else _untested(tool, failure) from failure

    @asynccontextmanager
    async def _connected(self, tool: str, server: McpServer) -> AsyncIterator[Session]:
        leaving: dict[str, str] = {}
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_S):
                client = await self._connect(stack, server, leaving)
            yield _McpSession(tool, client, leaving)

    async def _connect(self, stack: AsyncExitStack, server: McpServer, leaving: dict[str, str]) -> Client:
        from mcp import Client, StdioServerParameters, stdio_client  # noqa: PLC0415 - an extra, and slow to import
        from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415
        from mcp.types import Implementation  # noqa: PLC0415

        us = Implementation(name="trimtab", version=__version__)
        if server.url:
            http = await stack.enter_async_context(_http(leaving))
            transport = streamable_http_client(server.url, http_client=http)
        else:
            command, *arguments = server.command
            quiet = stack.enter_context(os.fdopen(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), "w"))
            started = StdioServerParameters(command=command, args=arguments, cwd=self._root)
            transport = stdio_client(started, errlog=quiet)
        return await stack.enter_async_context(
            Client(transport, client_info=us, read_timeout_seconds=ANSWER_S, cache=None)
        )

    def __repr__(self) -> str:
        return f"McpServers({self._root})"


class _McpSession:
    def __init__(self, tool: str, client: Client, leaving: dict[str, str]) -> None:
        self._tool = tool
        self._client = client
        self._leaving = leaving

    async def visit(self) -> Visit:
        try:
            async with asyncio.timeout(ANSWER_S):
                tools = await self._list()
        except Exception as failure:
            raise _untested(self._tool, failure) from failure
        client = self._client
        info = client.server_info
        server = ServerIdentity(info.name if info else "", info.version if info else "", client.protocol_version)
        return Visit(server, tools, dict(self._leaving))

    async def _list(self) -> dict[str, Listed]:
        found: dict[str, Listed] = {}
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            for one in page.tools:
                hints = (
                    one.annotations.model_dump(mode="json", by_alias=True, exclude_none=True)
                    if one.annotations
                    else None
                )
                found[one.name] = Listed(
                    one.name, one.input_schema, one.description or "", one.title or "", one.output_schema, hints
                )
            cursor = page.next_cursor
            if cursor is None:
                return found
            if len(found) > MAX_TOOLS:
                break
        raise ValueError(f"it lists more than {MAX_TOOLS} tools, or does not end")

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Any:
        from mcp import types  # noqa: PLC0415 - see `_connect`

        asked = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=dict(arguments)))
        try:
            async with asyncio.timeout(ANSWER_S):
                result = await self._client.session.send_request(asked, types.CallToolResult)
        except Exception as failure:
            raise _untested(self._tool, failure) from failure
        texts = [block.text for block in result.content if isinstance(block, types.TextContent)]
        if result.is_error:
            raise ToolUntested(tool=self._tool, detail=f"it answers with an error: {' '.join(texts)[:MAX_DETAIL]}")
        if result.structured_content is not None:
            return result.structured_content
        try:
            return json.loads("\n".join(texts))
        except (ValueError, RecursionError):
            return "\n".join(texts)


def _http(leaving: dict[str, str]) -> httpx2.AsyncClient:
    """A client that notes what a server says of going away, and reads no more than `MAX_BYTES` of it."""
    import httpx2  # noqa: PLC0415 - comes with mcp

    read = 0

    class Bounded(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal read
            async for chunk in self._stream:
                read += len(chunk)
                if read > MAX_BYTES:
                    raise httpx2.ReadError(f"it answered more than {MAX_BYTES} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Transport(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await super().handle_async_request(request)
            for name in HEADERS:
                if name in response.headers:
                    leaving[name] = response.headers[name][:MAX_DETAIL]
            if isinstance(response.stream, httpx2.AsyncByteStream):
                response.stream = Bounded(response.stream)
            return response

    timeout = httpx2.Timeout(CONNECT_S, read=ANSWER_S)
    return httpx2.AsyncClient(transport=Transport(trust_env=False), timeout=timeout, trust_env=False)


def _untested(tool: str, failure: BaseException) -> ToolUntested:
    """What went wrong, in a line: the first of a group."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if isinstance(failure, TimeoutError):
        return ToolUntested(tool=tool, detail="it did not answer in time")
    words = " ".join(str(failure).split()) or type(failure).__name__
    return ToolUntested(tool=tool, detail=words[:MAX_DETAIL])
