"""One simulated month of a monitor, and planted regressions, under our detector and its peers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from bench.detection import ours, peers
from bench.detection.streams import DAY, MONDAY, MONITORS, REGRESSIONS, Array, Regression, World, traces

REFERENCE, MONTH = 28 * DAY, 30 * DAY
HORIZON: Final = {20: 40 * DAY, 200: 10 * DAY, 2_000: 3 * DAY}
"""How long a regression is waited for."""
TRIALS: Final = 2
"""Planted regressions of each kind in a month's world."""
WINDOWED: Final = {"fixed": peers.fixed, "z": peers.z_score}
DELTAS: Final = (1e-30, 1e-12, 1e-6, 2e-3, 0.05, 0.3, 1.0)
"""Values of ADWIN's delta that are tried."""
Peer = tuple[str, int]


@dataclass(frozen=True)
class Job:
    """What is to be simulated; `deltas` are those that ADWIN is tried with, `adwin_months` whether on null months."""

    folder: str
    monitor: str
    rate: int
    seed: int
    deltas: tuple[float, ...] = ()
    adwin_null: bool = False
    mine: bool = True


@dataclass
class Found:
    """What came of a job: alarms of our detector and of ADWIN in the null month, levels of the others by half hours;
    and for each regression our delays and those of ADWIN in minutes, and records of the others' levels from then on.
    """

    false: int = 0
    false_adwin: dict[float, int] = field(default_factory=dict)
    blocks: dict[Peer, Array] = field(default_factory=dict)
    delays: dict[str, list[float]] = field(default_factory=dict)
    late: dict[str, list[float]] = field(default_factory=dict)
    delays_adwin: dict[tuple[str, float], list[float]] = field(default_factory=dict)
    records: dict[tuple[str, Peer], list[tuple[Array, Array]]] = field(default_factory=dict)


def simulate(job: Job) -> Found:
    """The month and its trials."""
    monitor = MONITORS[job.monitor]
    world = World(traces(job.folder), monitor, job.rate, (job.seed, job.rate, list(MONITORS).index(job.monitor)))
    reference = world.stream(MONDAY, REFERENCE)
    learned = peers.profile(monitor, reference)
    detector = ours.rehearsed(monitor, reference) if job.mine else None
    month = world.stream(MONDAY + REFERENCE, MONTH)
    found = Found()
    if detector:
        _, edges = detector.run(detector.begin(month.begins), ours.steps(monitor, month))
        found.false = sum(decision.alarm for _, decision in edges)
    for peer, level in levels(monitor, month, learned).items():
        found.blocks[peer] = peers.by_blocks(level)
    if job.adwin_null:
        found.false_adwin = {delta: len(peers.adwin(monitor, month, delta)) for delta in job.deltas}
    for regression in REGRESSIONS:
        if regression.monitor == job.monitor:
            for _ in range(TRIALS):
                _plant(job, world, regression, learned, detector, found)
    return found


def levels(monitor: Any, stream: Any, learned: peers.Profile) -> dict[Peer, Array]:
    """The level of each peer with each window."""
    sums = peers.columns(monitor, stream)
    return {
        (name, window): level(monitor, stream, window, learned, sums)
        for name, level in WINDOWED.items()
        for window in peers.WINDOWS
    }


def _plant(job: Job, world: World, regression: Regression, learned: peers.Profile, detector: Any, found: Found) -> None:
    monitor = world.monitor
    begins = MONDAY + int(world.random.integers(0, 7 * DAY))
    stream = world.stream(begins, DAY + HORIZON[job.rate], regression, DAY)
    if detector:
        delay, since = _delay(detector, monitor, stream)
        found.delays.setdefault(regression.name, []).append(delay)
        found.late.setdefault(regression.name, []).append(since)
    for peer, level in levels(monitor, stream, learned).items():
        found.records.setdefault((regression.name, peer), []).append(peers.records(level[DAY:]))
    if not job.adwin_null:
        for delta in job.deltas:
            alarms = [minute for minute in peers.adwin(monitor, stream, delta, DAY) if minute >= DAY]
            late = min(alarms) - DAY + 1 if alarms else math.inf
            found.delays_adwin.setdefault((regression.name, delta), []).append(late)


def _delay(detector: Any, monitor: Any, stream: Any) -> tuple[float, float]:
    """Minutes from the change to the alarm, and to the minute that the alarm names as its beginning; nan for both if an
    alarm held already.
    """
    planted = stream.begins + DAY
    steps = list(ours.steps(monitor, stream))
    state, _ = detector.run(detector.begin(stream.begins), [step for step in steps if step[0] <= planted])
    if state.held:
        return math.nan, math.nan
    for minute, seen in steps:
        if minute > planted:
            state, decision = detector.step(state, minute, seen)
            if decision.alarm:
                return minute - planted, decision.since - planted
    return math.inf, math.inf


def delays_at(records: list[tuple[Array, Array]], limit: float) -> list[float]:
    """The delays of a limit; nan where it was passed already."""
    late = []
    for minutes, highest in records:
        place = int(np.searchsorted(highest, limit, side="right"))
        if place >= len(minutes):
            late.append(math.inf)
        else:
            late.append(math.nan if minutes[place] == 0 else float(minutes[place]) + 1)
    return late
