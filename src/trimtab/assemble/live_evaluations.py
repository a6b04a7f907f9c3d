"""Evaluations of the live system, joined from their parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from trimtab.assemble.evaluation_asker import answer_of, said_in
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.declare.evaluating import Evals
from trimtab.declare.project import Listen
from trimtab.errors import UpstreamError
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.ready import Ready, ready
from trimtab.journal.evaluations import LiveEvaluations
from trimtab.policy.snapshot import Snapshot
from trimtab.policy.watch import Watch
from trimtab.processes.alert_watch import AlertWatch
from trimtab.processes.changes import Changes
from trimtab.processes.directory import DataDirectory
from trimtab.processes.evaluation_online import OnlineParts, OnlineScoring
from trimtab.processes.evaluation_suite import LiveSuites, Prepare, SchemaOf
from trimtab.processes.evaluation_watch import MOST_ANSWER_BYTES, EvaluationParts, EvaluationWatch
from trimtab.processes.resend import Ask, gateway_asker
from trimtab.record.events import JUDGE_TASK

SILENT_S = 900.0
"""How long the gateway may be silent on a case; the task's own deadlines end it before."""
OK = 200


class LiveJudge:
    """Asks judging models through the gateway that serves users, as control's own calls; what fails is told."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def judge(self, model: str, body: dict[str, Any], seed: int) -> Answer:
        """The judge's answer; blocks."""
        content = msgspec.json.encode({**body, "model": model, "seed": seed})
        try:
            told = self._ask({"x-trimtab-task": JUDGE_TASK}, content)
        except UpstreamError:
            return Answer("", "internal")
        return Answer(
            told.call, "ok" if told.status == OK else "internal", text=said_in(told.body)[0], status=told.status
        )

    def __repr__(self) -> str:
        return "LiveJudge()"


def preparing(root: Path, ask: Ask) -> Prepare:
    """What makes the scorers of suites ready."""

    def prepare(task: str, suite: Evals, schema: str | None) -> Ready:
        return ready(suite, root, LiveJudge(ask), SystemClock(), task=task, schema=schema)

    return prepare


def schemas(snapshot: Callable[[], Snapshot]) -> SchemaOf:
    """The schemas of tasks under the snapshot in force."""

    def schema(task: str) -> str | None:
        policy = snapshot().tasks.get(task)
        return policy.output.schema.text if policy is not None and policy.output is not None else None

    return schema


class Live(NamedTuple):
    """What evaluations of the live system are joined from: the folders of project and data, the gateway and its key,
    the snapshot and the rules in force, and the records.
    """

    root: Path
    directory: DataDirectory
    listen: Listen
    key: Callable[[], str]
    snapshot: Callable[[], Snapshot]
    watch: Callable[[], Watch]
    noted: Changes

    def store(self) -> LiveEvaluations:
        """What is kept of them; each thread opens its own."""
        return LiveEvaluations(open_state(self.directory.state))


def scheduled(live: Live, alerts: Callable[[], AlertWatch]) -> EvaluationWatch:
    """The scheduled evaluations of this host."""
    ask = gateway_asker(live.listen, live.key, MOST_ANSWER_BYTES, SILENT_S)
    return EvaluationWatch(
        EvaluationParts(
            open_store=live.store,
            watch=live.watch,
            suites=LiveSuites(live.root, preparing(live.root, ask), schemas(live.snapshot)),
            ask=ask,
            answer=answer_of,
            changes=live.noted,
            alert=lambda place: alerts().ask(lambda book, rules, now_ns: book.alerts.get(place)),
            clock=SystemClock(),
        )
    )


def online(live: Live) -> OnlineScoring:
    """What scores a share of users' calls on this host."""
    prepare, schema = preparing(live.root, gateway_asker(live.listen, live.key)), schemas(live.snapshot)
    return OnlineScoring(OnlineParts(live.store, live.watch, prepare, schema, answer_of, live.noted, SystemClock()))
