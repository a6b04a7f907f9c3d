"""Child processes: each starts in its own group with its output in bench/out/logs, and ends with its block."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench import machine

LOGS = Path(__file__).resolve().parent / "out" / "logs"
FIRST_PORT, LAST_PORT = 18000, 19999  # below the kernel's range for outgoing connections, of which we make thousands
READY_LIMIT_S = 120.0
STOP_LIMIT_S = 20.0

_next_port = FIRST_PORT + os.getpid() % (LAST_PORT - FIRST_PORT)


class ChildDiedError(RuntimeError):
    """A child ended, or was not ready in time; the message has the last lines of its log."""


def free_port() -> int:
    """A port nobody listens on, never given twice in one run."""
    global _next_port  # noqa: PLW0603 - one counter for the process, so that two arms never get the same port
    for _ in range(FIRST_PORT, LAST_PORT):
        _next_port = FIRST_PORT + (_next_port + 1 - FIRST_PORT) % (LAST_PORT - FIRST_PORT)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", _next_port))
            return _next_port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


def answers(port: int) -> bool:
    """Whether something accepts connections on `port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def await_true(condition: Callable[[], bool], limit_s: float, what: str, every_s: float = 0.05) -> None:
    """Look every `every_s` until the condition holds; raises TimeoutError naming `what` after `limit_s`."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {limit_s:g} s")
        time.sleep(every_s)


def stop(child: subprocess.Popen[bytes], limit_s: float = STOP_LIMIT_S) -> None:
    """SIGTERM to the child, then SIGKILL to whatever is left of its group."""
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(limit_s)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(limit_s)


@contextlib.contextmanager
def running(
    command: Sequence[object],
    name: str,
    core: int,
    port: int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """`command` pinned to `core` until the block ends; the block begins when `port` accepts connections."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    with log.open("wb") as output, machine.on_core(core):
        child = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ready() -> bool:
        if child.poll() is not None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
            raise ChildDiedError(f"{name} ended with {child.returncode}:\n{tail}")
        return answers(port)

    try:
        await_true(ready, READY_LIMIT_S, f"{name} listening on port {port} (see {log})")
        yield child
    finally:
        stop(child)
