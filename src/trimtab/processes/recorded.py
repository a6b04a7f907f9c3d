"""What is counted of records as they are stored: the metrics that need no look at anything else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace
from prometheus_client.core import Metric as Family

from trimtab.policy.goals import goal_name
from trimtab.policy.snapshot import TaskPolicy
from trimtab.processes import catalogue as metric
from trimtab.processes.series import OTHER_ERROR, Buckets, Counter, Histogram, Labels
from trimtab.record.events import OK, Attempt, Score, Settled
from trimtab.record.purposes import is_ours, together
from trimtab.store.contract_figures import ANSWER_RESULTS, UNKNOWN_TOOL, result_of, tool_of
from trimtab.store.telemetry import Batch

OPERATIONS: Final = {
    **dict.fromkeys(("chat_completions", "responses", "messages"), "chat"),
    "completions": "text_completion",
    "embeddings": "embeddings",
}
PROVIDER: Final = "openai"
"""Where nothing answered. A replica is named by the wire it speaks; the conventions know no engines behind it."""
MAX_WAITING: Final = 10_000
MAX_REMEMBERED: Final = 10_000
PASSED: Final = 0.5
"""From this value on a score has passed, as in `store.scores`."""

Tasks = Mapping[str, TaskPolicy]


class OfModel(NamedTuple):
    """What calls of one kind are counted in, by model."""

    gen_ai: Labels
    request: Buckets
    ttft: Buckets
    tpot: Buckets
    input: Buckets
    output: Buckets


class Contracts:
    """What became of answers and tool calls."""

    def __init__(self) -> None:
        self._answers = Counter(metric.CONTRACT_ANSWERS, zeros=True)
        self._begun: set[str] = set()
        self._repairs = Counter(metric.REPAIRS)
        self._tool_calls = Counter(metric.TOOL_CALLS)
        self._repetition = Counter(metric.REPETITION)
        self._resumed = Counter(metric.RESUMED)
        self._results = Counter(metric.TOOL_RESULTS, zeros=True)
        self._reasons = Counter(metric.FINISH_REASONS)

    def count(self, call: Settled) -> None:
        """Counts one call."""
        task, result = call.admitted.task, result_of(call)
        if result is not None:
            self._begin(task)
            self._answers.series(task, result).value += 1
        if call.repairs:
            self._repairs.series(task).value += call.repairs
        for one in call.tool_outcomes:
            self._tool_calls.series(task, tool_of(one), one.outcome).value += 1
        for answer in call.tool_results:
            good, bad = (self._results.series(task, answer.tool or UNKNOWN_TOOL, told) for told in (OK, "error"))
            (bad if answer.error else good).value += 1
        if call.repetition:
            action = "stopped" if call.repetition_stopped else "flagged"
            self._repetition.series(task, call.repetition, action).value += 1
        if call.seams:
            self._resumed.series(task).value += 1
        if call.finish_reason:
            self._reasons.series(task, call.finish_reason).value += 1

    def _begin(self, task: str) -> None:
        """A task's answers are told from 0, each result."""
        if task not in self._begun and len(self._begun) < MAX_REMEMBERED:
            self._begun.add(task)
            for result in ANSWER_RESULTS:
                self._answers.series(task, result)

    def counters(self) -> tuple[Counter, ...]:
        """All of them."""
        tools = (self._tool_calls, self._results)
        return self._answers, self._repairs, *tools, self._repetition, self._resumed, self._reasons


class Latencies:
    """How long calls took, by task, and which goals they missed."""

    def __init__(self, tasks: Callable[[], Tasks]) -> None:
        self._tasks = tasks
        measures = (metric.CALL_SECONDS, metric.TTFT_SECONDS, metric.TPOT_SECONDS, metric.LONGEST_GAP_SECONDS)
        self.histograms = tuple(map(Histogram, (*measures, metric.OUTPUT_TOKENS)))
        self.missed = Counter(metric.OBJECTIVE_MISSED, zeros=True)
        self._of_tasks: dict[str, tuple[Buckets, ...]] = {}

    def count(self, call: Settled) -> None:
        """Counts one call; of those that did not end well, their total time says nothing and is left out."""
        task = call.admitted.task
        of = self._of_tasks.get(task)
        if of is None:
            if len(self._of_tasks) >= MAX_REMEMBERED:
                self._of_tasks.clear()
            of = self._of_tasks[task] = tuple(one.series(task) for one in self.histograms)
        total = call.total_s if call.outcome == OK else None
        usage = call.usage.output if call.usage is not None else None
        for buckets, value in zip(of, (total, call.ttft_s, call.tpot_s, call.longest_gap_s, usage), strict=True):
            if value is not None:
                buckets.add(value)
        policy = self._tasks().get(task)
        if policy is None or not policy.objective.goals:
            return
        measures = {"ttft": call.ttft_s, "tpot": call.tpot_s, "gap": call.longest_gap_s, "total": total}
        for goal in policy.objective.goals:
            value, missed = measures[goal.measure], self.missed.series(task, goal_name(goal))
            if value is not None and value > goal.limit_s:
                missed.value += 1


