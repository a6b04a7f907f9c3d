"""Trimtab as an arm: a project written for a benchmark, `trimtab up` on it, and how to look into and disturb it.

Everything the benchmarks know about Trimtab from outside stands in this file: its command line, the files it keeps
in its data directory, and its signals.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench import children, machine, meter
from bench.arm import STUB_MODEL, Arm, Target

TRIMTAB = Path(sys.executable).with_name("trimtab")
FOLDER = Path(__file__).resolve().parent / "out" / "projects"
SETTLE_LIMIT_S = 120.0
SETTLE_LOOK_S = 0.4

PROJECT = """\
environment = "bench"

[gateway]
listen = "127.0.0.1:{port}"
workers = {workers}

[control]
listen = "127.0.0.1:{control_port}"

[data]
directory = "{data}"
{data_settings}
"""

MODEL = """
[models.{name}]
wire = "openai"
model = "{served}"
engine = "{engine}"
probe = "off"
replicas = [{replicas}]
price = {{ input = 0.15, cache_read = 0.075, output = 0.60 }}
"""

TASK = """\
owner = "bench"
class = "interactive"
model = "{model}"
{settings}
"""

GENEROUS = 'deadline = { connect = "5s", first_token = "120s", gap = "60s", total = "600s" }'


@dataclass(frozen=True)
class Data:
    """The data directory of a benchmark's project, in its folder or elsewhere, and the rest of `[data]`."""

    directory: str = "data"
    settings: str = ""


@dataclass(frozen=True)
class Served:
    """A model of a benchmark's project: the ports its replicas have here, the name they know it by, their engine."""

    ports: tuple[int, ...]
    name: str
    engine: str = "other"

    def declared(self, name: str) -> str:
        """Its section of trimtab.toml."""
        replicas = ", ".join(f'"http://127.0.0.1:{port}"' for port in self.ports)
        return MODEL.format(name=name, served=self.name, engine=self.engine, replicas=replicas)


@dataclass(frozen=True)
class Task:
    """A task of a benchmark's project: its model, the rest of its task.toml, and other files of its folder by name."""

    model: str = STUB_MODEL
    settings: str = GENEROUS
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gateway:
    """A running `trimtab up`."""

    folder: Path
    data: Path
    port: int
    control_port: int
    key: str
    supervisor: subprocess.Popen[bytes]

    def processes(self) -> list[dict[str, Any]]:
        """Everybody in the crew: what the supervisor keeps in its data directory."""
        roster = self.data / "run" / "processes.json"
        found: list[dict[str, Any]] = json.loads(roster.read_text()) if roster.exists() else []
        return found

    def pids(self, role: str) -> list[int]:
        """The processes of a role that are ready."""
        return [one["pid"] for one in self.processes() if one["role"] == role and one["state"] == "ready"]

    def serving(self) -> list[int]:
        """Supervisor and workers: the whole tree but control, whose work is off the path of a call."""
        aside = set(self.aside())
        return [pid for pid in meter.tree(self.supervisor.pid) if pid not in aside]

    def aside(self) -> list[int]:
        """Control and its children."""
        return [pid for root in self.pids("control") for pid in meter.tree(root)]

    def target(self, task: str) -> Target:
        """Calls of `task`."""
        return Target(self.port, model=task, key=self.key)

    def arm(self, name: str, task: str) -> Arm:
        """Calls of `task` as an arm of a comparison."""
        return Arm(name, self.target(task), self.serving, self.aside, self.settle)

    def status(self) -> dict[str, Any]:
        """What `trimtab status --json` shows, asked of control itself."""
        return self.told("/api/status")

    def call(self, call: str) -> dict[str, Any]:
        """What `trimtab calls show --json` shows of a call, but for its bodies: `call` and its `attempts`."""
        return self.told(f"/api/calls/{call}")

    def told(self, path: str) -> dict[str, Any]:
        """What control answers to a GET on its socket."""
        with contextlib.closing(UnixConnection(self.data / "run" / "control.sock")) as connection:
            connection.request("GET", path)
            found: dict[str, Any] = json.load(connection.getresponse())
        return found

    def settle(self) -> None:
        """Wait until control has ingested all that was recorded, and says so twice."""

        def ingested() -> bool:
            time.sleep(SETTLE_LOOK_S)
            return int(self.status()["telemetry"]["lag_bytes"]) == 0

        children.await_true(lambda: ingested() and ingested(), SETTLE_LIMIT_S, "control catching up with the spool")

    def restart_workers(self) -> None:
        """Ask the supervisor for a rolling restart of the workers; returns at once."""
        self.supervisor.send_signal(signal.SIGUSR2)

    def kill(self, role: str) -> list[int]:
        """SIGKILL every process of a role; gives their pids."""
        pids = self.pids(role)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids


class UnixConnection(HTTPConnection):
    """HTTP over the unix socket at `path`."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def trimtab(folder: Path, *words: str) -> str:
    """Standard output of a `trimtab` command in a project; raises CalledProcessError with what it said."""
    done = subprocess.run([TRIMTAB, *words], cwd=folder, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"trimtab {' '.join(words)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def write_project(
    name: str,
    ports: tuple[int, int],
    models: Mapping[str, int | Served],
    tasks: Mapping[str, Task],
    workers: int,
    data: Data,
) -> Path:
    """A project in out/projects with nothing recorded yet; `models` maps names to what serves them, or to its port."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port, control_port = ports
    text = PROJECT.format(
        port=port, control_port=control_port, workers=workers, data=data.directory, data_settings=data.settings
    )
    for model, served in models.items():
        text += (Served((served,), model) if isinstance(served, int) else served).declared(model)
    (folder / "trimtab.toml").write_text(text)
    for task, content in tasks.items():
        file = folder / "tasks" / task / "task.toml"
        file.parent.mkdir(parents=True)
        file.write_text(TASK.format(model=content.model, settings=content.settings))
        for other, words in content.files.items():
            file.with_name(other).write_text(words)
    return folder


@contextlib.contextmanager
def gateway(
    name: str,
    models: Mapping[str, int | Served],
    tasks: Mapping[str, Task],
    *,
    workers: int = 1,
    core: int | None = None,
    data: Data = Data(),
) -> Iterator[Gateway]:
    """`trimtab up` with a key, pinned to the serving core unless another is given, until the block ends."""
    port, control_port = children.free_port(), children.free_port()
    folder = write_project(name, (port, control_port), models, tasks, workers, data)
    key = json.loads(trimtab(folder, "key", "new", "bench", "--json"))["secret"]
    place = machine.cores().serving if core is None else core
    with children.running([TRIMTAB, "up"], f"trimtab-{name}", place, port, cwd=folder) as child:
        opened = Gateway(folder, folder / data.directory, port, control_port, key, child)
        children.await_true(lambda: bool(opened.pids("control")), children.READY_LIMIT_S, "control of trimtab up")
        yield opened
