"""A program's calls reach the gateway whole, and a program that goes away is no fault."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trimtab.processes.run_forwarder import Forwarder


class Gateway(ThreadingHTTPServer):
    """Keeps the bodies that it is sent; answers with `{}`, or `streams` without an end."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.streams = False
        self.over = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        if not self.server.streams:
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        except OSError:
            self.server.over.set()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def forwarding() -> Iterator[tuple[Gateway, Forwarder]]:
    with Gateway() as gateway:
        thread = threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with Forwarder(f"http://127.0.0.1:{gateway.server_address[1]}", "r", 1, lambda _: "") as forwarder:
                yield gateway, forwarder
        finally:
            gateway.shutdown()
            thread.join()


def place(forwarder: Forwarder) -> tuple[str, int]:
    host, _, port = forwarder.url.removeprefix("http://").partition(":")
    return host, int(port)


def test_a_body_in_chunks_is_passed_on_whole() -> None:
    """A program may send it as it is made, without saying how long it will be."""
    with forwarding() as (gateway, forwarder):
        line = http.client.HTTPConnection(*place(forwarder))
        for _ in range(2):
            line.request("POST", "/v1/x", iter([b'{"a": ', b"1}"]), encode_chunked=True)
            assert line.getresponse().read() == b"{}"
        line.close()
    assert gateway.bodies == [b'{"a": 1}'] * 2


@pytest.mark.parametrize(
    "head",
    [
        b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"transfer-encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
        b"content-length: -1\r\n\r\n",
        b"content-length: 99999999999\r\n\r\n",
    ],
)
def test_a_body_that_cannot_be_read_is_refused(head: bytes) -> None:
    """It is told so, and nothing of it reaches the gateway."""
    with forwarding() as (gateway, forwarder), socket.create_connection(place(forwarder)) as line:
        line.sendall(b"POST /v1/x HTTP/1.1\r\nhost: x\r\n" + head)
        with line.makefile("rb") as said:
            assert said.readline().startswith(b"HTTP/1.1 400 ")
    assert gateway.bodies == []


def test_a_program_that_hangs_up_amid_an_answer_is_no_fault(capfd: pytest.CaptureFixture[str]) -> None:
    """The answer is left, and nothing is printed."""
    before = set(threading.enumerate())
    with forwarding() as (gateway, forwarder):
        gateway.streams = True
        with socket.create_connection(place(forwarder)) as line:
            line.sendall(b"POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
            assert line.recv(100)
        assert gateway.over.wait(30)
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert capfd.readouterr().err == ""
