"""What Prometheus scrapes: what records brought, and what is read from board, stores and replicas when it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from trimtab.gateway.board_view import BoardView
from trimtab.journal.dead_letters import Tally
from trimtab.processes import catalogue as metric
from trimtab.processes.catalogue import Metric
from trimtab.processes.identity import Figures
from trimtab.processes.keeper_watch import KeeperView, no_keeper
from trimtab.processes.recorded import Recorded
from trimtab.processes.roster import Member
from trimtab.processes.series import Bounded, Count, Labels, clean
from trimtab.processes.tool_shapes import Drifting
from trimtab.signals.engine.view import EngineView
from trimtab.store.ingest import Lag


class Watched(NamedTuple):
    """What alerts and objectives stand at: how many alerts by state and severity, of each task's goals the share of
    its error budget that is left, and how long ago alerts were last looked at whole.
    """

    alerts: Mapping[Labels, float] = {}
    budgets: Mapping[Labels, float] = {}
    behind_s: float = 0.0


@dataclass(frozen=True)
class Host:
    """What is asked at each scrape: `lag` gives how far telemetry is behind and whether it takes what it is sent,
    `dead` what letters wait, `identity` what was found of the models behind replicas, `drifting` how tools differ from
    what was locked, `lock_differences` in how many places the declaration does, `engines` what replicas say of
    themselves, `watched` how alerts and objectives stand, `processes` who is in the crew, and `keeper` how the journal
    of runs is doing.
    """

    board: Callable[[], BoardView | None]
    lag: Callable[[], tuple[Lag, bool]]
    dead: Callable[[], Iterable[Tally]] = tuple
    identity: Callable[[], Figures] = Figures
    drifting: Callable[[], Iterable[Drifting]] = tuple
    lock_differences: Callable[[], int] = int
    engines: Callable[[], Sequence[EngineView]] = tuple
    watched: Callable[[], Watched] = Watched
    processes: Callable[[], Sequence[Member]] = tuple
    keeper: Callable[[], KeeperView | None] = no_keeper


class Metrics(Collector):
    """All metrics of a host: what records say, and what board, ingest and replicas say at this moment.

    One answer has `catalogue.BUDGET` series at most. What there is of the host comes first, then what records brought;
    replicas' own metrics get what is left, replica by replica.
    """

    def __init__(self, recorded: Recorded, host: Host) -> None:
        self._recorded = recorded
        self._host = host
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
        """Every metric, one family after another, and how much the bound left out."""
        room, left_out = metric.BUDGET - 1, 0
        for family in (*self._of_host(), *self._recorded.families()):
            cut = fitted(family, room)
            room -= len(family.samples)
            left_out += cut
            yield family
        told, more = _fitting(self._host.engines(), room)
        yield from engine_families(told)
        yield _gauge(metric.LEFT_OUT, {(): left_out + more})

    def _of_host(self) -> Iterator[Family]:
        lag, is_up = self._host.lag()
        for of, value in (
            (metric.LAG_BYTES, lag.size_bytes),
            (metric.LAG_SECONDS, lag.age_s),
            (metric.SET_ASIDE, lag.set_aside),
            (metric.TELEMETRY_UP, int(is_up)),
            (metric.LOCK_DIFFERENCES, self._host.lock_differences()),
        ):
            yield _gauge(of, {(): value})
        watched = self._host.watched()
        yield _gauge(metric.ALERTS, watched.alerts)
        yield _gauge(metric.ALERTS_BEHIND, {(): watched.behind_s})
        yield from _board_families(self._host.board() or BoardView((), ()))
        yield from _process_families(self._host.processes())
        yield from keeper_families(self._host.keeper())
        yield _added(metric.DEAD_LETTERS, (((one.task, one.cause), one.letters) for one in self._host.dead()))
        yield _added(metric.TOOL_DRIFT, (((one.tool, one.kind, one.class_), 1) for one in self._host.drifting()))
        yield _gauge(metric.ERROR_BUDGET, watched.budgets)
        yield from _identity_families(self._host.identity())


def fitted(family: Family, room: int) -> int:
    """Takes the last sets of labels out of a family until it has at most `room` samples; how many were taken."""
    samples = family.samples
    if len(samples) <= room:
        return 0
    last = max(0, room)
    while 0 < last < len(samples) and _set_of(samples[last].labels) == _set_of(samples[last - 1].labels):
        last -= 1
    taken = len(samples) - last
    del samples[last:]
    return taken


def _set_of(labels: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in labels.items() if name != "le"}


def _fitting(views: Sequence[EngineView], room: int) -> tuple[list[EngineView], int]:
    """The replicas whose series fit, in the order of their names, and how many series the others have."""
    told, left_out = [], 0
    for view in sorted(views, key=lambda view: (view.model, view.replica)):
        size = len(view.values) + 3
        if size <= room:
            told.append(view)
            room -= size
        else:
            left_out += size
    return told, left_out


def engine_families(views: Sequence[EngineView]) -> Iterator[Family]:
    """What replicas say of themselves; a series that one does not have is left out."""
    yield _gauge(metric.SCRAPED, {(view.model, view.replica): int(not view.trouble) for view in views})
    yield _counter(metric.SCRAPE_FAILURES, {(view.model, view.replica): view.failures for view in views})
    yield _counter(metric.RESTARTS, {(view.model, view.replica): view.restarts for view in views})
    for series, of in metric.ENGINE.items():
        found: dict[Labels, float] = {
            (view.model, view.replica): view.values[series] for view in views if series in view.values
        }
        yield _counter(of, found) if of.kind == "counter" else _gauge(of, found)
    for series, of in metric.ENGINE_TIMES.items():
        family = SummaryMetricFamily(of.name, of.says, labels=of.labels)
        for view in views:
            count, total = view.values.get(f"{series}_count"), view.values.get(f"{series}_sum")
            if count is not None and total is not None:
                family.add_metric([clean(view.model), clean(view.replica)], int(count), total)
        yield family


def _gauge(of: Metric, values: Mapping[Labels, float]) -> GaugeMetricFamily:
    if not of.labels:
        return GaugeMetricFamily(of.name, of.says, value=values[()])
    family = GaugeMetricFamily(of.name, of.says, labels=of.labels)
    for labels, value in list(values.items())[: of.most or None]:
        family.add_metric([clean(one) for one in labels], value)
    return family


def _counter(of: Metric, values: Mapping[Labels, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(of.name, of.says, labels=of.labels)
    for labels, value in values.items():
        family.add_metric([clean(one) for one in labels], value)
    return family


def _added(of: Metric, counted: Iterable[tuple[Labels, int]]) -> GaugeMetricFamily:
    """Counts added up by their labels; those beyond the metric's bound together."""
    held = Bounded(of, Count)
    for labels, count in counted:
        held.at(labels).value += count
    return _gauge(of, {labels: one.value for labels, one in held.held.items()})


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
        gauges[metric.BREAKER.name].add_metric([*of, replica.state], 1)
        if replica.healthy is not None:
            gauges[metric.HEALTHY.name].add_metric(of, int(replica.healthy))
        openings.add_metric(of, replica.openings)
    yield from gauges.values()
    yield openings
    yield _by_slot(metric.WORKER_CALLS, [(worker.slot, worker.open_calls) for worker in board.workers])
    yield _by_slot(metric.WORKER_CONNECTIONS, [(worker.slot, worker.open_connections) for worker in board.workers])


