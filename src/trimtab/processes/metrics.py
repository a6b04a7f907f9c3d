"""What Prometheus scrapes: counted as records are stored, and read from the board when asked."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from trimtab.gateway.board_view import BoardView
from trimtab.journal.dead_letters import Tally
from trimtab.processes import catalogue as metric
from trimtab.processes.catalogue import Metric
from trimtab.processes.identity import Figures
from trimtab.processes.tool_shapes import Drifting
from trimtab.record.events import OK, Attempt, Settled
from trimtab.store.contract_figures import UNKNOWN_TOOL, result_of, tool_of
from trimtab.store.ingest import Lag
from trimtab.store.telemetry import Batch

OPERATIONS = {
    **dict.fromkeys(("chat_completions", "responses", "messages"), "chat"),
    "completions": "text_completion",
    "embeddings": "embeddings",
}
PROVIDER = "openai"
"""Where nothing answered. A replica is named by the wire it speaks; the conventions know no engines behind it."""
OTHER = "(other)"
MAX_VALUES = 200
"""Distinct values of one label; what comes after them is counted as `(other)`."""
MAX_WAITING = 10_000
MAX_REMEMBERED = 10_000
BREAKER_STATES = ("closed", "open", "half_open")

Labels = tuple[str, ...]
T = TypeVar("T")


class Bounded:
    """Keeps a label to its first values, so that no client can fill Prometheus."""

    def __init__(self, most: int = MAX_VALUES) -> None:
        self._known: set[str] = set()
        self._most = most

    def __call__(self, value: str) -> str:
        """The value, or `(other)` when there are too many."""
        if value in self._known:
            return value
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(value)
        return value


class Count:
    """A whole number that grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Buckets:
    """How many values fell below each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Counts one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Histogram:
    """Buckets for each set of labels; those nothing fell into are not told."""

    def __init__(self, of: Metric) -> None:
        self.of = of
        self._series: dict[Labels, Buckets] = {}

    def series(self, *labels: str) -> Buckets:
        """The buckets with these labels."""
        return self._series.setdefault(labels, Buckets(self.of.buckets))

    def family(self) -> HistogramMetricFamily:
        """The counts as Prometheus wants them, cumulated."""
        family = HistogramMetricFamily(self.of.name, self.of.says, labels=self.of.labels)
        bounds = [*map(floatToGoString, self.of.buckets), "+Inf"]
        for labels, series in self._series.items():
            cumulated = list(accumulate(series.counts))
            if cumulated[-1]:
                family.add_metric(labels, list(zip(bounds, cumulated, strict=True)), sum_value=series.total)
        return family


class Counter:
    """A count for each set of labels, and what it is divided by when it is told; zeros are not told."""

    def __init__(self, of: Metric, divisor: int = 1) -> None:
        self.of = of
        self._divisor = divisor
        self._series: dict[Labels, Count] = {}

    def series(self, *labels: str) -> Count:
        """The count with these labels."""
        return self._series.setdefault(labels, Count())

    def family(self) -> CounterMetricFamily:
        """The counts as Prometheus wants them."""
        family = CounterMetricFamily(self.of.name, self.of.says, labels=self.of.labels)
        for labels, count in self._series.items():
            if count.value:
                family.add_metric(labels, count.value / self._divisor)
        return family


class OfCall(NamedTuple):
    """Everything that calls of one kind are counted in; found once for all calls that are alike."""

    gen_ai: Labels
    task: str
    model: str
    calls: Count
    request: Buckets
    ttft: Buckets
    tpot: Buckets
    input: Buckets
    output: Buckets
    tokens: tuple[Count, Count, Count, Count, Count]
    cost_pusd: Count


class Contracts:
    """What became of answers and tool calls."""

    def __init__(self) -> None:
        self._answers = Counter(metric.CONTRACT_ANSWERS)
        self._repairs = Counter(metric.REPAIRS)
        self._tool_calls = Counter(metric.TOOL_CALLS)
        self._repetition = Counter(metric.REPETITION)
        self._resumed = Counter(metric.RESUMED)
        self._results = Counter(metric.TOOL_RESULTS)
        self._tool = Bounded()

    def count(self, call: Settled, task: str, model: str) -> None:
        """Counts one call."""
        result = result_of(call)
        if result is not None:
            self._answers.series(task, model, result).value += 1
        if call.repairs:
            self._repairs.series(task, model).value += call.repairs
        for one in call.tool_outcomes:
            self._tool_calls.series(task, model, self._tool(tool_of(one)), one.outcome).value += 1
        for answer in call.tool_results:
            tool = self._tool(answer.tool or UNKNOWN_TOOL)
            self._results.series(task, tool, "error" if answer.error else "ok").value += 1
        if call.repetition:
            action = "stopped" if call.repetition_stopped else "flagged"
            self._repetition.series(task, model, call.repetition, action).value += 1
        if call.seams:
            self._resumed.series(task, model).value += 1

    def counters(self) -> tuple[Counter, ...]:
        """All of them."""
        return self._answers, self._repairs, self._tool_calls, self._results, self._repetition, self._resumed


class Recorded:
    """The metrics that come from records. `observe` and `families` may run in different threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token_usage = Histogram(metric.TOKEN_USAGE)
        self._operation = Histogram(metric.OPERATION_DURATION)
        self._request = Histogram(metric.REQUEST_DURATION)
        self._ttft = Histogram(metric.TIME_TO_FIRST_TOKEN)
        self._tpot = Histogram(metric.TIME_PER_OUTPUT_TOKEN)
        self._calls = Counter(metric.CALLS)
        self._attempts = Counter(metric.ATTEMPTS)
        self._tokens = Counter(metric.TOKENS)
        self._cost_pusd = Counter(metric.COST, divisor=10**12)
        self._contracts = Contracts()
        self._rows = Counter(metric.INGESTED)
        self._waiting: dict[str, list[Attempt]] = {}
        self._of_calls: dict[Labels, OfCall] = {}
        self._of_attempts: dict[Labels, Buckets] = {}
        self._task, self._asked, self._served, self._told, self._replica, self._end = (Bounded() for _ in range(6))

    def observe(self, batch: Batch) -> None:
        """Counts a batch that was stored."""
        with self._lock:
            self._rows.series("calls").value += len(batch.calls)
            self._rows.series("attempts").value += len(batch.attempts)
            self._rows.series("changes").value += len(batch.changes)
            for attempt in batch.attempts:
                self._hold(attempt)
            for call in batch.calls:
                self._count(call)

    def families(self) -> list[Family]:
        """All of them as they stand."""
        with self._lock:
            histograms = (self._token_usage, self._operation, self._request, self._ttft, self._tpot)
            counters = (self._calls, self._attempts, self._tokens, self._cost_pusd, *self._contracts.counters())
            return [*(one.family() for one in histograms), *(one.family() for one in (*counters, self._rows))]

    def _hold(self, attempt: Attempt) -> None:
        """Keeps an attempt until its call tells surface and task; past the bound the oldest get no duration."""
        labels = (self._served(attempt.model), self._replica(attempt.replica), self._end(attempt.cause))
        self._attempts.series(*labels).value += 1
        self._waiting.setdefault(attempt.call, []).append(attempt)
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _count(self, call: Settled) -> None:
        of = self._of_call(call)
        of.calls.value += 1
        if call.total_s is not None:
            of.request.add(call.total_s)
        if call.ttft_s is not None:
            of.ttft.add(call.ttft_s)
        if call.tpot_s is not None:
            of.tpot.add(call.tpot_s)
        if call.cost_pusd is not None:
            of.cost_pusd.value += call.cost_pusd
        usage = call.usage
        if usage is not None:
            of.input.add(usage.input + usage.cache_read + usage.cache_write)
            of.output.add(usage.output)
            classes = (usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning)
            for counted, tokens in zip(of.tokens, classes, strict=True):
                counted.value += tokens
        self._contracts.count(call, of.task, of.model)
        for attempt in self._waiting.pop(call.admitted.call, ()):
            self._of_attempt(attempt, of).add(attempt.duration_s)

    def _of_call(self, call: Settled) -> OfCall:
        admitted = call.admitted
        served = call.model or admitted.model
        alike = (
            *(admitted.task, admitted.surface, admitted.model, served),
            *(call.upstream_model, call.outcome, call.cost_label),
        )
        found = self._of_calls.get(alike)
        if found is not None:
            return found
        task, model, end = self._task(admitted.task), self._served(served), self._end(call.outcome)
        operation = OPERATIONS.get(admitted.surface, admitted.surface)
        gen_ai = (operation, call.wire or PROVIDER, self._asked(admitted.model), self._told(call.upstream_model))
        made = OfCall(
            gen_ai=gen_ai,
            task=task,
            model=model,
            calls=self._calls.series(task, model, end),
            request=self._request.series(*gen_ai, "" if end == OK else end, task),
            ttft=self._ttft.series(*gen_ai, task),
            tpot=self._tpot.series(*gen_ai, task),
            input=self._token_usage.series(*gen_ai, "input", task),
            output=self._token_usage.series(*gen_ai, "output", task),
            tokens=(
                self._tokens.series(task, model, "input"),
                self._tokens.series(task, model, "cache_read"),
                self._tokens.series(task, model, "cache_write"),
                self._tokens.series(task, model, "output"),
                self._tokens.series(task, model, "reasoning"),
            ),
            cost_pusd=self._cost_pusd.series(task, model, call.cost_label),
        )
        _remember(self._of_calls, alike, made)
        return made

    def _of_attempt(self, attempt: Attempt, of: OfCall) -> Buckets:
        alike = (*of.gen_ai, of.task, attempt.replica, attempt.cause)
        found = self._of_attempts.get(alike)
        if found is not None:
            return found
        parts = urlsplit(self._replica(attempt.replica))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        error = "" if attempt.cause == OK else self._end(attempt.cause)
        made = self._operation.series(*of.gen_ai, parts.hostname or OTHER, str(port), error, of.task)
        _remember(self._of_attempts, alike, made)
        return made


