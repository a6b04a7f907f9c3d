"""A small MCP server with two tools, made with the MCP package: over stdio as a program, or over HTTP in a test.

As a program it takes the path of a JSON file that says what it offers; it writes its variables and its working
directory beside that file.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAID: dict[str, Any] = {
    "version": "1.2.0",
    "description": "Finds an order.",
    "answer": {"id": 7, "state": "open"},
}


def server(said: dict[str, Any]) -> MCPServer:
    """Offers `find`, which answers as told, and `fail`, which never works; what is told may change later."""
    made = MCPServer("orders", version=said["version"])

    def find(order: int) -> dict[str, Any]:
        return dict(said["answer"])

    def fail() -> str:
        raise RuntimeError("no database")

    made.add_tool(find, description=said["description"])
    made.add_tool(fail, description="Fails.")
    return made


@asynccontextmanager
async def over_http(said: dict[str, Any], headers: dict[str, str] | None = None) -> AsyncIterator[str]:
    """The server at a URL; `headers` go with every answer."""
    app = _WithHeaders(server(said).streamable_http_app(), headers or {})
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
        running = uvicorn.Server(config)
        running.install_signal_handlers = lambda: None  # type: ignore[method-assign]
        serving = asyncio.ensure_future(running.serve(sockets=[sock]))
        while not running.started:
            await asyncio.sleep(0)
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
        finally:
            running.should_exit = True
            await serving


class _WithHeaders:
    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        await self._app(scope, receive, sent)


if __name__ == "__main__":
    told = Path(sys.argv[1])
    told.with_suffix(".seen").write_text(json.dumps({"variables": dict(os.environ), "folder": str(Path.cwd())}))
    server(SAID | json.loads(told.read_text())).run("stdio")
