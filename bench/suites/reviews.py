"""Reviews amid deploys, crashes, restarts and late persons, in random orders, beside a model of what may happen.

The journal is the real one, its database in memory-backed files where there are such: the order counts, not the disk.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

from bench.options import Options
from bench.report import Result
from tests.journal_runs.interleaved import Story
from tests.journal_runs.world import World
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.verify import verify_run

STORIES: Final = 10_000
EVENTS: Final = 24
TOGETHER: Final = 100
"""Stories in one journal."""
MEMORY: Final = Path("/dev/shm")


def run(options: Options, result: Result) -> None:
    """All stories; each is seeded by its number and the benchmark's seed."""
    count = 200 if options.quick else STORIES
    wrong: list[str] = []
    effects = approvals = broken = 0
    begun_s = time.perf_counter()
    for first in range(0, count, TOGETHER):
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            path = Path(folder) / "journal.db"
            world = World(lambda path=path: open_runs(path))  # type: ignore[misc]
            for number in range(first, min(first + TOGETHER, count)):
                story = Story(world, options.seed * 1_000_000 + number)
                wrong += story.play(EVENTS)
                effects += sum(story.went.values())
                approvals += sum(story.allowed.values())
                broken += verify_run(world.database, story.run) is not None
            world.store.close()
        options.tell(f"reviews: {min(first + TOGETHER, count):,} of {count:,} stories")
    refused = sum("was not approved of" in one for one in wrong)
    result.equal("effects that nobody approved of to the letter, or that went twice", refused, 0, n=count)
    result.equal("anything else that the model does not allow", len(wrong) - refused, 0, n=count)
    result.equal("logs whose digests do not hold", broken, 0, n=count)
    result.equal("approvals that let nothing through", approvals - effects, 0, n=approvals)
    result.tell_value("effects", effects, n=count)
    result.tell_value("time of a story", (time.perf_counter() - begun_s) / count * 1e3, "ms", n=count)
    result.raw["wrong"] = wrong[:20]