def _remember(known: dict[Labels, T], alike: Labels, made: T) -> None:
    """Keeps what was found, and begins anew when too much is kept."""
    if len(known) >= MAX_REMEMBERED:
        known.clear()
    known[alike] = made


class Metrics(Collector):
    """All metrics of a host: what records say, and what board and ingest say at this moment."""

    def __init__(
        self,
        recorded: Recorded,
        board: Callable[[], BoardView | None],
        lag: Callable[[], tuple[Lag, bool]],
        dead: Callable[[], Iterable[Tally]] = tuple,
        identity: Callable[[], Figures] = Figures,
        drifting: Callable[[], Iterable[Drifting]] = tuple,
        lock_differences: Callable[[], int] = int,
    ) -> None:
        """`lag` gives how far telemetry is behind and whether it takes what it is sent, `dead` what letters wait,
        `identity` what was found of the models behind replicas, `drifting` how tools differ from what was locked, and
        `lock_differences` in how many places the declaration does.
        """
        self._recorded = recorded
        self._board = board
        self._lag = lag
        self._dead = dead
        self._identity = identity
        self._drifting = drifting
        self._lock_differences = lock_differences
        self._drifting_tool = Bounded()
        self._dead_task = Bounded()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def scrape(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format the scraper accepts, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def describe(self) -> Iterable[Family]:
        """Nothing: the names are in the catalogue, and registering must not read the board."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Every metric, one family after another."""
        yield from self._recorded.families()
        board = self._board() or BoardView((), ())
        yield from _board_families(board)
        lag, is_up = self._lag()
        for of, value in (
            (metric.LAG_BYTES, lag.size_bytes),
            (metric.LAG_SECONDS, lag.age_s),
            (metric.SET_ASIDE, lag.set_aside),
            (metric.TELEMETRY_UP, int(is_up)),
            (metric.LOCK_DIFFERENCES, self._lock_differences()),
        ):
            yield GaugeMetricFamily(of.name, of.says, value=value)
        yield self._dead_letters()
        yield from _identity_families(self._identity())
        yield self._tool_drift()

    def _tool_drift(self) -> Family:
        counted = Counts((self._drifting_tool(one.tool), one.kind, one.class_) for one in self._drifting())
        family = GaugeMetricFamily(metric.TOOL_DRIFT.name, metric.TOOL_DRIFT.says, labels=metric.TOOL_DRIFT.labels)
        for labels, count in sorted(counted.items()):
            family.add_metric(labels, count)
        return family

    def _dead_letters(self) -> Family:
        waiting: dict[Labels, int] = {}
        for one in self._dead():
            labels: Labels = (self._dead_task(one.task), one.cause)
            waiting[labels] = waiting.get(labels, 0) + one.letters
        of = metric.DEAD_LETTERS
        family = GaugeMetricFamily(of.name, of.says, labels=of.labels)
        for told, letters in waiting.items():
            family.add_metric(told, letters)
        return family


def _identity_families(found: Figures) -> Iterator[Family]:
    same, tested = (
        GaugeMetricFamily(of.name, of.says, labels=of.labels) for of in (metric.IDENTITY_SAME, metric.IDENTITY_TESTED)
    )
    tests = CounterMetricFamily(
        metric.IDENTITY_TESTS.name, metric.IDENTITY_TESTS.says, labels=metric.IDENTITY_TESTS.labels
    )
    for one in found.tested:
        if one.standing.state != "unknown":
            same.add_metric([one.model, one.replica], int(one.standing.state != "changed"))
            tested.add_metric([one.model, one.replica], one.standing.checked_ns / 1e9)
    for place, result, count in found.results:
        tests.add_metric([*place, result], count)
    yield from (same, tested, tests)


def _board_families(board: BoardView) -> Iterator[Family]:
    gauges = {
        of.name: GaugeMetricFamily(of.name, of.says, labels=of.labels)
        for of in (metric.IN_FLIGHT, metric.OUTSTANDING, metric.BREAKER, metric.HEALTHY)
    }
    openings = CounterMetricFamily(metric.OPENINGS.name, metric.OPENINGS.says, labels=metric.OPENINGS.labels)
    for replica in board.replicas:
        of = [replica.model, replica.url]
        gauges[metric.IN_FLIGHT.name].add_metric(of, replica.in_flight)
        gauges[metric.OUTSTANDING.name].add_metric(of, replica.outstanding_tokens)
        for state in BREAKER_STATES:
            gauges[metric.BREAKER.name].add_metric([*of, state], int(replica.state == state))
        if replica.healthy is not None:
            gauges[metric.HEALTHY.name].add_metric(of, int(replica.healthy))
        openings.add_metric(of, replica.openings)
    yield from gauges.values()
    yield openings
    yield _by_slot(metric.WORKER_CALLS, [(worker.slot, worker.open_calls) for worker in board.workers])
    yield _by_slot(metric.WORKER_CONNECTIONS, [(worker.slot, worker.open_connections) for worker in board.workers])


def _by_slot(of: Metric, found: Iterable[tuple[int, int]]) -> GaugeMetricFamily:
    """One figure for each slot: while a worker is replaced, it and its successor count together."""
    totals: dict[int, int] = {}
    for slot, count in found:
        totals[slot] = totals.get(slot, 0) + count
    family = GaugeMetricFamily(of.name, of.says, labels=of.labels)
    for slot, count in sorted(totals.items()):
        family.add_metric([str(slot)], count)
    return family
