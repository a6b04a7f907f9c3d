"""How long a newcomer waits: `trimtab --help`, the demo engine, and `make up` to a first answered call.

`make up` runs in a copy of the files that git tracks, with no environment yet: first once to bring the wheels to this
machine (not counted), then cold (no environment), then warm (everything there). Each ends with an answered call.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from statistics import median

from bench import children
from bench.gateway import TRIMTAB
from bench.options import Options
from bench.report import Result
from tests.demo.running import running_demo

ROOT = Path(__file__).resolve().parents[2]
HELP_LIMIT_S, ENGINE_LIMIT_S, COLD_LIMIT_S, WARM_LIMIT_S = 0.3, 2.0, 90.0, 15.0
GIVE_UP_S = 900.0
DEMO_TASK = "route"
URL = re.compile(rb"http://127\.0\.0\.1:\d+")


def run(options: Options, result: Result) -> None:
    """The command line first, then `make up` three times."""
    if not options.wants("trimtab"):
        return
    measure_help(options.size(20, 5), result)
    measure_engine(options.size(10, 2), result)
    if options.quick:
        result.remarks.append("`make up` is left out of a quick run.")
        return
    with tempfile.TemporaryDirectory(prefix="trimtab-startup-") as folder:
        copy = Path(folder) / "copy"
        copy_tracked_files(copy)
        options.tell("startup: bringing the wheels here")
        first_answer_s(copy)
        shutil.rmtree(copy)
        copy_tracked_files(copy)
        options.tell("startup: cold")
        result.worst("make up, no environment yet, to a first answered call", first_answer_s(copy), COLD_LIMIT_S, "s")
        options.tell("startup: warm")
        result.worst("make up, second time, to a first answered call", first_answer_s(copy), WARM_LIMIT_S, "s")


def measure_help(times: int, result: Result) -> None:
    """Wall time of `trimtab --help`; the first run, which may compile, is not counted."""
    taken_s = []
    for _ in range(times + 1):
        begin = time.monotonic()
        subprocess.run([TRIMTAB, "--help"], check=True, capture_output=True)
        taken_s.append(time.monotonic() - begin)
    result.raw["help_s"] = taken_s
    result.worst("trimtab --help, slowest", max(taken_s[1:]), HELP_LIMIT_S, "s", n=times)
    result.tell_value("trimtab --help, median", median(taken_s[1:]), "s", n=times)


def measure_engine(times: int, result: Result) -> None:
    """From the start of the demo engine's process to the line that says it listens; the first one is not counted."""
    taken_s = []
    for _ in range(times + 1):
        begin = time.monotonic()
        with running_demo("--model", "jobs-small"):
            taken_s.append(time.monotonic() - begin)
    result.raw["engine_s"] = taken_s
    result.worst("the demo engine, until it listens, slowest", max(taken_s[1:]), ENGINE_LIMIT_S, "s", n=times)


def copy_tracked_files(copy: Path) -> None:
    """What a fresh clone would hold."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in tracked.decode().split("\0"):
        if name and (ROOT / name).is_file():
            place = copy / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place)


def first_answer_s(folder: Path) -> float:
    """Seconds from `make up` to the first answered call; `make up` is ended afterwards."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    output = folder / "up.log"
    begin = time.monotonic()
    with output.open("wb") as log:
        up = subprocess.Popen(
            ["make", "up"], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        children.await_true(lambda: answered(up, output), GIVE_UP_S, f"an answered call (see {output})", every_s=0.1)
        return time.monotonic() - begin
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(up.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                up.wait(60)
            os.killpg(up.pid, signal.SIGKILL)
        up.wait()


def answered(up: subprocess.Popen[bytes], output: Path) -> bool:
    """Whether the demo, at the first URL that it printed, answers a call; RuntimeError if it ended."""
    printed = output.read_bytes()
    if up.poll() is not None:
        raise RuntimeError(f"make up ended with {up.returncode}:\n{printed[-2000:].decode(errors='replace')}")
    url = URL.search(printed)
    if url is None:
        return False
    body = {"model": DEMO_TASK, "messages": [{"role": "user", "content": "My invoice is wrong."}]}
    call = urllib.request.Request(
        url.group().decode() + "/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with (
        contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
        urllib.request.urlopen(call, timeout=30) as answer,
    ):
        return bool(json.load(answer)["choices"])
    return False