class Recorded:
    """The metrics that come from records. `observe` and `families` may run in different threads.

    `tasks` gives the tasks that are declared, whose goals calls are held against.
    """

    def __init__(self, tasks: Callable[[], Tasks] = dict) -> None:
        self._lock = threading.Lock()
        self._token_usage = Histogram(metric.TOKEN_USAGE)
        self._operation = Histogram(metric.OPERATION_DURATION)
        self._request = Histogram(metric.REQUEST_DURATION)
        self._ttft = Histogram(metric.TIME_TO_FIRST_TOKEN)
        self._tpot = Histogram(metric.TIME_PER_OUTPUT_TOKEN)
        self._calls = Counter(metric.CALLS)
        self._attempts = Counter(metric.ATTEMPTS)
        self._retried = Counter(metric.RETRIED)
        self._of_calls = Counter(metric.CALL_ATTEMPTS)
        self._fallbacks = Counter(metric.FALLBACKS)
        self._tokens = Counter(metric.TOKENS)
        self._cost_pusd = Counter(metric.COST, divisor=10**12)
        self._scores = Counter(metric.SCORES, zeros=True)
        self._contracts = Contracts()
        self._latencies = Latencies(tasks)
        self._rows = Counter(metric.INGESTED)
        self._waiting: dict[str, list[Attempt]] = {}
        self._of_models: dict[Labels, OfModel] = {}

    def observe(self, batch: Batch) -> None:
        """Counts a batch that was stored."""
        with self._lock:
            for table in ("calls", "attempts", "changes", "scores"):
                self._rows.series(table).value += len(getattr(batch, table))
            for attempt in batch.attempts:
                self._hold(attempt)
            for call in batch.calls:
                self._count(_told_together(call) if is_ours(call.admitted.task) else call)
            for score in batch.scores:
                self._score(score)

    def families(self) -> list[Family]:
        """All of them as they stand."""
        with self._lock:
            histograms = (self._token_usage, self._operation, self._request, self._ttft, self._tpot)
            counters = (
                self._calls,
                self._attempts,
                self._retried,
                self._of_calls,
                self._fallbacks,
                self._tokens,
                self._cost_pusd,
            )
            more = (*self._contracts.counters(), self._latencies.missed, self._scores, self._rows)
            return [
                *(one.family() for one in (*histograms, *self._latencies.histograms)),
                *(one.family() for one in (*counters, *more)),
            ]

    def _hold(self, attempt: Attempt) -> None:
        """Keeps an attempt until its call tells its surface; past the bound the oldest get no duration."""
        self._attempts.series(attempt.model, attempt.replica, attempt.cause).value += 1
        self._waiting.setdefault(attempt.call, []).append(attempt)
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _count(self, call: Settled) -> None:
        task = call.admitted.task
        self._calls.series(task, call.outcome).value += 1
        if call.attempts:
            self._of_calls.series(task).value += call.attempts
        if call.attempts > 1:
            self._retried.series(task).value += 1
        if call.first_model:
            self._fallbacks.series(task).value += 1
        if call.cost_pusd is not None:
            self._cost_pusd.series(task, call.cost_label).value += call.cost_pusd
        usage = call.usage
        if usage is not None:
            for name in ("input", "cache_read", "cache_write", "output", "reasoning"):
                tokens = getattr(usage, name)
                if tokens:
                    self._tokens.series(task, name).value += tokens
        self._contracts.count(call)
        self._latencies.count(call)
        self._by_model(call)

    def _by_model(self, call: Settled) -> None:
        of = self._of_model(call)
        if call.total_s is not None:
            of.request.add(call.total_s)
        if call.ttft_s is not None:
            of.ttft.add(call.ttft_s)
        if call.tpot_s is not None:
            of.tpot.add(call.tpot_s)
        usage = call.usage
        if usage is not None:
            of.input.add(usage.input + usage.cache_read + usage.cache_write)
            of.output.add(usage.output)
        for attempt in self._waiting.pop(call.admitted.call, ()):
            error = "" if attempt.cause == OK else OTHER_ERROR
            self._operation.series(*of.gen_ai, error).add(attempt.duration_s)

    def _of_model(self, call: Settled) -> OfModel:
        surface, error = call.admitted.surface, "" if call.outcome == OK else OTHER_ERROR
        alike = (surface, call.wire, call.admitted.model, call.upstream_model, error)
        found = self._of_models.get(alike)
        if found is not None:
            return found
        gen_ai = (OPERATIONS.get(surface, surface), call.wire or PROVIDER, call.admitted.model, call.upstream_model)
        made = OfModel(
            gen_ai=gen_ai,
            request=self._request.series(*gen_ai, error),
            ttft=self._ttft.series(*gen_ai),
            tpot=self._tpot.series(*gen_ai),
            input=self._token_usage.series(*gen_ai, "input"),
            output=self._token_usage.series(*gen_ai, "output"),
        )
        if len(self._of_models) >= MAX_REMEMBERED:
            self._of_models.clear()
        self._of_models[alike] = made
        return made

    def _score(self, score: Score) -> None:
        if score.value is not None:
            result, task = "passed" if score.value >= PASSED else "failed", together(score.task)
            found = {told: self._scores.series(task, score.name, told) for told in ("passed", "failed")}
            found[result].value += 1


def _told_together(call: Settled) -> Settled:
    """A call of ours under its purpose alone: tasks are told apart where users call them."""
    return replace(call, admitted=replace(call.admitted, task=together(call.admitted.task)))
