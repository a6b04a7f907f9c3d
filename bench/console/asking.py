"""A process that asks questions of a store and tells how long each took: `python -m bench.console.asking PATH ...`.

With a question's name it asks that one once, as the first thing a fresh process does with the store; with `warm COUNT`
it asks all of them so often. One JSON object goes to standard output.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.console import questions
from trimtab.store.clickhouse import ClickHouseTelemetry, open_embedded


class Timed(NamedTuple):
    """One answer: milliseconds until it came, of processor time in all threads, and how many rows it has."""

    ms: float
    cpu_ms: float
    rows: int


def timed(store: ClickHouseTelemetry, name: str, number: int) -> Timed:
    """Asks once."""
    began, worked = time.perf_counter(), time.process_time()
    answer = questions.QUESTIONS[name](store, number)
    return Timed(1e3 * (time.perf_counter() - began), 1e3 * (time.process_time() - worked), size(answer))


def size(answer: Any) -> int:
    """How many rows an answer has; so that one that found nothing is seen."""
    for field in ("calls", "conversations", "clusters"):
        if isinstance(getattr(answer, field, None), tuple):
            return len(getattr(answer, field))
    return len(answer) if isinstance(answer, tuple | list) else 1


def main(path: str, what: str, count: str, drawn: str = "") -> dict[str, Any]:
    """Asks, and gives what came of it."""
    if drawn:
        questions._drawn.update(json.loads(drawn))
    store = open_embedded(Path(path))
    store.migrate()
    found: dict[str, Any] = {}
    if what == "draw":
        found["drawn"] = questions.draw(store)
    elif what == "warm":
        for name in questions.QUESTIONS:
            timed(store, name, 0)
            answers = [timed(store, name, number) for number in range(1, 1 + int(count))]
            found[name] = {field: [getattr(one, field) for one in answers] for field in Timed._fields}
    else:
        found[what] = timed(store, what, int(count))._asdict()
    store.close()
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])), flush=True)
