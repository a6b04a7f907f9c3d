"""Steps of DBOS in an environment of its own: `dbos_steps.py DATABASE STEPS WORKFLOWS SECONDS`; prints JSON.

Each step gives the same 300 bytes as a step of ours in the same benchmark.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from dbos import DBOS  # type: ignore[import-not-found]

OUTPUT = "x" * 300


@DBOS.step()  # type: ignore[untyped-decorator]
def look(number: int) -> str:
    """A step without work."""
    return OUTPUT


@DBOS.workflow()  # type: ignore[untyped-decorator]
def alone(steps: int) -> list[float]:
    """The time of each step, in ms."""
    took = []
    for number in range(steps):
        begun = time.perf_counter()
        look(number)
        took.append(1000 * (time.perf_counter() - begun))
    return took


@DBOS.workflow()  # type: ignore[untyped-decorator]
def until(end: float) -> int:
    """How many steps it took until then."""
    number = 0
    while time.monotonic() < end:
        look(number)
        number += 1
    return number


def main(database: str, steps: int, workflows: int, seconds: float) -> None:
    """Steps alone, then of many workflows at once."""
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{database}", "log_level": "ERROR"})
    DBOS.launch()
    alone(20)
    took = sorted(alone(steps))
    done: list[int] = []
    begun = time.monotonic()
    threads = [threading.Thread(target=lambda: done.append(until(begun + seconds))) for _ in range(workflows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = sum(done) / (time.monotonic() - begun)
    print(json.dumps({"p50_ms": took[len(took) // 2], "steps_per_s": rate}))
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
