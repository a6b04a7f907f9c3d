"""SIGKILL of the process that ingests, at any moment, changes no count."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import msgspec

from tests.store.conftest import ROOT
from tests.store.samples import NOON_NS, SECOND_NS, attempt, call
from tests.store.spools import SegmentWriter
from trimtab.store.telemetry import Counts

KILLS = 15
EVENTS_A_BATCH = 40
CALLS_A_ROUND = 150


def ingest(directory: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.ingest_process", str(directory), str(EVENTS_A_BATCH), *more]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], words: int) -> list[str]:
    """Ends the process by SIGKILL as soon as it has said so many words; what it had said by then."""
    assert process.stdout is not None
    with process:
        said = [process.stdout.readline().strip() for _ in range(words)]
        process.kill()
    return said


def test_kills_at_any_moment_count_each_record_once(tmp_path: Path) -> None:
    """After 15 kills between and amid inserts, base tables and roll-up hold what the spool held: nothing twice."""
    moments = random.Random(20_261_123)
    writers = [SegmentWriter(tmp_path / "spool", f"g{slot}-0123456789ab") for slot in range(2)]
    written, said = 0, []
    for _ in range(KILLS):
        for number in range(CALLS_A_ROUND):
            name = f"c{written + number:06}"
            ended_ns = NOON_NS + (written + number) * SECOND_NS
            writer = moments.choice(writers)
            writer.write(call(name, ended_ns).admitted, attempt(name, 1, ended_ns), call(name, ended_ns))
        written += CALLS_A_ROUND
        said += kill_after(ingest(tmp_path), moments.randrange(1, 18))
    assert {"sending", "sent", "done"} <= set(said)
    with ingest(tmp_path, "rest") as last:
        told, _ = last.communicate(timeout=60)
    counts = msgspec.json.decode(told.splitlines()[-1], type=Counts)
    assert counts == Counts(calls=written, attempts=written, rolled_up=written)
