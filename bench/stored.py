"""What telemetry holds of a stopped project, as JSON: `python -m bench.stored DATA_DIRECTORY`, or a server's URL.

A program of its own, because chDB lets one process hold a directory and does not survive a fork.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Stored:
    """Rows of calls, the calls the roll-up has counted, and how many ended in which way."""

    calls: int
    rolled_up: int
    outcomes: dict[str, int]


def read(data: Path | str) -> Stored:
    """Ask another process to open the store; the project's control must have ended if the store is its own."""
    command = [sys.executable, "-m", "bench.stored", str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"cannot read the telemetry in {data}: {done.stderr}")
    return Stored(**json.loads(done.stdout))


def main(data: str) -> None:
    """Open the store and print what it holds."""
    from trimtab.store.clickhouse import open_embedded, open_server  # noqa: PLC0415 - only this process may load chDB
    from trimtab.store.telemetry import ReportQuery  # noqa: PLC0415

    store = open_server(data) if data.startswith("http") else open_embedded(Path(data) / "telemetry")
    store.migrate()
    counts = store.count()
    outcomes: Counter[str] = Counter()
    for figures in store.report(ReportQuery(since_ns=0, until_ns=time.time_ns() + 3600 * 10**9)):
        outcomes.update(figures.outcomes)
    store.close()
    print(json.dumps(asdict(Stored(counts.calls, counts.rolled_up, dict(outcomes)))))


if __name__ == "__main__":
    main(sys.argv[1])
