"""Regressions of behaviour: how late each is found, at which rate of false alarms, beside what others do.

Streams are made from the real traces (`bench.detection.streams`). A threshold and a z-score have the best of four
windows, chosen on months for tuning, and the limit at which they raise as many false alarms as our detectors do in the
very months that are shown; ADWIN, which is river's (`pip install river`), has the delta at which it raised no more in
months for tuning. Ours have no number to tune, and the months that are shown were used for nothing else.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.detection import peers
from bench.detection.streams import MONITORS, RATES, REGRESSIONS, Monitor, Regression
from bench.detection.trial import DELTAS, Found, Job, Peer, delays_at, simulate
from bench.options import Options
from bench.report import Finding, Result

TRACES = "TRIMTAB_TRACES"
TUNING, EVALUATION = 50_000, 90_000
"""Where the seeds of months for tuning and for evaluation begin; those below 50,000 were used to make detectors."""
WORST, AHEAD = 1.2, 14
"""How much later than the best peer ours may be anywhere, and in how many of 21 cells it must be earlier."""
PEERS = ("fixed", "z", "adwin")


def run(options: Options, result: Result) -> None:
    """Every monitor at every rate: false alarms, then delays beside the peers."""
    folder = os.environ.get(TRACES, str(Path(__file__).resolve().parents[3] / "shared" / "data" / "traces"))
    months = options.rounds or options.size(100, 3)
    tuning = min(months, 20)
    cells: list[dict[str, Any]] = []
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for monitor in MONITORS.values():
            for rate in RATES if not options.quick else RATES[:2]:
                if options.wants(monitor.name) or options.wants(f"{monitor.name}:{rate}"):
                    found = _monitor(pool, Setting(folder, monitor, rate, months, tuning, options.seed), result)
                    for cell in found:
                        shown = ", ".join(f"{name} {_shown(cell['delays'][name])}" for name in ("ours", *PEERS))
                        options.tell(f"detect: {cell['regression']} at {rate}/h, false {cell['false']:.2f}: {shown}")
                    cells += found
    _summary(cells, result, options.quick)


class Setting:
    """One monitor at one rate, and its jobs."""

    def __init__(self, folder: str, monitor: Monitor, rate: int, months: int, tuning: int, seed: int) -> None:
        self.folder, self.monitor, self.rate, self.months, self.tuning = folder, monitor, rate, months, tuning
        self.adwin_months = min(tuning, 3 if rate == RATES[-1] else 10)
        self.adwin_trials = min(months, 15 if rate == RATES[-1] else 50)
        self.shift = (seed - 1) * 1_000

    def for_tuning(self) -> Iterator[Job]:
        """Null months and trials that peers are tuned on."""
        for place in range(self.tuning):
            adwin = place < self.adwin_months
            deltas = DELTAS if adwin else ()
            yield Job(self.folder, self.monitor.name, self.rate, TUNING + self.shift + place, deltas, adwin)

    def for_evaluation(self) -> Iterator[Job]:
        """Months that were used for nothing else."""
        return (self._shown(place) for place in range(self.months))

    def for_adwin(self, delta: float) -> Iterator[Job]:
        """The same months, as far as ADWIN is run on them: it takes long."""
        return (replace(self._shown(place), deltas=(delta,), mine=False) for place in range(self.adwin_trials))

    def _shown(self, place: int) -> Job:
        return Job(self.folder, self.monitor.name, self.rate, EVALUATION + self.shift + place)


def _monitor(pool: ProcessPoolExecutor, setting: Setting, result: Result) -> list[dict[str, Any]]:
    tuned = list(pool.map(simulate, setting.for_tuning()))
    chosen = {name: _best_window(name, _limits(tuned), tuned) for name in ("fixed", "z")}
    found = list(pool.map(simulate, setting.for_evaluation()))
    limits = _limits(found)
    name = f"{setting.monitor.name}, {setting.rate:,} calls/h"
    false = sum(one.false for one in found) / len(found)
    delta = _delta(tuned, false)
    by_adwin = list(pool.map(simulate, setting.for_adwin(delta)))
    result.worst(f"false alarms a month, {name}", false, 1.0, n=len(found))
    cells = []
    for regression in REGRESSIONS:
        if regression.monitor == setting.monitor.name:
            delays = {"ours": quantiles(late for one in found for late in one.delays[regression.name])}
            for peer in chosen.values():
                records = [each for one in found for each in one.records[regression.name, peer]]
                delays[peer[0]] = quantiles(delays_at(records, limits[peer]))
            late = (one.delays_adwin.get((regression.name, delta), []) for one in by_adwin)
            delays["adwin"] = quantiles(each for some in late for each in some)
            cells.append(_cell(setting, regression, delays, found, limits, chosen) | {"delta": delta, "false": false})
    result.raw[name] = cells
    return cells


def _limits(months: Sequence[Found]) -> dict[Peer, float]:
    """The limit of each peer at which it raises as many false alarms in these months as ours."""
    allowed = max(1, sum(found.false for found in months))
    return {peer: peers.limit_for([found.blocks[peer] for found in months], allowed) for peer in months[0].blocks}


def _cell(
    setting: Setting,
    regression: Regression,
    delays: dict[str, tuple[float, float]],
    found: Sequence[Found],
    limits: dict[Peer, float],
    chosen: dict[str, Peer],
) -> dict[str, Any]:
    every = {
        f"{name} {window} min": quantiles(
            delays_at([each for one in found for each in one.records[regression.name, (name, window)]], limit)
        )
        for (name, window), limit in limits.items()
    }
    false = {
        name: sum(peers.raised(one.blocks[peer], limits[peer]) for one in found) / len(found)
        for name, peer in chosen.items()
    }
    since = [abs(late) for one in found for late in one.late[regression.name] if math.isfinite(late)]
    return {
        "regression": regression.name,
        "rate": setting.rate,
        "delays": delays,
        "windows": {name: window for name, (_, window) in chosen.items()},
        "every_window": every,
        "false_peers": false,
        "since_off": float(np.median(since)) if since else math.nan,
    }


def _best_window(name: str, limits: dict[Peer, float], tuned: Sequence[Found]) -> Peer:
    """The window with the least sum of log medians over the monitor's regressions, on months for tuning."""

    def cost(peer: Peer) -> float:
        regressions = {regression for regression, other in tuned[0].records if other == peer}
        return sum(
            math.log(
                quantiles(delays_at([each for one in tuned for each in one.records[regression, peer]], limits[peer]))[0]
            )
            for regression in regressions
        )

    return min((peer for peer in limits if peer[0] == name), key=cost)


