"""The stores of a data directory, joined from their parts: for control, and for the command line while nothing runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from trimtab.assemble.judgements import JudgementWorks
from trimtab.assemble.runs import named_by_runs
from trimtab.clock import Clock
from trimtab.database.migrate import open_state
from trimtab.declare.project import Data
from trimtab.journal.dead_letters import DeadLetters
from trimtab.journal.judgements import Judgements
from trimtab.journal.tool_shapes import ToolShapeStore
from trimtab.policy.secrets import Secrets
from trimtab.processes.chores import chores
from trimtab.processes.dead import Whole, burying
from trimtab.processes.desk import Stores
from trimtab.processes.directory import DataDirectory
from trimtab.processes.tool_shapes import ToolShapes
from trimtab.record.index import BodyIndex
from trimtab.store.clickhouse import ClickHouseTelemetry, open_embedded, open_server
from trimtab.store.ingest import Ingest, Observer
from trimtab.store.telemetry import Telemetry

EMBEDDED = "chdb"


def open_stores(
    places: DataDirectory,
    data: Data,
    clock: Clock,
    whole: Whole,
    observers: tuple[Observer, ...] = (),
    learn: Callable[[ToolShapeStore], ToolShapes] | None = None,
    judge: Callable[[Judgements, Telemetry, BodyIndex], JudgementWorks] | None = None,
) -> Stores:
    """Opens telemetry, dead letters and what ingests into both; whoever calls holds the directory's lock and forks no
    more. `whole` names the tasks whose request bodies are kept whole, `learn` makes what learns of tools' answers,
    `judge` what reads bodies and judges calls.

    Raises `StoreError` when telemetry cannot be opened or was written by a newer release.
    """
    telemetry = _embedded(places) if data.telemetry == EMBEDDED else _server(data)
    telemetry.migrate()
    bodies = BodyIndex(places.bodies)
    letters = DeadLetters(open_state(places.state), data.dead_letters)
    shapes = learn(ToolShapeStore(open_state(places.state))) if learn else None
    works = judge(Judgements(open_state(places.state)), telemetry, bodies) if judge else None
    keepers = (
        burying(letters, places.spool, whole),
        *([shapes.keep] if shapes else []),
        *(works.keepers if works else ()),
    )
    ingest = Ingest(
        places.spool,
        places.ingest,
        telemetry,
        clock,
        bodies=bodies,
        enrich=works.enrich if works else None,
        observers=observers,
        keepers=keepers,
    )
    upkeep = chores(
        telemetry, places.bodies, data.retention_s, clock, letters, ingest.discard, named_by_runs(places, data.journal)
    )
    if works is None:
        return Stores(telemetry, ingest, bodies, upkeep, letters, shapes)
    upkeep = (*upkeep, *works.chores)
    return Stores(telemetry, ingest, bodies, upkeep, letters, shapes, works.judging, works.judgements)


def _embedded(places: DataDirectory) -> ClickHouseTelemetry:
    inserts = places.root / "inserts"
    _clear(inserts)
    return open_embedded(places.telemetry, inserts=inserts)


def _server(data: Data) -> ClickHouseTelemetry:
    password = Secrets().read(data.telemetry_password) if data.telemetry_password else ""
    return open_server(data.telemetry, password)


def _clear(directory: Path) -> None:
    """An embedded insert goes through a file, which a process that is killed leaves behind."""
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
