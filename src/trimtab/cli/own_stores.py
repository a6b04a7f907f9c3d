"""The stores of a project for a verb that needs them: its own while nothing else runs there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from trimtab.assemble.changes import changes
from trimtab.assemble.judgements import JudgementWorks, judgement_works
from trimtab.assemble.stores import open_stores
from trimtab.cli.holding import held
from trimtab.clock import SystemClock
from trimtab.declare.project import Project
from trimtab.journal.judgements import Judgements
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.watch import watch_of
from trimtab.processes.dead import whole_tasks
from trimtab.processes.desk import Stores
from trimtab.processes.directory import DataDirectory
from trimtab.record.index import BodyIndex
from trimtab.store.telemetry import Telemetry

EPOCH = "c0-000000000000"
"""Nothing is written under it: what would be waits for a control that runs."""


@contextmanager
def own_stores(root: Path) -> Iterator[tuple[DataDirectory, Stores | None]]:
    """The data directory of the project in `root`, and its stores with all records taken in.

    None in their place where a `trimtab up` holds the directory, so that its control has to be asked. Raises
    `DeclarationError` for a project that cannot be read, `StoreError` when the stores cannot be used.
    """
    with held(root) as (places, project):
        if project is None:
            yield places, None
            return
        with closing(_stores(places, project)) as stores:
            while stores.ingest.step():
                pass
            yield places, stores


def _stores(places: DataDirectory, project: Project) -> Stores:
    clock, snapshot, watch = SystemClock(), compile_policy(project), watch_of(project)
    tasks = whole_tasks(snapshot)
    noted = changes(places, EPOCH, clock)

    def judge(kept: Judgements, telemetry: Telemetry, bodies: BodyIndex) -> JudgementWorks:
        return judgement_works(kept, telemetry, bodies, lambda: snapshot, lambda: watch, noted, clock)

    return open_stores(places, project.data, clock, lambda: tasks, judge=judge)
