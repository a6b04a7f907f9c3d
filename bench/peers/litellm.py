"""LiteLLM's proxy, from PyPI (requirements.lock), one worker, no database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench import children, machine, meter
from bench.arm import Arm, Target

OUT = Path(__file__).resolve().parents[1] / "out"
PROGRAM = OUT / "peers" / "bin" / "litellm"
SETTINGS = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DO_NOT_TRACK": "1"}


@contextlib.contextmanager
def litellm(upstream_port: int) -> Iterator[Arm]:
    """The proxy in front of the upstream, on the serving core."""
    if not PROGRAM.exists():
        raise FileNotFoundError("LiteLLM is not installed: make -C bench peers")
    port = children.free_port()
    configuration = OUT / "litellm.yaml"
    configuration.write_text(
        Path(__file__).with_name("litellm.yaml").read_text().replace("UPSTREAM", str(upstream_port))
    )
    command = [PROGRAM, "--config", configuration, "--host", "127.0.0.1", "--port", port, "--num_workers", 1]
    command += ["--telemetry", "False"]
    with children.running(command, "litellm", machine.cores().serving, port, env=SETTINGS) as child:
        yield Arm("litellm", Target(port, key="sk-bench"), serving=lambda: meter.tree(child.pid))
