"""What the wire alone costs: a bare proxy on the server's and the upstreams' layers, beside nginx, in turns.

    python -m bench.micro.wire [--rounds N] [--loop uvloop|asyncio] [--only bare|nginx] [--profile FILE]

CPU microseconds for a 1 KB request at 64 connections, and for a chunk of 200 streams at 50 chunks/s.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import signal
import socket
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench import children, machine, meter, native
from bench.arm import Arm, Target
from bench.options import Options
from bench.peers.nginx import nginx
from bench.suites.cpu import WORKLOADS, measure_once, requests_a_run
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
def bare(upstream_port: int, loop: str, profile: str) -> Iterator[Arm]:
    port = children.free_port()
    command = [sys.executable, "-m", "bench.micro.wire", "--serve", port, upstream_port, "--loop", loop]
    if profile:
        command += ["--profile", profile]
    with children.running(command, "wire", machine.cores().serving, port) as child:
        yield Arm("bare", Target(port), serving=lambda: meter.tree(child.pid))


def measure(arguments: argparse.Namespace) -> None:
    native.build()
    options = Options(quick=False, seed=1, arms=None, tell=lambda text: None)
    with contextlib.ExitStack() as opened:
        port = opened.enter_context(native.stub())
        arms = [opened.enter_context(bare(port, arguments.loop, arguments.profile)), opened.enter_context(nginx(port))]
        arms = [arm for arm in arms if arguments.only in ("", arm.name)]
        for workload in (WORKLOADS[0], WORKLOADS[3]):
            requests = {arm.name: requests_a_run(workload, arm, options) for arm in arms}
            found: dict[str, list[dict[str, float]]] = {arm.name: [] for arm in arms}
            for _ in range(arguments.rounds):
                for arm in arms:
                    with contextlib.suppress(RuntimeError):
                        found[arm.name].append(measure_once(workload, arm, requests[arm.name]))
            for name, measures in found.items():
                us = [each["us"] for each in measures]
                user = [each["user_us"] for each in measures]
                print(
                    f"{name:6} us a {workload.unit}: {statistics.median(us):6.1f} ({min(us):.1f}-{max(us):.1f};"
                    f" user {statistics.median(user):.1f}), {workload.name}, n={len(us)}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--only", choices=("", "bare", "nginx"), default="")
    parser.add_argument("--profile", default="", help="write the bare proxy's cProfile there")
    parser.add_argument("--serve", nargs=2, type=int, metavar=("PORT", "UPSTREAM"))
    arguments = parser.parse_args()
    if arguments.serve is None:
        measure(arguments)
        return
    profile = cProfile.Profile() if arguments.profile else None
    run = uvloop.run if arguments.loop == "uvloop" else asyncio.run
    if profile is None:
        run(serve(*arguments.serve))
    else:
        profile.runcall(run, serve(*arguments.serve))
        profile.dump_stats(Path(arguments.profile))


if __name__ == "__main__":
    main()
