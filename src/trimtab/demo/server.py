"""`python -m trimtab.demo.server`: the demo engine in a process of its own.

It writes one JSON object a line to standard output, first of all `{"event": "listening", "url": ...}`, and ends on
SIGTERM or SIGINT once the requests under way are done, at the latest after DRAIN_S.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from trimtab.clock import SystemClock

if TYPE_CHECKING:
    from starlette.applications import Starlette

LOG = logging.getLogger("trimtab.demo")
DRAIN_S = 5
KEEP_ALIVE_S = 75
BACKLOG = 1024
SWITCH_S = 0.001  # how long the engine's thread may keep the event loop waiting
# One thread for the matrices: they are small, and the machine has other work. Read when numpy is first imported.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class JsonLine(logging.Formatter):
    """A log record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's time, level and message, and what was passed as `extra={"facts": {...}}`."""
        line = {"ts": round(record.created, 3), "level": record.levelname.lower(), "process": "demo"}
        facts = getattr(record, "facts", {})
        line |= {"event": record.getMessage(), **facts}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop."""
    chosen = _arguments().parse_args(arguments)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    os.environ.update({name: os.environ.get(name, value) for name, value in ONE_THREAD.items()})
    listener = _listener(chosen)
    host, port = listener.getsockname()[:2]
    app = _app(tuple(chosen.model), chosen.folder)
    gc.freeze()  # else a full collection walks all of this amid somebody's stream
    sys.setswitchinterval(SWITCH_S)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    LOG.info("listening", extra={"facts": {"url": f"http://{host}:{port}", "models": chosen.model, "pid": os.getpid()}})
    uvloop.run(_Server(config).serve(sockets=[listener]))
    LOG.info("stopped")


class _Server(uvicorn.Server):
    """Ends with status 0 when told to stop; uvicorn's own way is to die of the signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def _app(names: tuple[str, ...], folder: Path | None) -> Starlette:
    app = importlib.import_module("trimtab.demo.app")  # numpy comes in with it, after its threads are set
    models = [app.read_model(name, folder or app.MODELS) for name in names]
    served: Starlette = app.build_app(models, SystemClock())
    return served


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m trimtab.demo.server", description="Serve the demo models.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8402, help="0 takes a free one")
    parser.add_argument("--fd", type=int, help="an inherited listening socket, instead of host and port")
    parser.add_argument("--model", nargs="+", default=["jobs-small", "jobs-mid"], help="names under demo/models")
    parser.add_argument("--folder", type=Path, help="where the models lie instead of demo/models")
    return parser


def _listener(chosen: argparse.Namespace) -> socket.socket:
    if chosen.fd is not None:
        return socket.socket(fileno=chosen.fd)
    return socket.create_server((chosen.host, chosen.port), backlog=BACKLOG)


if __name__ == "__main__":
    main()
