"""SIGKILL of the process that ingests, at any moment, changes no count."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from tests.store.ingest_process import ingest
from tests.store.samples import NOON_NS, SECOND_NS, attempt, call
from tests.store.spools import SegmentWriter
from trimtab.record.events import ToolOutcome
from trimtab.store.telemetry import Counts

KILLS = 10
EVENTS_A_BATCH = 40
CALLS_A_ROUND = 150
GUARD_S = 60.0
TOOLS = (ToolOutcome("find", "bad_json", 1), ToolOutcome("find", "valid", 2))

fresh = multiprocessing.get_context("forkserver")
"""Each process is forked from one that has imported all but chDB, which does not survive a fork."""
fresh.set_forkserver_preload(["__main__", "tests.store.ingest_process"])


def work(directory: Path, pipe: Connection) -> None:
    """The process that is killed, or tells the counts when nothing waits."""
    counts = ingest(directory, EVENTS_A_BATCH, pipe.send)
    pipe.send(counts)
    pipe.recv()


@contextmanager
def ingesting(directory: Path) -> Iterator[Connection]:
    """A process that ingests, and what it says; it is killed at the end."""
    ours, theirs = fresh.Pipe()
    process = fresh.Process(target=work, args=(directory, theirs))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join(GUARD_S)
        ours.close()


def heard(pipe: Connection) -> str | Counts:
    assert pipe.poll(GUARD_S), "the process says nothing"
    word: str | Counts = pipe.recv()
    return word


def test_kills_at_any_moment_count_each_record_once(tmp_path: Path) -> None:
    """After 10 kills between and amid inserts, base tables and roll-ups hold what the spool held: nothing twice."""
    moments = random.Random(20_261_123)
    writers = [SegmentWriter(tmp_path / "spool", f"g{slot}-0123456789ab") for slot in range(2)]
    written = 0
    said: set[str | Counts] = set()
    for _ in range(KILLS):
        for number in range(written, written + CALLS_A_ROUND):
            ended_ns = NOON_NS + number * SECOND_NS
            ended = call(f"c{number:06}", ended_ns, verdict="valid", tool_outcomes=TOOLS)
            moments.choice(writers).write(ended.admitted, attempt(ended.admitted.call, 1, ended_ns), ended)
        written += CALLS_A_ROUND
        with ingesting(tmp_path) as pipe:
            said |= {heard(pipe) for _ in range(moments.randrange(1, 18))}
    assert said == {"sending", "sent", "done"}
    with ingesting(tmp_path) as pipe:
        while not isinstance(last := heard(pipe), Counts):
            continue
    assert last == Counts(
        calls=written,
        attempts=written,
        contracts=written,
        tool_calls=2 * written,
        rolled_up=written,
        contracts_rolled_up=written,
        tool_calls_rolled_up=2 * written,
    )
