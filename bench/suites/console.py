"""What the console asks of 10 million calls in one day: twelve questions, cold and warm, with memory and disk; and
pages that are opened over them.

The calls are made by formula inside the store, through its own schema and views (`bench/console/calls.sql`). Cold is
the first question of a fresh process after the system's page cache was dropped; warm asks each question again and
again, with other tasks, conversations and words each time. Pages are opened in a Chromium, the overview with figures
that were asked for a moment before, as whoever looks second sees it, and with ones that nobody asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.console import opening, questions, serving, stored
from bench.options import Options
from bench.report import Result
from trimtab.store.clickhouse import open_embedded

CALLS, QUICK_CALLS = 10_000_000, 50_000
WARM_MS, COLD_MS, OPEN_MS, PEAK_MIB = 300.0, 1000.0, 500.0, 4096.0
ASKED, COLD_ROUNDS, LOADS, IDLE_S = 40, 3, 20, 15
DROP = Path("/proc/sys/vm/drop_caches")
ROOT = Path(__file__).parents[2]
KEPT = "TRIMTAB_BENCH_CONSOLE"
"""Names a folder in which the store is kept between runs, or found."""


def run(options: Options, result: Result) -> None:
    """Makes the calls, or finds them made; then asks."""
    calls = options.size(CALLS, QUICK_CALLS)
    kept = os.environ.get(KEPT)
    path = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="trimtab-console-"))
    try:
        if not (path / "made").exists():
            make(path, calls, options)
        options.tell("console: waiting for merges")
        apart("settle", path)
        measure(path, options, result)
    finally:
        if not kept:
            shutil.rmtree(path)


def make(path: Path, calls: int, options: Options) -> None:
    """The store, and how long it took."""
    began = time.monotonic()
    apart("fill", path, calls, options.seed)
    (path / "made").write_text(str(time.monotonic() - began))


def apart(what: str, *given: object) -> None:
    """Does `fill` or `settle` in a process of its own: a store is open in one at a time."""
    code = f"import sys; from bench.suites import console; console.{what}(*sys.argv[1:])"
    subprocess.run([sys.executable, "-c", code, *map(str, given)], cwd=ROOT, check=True)


def fill(path: str, calls: str, seed: str) -> None:
    """Makes the calls."""
    stored.fill(Path(path), int(calls), int(seed), lambda text: print(text, file=sys.stderr, flush=True))


def settle(path: str) -> None:
    """Puts the call of many chunks to the others, once, and waits until the store merges nothing."""
    telemetry = open_embedded(Path(path))
    telemetry.migrate()
    serving.with_long_call(telemetry)
    idle = 0
    while idle < IDLE_S:
        time.sleep(1)
        idle = idle + 1 if stored.merged(telemetry) else 0
    telemetry.close()


def measure(path: Path, options: Options, result: Result) -> None:
    """Every question cold and warm, then what the store takes."""
    drawn = json.dumps(ask(path, "draw", 0)["drawn"])
    dropped = can_drop()
    for name in questions.QUESTIONS:
        options.tell(f"console: {name}, cold")
        found = []
        for number in range(options.size(COLD_ROUNDS, 1)):
            if dropped:
                drop()
            found.append(ask(path, name, number, drawn)[name]["ms"])
        result.worst(f"{name}, cold, slowest", max(found), COLD_MS, "ms", len(found))
        result.raw[f"{name}, cold"] = found
    asked = options.size(options.rounds or ASKED, 3)
    options.tell(f"console: all, warm, {asked} times each")
    warm = ask(path, "warm", asked, drawn)
    for name in questions.QUESTIONS:
        took, rows = warm[name]["ms"], warm[name]["rows"]
        result.tell_value(f"{name}, warm, p50", quantile(took, 0.5), "ms", len(took))
        result.worst(f"{name}, warm, p95", quantile(took, 0.95), WARM_MS, "ms", len(took))
        result.tell_value(f"{name}, warm, processor time", quantile(warm[name]["cpu_ms"], 0.5), "ms", len(took))
        result.raw[name] = warm[name]
        if not any(rows):
            result.remarks.append(f"{name} found nothing.")
    result.worst("peak memory of the process that asks", warm["peak_mib"], PEAK_MIB, "MiB")
    opened(path, options, result)
    told(path, result, dropped=dropped)


def opened(path: Path, options: Options, result: Result) -> None:
    """Pages over the store, until their last byte and until they are painted; no browser is a broken promise."""
    loads = options.size(options.rounds or LOADS, 3)
    options.tell(f"console: pages, {loads} times each")
    with opening.control(path) as control:
        for place in opening.PLACES:
            took = opening.last_bytes(control, place, loads)
            result.tell_value(f"{place}: last byte, p50", quantile(took, 0.5), "ms", loads)
            result.worst(f"{place}: last byte, p95", quantile(took, 0.95), OPEN_MS, "ms", loads)
            result.raw[f"{place}: last byte"] = took
        try:
            paints = opening.paints(control, loads)
        except opening.NoBrowser as missing:
            result.equal("pages that were painted", 0, len(opening.PLACES))
            result.remarks.append(f"No page was painted: {missing}.")
            paints = {}
        for place, took in paints.items():
            result.tell_value(f"{place}: first paint, p50", quantile(took, 0.5), "ms", loads)
            result.worst(f"{place}: first paint, p95", quantile(took, 0.95), OPEN_MS, "ms", loads)
            result.raw[f"{place}: first paint"] = took
        result.worst("peak memory of control", control.peak_mib, PEAK_MIB, "MiB")


def told(path: Path, result: Result, *, dropped: bool) -> None:
    """What there is, and how the figures are to be read."""
    telemetry = open_embedded(path)
    telemetry.migrate()
    counts = telemetry.count()
    telemetry.close()
    result.tell_value("calls stored", counts.calls)
    result.tell_value("disk", disk(path) / 2**20, "MiB")
    result.tell_value("making them", float((path / "made").read_text()), "s")
    load = os.getloadavg()[1]
    result.remarks.append(f"Load average over five minutes: {load:.1f} on {os.cpu_count()} cores.")
    if not dropped:
        result.remarks.append("The page cache could not be dropped: cold is a fresh process only.")


def ask(path: Path, what: str, number: int, drawn: str = "") -> dict[str, Any]:
    """What a fresh process says."""
    command = [sys.executable, "-m", "bench.console.asking", str(path), what, str(number), drawn]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def can_drop() -> bool:
    """Whether this process may drop the system's page cache."""
    return os.access(DROP, os.W_OK)


def drop() -> None:
    """Drops it, once what is dirty is written (Documentation/admin-guide/sysctl/vm.rst)."""
    os.sync()
    DROP.write_text("3")


def disk(path: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_blocks * 512 for file in path.rglob("*") if file.is_file())


def quantile(values: Sequence[float], level: float) -> float:
    """The value at rank ceil(level n)."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(level * 1000) * len(ordered) // 1000) - 1)]
