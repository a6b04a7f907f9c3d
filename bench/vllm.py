"""A real vLLM as a replica: on a port that stays, so that it can be killed and come back there."""

from __future__ import annotations

import contextlib
import os
import signal
import urllib.request
from pathlib import Path

from bench import children, meter
from tests.engine.vllm_server import running_vllm

GENERATED = "vllm:generation_tokens_total{"
ENGINE = "VLLM::Engine"
"""How vLLM names the process that runs the model."""


class Replica:
    """A vLLM that serves a model directory; started with the block, and ended with it."""

    def __init__(self, model: Path, name: str, *flags: str) -> None:
        self.port = children.free_port()
        self._model = model
        self._name = name
        self._flags = flags
        self._running = contextlib.ExitStack()
        self._pid = 0

    def __enter__(self) -> Replica:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def start(self) -> None:
        """Starts it anew; returns when it is healthy."""
        self._running.close()
        serving = running_vllm(self._model, self._name, self._flags, self.port)
        self._pid = self._running.enter_context(serving).pid

    def generated(self) -> float:
        """Tokens that it has made since its start."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(GENERATED))

    def kill(self, *, engine_only: bool = False) -> None:
        """SIGKILL to its API server and its engine at once, or to the engine, which the server outlives for a while."""
        if not engine_only:
            os.killpg(self._pid, signal.SIGKILL)
            return
        for pid in meter.tree(self._pid):
            if (Path("/proc") / str(pid) / "comm").read_text().startswith(ENGINE):
                os.kill(pid, signal.SIGKILL)
