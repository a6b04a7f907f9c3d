"""Receivers on this machine that tests tell of alerts: an HTTP server and an SMTP server that answer as told."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What was received, and where; `answers` are given one after another, the last one from then on."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=lambda: [(200, {}, b"ok")])
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    """An HTTP server."""
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, headers, answer = received.answers[min(len(received.requests), len(received.answers)) - 1]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        received.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield received
        server.shutdown()


@dataclass
class Mailbox:
    """Where mails arrive; `refuse` is the answer to a recipient, if it is not taken, `sign_in` that to a sign-in, and
    `farewell` that to `QUIT`.
    """

    url: str = ""
    refuse: str = ""
    sign_in: str = "235 welcome"
    farewell: str = "221 bye"
    mails: list[str] = field(default_factory=list)


@contextmanager
def mail_receiver() -> Iterator[Mailbox]:
    """An SMTP server without TLS (RFC 5321), as one runs on the same machine."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline():
                verb = line.split(b" ")[0].strip().upper()
                if verb == b"DATA":
                    self.say("354 go on")
                    box.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                    self.say("250 taken")
                elif verb == b"RCPT" and box.refuse:
                    self.say(box.refuse)
                elif verb == b"EHLO":
                    self.say("250-here\r\n250 AUTH PLAIN")
                elif verb == b"AUTH":
                    self.say(box.sign_in)
                elif verb == b"QUIT":
                    self.say(box.farewell)
                    return
                else:
                    self.say("250 ok")

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        box.url = f"smtp://127.0.0.1:{server.server_address[1]}"
        yield box
        server.shutdown()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