def _process_families(members: Sequence[Member]) -> Iterator[Family]:
    """Of a process that is being replaced its successor tells."""
    latest = {(one.role, str(one.slot)): one for one in sorted(members, key=lambda one: one.started_at)}
    yield _gauge(metric.PROCESS_START, {place: one.started_at for place, one in latest.items()})
    yield _counter(metric.PROCESS_RESTARTS, {place: one.restarts for place, one in latest.items()})


def keeper_families(view: KeeperView | None) -> Iterator[Family]:
    """How the journal of runs is doing; nothing where keeper was never reached."""
    if view is None:
        return
    yield _gauge(metric.KEEPER_UP, {(): int(view.up)})
    told = view.health
    if told is not None:
        yield _gauge(metric.JOURNAL_WAITING, {(): told.waiting})
        done = told.asks - told.refused
        results = {"done": done, "refused": told.refused - told.unavailable, "unavailable": told.unavailable}
        yield _counter(metric.JOURNAL_ASKS, {(result,): count for result, count in results.items()})
        commits = metric.JOURNAL_COMMITS
        yield SummaryMetricFamily(commits.name, commits.says, count_value=told.commits, sum_value=told.commit_s)
        yield _counter(metric.RUNS_EXPIRED, {(): told.expired})


def _by_slot(of: Metric, found: Iterable[tuple[int, int]]) -> GaugeMetricFamily:
    """One figure for each slot: while a worker is replaced, it and its successor count together."""
    totals: dict[int, int] = {}
    for slot, count in found:
        totals[slot] = totals.get(slot, 0) + count
    family = GaugeMetricFamily(of.name, of.says, labels=of.labels)
    for slot, count in sorted(totals.items()):
        family.add_metric([str(slot)], count)
    return family
