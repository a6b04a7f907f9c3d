"""A small ClickHouse-HTTP front for one chDB directory, so that the HTTP side of telemetry is tested without a server.

    python -m tests.store.clickhouse_http DIRECTORY PORT    (port 0: one that is free; the address is printed)

It speaks as much of ClickHouse's HTTP interface as clickhouse-connect uses for queries, commands and inserts: no
authentication, answers uncompressed, bodies in memory.
"""

from __future__ import annotations

import gzip
import re
import sys
import tempfile
import threading
import uuid
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import chdb
import lz4.frame

TRANSPORT = frozenset(
    {"query", "database", "session_id", "query_id", "compress", "decompress", "enable_http_compression", "role", "user"}
    | {"wait_end_of_query", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "session_check"}
    | {"client_protocol_version", "cancel_http_readonly_queries_on_client_close", "session_timeout", "buffer_size"}
    | {"default_format", "quota_key", "password"}
)
DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "lz4": lz4.frame.decompress,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}
INSERT = re.compile(
    r"INSERT\s+INTO\s+(?P<table>\S+)\s*\((?P<columns>[^)]*)\)\s*FORMAT\s+(?P<format>\w+)", re.IGNORECASE | re.DOTALL
)


def quoted(value: str) -> str:
    """A string as a literal of SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    engine: Any = None
    lock = threading.Lock()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """The ping, or a query in the address."""
        if urlsplit(self.path).path == "/ping":
            self.reply(200, b"Ok.\n")
        else:
            self.do_POST()

    def do_POST(self) -> None:
        """A query, command or insert."""
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        args = {name: values[-1] for name, values in query.items()}
        body = self.body()
        try:
            with self.lock:
                self.engine.query(f"USE `{args.get('database') or 'default'}`")
                answer = self.run(args, body)
        except RuntimeError as error:
            self.reply(500, str(error).encode(), "1")
        else:
            self.reply(200, answer)

    def body(self) -> bytes:
        """The whole request body, chunked or not, decompressed."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            sent = b"".join(parts)
        else:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return DECOMPRESS[self.headers.get("Content-Encoding", "identity")](sent)

    def run(self, args: dict[str, str], body: bytes) -> bytes:
        """The answer's body."""
        given = {name: value for name, value in args.items() if name not in TRANSPORT and name[:6] != "param_"}
        settings = ", ".join(f"{name} = {quoted(value)}" for name, value in given.items())
        line, _, data = (args["query"].encode(), b"", body) if args.get("query") else body.partition(b"\n")
        if insert := INSERT.fullmatch(line.decode("utf-8", "replace").strip()):
            with tempfile.NamedTemporaryFile() as file:
                file.write(data)
                file.flush()
                into = f"INSERT INTO {insert['table']} ({insert['columns']}) FROM INFILE {quoted(file.name)}"
                with_settings = f" SETTINGS {settings}" if settings else ""
                self.engine.query(f"{into}{with_settings} FORMAT {insert['format']}")
            return b""
        if settings:
            self.engine.query(f"SET {settings}")
        sql = (args.get("query", "") + "\n" + body.decode()).strip()
        parameters = {name[6:]: value for name, value in args.items() if name.startswith("param_")}
        form = self.headers.get("X-ClickHouse-Format") or args.get("default_format") or "TabSeparated"
        return bytes(self.engine.query(sql, form, params=parameters).bytes() or b"")

    def reply(self, status: int, body: bytes, exception_code: str = "") -> None:
        """One whole answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Query-Id", str(uuid.uuid4()))
        self.send_header("X-ClickHouse-Summary", "{}")
        if exception_code:
            self.send_header("X-ClickHouse-Exception-Code", exception_code)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serves until it is ended."""
    directory, port = sys.argv[1], int(sys.argv[2])
    Handler.engine = chdb.connect(directory)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