def _delta(tuned: Sequence[Found], allowed: float) -> float:
    """The largest delta whose false alarms a month are not more than ours; the smallest if none is."""
    months = [found.false_adwin for found in tuned if found.false_adwin]
    fit = [delta for delta in DELTAS if sum(month[delta] for month in months) / len(months) <= allowed]
    return max(fit, default=DELTAS[0])


def quantiles(delays: Iterable[float]) -> tuple[float, float]:
    """Median and 90th percentile in minutes; infinite where the regression was not found in time."""
    values = np.array([late for late in delays if not math.isnan(late)])
    if not len(values):
        return math.inf, math.inf
    return float(np.quantile(values, 0.5, method="higher")), float(np.quantile(values, 0.9, method="higher"))


def _summary(cells: Sequence[dict[str, Any]], result: Result, quick: bool) -> None:
    ahead, worst = 0, 0.0
    rows = [
        "| regression | calls/h | ours | fixed threshold | z-score | ADWIN | best peer / ours |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        best = min(cell["delays"][name][0] for name in PEERS)
        mine = cell["delays"]["ours"][0]
        ahead += mine < best
        worst = max(worst, mine / best if math.isfinite(best) else 0.0)
        windows = cell["windows"]
        shown = [
            _shown(cell["delays"][name]) + (f" ({windows[name]} min)" if name in windows else "")
            for name in ("ours", *PEERS)
        ]
        ratio = f"{best / mine:.2f}" if math.isfinite(best) else "-"
        rows.append(f"| {cell['regression']} | {cell['rate']:,} | {' | '.join(shown)} | {ratio} |")
    if not quick and len(cells) == len(REGRESSIONS) * len(RATES):
        result.findings.insert(0, _finding("cells in which ours is earlier than every peer, of 21", ahead, AHEAD, True))
        result.findings.insert(1, _finding("largest delay over that of the best peer", worst, WORST, False))
    result.remarks.append(
        "Delay from the planted change to the alarm, median / 90th percentile, in hours; peers at the same rate of "
        "false alarms in the same months, with the window that was best on months for tuning.\n\n" + "\n".join(rows)
    )


def _finding(what: str, value: float, limit: float, least: bool) -> Finding:
    holds = value >= limit if least else value <= limit
    return Finding(what, float(value), limit=f"{'>=' if least else '<='} {limit:g}", holds=holds)


def _shown(delays: tuple[float, float]) -> str:
    return " / ".join(f"{late / 60:.2f}" if math.isfinite(late) else "not found" for late in delays)
