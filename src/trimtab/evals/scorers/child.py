"""A process of its own for what may hang, grow or fail: a user's function, and patterns over hostile texts."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final, NamedTuple

from trimtab.clock import Clock
from trimtab.evals.scorers import worker
from trimtab.evals.scorers.marking import Unscorable

START_S: Final = 30.0
"""What a user's file may take to be read, with all that it imports."""
MEMORY: Final = 2 << 30
"""Bytes of address space."""
LONGEST_LINE: Final = 64 << 10
"""Of what the child tells."""
MOST_TIMEOUTS: Final = 5
"""In a row; beyond them nothing is asked any more."""
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


class Limits(NamedTuple):
    """What one question may take: seconds, and bytes of memory."""

    seconds: float
    memory: int = MEMORY


class Child:
    """Asks a child process one question at a time; it is started when it is first asked, and again after it was killed.

    `orders` tell it what to run. Many threads may ask.
    """

    def __init__(self, orders: dict[str, Any], limits: Limits, clock: Clock) -> None:
        self._orders = {**orders, "memory": limits.memory}
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._late = 0
        self._failed = ""

    def __repr__(self) -> str:
        alive = self._process is not None and self._process.poll() is None
        return f"Child({self._orders['kind']}, {'alive' if alive else 'not running'}, {self._late} late)"

    def ask(self, question: Any) -> Any:
        """What it says. Raises `Unscorable` where it fails, takes too long or too much, or could not be started."""
        line = json.dumps(question).encode() + b"\n"
        with self._lock:
            if self._failed:
                raise Unscorable(self._failed)
            if self._late >= MOST_TIMEOUTS:
                raise Unscorable(f"it took longer than {self._limits.seconds:g} s {MOST_TIMEOUTS} times in a row")
            if self._process is None:
                self._start()
            told = self._exchanged(line, self._limits.seconds)
            self._late = 0
        if "failed" in told:
            raise Unscorable(str(told["failed"]))
        return told.get("value")

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._kill()

    def _start(self) -> None:
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="trimtab-scorer-", ignore_cleanup_errors=True)
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", str(Path(worker.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT,
                cwd=self._folder.name,
                start_new_session=True,
            )
        except OSError as failure:
            self._kill()
            raise Unscorable(f"it could not be started: {failure.strerror}") from None
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
        told = self._exchanged(json.dumps(self._orders).encode() + b"\n", START_S)
        if "failed" in told:
            self._kill()
            self._failed = f"it cannot be run: {told['failed']}"
            raise Unscorable(self._failed)

    def _exchanged(self, line: bytes, seconds: float) -> dict[str, Any]:
        """Sends a line and reads one within a time; a child that takes longer, or says too much, is killed."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise Unscorable("it is not running")
        into, out = process.stdin.fileno(), process.stdout.fileno()
        until, left, said = self._clock.monotonic() + seconds, memoryview(line), b""
        while not said.endswith(b"\n"):
            rest = until - self._clock.monotonic()
            readable, writable, _ = select.select([out], [into] if left else [], [], max(0.0, rest))
            if not readable and not writable:
                self._kill()
                self._late += 1
                raise Unscorable(f"it took longer than {seconds:g} s")
            if writable:
                left = left[self._written(into, left) :]
            if readable:
                more = os.read(out, LONGEST_LINE)
                said += more
                if not more or len(said) > LONGEST_LINE:
                    self._kill()
                    raise Unscorable("its process ended" if not more else "it says too much")
        return _object(said)

    def _written(self, into: int, left: memoryview) -> int:
        try:
            return os.write(into, left[: 1 << 16])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            self._kill()
            raise Unscorable("its process ended") from None

    def _kill(self) -> None:
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if folder is not None:
            folder.cleanup()


def _object(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Unscorable("it says what is no answer")
    return told
