"""Models behind the gateway: a small HTTP/1.1 client, for code that awaits and for code that does not."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httptools
import msgspec

from trimtab.errors import JournalUnavailable, ReplayDivergence, ReviewPending, RunStopped, TrimtabError
from trimtab.runs.faults import Leaving, ModelFailed
from trimtab.runs.models import Asked

PATH: Final = "/v1/chat/completions"
TIMEOUT_S: Final = 900.0
"""How long an answer may take; the gateway's own deadlines are shorter."""
MOST_IDLE: Final = 64
MOST_BYTES: Final = 64 << 20
STOPS: Final[dict[str, type[TrimtabError]]] = {
    "run_stopped": RunStopped,
    "review_pending": ReviewPending,
    "replay_divergence": ReplayDivergence,
    "journal_unavailable": JournalUnavailable,
}
"""What the gateway answers to a step of a run that does not go on here."""


OUR_KEY: Final = "; a program's is in TRIMTAB_KEY"


class GatewayModels:
    """Asks the gateway at `url`, with `key` if it wants one. Calls of a run are journaled there."""

    journaled = True

    def __init__(self, url: str, key: str = "", timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a gateway; give one like http://127.0.0.1:8400")
        self.url = url
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = parts.path.rstrip("/").removesuffix("/v1") + PATH
        self._key = key
        self._timeout_s = timeout_s
        self._idle: WeakKeyDictionary[asyncio.AbstractEventLoop, list[_Connection]] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"GatewayModels({self.url})"

    async def ask(self, asked: Asked, headers: Mapping[str, str]) -> tuple[bytes, int]:
        """The answer's body and the seq of its step; raises `ModelFailed`, and `Leaving` where the run stops."""
        body = asked.body()
        named = {"host": f"{self._host}:{self._port}", "content-length": str(len(body)), **self._headers(headers)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        head = f"POST {self._path} HTTP/1.1\r\n{lines}\r\n"
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._exchange(head.encode("latin-1") + body)
        except TimeoutError:
            raise self._failed(asked, "request_timeout", f"no answer within {self._timeout_s:g} s") from None
        except (OSError, httptools.HttpParserError) as failure:
            raise self._unreachable(asked, failure) from failure
        return self._read(asked, answer.status, answer.headers, bytes(answer.body))

    def ask_blocking(self, asked: Asked, headers: Mapping[str, str]) -> tuple[bytes, int]:
        """The same for threads."""
        line: http.client.HTTPConnection
        if self._tls is None:
            line = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        else:
            line = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._tls)
        try:
            line.request("POST", self._path, asked.body(), self._headers(headers))
            answer = line.getresponse()
            body = answer.read(MOST_BYTES)
            return self._read(asked, answer.status, {k.lower(): v for k, v in answer.getheaders()}, body)
        except (OSError, http.client.HTTPException) as failure:
            raise self._unreachable(asked, failure) from failure
        finally:
            line.close()

    async def close(self) -> None:
        """Closes the running loop's connections."""
        for connection in self._idle.pop(asyncio.get_running_loop(), []):
            await connection.close()

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        named = {"content-type": "application/json", **more}
        return named | {"authorization": f"Bearer {self._key}"} if self._key else named

    async def _exchange(self, request: bytes) -> _Answer:
        idle = self._idle.setdefault(asyncio.get_running_loop(), [])
        while True:
            used = bool(idle)
            connection = idle.pop() if used else await _Connection.to(self._host, self._port, self._tls)
            try:
                answer = await connection.exchange(request)
            except BaseException as failure:
                connection.abort()
                if used and isinstance(failure, _HungUp):
                    continue
                raise
            if answer.keeps_alive and len(idle) < MOST_IDLE:
                idle.append(connection)
            else:
                await connection.close()
            return answer

    def _read(self, asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> tuple[bytes, int]:
        told = headers.get("x-trimtab-seq", "")
        seq = int(told) if told.isdigit() else 0
        if status < 400:
            return body, seq
        code, words = _error_of(body)
        if code in STOPS:
            raise Leaving(STOPS[code](run=headers.get("x-trimtab-run", ""), detail=words))
        detail = words.rstrip(".") + (OUR_KEY if code == "unauthorized" else "")
        failed = ModelFailed(task=asked.task, code=code, status=status, detail=detail)
        failed.seq = seq
        raise failed

    def _unreachable(self, asked: Asked, failure: Exception) -> ModelFailed:
        detail = f"{self.url} does not answer ({failure}): `trimtab up` has to run, and TRIMTAB_URL names its gateway"
        return self._failed(asked, "unreachable", detail)

    def _failed(self, asked: Asked, code: str, detail: str) -> ModelFailed:
        return ModelFailed(task=asked.task, code=code, status=0, detail=detail)


class _HungUp(ConnectionError):
    """A connection that was kept ended before it gave anything."""


class _Answer:
    """An answer as httptools reads it."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.done = False
        self.keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.done = True


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, host: str, port: int, tls: ssl.SSLContext | None) -> _Connection:
        return cls(*await asyncio.open_connection(host, port, ssl=tls))

    async def exchange(self, request: bytes) -> _Answer:
        answer = _Answer()
        parser: Any = httptools.HttpResponseParser(answer)
        self._writer.write(request)
        await self._writer.drain()
        heard = False
        while not answer.done:
            data = await self._reader.read(1 << 18)
            if not data:
                raise ConnectionResetError("it hung up in its answer") if heard else _HungUp("it hung up")
            heard = True
            parser.feed_data(data)
            if len(answer.body) > MOST_BYTES:
                raise ConnectionAbortedError(f"its answer has more than {MOST_BYTES >> 20} MiB")
        answer.status = parser.get_status_code()
        answer.keeps_alive = parser.should_keep_alive()
        return answer

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return  # it was gone before

    def abort(self) -> None:
        self._writer.transport.abort()


def _error_of(body: bytes) -> tuple[str, str]:
    try:
        error = msgspec.json.decode(body)["error"]
        return str(error.get("code") or error.get("type") or "upstream_error"), str(error.get("message") or "")[:1000]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "upstream_error", body[:200].decode("utf-8", "replace")
