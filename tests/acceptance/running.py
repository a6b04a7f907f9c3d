"""A whole `trimtab up` in processes of its own, for tests that use it as a person would."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

PATIENCE_S = 60.0


@dataclass
class RunningTrimtab:
    """A project that is up: its gateway's URL without `/v1`, its folder, and what it printed."""

    url: str
    project: Path
    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    def trimtab(self, *verb: str) -> subprocess.CompletedProcess[str]:
        """Runs another verb of the command line in this project."""
        return trimtab(*verb, project=self.project)


def trimtab(*verb: str, project: Path) -> subprocess.CompletedProcess[str]:
    """Runs a verb of the command line in a project's folder."""
    return subprocess.run(
        [sys.executable, "-m", "trimtab", *verb], cwd=project, capture_output=True, text=True, timeout=60, check=False
    )


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running_trimtab(project: Path, *flags: str) -> Iterator[RunningTrimtab]:
    """Starts a project with `trimtab up --json`, waits until its gateway answers, and stops it at the end."""
    with (
        (project / "up.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "trimtab", "up", "--json", *flags],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process,
    ):
        lines: Queue[str] = Queue()
        reading = threading.Thread(target=_read, args=(process, lines))
        reading.start()
        running = RunningTrimtab("", project, process)
        try:
            while not running.url:
                try:
                    line = lines.get(timeout=PATIENCE_S)
                except Empty:
                    raise AssertionError(f"not up in {PATIENCE_S} s:\n{(project / 'up.log').read_text()}") from None
                running.printed.append(line)
                running.url = json.loads(line).get("gateway", "")
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
            reading.join(PATIENCE_S)


def _read(process: subprocess.Popen[str], lines: Queue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
