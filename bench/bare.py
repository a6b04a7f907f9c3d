"""The floor: a bare proxy on the server's and the upstreams' layers of the gateway, with nothing of a call's path.

    python -m bench.bare PORT UPSTREAM [--loop uvloop|asyncio] [--profile FILE]

No key, task, deadline, record, usage or price: what Trimtab costs beyond this is its own; what this costs beyond nginx
is the price of Python, the event loop and the HTTP parser.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench import children, machine, meter
from bench.arm import Arm, Target
from trimtab.clock import SystemClock
from trimtab.declare.project import Limits
from trimtab.errors import CallError
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.request import Request
from trimtab.gateway.server import Server
from trimtab.gateway.upstreams.connection import UpstreamConnection
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.sink import Failure

ROOT = Path(__file__).resolve().parents[1]


class Relay:
    """Passes an answer on as it comes: whole when it came in one read, else chunk by chunk."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.body = b""
        self.streams = False

    def on_head(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = b"content-type: %b\r\n" % (headers.get(b"content-type") or b"text/plain")
        self.streams = headers.get(b"transfer-encoding") is not None
        if self.streams:
            self.answer.head(status, self.headers)

    def on_body(self, data: bytes) -> None:
        if self.streams:
            self.answer.chunk(data)
        else:
            self.body += data

    def on_end(self) -> None:
        if self.streams:
            self.answer.end()
        else:
            self.answer.whole(self.status, self.headers, self.body)

    def on_broken(self, failure: Failure) -> None:
        self.answer.cut()


def reject(error: CallError) -> tuple[int, bytes, bytes]:
    return error.status, b"content-type: text/plain\r\n", str(error).encode()


async def serve(port: int, upstream_port: int) -> None:
    """The bare proxy, until SIGTERM."""
    clock = SystemClock()
    pool = Pool(clock)
    origin = Origin.parse(f"http://127.0.0.1:{upstream_port}")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {origin.authority}\r\n".encode()

    def handle(request: Request, answer: Answer) -> None:
        connection = pool.idle(origin)
        if connection is not None:
            send(connection, request, answer)
        else:
            dial = asyncio.get_running_loop().create_task(pool.connect(origin, 5.0))
            dial.add_done_callback(lambda done: send(done.result(), request, answer))

    def send(connection: UpstreamConnection, request: Request, answer: Answer) -> None:
        answer.on_gone, answer.on_pause, answer.on_resume = connection.abort, connection.pause, connection.resume
        body = request.body
        connection.send(b"%bcontent-length: %d\r\n\r\n" % (head, len(body)), body, Relay(answer))

    server = Server(handle, Limits(), clock, reject)
    with socket.create_server(("127.0.0.1", port), backlog=2048) as listening:
        await server.start(listening)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        await server.close()
        await pool.close()


@contextlib.contextmanager
def bare(upstream_port: int, loop: str = "uvloop", profile: str = "") -> Iterator[Arm]:
    """The bare proxy on the serving core, in front of the upstream."""
    port = children.free_port()
    command = [sys.executable, "-m", "bench.bare", port, upstream_port, "--loop", loop]
    if profile:
        command += ["--profile", profile]
    with children.running(command, "bare", machine.cores().serving, port, cwd=ROOT) as child:
        yield Arm("bare", Target(port), serving=lambda: meter.tree(child.pid))


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("upstream", type=int)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--profile", default="", help="write a cProfile there")
    arguments = parser.parse_args()
    run = uvloop.run if arguments.loop == "uvloop" else asyncio.run
    if not arguments.profile:
        run(serve(arguments.port, arguments.upstream))
        return
    profile = cProfile.Profile()
    profile.runcall(run, serve(arguments.port, arguments.upstream))
    profile.dump_stats(Path(arguments.profile))


if __name__ == "__main__":
    main()
