"""Calls an ASGI application as a server would, with the client's patience under the test's control."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette


@dataclass
class Call:
    """One request; `leave` is set when its client disconnects, `heard` is called with each piece of the answer."""

    app: Starlette
    path: str
    body: dict[str, Any] | bytes | None = None
    heard: Callable[[bytes], None] = lambda _: None
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    _sent: bool = False

    async def run(self) -> Call:
        """Make the request and wait until the application is done with it."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET" if self.body is None else "POST",
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        await asyncio.wait_for(self.app(scope, self._receive, self._send), 30)
        return self

    def json(self) -> Any:
        """The answer's body."""
        return json.loads(self.content)

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
            return {"type": "http.request", "body": body, "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message.get("body"):
            self.content += message["body"]
            self.heard(message["body"])
