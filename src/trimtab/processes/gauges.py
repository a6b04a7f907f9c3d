"""What the host and the engines said last, as figures of signals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from trimtab.gateway.board_view import BoardView
from trimtab.journal.dead_letters import Tally
from trimtab.journal.run_counts import RunSums
from trimtab.policy.snapshot import TaskPolicy
from trimtab.processes.identity import Figures
from trimtab.signals.engine.view import EngineView
from trimtab.signals.figure import Gauge
from trimtab.store.ingest import Lag

VALUES: Final = ("queue_depth", "running", "kv_cache_usage", "gpu_utilisation")
"""Series of engines that are signals as they are."""


def gauges(
    dead: Iterable[Tally],
    board: BoardView | None,
    identity: Figures,
    lag: Lag,
    engines: Iterable[EngineView],
    runs: Iterable[RunSums] = (),
) -> tuple[Gauge, ...]:
    """All of them; those of a replica are of no task and name model and replica."""
    found = [Gauge("dead_letters", one.task, one.cause, float(one.letters)) for one in dead]
    for replica in board.replicas if board is not None else ():
        found.append(Gauge("breaker_openings", "", f"{replica.model} {replica.url}", float(replica.openings)))
    for one in identity.tested:
        if one.standing.state != "unknown":
            same = float(one.standing.state != "changed")
            found.append(Gauge("probes", "", f"{one.model} {one.replica}", same, one.standing.checked_ns))
    found.append(Gauge("telemetry_lag", "", "", lag.age_s))
    for view in engines:
        found += _of_engine(view)
    for sums in runs:
        found += [Gauge(signal, sums.task, "", value) for signal, value in per_step(sums).items() if sums.task]
    return tuple(found)


def per_step(sums: RunSums) -> dict[str, float]:
    """What each thing that steps of a task's runs asked came to, by signal; nothing where nothing was asked."""
    found = {"run_amplification": sums.tried, "requests_per_step": sums.requests, "tokens_per_step": sums.tokens}
    return {signal: count / sums.asked for signal, count in found.items()} if sums.asked else {}


def _of_engine(view: EngineView) -> Iterator[Gauge]:
    """What an engine says; what it does not say is left out, and never 0."""
    if not view.at_ns:
        return
    values, rates = view.values, view.rates
    said: dict[str, float | None] = {
        **{name: values.get(name) for name in VALUES},
        "preemptions": rates.preemptions,
        "prefix_cache_hit_share": rates.prefix_hit_share,
        "prefill_throughput": rates.prefill_tokens_s,
        "decode_throughput": rates.decode_tokens_s,
        "gpu_memory": view.gpu_memory,
        "engine_restarts": float(view.restarts),
    }
    for signal, value in said.items():
        if value is not None:
            yield Gauge(signal, "", f"{view.model} {view.replica}", value, view.at_ns)


def of_tasks(found: Iterable[Gauge], tasks: Mapping[str, TaskPolicy], asked: Iterable[str]) -> tuple[Gauge, ...]:
    """The gauges of some tasks: their own, and those of the replicas of their models under the task's name."""
    kept = []
    for one in found:
        model = one.of.partition(" ")[0]
        if one.task:
            kept.append(one)
        else:
            kept += [
                Gauge(one.signal, task, one.of, one.value, one.at_ns)
                for task in asked
                if task in tasks and model in tasks[task].models
            ]
    return tuple(kept)
