"""What the tests of authentication have in common: models, a clock that stands, credentials at hand, a small server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from trimtab.declare.project import Model, Secret

KEY = Secret("env", "KEY")
EMPTY: Mapping[bytes, bytes] = {}


def read_secret(secret: Secret) -> str:
    return {"KEY": "geheim"}[secret.place]


def model(**fields: Any) -> Model:
    return Model(**{"name": "m", "served_name": "gpt-5", "replicas": ("https://host",), **fields})


class At:
    """A clock that stands at one moment."""

    def __init__(self, wall_s: int) -> None:
        self._wall_s = wall_s

    def monotonic(self) -> float:
        return 0.0

    def wall_ns(self) -> int:
        return self._wall_s * 10**9


class Have:
    """A credential that is at hand."""

    def __init__(self, value: object) -> None:
        self._value = value

    def value(self) -> object:
        return self._value


class Served:
    """A small HTTP server of a test: where it is, and the bodies it got."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[tuple[str, bytes]] = []


@contextmanager
def serving(answer: Any) -> Iterator[Served]:
    """Serves what `answer` gives for a path and a body, as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            served.seen.append((self.path, body))
            data = json.dumps(answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - as the base class calls it

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
