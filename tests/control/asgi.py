"""Asks an ASGI app without a socket."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> str:
        """The code of an error."""
        code: str = self.json()["error"]["code"]
        return code


async def ask(
    app: Any,
    target: str,
    *,
    method: str = "GET",
    key: str = "",
    body: bytes = b"",
    host: str = "localhost",
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request to an app."""
    path, _, query = target.partition("?")
    given = {"host": host, **({"authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8401),
        "scheme": "http",
        "root_path": "",
    }
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    start, rest = said[0], said[1:]
    fields = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], fields, b"".join(message.get("body", b"") for message in rest))
