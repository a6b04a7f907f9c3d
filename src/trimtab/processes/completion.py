"""Whether the work of calls and runs is done, as their task's rule says; and which of them a model is asked about.

A call that belongs to no run is judged with the batch it comes in. A run is judged when no call of it came for as long
as its task says; one that goes on after that is judged anew, and the new judgement takes the place of the old.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace as changed
from typing import Any, Final

from jinja2.exceptions import TemplateSyntaxError
from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.declare.alerting import Completion
from trimtab.declare.conditions import compiled
from trimtab.journal.judgements import Judgements, Run
from trimtab.policy.watch import Watch
from trimtab.processes.changes import Changes
from trimtab.processes.contents import ContentReader
from trimtab.processes.logs import event
from trimtab.record.events import OK, Score, Settled
from trimtab.signals.readings.sampling import rank
from trimtab.signals.scores import completion_of, run_of, told_by
from trimtab.store.telemetry import Batch

AT_ONCE: Final = 500
"""Runs of one task that are judged in one pass."""
DAY_NS: Final = 86_400_000_000_000
UNJUDGED_NS: Final = 30 * DAY_NS
"""How long a run waits to be judged, though there be many, or records that came in late."""

log = logging.getLogger("trimtab.control")


class Completions:
    """Judges calls and runs by their tasks' rules; used from the thread of telemetry."""

    def __init__(
        self,
        judgements: Judgements,
        reader: ContentReader,
        watch: Callable[[], Watch],
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._judgements = judgements
        self._reader = reader
        self._watch = watch
        self._changes = changes
        self._clock = clock

    def __repr__(self) -> str:
        return f"Completions({self._judgements!r})"

    def enrich(self, batch: Batch) -> Batch:
        """The batch with the judgements of its calls that belong to no run."""
        found = []
        for call, completion in self._judged(batch):
            if completion.rule and not run_of(call):
                value = self._value(completion.rule, call, 1)
                if value is not None:
                    found.append(completion_of(call, value, "rule", call.at_ns))
        return changed(batch, scores=(*batch.scores, *found)) if found else batch

    def keep(self, batch: Batch, token: str) -> None:
        """Takes in the runs of a batch, and the calls that a model is to be asked about, once."""
        found = sorted(self._judged(batch), key=lambda pair: pair[0].at_ns)
        if not found:
            return
        with self._judgements.taking(token) as fresh:
            for call, completion in found if fresh else ():
                run = run_of(call)
                if run:
                    self._add(run, call, completion)
                else:
                    self._put_before_judge(completion, completion_of(call, None, "judge", call.at_ns))

    def judge_quiet(self) -> None:
        """Judges the runs that have been quiet long enough; raises `StoreError` when that cannot be recorded.

        They count as judged now: what was counted of the minute in which their time was over has been looked at since.
        """
        now_ns = self._clock.wall_ns()
        for task, watched in self._watch().tasks.items():
            if watched.completion is not None:
                quiet_ns = round(watched.completion.quiet_s * 1e9)
                runs = self._judgements.quiet(task, now_ns - quiet_ns, AT_ONCE)
                over = [replace(run.latest, at_ns=now_ns) for run in runs]
                self._changes.record(*(one for one in over if one.value is not None))
                for one in over:
                    self._put_before_judge(watched.completion, told_by("judge", one, None))
                self._judgements.judged(runs)
        self._judgements.forget(now_ns - DAY_NS, now_ns - UNJUDGED_NS, now_ns // DAY_NS - 1)

    def _judged(self, batch: Batch) -> Iterator[tuple[Settled, Completion]]:
        tasks = self._watch().tasks
        for call in batch.calls:
            watched = tasks.get(call.admitted.task)
            if watched is not None and watched.completion is not None:
                yield call, watched.completion

    def _add(self, run: str, call: Settled, completion: Completion) -> None:
        task = call.admitted.task
        calls, is_latest = self._judgements.add_call(run, task, call.at_ns)
        if is_latest:
            value = self._value(completion.rule, call, calls) if completion.rule else None
            latest = completion_of(call, value, "rule", call.at_ns)
            self._judgements.keep_run(Run(run, task, calls, call.at_ns, latest, value))

    def _value(self, rule: str, call: Settled, calls: int) -> float | None:
        """What a rule says of a call, 1 or 0; None where it reads an answer that was not kept whole."""
        try:
            found = compiled(rule)
        except TemplateSyntaxError as wrong:
            event(log, logging.ERROR, "rule_not_read", task=call.admitted.task, detail=str(wrong.message))
            return None
        facts: dict[str, Any] = {
            "outcome": call.outcome,
            "verdict": call.verdict,
            "finish_reason": call.finish_reason,
            "tool_calls": call.tool_calls,
            "calls": calls,
        }
        if "answer" in found.names and not self._add_answer(facts, call):
            return None
        return 1.0 if found.holds(facts) else 0.0

    def _add_answer(self, facts: dict[str, Any], call: Settled) -> bool:
        """Adds the answer, if there was one; whether what there was is known."""
        if call.outcome != OK or not call.response_bytes:
            return True
        glance = self._reader.glance(call)
        if glance.answer is not None:
            facts["answer"] = glance.answer
            return True
        return glance.is_kept and glance.reply is None and call.tool_calls > 0

    def _put_before_judge(self, completion: Completion, score: Score) -> None:
        """Puts a call before the model that judges, if it is one of the sample and the day has room for it."""
        if not completion.judge or rank(f"judge {score.call}") >= completion.sample:
            return
        now_ns = self._clock.wall_ns()
        day = now_ns // DAY_NS
        if self._judgements.asked_on(day, score.task) < completion.calls_a_day:
            self._judgements.put_before_judge(day, score, now_ns)
