"""Ingests a data directory into chDB in a process of its own, and tells where it is.

python -m tests.store.ingest_process DIRECTORY    # until nothing waits, then prints the counts
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from trimtab.clock import SystemClock
from trimtab.store.clickhouse import open_embedded
from trimtab.store.ingest import Bounds, Ingest
from trimtab.store.telemetry import Batch, Counts, Telemetry

Say = Callable[[str], object]


class Telling:
    """A store that tells when an insert begins and when it has returned."""

    def __init__(self, telemetry: Telemetry, say: Say) -> None:
        self._telemetry = telemetry
        self._say = say

    def insert(self, batch: Batch, token: str) -> None:
        self._say("sending")
        self._telemetry.insert(batch, token)
        self._say("sent")


def ingest(directory: Path, events_a_batch: int, say: Say) -> Counts:
    """Stores what the spool holds; what the store holds then."""
    telemetry = open_embedded(directory / "telemetry")
    telemetry.migrate()
    telling = cast(Telemetry, Telling(telemetry, say))
    run = Ingest(directory / "spool", directory / "ingest", telling, SystemClock(), bounds=Bounds(events_a_batch))
    while run.step():
        say("done")
    counts = telemetry.count()
    telemetry.close()
    return counts


if __name__ == "__main__":
    print(msgspec.json.encode(ingest(Path(sys.argv[1]), 1000, lambda word: None)).decode())
