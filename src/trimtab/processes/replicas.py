"""Every replica with all that is known of it: board, its own metrics, the gap between the two, its identity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from trimtab.gateway.board_view import BoardView, ReplicaView
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.identity import Figures, ReplicaIdentity
from trimtab.signals.engine.gap import Gap, calls_side, engine_side, gap
from trimtab.signals.engine.standing import ReplicaStanding
from trimtab.signals.engine.view import EngineView
from trimtab.store.engine_samples import EngineQuery, EngineSample, EngineSeries
from trimtab.store.slices import Slice, SliceQuery
from trimtab.store.telemetry import Telemetry

STEPS: Final = 12
"""Into so many steps the window of a gap is cut, so that a restart amid it is noticed."""
COMPARED: Final[tuple[EngineSeries, ...]] = (
    *("requests", "prompt_tokens", "generation_tokens", "ttft_seconds_sum", "ttft_seconds_count"),
    *("tpot_seconds_sum", "tpot_seconds_count", "queue_seconds_sum", "queue_seconds_count"),
)

Place = tuple[str, str]


@dataclass(frozen=True)
class ReplicaSources:
    """Where it is known from."""

    snapshot: Callable[[], Snapshot]
    board: Callable[[], BoardView | None]
    engines: Callable[[], Sequence[EngineView]] = tuple
    identity: Callable[[], Figures] = Figures


def replicas(sources: ReplicaSources, gaps: Iterable[Gap] = ()) -> tuple[ReplicaStanding, ...]:
    """Every replica that is declared, by model and address."""
    board = sources.board() or BoardView((), ())
    seen: dict[Place, ReplicaView] = {(one.model, one.url): one for one in board.replicas}
    engines: dict[Place, EngineView] = {(one.model, one.replica): one for one in sources.engines()}
    tested: dict[Place, ReplicaIdentity] = {(one.model, one.replica): one for one in sources.identity().tested}
    by_address = {one.replica: one for one in gaps}
    declared = sorted((model.name, url) for model in sources.snapshot().models.values() for url in model.replicas)
    return tuple(
        _standing(place, seen.get(place), engines.get(place), by_address.get(place[1]), tested.get(place))
        for place in declared
    )


def read_gaps(telemetry: Telemetry, now_ns: int, window_s: int) -> tuple[Gap, ...]:
    """Both views of every address that tells its metrics, over the latest whole steps of `window_s`, a minute at least.

    Models behind one address are taken together, as calls are recorded by address. The engine is read from the last
    sample before the window to the last one in it, so that the window begins no earlier than samples do; an address
    whose first sample is younger is left out.
    """
    step_s = max(60, window_s // STEPS // 60 * 60)
    step_ns = step_s * 10**9
    until_ns = now_ns // step_ns * step_ns
    since_ns = until_ns - window_s // step_s * step_ns
    query = EngineQuery(since_ns - step_ns, until_ns, series=COMPARED, step_s=step_s)
    told: dict[str, list[EngineSample]] = {}
    for sample in telemetry.engine_samples(query):
        told.setdefault(sample.replica, []).append(sample)
    first_ns = {url: min(one.at_ns for one in samples) for url, samples in told.items()}
    since_ns = max(since_ns, (min(first_ns.values(), default=until_ns) // step_ns + 1) * step_ns)
    covered = sorted(url for url in told if first_ns[url] < since_ns)
    if since_ns >= until_ns or not covered:
        return ()
    seen: dict[str, list[Slice]] = {}
    query_of_calls = SliceQuery(
        since_ns, until_ns, by="replica", across=True, spreads=("ttft", "tpot"), facts=("tokens",)
    )
    for one in telemetry.slices(query_of_calls):
        seen.setdefault(one.value, []).append(one)
    window = (until_ns - since_ns) / 1e9
    return tuple(gap(url, window, engine_side(told[url]), calls_side(seen.get(url, ()))) for url in covered)


def _standing(
    place: Place,
    seen: ReplicaView | None,
    engine: EngineView | None,
    between: Gap | None,
    tested: ReplicaIdentity | None,
) -> ReplicaStanding:
    model, replica = place
    return ReplicaStanding(
        model,
        replica,
        breaker=seen.state if seen else "",
        in_flight=seen.in_flight if seen else 0,
        outstanding_tokens=seen.outstanding_tokens if seen else 0,
        failures=seen.window_failures if seen else 0,
        votes=seen.window_votes if seen else 0,
        openings=seen.openings if seen else 0,
        retry_in_s=seen.retry_in_s if seen else None,
        healthy=seen.healthy if seen else None,
        enforces=seen.enforces if seen else "",
        engine=engine,
        gap=between if engine is not None else None,
        identity=tested.standing.state if tested else "unknown",
        identity_detail=(tested.trouble or tested.standing.detail) if tested else "",
        identity_checked_ns=tested.standing.checked_ns if tested else 0,
    )
