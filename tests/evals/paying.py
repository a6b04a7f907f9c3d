"""A gateway that is paid for each call and records it, and the run against it that a test kills.

python -m tests.evals.paying PORT FOLDER
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from tests.evals.fakes import Exact, Key, answer, cases_of, key_of, plan
from trimtab.clock import SystemClock
from trimtab.evals.asking import Request
from trimtab.evals.dispatch import Limits
from trimtab.evals.kept import Evaluations
from trimtab.evals.plan import Plan
from trimtab.evals.progress import Outcome
from trimtab.evals.running import run
from trimtab.evals.sample import Answer

PLAN: Final[Plan] = plan(12, samples=2, concurrency=4)
Phase = Literal["before", "recorded", "answered"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that was killed is no error."""


class PayingServer:
    """Answers calls and counts those that it was paid for; kills its client once, at a call and a moment it is told.

    `before`: the call has come, and is not paid. `recorded`: it is paid and recorded, and its answer has not been sent.
    `answered`: its answer has just been sent.
    """

    def __init__(self) -> None:
        self.paid: Counter[Key] = Counter()
        self.records: list[tuple[Request, Answer]] = []
        self.calls = 0
        self.kill_at: tuple[int, Phase] | None = None
        self.pid = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def paid_for(self, request: Request) -> Answer | None:
        """The answer, paid for and recorded; None where the client is dead."""
        with self._lock:
            self.calls += 1
            at = self.kill_at
            if at is not None and self.calls > at[0]:
                return None
            mine = at is not None and self.calls == at[0]
            if mine and at is not None and at[1] == "before":
                self._kill()
                return None
            found = answer(request)
            self.paid[key_of(request)] += 1
            self.records.append((request, found))
            if mine and at is not None and at[1] == "recorded":
                self._kill()
                return None
            return found

    def was_answered(self) -> None:
        with self._lock:
            if self.kill_at is not None and self.kill_at[1] == "answered" and self.calls >= self.kill_at[0]:
                self._kill()

    def _kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.pid = 0

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(msgspec.json.encode(outer.records))

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                found = outer.paid_for(msgspec.json.decode(data, type=Request))
                if found is None:
                    self.close_connection = True
                    return
                self._send(msgspec.json.encode(found))
                outer.was_answered()

            def _send(self, data: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Handler


class PayingAsker:
    """Asks the server, and is told by it what it has recorded."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._own = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        for connection in self._all:
            connection.close()

    def ask(self, request: Request) -> Answer:
        return msgspec.json.decode(self._send("POST", msgspec.json.encode(request)), type=Answer)

    def answered(self, evaluation: str) -> Iterable[tuple[Request, Answer]]:
        found = msgspec.json.decode(self._send("GET", None), type=list[tuple[Request, Answer]])
        return [(request, answer) for request, answer in found if request.evaluation == evaluation]

    def _send(self, method: str, data: bytes | None) -> bytes:
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            self._all.append(self._own.connection)
        self._own.connection.request(method, "/", data)
        found: bytes = self._own.connection.getresponse().read()
        return found


def go(port: int, folder: Path) -> Outcome:
    """The run, begun or taken up."""
    evaluations = Evaluations(folder)
    if PLAN.id not in evaluations.ids():
        evaluations.begin(PLAN)
    asker = PayingAsker(port)
    try:
        with evaluations.running(PLAN.id) as kept:
            return run(PLAN, cases_of(PLAN), asker, [Exact()], kept, SystemClock(), limits=Limits(4))
    finally:
        asker.close()


if __name__ == "__main__":
    outcome = go(int(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps([outcome.stopped, len(outcome.samples)]))
