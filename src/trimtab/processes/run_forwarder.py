"""A program's calls passed on to the gateway as steps of one run, and counted: no more than are allowed."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

MOST_BYTES: Final = 64 << 20
TIMEOUT_S: Final = 900.0
HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length", "upgrade", "te"})
RUN: Final = "x-trimtab-run"
SEQ: Final = "x-trimtab-seq"
MOST_LINE: Final = 1024
HEX: Final = b"0123456789abcdefABCDEF"
DIGITS: Final = b"0123456789"


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
        self._server = _Server(("127.0.0.1", 0), self._handler())
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
                try:
                    body = _body_of(self)
                except ValueError as wrong:
                    self.close_connection = True
                    _told(self, 400, "invalid_request", str(wrong))
                    return
                forwarder._pass(self, body)

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
            request.close_connection = True
            _told(request, 502, "unreachable", f"the gateway: {failure}")
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
        try:
            _head(request, answer.status, {**told, "transfer-encoding": "chunked"})
            while piece := answer.read1(1 << 16):
                request.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                request.wfile.flush()
            request.wfile.write(b"0\r\n\r\n")
        except (OSError, http.client.HTTPException):
            request.close_connection = True


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A program that hangs up is no fault."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _body_of(request: BaseHTTPRequestHandler) -> bytes:
    """The body of a request; raises `ValueError` for one that is too large or cannot be read."""
    if "chunked" in request.headers.get("transfer-encoding", "").lower():
        return _joined(request.rfile)
    size = _number(request.headers.get("content-length", "0").encode("latin-1", "replace"), 10)
    if size > MOST_BYTES:
        raise ValueError(f"the body has more than {MOST_BYTES:,} bytes; send a smaller one")
    return request.rfile.read(size)


def _joined(lines: BufferedIOBase) -> bytes:
    """The body that comes in chunks (RFC 9112, section 7.1)."""
    body = bytearray()
    while size := _number(lines.readline(MOST_LINE).partition(b";")[0].strip(), 16):
        if len(body) + size > MOST_BYTES:
            raise ValueError(f"the body has more than {MOST_BYTES:,} bytes; send a smaller one")
        body += lines.read(size)
        if lines.readline(MOST_LINE) != b"\r\n":
            raise ValueError("a chunk of the body is not as long as it says; send it again")
    while lines.readline(MOST_LINE).strip():
        pass
    return bytes(body)


def _number(text: bytes, base: int) -> int:
    if not 0 < len(text) <= 16 or text.strip(HEX if base == 16 else DIGITS):
        raise ValueError("the body does not say how long it is; send its content-length")
    return int(text, base)


def _head(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()


def _told(request: BaseHTTPRequestHandler, status: int, code: str, message: str) -> None:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    _whole(request, status, {"content-type": "application/json"}, body)


def _whole(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    _head(request, status, {**headers, "content-length": str(len(body))})
    request.wfile.write(body)
