"""Ingests a data directory into chDB with all that is read of bodies, and tells where it is and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from tests.contents.place import CONTROL, policy, snapshot
from tests.store.ingest_process import Telling
from trimtab.assemble.changes import changes
from trimtab.assemble.judgements import judgement_works
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.declare.alerting import Completion
from trimtab.journal.judgements import Judgements
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes.directory import DataDirectory
from trimtab.record.index import BodyIndex
from trimtab.store.clickhouse import open_embedded
from trimtab.store.ingest import Bounds, Ingest
from trimtab.store.readings import ReadingQuery
from trimtab.store.scores import ScoreQuery
from trimtab.store.telemetry import Telemetry

RULE = Completion(rule="answer.label == 'billing' and calls == 1")


class Came(msgspec.Struct, frozen=True):
    """What is stored: calls, readings by field, scores by name with how many of them are 1, and calls of the run."""

    calls: int
    readings: dict[str, int]
    completion: tuple[int, int]
    in_run: int


def ingest(directory: Path, epoch: str, events_a_batch: int, say: Callable[[str], object]) -> Came:
    """Stores what the spool holds; what the stores hold then."""
    clock, places = SystemClock(), DataDirectory(directory)
    telemetry = open_embedded(directory / "telemetry")
    telemetry.migrate()
    index, judgements = BodyIndex(directory / "bodies"), Judgements(open_state(places.state))
    made, watch = snapshot(policy("route")), Watch(tasks={"route": TaskWatch(completion=RULE)})
    works = judgement_works(
        judgements, telemetry, index, lambda: made, lambda: watch, changes(places, CONTROL[:-12] + epoch, clock), clock
    )
    run = Ingest(
        directory / "spool",
        directory / "ingest",
        cast(Telemetry, Telling(telemetry, say)),
        clock,
        bodies=index,
        enrich=works.enrich,
        keepers=works.keepers,
        bounds=Bounds(events_a_batch),
    )
    while run.step():
        say("done")
    whole = ReadingQuery(0, 2**62)
    readings: dict[str, int] = {}
    for one in telemetry.readings(whole):
        readings[one.field] = readings.get(one.field, 0) + one.n
    scores = [one for one in telemetry.scores(ScoreQuery(0, 2**62)) if one.name == "completion"]
    calls, _ = judgements.add_call("r1", "route", 0)
    came = Came(
        telemetry.count().calls, readings, (sum(one.n for one in scores), sum(one.passed for one in scores)), calls - 1
    )
    telemetry.close()
    return came
