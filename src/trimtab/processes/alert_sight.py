"""What is so or not, beside what calls come to: records that stay out, replicas that are down, models that changed,
evaluations that pass less often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from trimtab.gateway.board_view import BoardView, ReplicaView
from trimtab.policy.watch import AlertRule, TaskWatch, Watch
from trimtab.processes.desk import Desk
from trimtab.processes.evaluation_watch import Fallen
from trimtab.processes.identity import Figures
from trimtab.processes.tool_shapes import Drifting
from trimtab.record.events import Change
from trimtab.signals.alerts.alert import Evidence, Measured
from trimtab.signals.alerts.life import Found
from trimtab.signals.alerts.monitors import Place
from trimtab.signals.alerts.shown import MOST_ODDS
from trimtab.store.telemetry import MINUTE_NS

SECOND_NS: Final = 1_000_000_000
DOWN_NS: Final = 180 * SECOND_NS
"""How long a replica must be down before somebody is told: its breaker tries it again all the while."""
RESTARTED: Final = "replica_restarted"
RESTART_NS: Final = 3600 * SECOND_NS
"""How long the alert on a restart stays open."""
CHANGED: Final = "changed"


@dataclass(frozen=True)
class Sight:
    """Where it is seen: the board, what was found of models, of tools at their servers, and by evaluations."""

    board: Callable[[], BoardView | None] = lambda: None
    identity: Callable[[], Figures] = Figures
    drifting: Callable[[], Sequence[Drifting]] = tuple
    fallen: Callable[[], Sequence[Fallen]] = tuple


class Happenings:
    """Looks once a minute; remembers since when calls were open and no record came."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._open_since_ns = 0

    def __repr__(self) -> str:
        return f"Happenings(calls open since {self._open_since_ns})"

    def look(
        self, watch: Watch, desk: Desk, now_ns: int, newest_ns: int, behind_ns: int, restarts: Iterable[Change]
    ) -> list[Found]:
        """What is so now. `newest_ns` is when the latest call ended that telemetry holds, `behind_ns` how far the
        evaluation is behind, `restarts` the changes that tell of replicas started anew.
        """
        board = self._sight.board()
        is_open = board is not None and any(worker.open_calls for worker in board.workers)
        self._open_since_ns = min(self._open_since_ns or now_ns, now_ns) if is_open else 0
        found: list[Found] = []
        for rule in watch.events:
            match rule.signal:
                case "records_silent":
                    found += self._silent(rule, watch, desk, now_ns, newest_ns, behind_ns)
                case "replica_down":
                    found += self._down(rule, watch, board, now_ns)
                case "replica_restarted":
                    found += [_of_replica(rule, watch, *_split(one.subject), one.at_ns, one.detail) for one in restarts]
                case "model_changed":
                    found += self._changed(rule, watch)
                case "tool_changed":
                    found += self._drifting(rule, desk.drifting)
                case "evaluation":
                    found += [
                        _fallen(rule, watch.tasks.get(one.task, TaskWatch()), one) for one in self._sight.fallen()
                    ]
        return found

    def _silent(
        self, rule: AlertRule, watch: Watch, desk: Desk, now_ns: int, newest_ns: int, behind_ns: int
    ) -> list[Found]:
        limit_ns = int(watch.alerting.silent_after_s * SECOND_NS)
        state = desk.state
        quiet_ns = now_ns - max(newest_ns, self._open_since_ns) if self._open_since_ns else 0
        down_ns = 0 if state.up else now_ns - state.since_ns
        waiting_ns = int(state.lag_s * SECOND_NS)
        reasons = (
            (down_ns, f"telemetry takes nothing: {state.detail}"),
            (waiting_ns, "records wait in the spool and are not taken in"),
            (behind_ns, "alerts have not been looked at"),
            (quiet_ns, "calls are open and none was recorded"),
        )
        age_ns, why = max(reasons, key=lambda one: one[0])
        if age_ns < limit_ns:
            return []
        detail = f"for {age_ns // (60 * SECOND_NS)} min {why}"
        return [_found(rule, Place("", rule.name), now_ns - age_ns, detail)]

    def _down(self, rule: AlertRule, watch: Watch, board: BoardView | None, now_ns: int) -> list[Found]:
        if board is None:
            return []
        return [
            _of_replica(rule, watch, one.model, one.url, now_ns, _why_down(one), DOWN_NS)
            for one in board.replicas
            if _is_down(one)
        ]

    def _changed(self, rule: AlertRule, watch: Watch) -> list[Found]:
        return [
            _of_replica(rule, watch, one.model, one.replica, one.standing.since_ns, one.standing.detail)
            for one in self._sight.identity().tested
            if one.standing.state == CHANGED
        ]

    def _drifting(self, rule: AlertRule, learned: Iterable[Drifting]) -> list[Found]:
        by_tool: dict[str, Drifting] = {}
        known = (*learned, *self._sight.drifting())
        for one in sorted(known, key=lambda drift: drift.class_ != "major"):
            by_tool.setdefault(one.tool, one)
        return [
            _found(rule, Place("", rule.name, tool), one.since_ns, f"{one.class_}: {one.words}")
            for tool, one in sorted(by_tool.items())
        ]


def _fallen(rule: AlertRule, task: TaskWatch, one: Fallen) -> Found:
    """What an evaluation found of a task, as its alert."""
    decision = one.decision
    low, high = decision.interval if decision.interval is not None else (None, None)
    evidence = Evidence(
        "falls",
        "share",
        before=Measured(decision.baseline),
        after=Measured(decision.estimate, decision.n, low, high),
        odds=min(math.exp(min(decision.evidence, 100.0)), MOST_ODDS),
        needed=math.exp(decision.threshold),
    )
    began = decision.since if decision.since is not None else one.found
    place = Place(one.task, rule.name, "", one.scorer)
    return Found(
        place, rule.signal, rule.severity, began * MINUTE_NS, evidence, task.owner, rule.receivers, task.models,
        worst=one.worst, found_ns=one.found * MINUTE_NS,
    )  # fmt: skip


def _split(subject: str) -> tuple[str, str]:
    model, _, replica = subject.partition(" ")
    return model, replica


def _is_down(one: ReplicaView) -> bool:
    """Whether the last that is known of a replica is that it fails: a breaker that lets a trial through has seen no
    success yet, but a health check may have.
    """
    return one.healthy is False or one.state == "open" or (one.state == "half_open" and one.healthy is None)


def _why_down(one: ReplicaView) -> str:
    if one.healthy is False:
        return "its health check fails"
    return f"its breaker is open after {one.failures_in_a_row} failures in a row"


def _of_replica(
    rule: AlertRule, watch: Watch, model: str, replica: str, since_ns: int, detail: str, holds_ns: int = 0
) -> Found:
    """What is found of a replica; whoever owns a task that its model serves is told."""
    owners = {task.owner for task in watch.tasks.values() if model in task.models}
    named = sorted({name for owner in owners for name in watch.alerting.owners.get(owner, ())})
    found = _found(rule, Place("", rule.name, f"{model} {replica}".strip()), since_ns, detail)
    return found._replace(receivers=rule.receivers or tuple(named), models=(model,), holds_ns=holds_ns)


def _found(rule: AlertRule, place: Place, since_ns: int, detail: str) -> Found:
    return Found(
        place,
        rule.signal,
        rule.severity,
        since_ns,
        Evidence("happens", detail=detail),
        receivers=rule.receivers,
        holds_ns=0,
    )
