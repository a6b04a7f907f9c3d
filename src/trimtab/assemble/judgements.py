"""What reads the bodies of calls and judges them, joined from its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from trimtab.clock import Clock
from trimtab.errors import StoreError
from trimtab.journal.evaluations import LiveEvaluations
from trimtab.journal.judgements import Judgements
from trimtab.policy.snapshot import Snapshot
from trimtab.policy.watch import Watch
from trimtab.processes.changes import Changes
from trimtab.processes.completion import Completions
from trimtab.processes.contents import BodyReader, ContentReader, Readings
from trimtab.processes.desk import Chore
from trimtab.processes.evaluation_online import OnlineSample
from trimtab.processes.feedback import Judging
from trimtab.processes.unjoined import Unjoined
from trimtab.store.ingest import Enrich, Keeper
from trimtab.store.telemetry import Batch, Telemetry

QUIET_EVERY_S = 10.0
JOIN_EVERY_S = 5.0


class JudgementWorks(NamedTuple):
    """What ingest and the desk need of it."""

    judgements: Judgements
    judging: Judging
    enrich: Enrich
    keepers: tuple[Keeper, ...]
    chores: Sequence[Chore]


class KnownWatch:
    """What is watched for; while it cannot be read, what was known of it before."""

    def __init__(self, read: Callable[[], Watch]) -> None:
        self._read = read
        self._known = Watch()

    def __call__(self) -> Watch:
        """What is in force, as far as it is known."""
        try:
            self._known = self._read()
        except StoreError:
            return self._known
        return self._known


def judgement_works(
    judgements: Judgements,
    telemetry: Telemetry,
    bodies: BodyReader,
    snapshot: Callable[[], Snapshot],
    watch: Callable[[], Watch],
    noted: Changes,
    clock: Clock,
    evaluations: LiveEvaluations | None = None,
) -> JudgementWorks:
    """Joins it; all of it is used from the thread that opened the stores. `watch` raises nothing (`KnownWatch`).
    With `evaluations` some calls are put in line to be scored.
    """
    reader = ContentReader(bodies, snapshot)
    readings, judging = Readings(reader), Judging(reader, watch)
    completions = Completions(judgements, reader, watch, noted, clock)
    unjoined = Unjoined(judgements, judging, telemetry, noted, clock)

    def enrich(batch: Batch) -> Batch:
        return completions.enrich(readings(batch))

    chosen = (OnlineSample(evaluations, watch, clock).keep,) if evaluations is not None else ()
    return JudgementWorks(
        judgements,
        judging,
        enrich,
        (completions.keep, unjoined.keep, *chosen),
        (
            Chore("judge_quiet_runs", QUIET_EVERY_S, completions.judge_quiet),
            Chore("join_judgements", JOIN_EVERY_S, unjoined.join),
        ),
    )
