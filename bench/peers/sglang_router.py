"""sglang-router: a Rust router for model servers, from PyPI (requirements.lock), with one worker behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench import children, machine, meter
from bench.arm import Arm, Target

PROGRAM = Path(__file__).resolve().parents[1] / "out" / "peers" / "bin" / "sglang-router"


@contextlib.contextmanager
def sglang_router(upstream_port: int) -> Iterator[Arm]:
    """The router in front of the upstream, on the serving core, with its defaults but for logging."""
    if not PROGRAM.exists():
        raise FileNotFoundError("sglang-router is not installed: make -C bench peers")
    port, metrics_port = children.free_port(), children.free_port()
    command = [PROGRAM, "launch", "--host", "127.0.0.1", "--port", port, "--log-level", "error"]
    command += ["--worker-urls", f"http://127.0.0.1:{upstream_port}", "--policy", "round_robin"]
    command += ["--prometheus-port", metrics_port]
    with children.running(command, "sglang-router", machine.cores().serving, port) as child:
        yield Arm("sglang-router", Target(port), serving=lambda: meter.tree(child.pid))
