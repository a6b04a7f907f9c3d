"""What Prometheus scrapes: counted as records are stored, and read from the board when asked."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from trimtab.gateway.board_view import BoardView
from trimtab.processes import catalogue as metric
from trimtab.processes.catalogue import Metric
from trimtab.record.events import OK, Attempt, Settled
from trimtab.store.ingest import Lag
from trimtab.store.telemetry import Batch

OPERATIONS = {"chat_completions": "chat", "completions": "text_completion", "embeddings": "embeddings"}
PROVIDER = "openai"
"""The wire all replicas speak; the conventions know no name for the engines behind it."""
OTHER = "(other)"
MAX_VALUES = 200
"""Distinct values of one label; what comes after them is counted as `(other)`."""
MAX_WAITING = 10_000
BREAKER_STATES = ("closed", "open", "half_open")

Labels = tuple[str, ...]


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


class Histogram:
    """Counts in buckets for each set of labels."""

    def __init__(self, of: Metric) -> None:
        self.of = of
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def add(self, labels: Labels, value: float) -> None:
        """Counts one value."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * (len(self.of.buckets) + 1)
            self._sums[labels] = 0.0
        counts[bisect_left(self.of.buckets, value)] += 1
        self._sums[labels] += value

    def family(self) -> HistogramMetricFamily:
        """The counts as Prometheus wants them, cumulated."""
        family = HistogramMetricFamily(self.of.name, self.of.says, labels=self.of.labels)
        bounds = [*map(floatToGoString, self.of.buckets), "+Inf"]
        for labels, counts in self._counts.items():
            total, buckets = 0, []
            for bound, count in zip(bounds, counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric(labels, buckets, sum_value=self._sums[labels])
        return family


class Counter:
    """A whole number for each set of labels, and what it is divided by when it is told."""

    def __init__(self, of: Metric, divisor: int = 1) -> None:
        self.of = of
        self._divisor = divisor
        self._counts: dict[Labels, int] = {}

    def add(self, labels: Labels, count: int = 1) -> None:
        """Adds to one of them."""
        self._counts[labels] = self._counts.get(labels, 0) + count

    def family(self) -> CounterMetricFamily:
        """The counts as Prometheus wants them."""
        family = CounterMetricFamily(self.of.name, self.of.says, labels=self.of.labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count / self._divisor)
        return family


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
        self._rows = Counter(metric.INGESTED)
        self._waiting: dict[str, list[Attempt]] = {}
        self._task, self._asked, self._served, self._told, self._replica, self._end = (Bounded() for _ in range(6))

    def observe(self, batch: Batch) -> None:
        """Counts a batch that was stored."""
        with self._lock:
            self._rows.add(("calls",), len(batch.calls))
            self._rows.add(("attempts",), len(batch.attempts))
            self._rows.add(("changes",), len(batch.changes))
            for attempt in batch.attempts:
                self._hold(attempt)
            for call in batch.calls:
                self._count(call)

    def families(self) -> list[Family]:
        """All of them as they stand."""
        with self._lock:
            histograms = (self._token_usage, self._operation, self._request, self._ttft, self._tpot)
            counters = (self._calls, self._attempts, self._tokens, self._cost_pusd, self._rows)
            return [*(one.family() for one in histograms), *(one.family() for one in counters)]

    def _hold(self, attempt: Attempt) -> None:
        """Keeps an attempt until its call tells surface and task; past the bound the oldest get no duration."""
        self._attempts.add((self._served(attempt.model), self._replica(attempt.replica), self._end(attempt.cause)))
        self._waiting.setdefault(attempt.call, []).append(attempt)
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _count(self, call: Settled) -> None:
        admitted = call.admitted
        task, model = self._task(admitted.task), self._served(call.model or admitted.model)
        operation = OPERATIONS.get(admitted.surface, admitted.surface)
        gen_ai = (operation, PROVIDER, self._asked(admitted.model), self._told(call.upstream_model))
        error = "" if call.outcome == OK else self._end(call.outcome)
        self._calls.add((task, model, self._end(call.outcome)))
        if call.total_s is not None:
            self._request.add((*gen_ai, error, task), call.total_s)
        if call.ttft_s is not None:
            self._ttft.add((*gen_ai, task), call.ttft_s)
        if call.tpot_s is not None:
            self._tpot.add((*gen_ai, task), call.tpot_s)
        if call.cost_pusd is not None:
            self._cost_pusd.add((task, model, call.cost_label), call.cost_pusd)
        self._count_tokens(call, gen_ai, task, model)
        for attempt in self._waiting.pop(admitted.call, ()):
            self._count_attempt(attempt, gen_ai, task)

    def _count_tokens(self, call: Settled, gen_ai: Labels, task: str, model: str) -> None:
        usage = call.usage
        if usage is None:
            return
        self._token_usage.add((*gen_ai, "input", task), usage.input + usage.cache_read + usage.cache_write)
        self._token_usage.add((*gen_ai, "output", task), usage.output)
        for name in ("input", "cache_read", "cache_write", "output", "reasoning"):
            self._tokens.add((task, model, name), getattr(usage, name))

    def _count_attempt(self, attempt: Attempt, gen_ai: Labels, task: str) -> None:
        parts = urlsplit(self._replica(attempt.replica))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        error = "" if attempt.cause == OK else self._end(attempt.cause)
        self._operation.add((*gen_ai, parts.hostname or OTHER, str(port), error, task), attempt.duration_s)


class Metrics(Collector):
    """All metrics of a host: what records say, and what board and ingest say at this moment."""

    def __init__(
        self, recorded: Recorded, board: Callable[[], BoardView | None], lag: Callable[[], tuple[Lag, bool]]
    ) -> None:
        """`lag` gives how far telemetry is behind and whether it takes what it is sent."""
        self._recorded = recorded
        self._board = board
        self._lag = lag
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
        ):
            yield GaugeMetricFamily(of.name, of.says, value=value)


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
