"""A recorded run again: its recorded answers for its recorded requests, and nothing else; no network but ourselves."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from trimtab.errors import TrimtabError
from trimtab.journal.asks import Begin, Begun
from trimtab.journal.difference import first_difference
from trimtab.journal.entries import Result
from trimtab.journal.recording import Recording, asked_again, asked_of, chunk_lengths, put, request_of, taken_again
from trimtab.journal.refusals import JournalRefusal
from trimtab.runs.gateway import GatewayModels
from trimtab.testing.runs import LocalRuns

MOST_BYTES: Final = 64 << 20
MOST_COMPARED: Final = 64
MOST_NAMED: Final = 5


class Diverged(TrimtabError, AssertionError):
    """The program does not do what run {run} did: {detail}; put back what was changed, or record the run again."""


class NetworkClosed(TrimtabError, OSError):
    """A replay lets nobody be reached, and {address} was to be; have its answer recorded as a step, or fake it."""


class ReplayServer:
    """Answers on loopback with what run `recording` was answered, byte for byte and chunk for chunk.

    Requests are known by what they ask, in any order; of identical ones each recorded answer is given once. `url` is
    the address in the place of a gateway's or a model server's; `diverged` says, in words, what was asked otherwise.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.diverged: list[str] = []
        self.served = 0
        self._local: LocalRuns | None = None
        self._steps = {
            seq: (intent, result) for seq, intent, result in recording.steps() if intent.call and result is not None
        }
        self._due = asked_again(recording)
        self._waiting: dict[str, list[int]] = defaultdict(list)
        for seq, (intent, _) in self._steps.items():
            self._waiting[request_of(recording, intent)].append(seq)
        self._guard = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __repr__(self) -> str:
        return f"ReplayServer({self.url}, {self.recording!r}, {self.served} served)"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def left(self) -> int:
        """How many recorded calls of models were not asked for again, but were to be."""
        return sum(seq in self._due for row in self._waiting.values() for seq in row)

    def check(self) -> None:
        """Raises `Diverged` where anything was asked otherwise, or not at all."""
        detail = self.diverged[0] if self.diverged else f"{self.left} of its calls were not made" if self.left else ""
        if detail:
            raise Diverged(run=self.recording.run, detail=detail)

    def through(self, local: LocalRuns) -> None:
        """Calls that are stamped as steps are held against this journal, not matched here."""
        self._local = local

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(min(size, MOST_BYTES))
                server._answer(self, body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._guard:
            found = self._stamped(request, body) if "x-trimtab-lease" in request.headers else self._matched(body)
            if isinstance(found, str):
                self.diverged.append(found)
            else:
                self.served += 1
        if isinstance(found, str):
            told = {"x-should-retry": "false", "x-trimtab-run": self.recording.run}
            error = {"error": {"code": "replay_divergence", "type": "replay_divergence", "message": found}}
            _send(request, 409, "application/json", json.dumps(error).encode(), [], told)
            return
        seq, result = found
        output = self.recording.content(result.output)
        headers = {"x-trimtab-seq": str(seq), "x-trimtab-run": self.recording.run}
        kind = result.content_type or "application/json"
        _send(request, result.status or 200, kind, output or b"", chunk_lengths(result), headers)

    def _matched(self, body: bytes) -> tuple[int, Result] | str:
        shown = asked_of(self.recording, body)
        row = self._waiting.get(shown.digest)
        if not row:
            return self._told(shown.shown, asked_before=row is not None)
        seq = row.pop(0)
        result = self._steps[seq][1]
        assert result is not None  # noqa: S101 - only steps with a result are there
        return seq, result

    def _stamped(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Result] | str:
        if self._local is None:
            return "a call is stamped as a step of a run that is not driven here"
        shown = asked_of(self.recording, body)
        named = request.headers
        ask = Begin(
            named.get("x-trimtab-run", ""),
            int(named.get("x-trimtab-lease") or 0),
            "model",
            named.get("x-trimtab-step", "") or _model_of(body),
            shown.digest,
            branch=named.get("x-trimtab-branch", ""),
            after=int(named.get("x-trimtab-after") or 0),
        )
        try:
            begun = self._local.do(ask)
        except JournalRefusal as refusal:
            return f"{self._told(shown.shown, asked_before=False)} ({refusal})"
        if not isinstance(begun, Begun) or begun.result is None:
            return self._told(shown.shown, asked_before=False)
        row = self._waiting.get(shown.digest)
        if row:
            row.pop(0)
        return begun.seq, begun.result

    def _told(self, shown: bytes, *, asked_before: bool) -> str:
        """In words, what a request asks that was not asked."""
        if asked_before:
            return "a call is made more often than it was"
        near = sorted(self._recorded(), key=lambda one: _apart(shown, one[1]))[:1]
        if not near:
            return "a call is made, and none was recorded"
        (seq, recorded) = near[0]
        found = first_difference(recorded, shown)
        words = found.told("recorded", "now") if found is not None else "it is made more often than it was"
        return f"a call is not what it was at step {seq}: {words}"

    def _recorded(self) -> Iterator[tuple[int, bytes]]:
        for seq, (intent, _) in list(self._steps.items())[:MOST_COMPARED]:
            content = self.recording.content(intent.input)
            if content is not None:
                yield seq, asked_of(self.recording, content).shown


class ReplayedRun:
    """A recorded run, to be done again by the program that made it, from a file of `trimtab runs export`:

        with ReplayedRun(Path("run.jsonl")) as replay:
            assert replay.call(agent) == "refunded"

    Its recorded answers of models, tools and steps are given again; nothing else is asked, and no network is reached.
    `url` is the address that takes a model server's place, for programs that are no `@run`.
    """

    def __init__(self, path: Path) -> None:
        self.recording = Recording.load(path)
        self.server = ReplayServer(self.recording)
        self.url = f"{self.server.url}/v1"
        self._local = LocalRuns(models={})
        self._sealed = sealed()
        self._seqs: dict[int, int] = {}
        self._is_driven = False

    def __repr__(self) -> str:
        return f"ReplayedRun({self.recording!r})"

    @property
    def output(self) -> Any:
        """What the run gave in the end; None where it had not ended."""
        ended = self.recording.ended
        content = self.recording.content(ended.output) if ended is not None else None
        return msgspec.json.decode(content) if content else None

    def __enter__(self) -> Self:
        self.server.__enter__()
        if any(intent.call for _, intent, _ in self.recording.steps()):
            self._local.through(GatewayModels(self.server.url))
        self._local.runtime.replays = self.recording.run
        if self.recording.started.through == "sdk":
            self._seqs = put(self._local, self.recording)
        self._local.__enter__()
        self.server.through(self._local)
        self._sealed.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        missed = self._missed() if self._is_driven else []
        self._sealed.__exit__(kind, error, trace)
        self._local.__exit__(kind, error, trace)
        self.server.__exit__(kind, error, trace)
        if kind is None:
            self.server.check()
            if missed:
                raise Diverged(run=self.recording.run, detail=f"it does not take {', '.join(missed)}")

    def _missed(self) -> list[str]:
        """Recorded steps that were not taken, but calls of models, which are counted where they come in."""
        given, due = self._local.given(self.recording.run), taken_again(self.recording)
        missed = [seq for seq in due if self._seqs.get(seq) not in given]
        return [f"step {seq} ({due[seq].label})" for seq in missed[:MOST_NAMED]]

    def call(self, function: Callable[..., Any]) -> Any:
        """Has a `@run` do it again with the arguments of then, and gives what it returns; raises what it raises, and
        `Diverged` where it asks for something else. Another function gets `url` as its only argument.
        """
        declared = getattr(function, "__trimtab__", None)
        if declared is None:
            return _done(function(self.url))
        started = self.recording.started
        content = self.recording.content(started.input)
        bound = declared.call_from(msgspec.json.decode(content or b"null"))
        again = function.options(id=self.recording.run, key=started.key)  # type: ignore[attr-defined]
        try:
            given = _done(again(*bound.args, **bound.kwargs))
        except TrimtabError as refusal:
            if self.server.diverged:
                raise Diverged(run=self.recording.run, detail=self.server.diverged[0]) from refusal
            raise
        self._is_driven = True
        return given


def _done(given: Any) -> Any:
    return asyncio.run(_awaited(given)) if inspect.isawaitable(given) else given


async def _awaited(given: Any) -> Any:
    return await given


@contextmanager
def sealed() -> Iterator[None]:
    """Nobody is reached inside but what listens on this machine's loopback, by whatever opens Python's sockets."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def refused(address: Any) -> bool:
        host = address[0] if isinstance(address, tuple) and address else ""
        return bool(host) and host not in ("127.0.0.1", "::1", "localhost")

    def guarded(self: socket.socket, address: Any) -> None:
        if refused(address):
            raise NetworkClosed(address=address)
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        if refused(address):
            raise NetworkClosed(address=address)
        return connect_ex(self, address)

    socket.socket.connect, socket.socket.connect_ex = guarded, guarded_ex  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        socket.socket.connect, socket.socket.connect_ex = connect, connect_ex  # type: ignore[method-assign]


def _send(
    request: BaseHTTPRequestHandler, status: int, kind: str, body: bytes, lengths: list[int], headers: dict[str, str]
) -> None:
    request.send_response(status)
    request.send_header("content-type", kind)
    for name, value in headers.items():
        request.send_header(name, value)
    if not lengths:
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
        return
    request.send_header("transfer-encoding", "chunked")
    request.end_headers()
    at = 0
    for length in [*lengths, max(0, len(body) - sum(lengths))]:
        if length:
            request.wfile.write(b"%x\r\n%s\r\n" % (length, body[at : at + length]))
            request.wfile.flush()
            at += length
    request.wfile.write(b"0\r\n\r\n")


def _model_of(body: bytes) -> str:
    try:
        return str(json.loads(body).get("model", ""))
    except (ValueError, AttributeError):
        return ""


def _apart(one: bytes, other: bytes) -> int:
    """How far two texts are apart: their bytes between what they have in common at both ends."""
    most = min(len(one), len(other))
    front = next((at for at in range(most) if one[at] != other[at]), most)
    back = next((at for at in range(most - front) if one[-1 - at] != other[-1 - at]), most - front)
    return len(one) + len(other) - 2 * (front + back)
