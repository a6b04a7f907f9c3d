"""Ingests a data directory into chDB until it is killed, and tells on standard output where it is.

python -m tests.store.ingest_process DIRECTORY EVENTS_A_BATCH
python -m tests.store.ingest_process DIRECTORY EVENTS_A_BATCH rest     # until nothing waits, then prints the counts
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from trimtab.clock import SystemClock
from trimtab.store.clickhouse import open_embedded
from trimtab.store.ingest import Bounds, Ingest
from trimtab.store.telemetry import Batch, Telemetry


def say(word: str) -> None:
    print(word, flush=True)


class Telling:
    """A store that tells when an insert begins and when it has returned."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def insert(self, batch: Batch, token: str) -> None:
        say("sending")
        self._telemetry.insert(batch, token)
        say("sent")


def main() -> None:
    directory, events = Path(sys.argv[1]), int(sys.argv[2])
    telemetry = open_embedded(directory / "telemetry")
    telemetry.migrate()
    telling = Telling(telemetry)
    ingest = Ingest(directory / "spool", directory / "ingest", telling, SystemClock(), bounds=Bounds(events))  # type: ignore[arg-type]
    while ingest.step():
        say("done")
    if sys.argv[3:] == ["rest"]:
        print(msgspec.json.encode(telemetry.count()).decode())
        telemetry.close()
    else:
        say("idle")
        sys.stdin.read()


if __name__ == "__main__":
    main()
