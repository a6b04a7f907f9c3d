"""A program's calls passed on to the gateway as steps of one run, and counted: no more than are allowed."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

MOST_BYTES: Final = 64 << 20
TIMEOUT_S: Final = 900.0
HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length", "upgrade", "te"})
RUN: Final = "x-trimtab-run"
SEQ: Final = "x-trimtab-seq"


class Forwarder:
    """Listens on loopback at `url` and passes calls on to the gateway at `gateway` as steps of `run`, unless they say
    whose they are.

    `allowed` is asked before each call, with how many were passed on that did not get a recorded answer (yet); what it
    says, if anything, is the answer in the place of one. `recorded` are the steps that were answered from before the
    entry at `fork_seq`.
    """

    def __init__(self, gateway: str, run: str, fork_seq: int, allowed: Callable[[int], str]) -> None:
        parts = urlsplit(gateway)
        self._host = parts.hostname or "127.0.0.1"
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._run, self._fork_seq, self._allowed = run, fork_seq, allowed
        self.recorded: set[int] = set()
        self.passed = self.given = 0
        self.refused = ""
        self._guard = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __repr__(self) -> str:
        return f"Forwarder({self.url}, run {self._run}, {self.passed - self.given} live)"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        forwarder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                forwarder._pass(self, self.rfile.read(min(int(self.headers.get("content-length") or 0), MOST_BYTES)))

            def do_GET(self) -> None:
                forwarder._pass(self, b"")

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Handler

    def _pass(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._guard:
            counts = request.command == "POST"
            refused = self.refused = self.refused or (self._allowed(self.passed - self.given) if counts else "")
            self.passed += counts and not refused
        if refused:
            told = json.dumps({"error": {"code": "run_stopped", "type": "run_stopped", "message": refused}}).encode()
            _whole(request, 409, {"content-type": "application/json", "x-should-retry": "false"}, told)
            return
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        line = kind(self._host, self._port, timeout=TIMEOUT_S)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        if RUN not in request.headers:
            headers[RUN] = self._run
        try:
            line.request(request.command, request.path, body or None, headers)
            self._answer(request, line.getresponse())
        except (OSError, http.client.HTTPException) as failure:
            told = json.dumps({"error": {"code": "unreachable", "message": f"the gateway: {failure}"}}).encode()
            request.close_connection = True
            _whole(request, 502, {"content-type": "application/json"}, told)
        finally:
            line.close()

    def _answer(self, request: BaseHTTPRequestHandler, answer: http.client.HTTPResponse) -> None:
        seq = answer.headers.get(SEQ, "")
        if seq.isdigit() and int(seq) < self._fork_seq:
            with self._guard:
                self.recorded.add(int(seq))
                self.given += 1
        told = {name: value for name, value in answer.getheaders() if name.lower() not in HOP}
        if answer.headers.get("transfer-encoding", "") != "chunked":
            _whole(request, answer.status, told, answer.read(MOST_BYTES))
            return
        _head(request, answer.status, {**told, "transfer-encoding": "chunked"})
        while piece := answer.read1(1 << 16):
            request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            request.wfile.flush()
        request.wfile.write(b"0\r\n\r\n")


def _head(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()


def _whole(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    _head(request, status, {**headers, "content-length": str(len(body))})
    request.wfile.write(body)
