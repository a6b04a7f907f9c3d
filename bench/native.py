"""The two C programs: the stub upstream and the load client. `make -C bench` builds them."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import children, machine
from bench.arm import Target

BENCH = Path(__file__).resolve().parent
OUT = BENCH / "out"


def build() -> None:
    """Compile what is missing or older than its source."""
    subprocess.run(["make", "-s", "-C", str(BENCH), "native"], check=True)


@contextlib.contextmanager
def stub() -> Iterator[int]:
    """The stub upstream on the load core; gives its port."""
    port = children.free_port()
    with children.running([OUT / "upstream", port], "upstream", machine.cores().load, port):
        yield port


def chat_body(
    model: str, *, size_bytes: int = 0, chunks: int = 0, pace_us: int = 0, fields: dict[str, Any] | None = None
) -> Path:
    """A chat request as a file: about `size_bytes` long, a stream of `chunks` every `pace_us` if `chunks` is given.

    `load` puts the number of the request into its text.
    """
    body: dict[str, Any] = {"model": model, "temperature": 0.2, **(fields or {})}
    if chunks:
        body |= {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": chunks, "seed": pace_us}
    user = {"role": "user", "content": ""}
    body["messages"] = [{"role": "system", "content": "You sort support requests. Answer with one word."}, user]
    number = "Request @@@@@@@@@@. "
    words = "Since the update my invoice shows the wrong address and the export button does nothing. "
    missing = max(0, size_bytes - len(json.dumps(body)))
    user["content"] = (number + words * (missing // len(words) + 1))[: missing or len(number + words)]
    folder = OUT / "bodies"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model.replace('/', '-')}-{size_bytes}-{chunks}-{pace_us}.json"
    path.write_text(json.dumps(body))
    return path


def load_command(
    target: Target,
    body: Path,
    *,
    connections: int,
    requests: int,
    ramp_ms: int = 0,
    limit_s: float = 120,
    connection_each: bool = False,
) -> list[str]:
    """The command line of one run of `load` against `target`."""
    command = [str(OUT / "load"), "-p", str(target.port), "-u", target.path, "-b", str(body)]
    command += ["-c", str(connections), "-n", str(requests), "-r", str(ramp_ms), "-t", str(limit_s)]
    if target.key:
        command += ["-k", target.key]
    for header in target.headers:
        command += ["-H", header]
    return [*command, "-1"] if connection_each else command


def load(target: Target, body: Path, **options: Any) -> dict[str, Any]:
    """Run `load` on the load core to its end; gives its result as described at the top of load.c."""
    with start_load(target, body, **options) as run:
        return finish_load(run)


@contextlib.contextmanager
def start_load(target: Target, body: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """`load` in the background, so that something can be done to the server meanwhile."""
    with machine.on_core(machine.cores().load):
        run = subprocess.Popen(load_command(target, body, **options), stdout=subprocess.PIPE, text=True)
    try:
        yield run
    finally:
        run.kill()
        run.wait()
        if run.stdout:
            run.stdout.close()


def finish_load(run: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a `load` and read its result."""
    output = run.communicate()[0]
    if run.returncode:
        raise RuntimeError(f"load ended with {run.returncode}: is anything listening? {run.args!r}")
    result: dict[str, Any] = json.loads(output)
    return result


def failures(result: dict[str, Any]) -> int:
    """Everything in a result of `load` that a client would call a failure."""
    broken = sum(result["errors"].values()) + result["unfinished"] + result["not_200"] + result["no_done"]
    return int(broken)
