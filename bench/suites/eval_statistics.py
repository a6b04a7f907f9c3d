"""Evaluations whose truth is known: intervals, gates, power, early stopping, judges and evaluations that go on.

docs/evaluation_statistics.md lists the scenarios. Cells that lie near a limit, or beyond it, are drawn again, four
times as often and from other seeds, up to twice, so that the worst of many cells is not the unluckiest.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any, TypeVar

from bench.evaluation import continuous, judges, scenarios, simulate
from bench.evaluation.simulate import Cell
from bench.intervals import Estimate
from bench.options import Options
from bench.parts import run_parts
from bench.report import Finding, Result
from trimtab.statistics.intervals import wilson

LEAST, MOST = 0.94, 0.96
DOUBT = 2.0
"""Monte Carlo errors from a limit within which it is open on which side of it a cell lies."""
AGAIN, TIMES = 4, 2
SAVED = 0.3
Report = Callable[[ProcessPoolExecutor, Options, Result], None]
Found = TypeVar("Found")
Drawn = TypeVar("Drawn", Cell, judges.Cell)


def run(options: Options, result: Result) -> None:
    """Each part in two processes."""
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        parts = {name: partial(_found, report, pool, options) for name, report in PARTS.items()}
        run_parts(options, result, parts)


def _found(report: Report, pool: ProcessPoolExecutor, options: Options, found: Result) -> None:
    report(pool, options, found)
    if options.quick:  # so few trials cannot tell whether a promise is kept
        found.findings = [replace(one, limit="", holds=None) for one in found.findings]


def _trials(options: Options, full: int, quick: int) -> int:
    """How often a cell is drawn first: as `--rounds` says, or so often."""
    return options.rounds or options.size(full, quick)


def cells_of_means(trials: int, seed: int) -> list[Cell]:
    """Every scenario with every shape and number of clusters."""
    found = [
        Cell("continuous", place, shape, count, 1, 0, trials)
        for place in range(len(scenarios.CONTINUOUS))
        for shape in scenarios.SHAPES
        for count in scenarios.COUNTS
    ]
    found += [
        Cell("shares", place, shape, count, samples, 0, trials)
        for place in range(len(scenarios.SHARES))
        for shape in scenarios.SHAPES
        for count in scenarios.COUNTS
        for samples in (1, 5)
    ]
    return [cell._replace(seed=seed * 100_000 + place) for place, cell in enumerate(found)]


def covered(
    pool: ProcessPoolExecutor, count: Callable[[Cell], int], cells: Sequence[Cell]
) -> list[tuple[Cell, Estimate]]:
    """The coverage of each cell, as often as it takes to tell it from the limits."""
    found = _drawn(pool, lambda cell, hits: _is_open(hits, cell), count, cells)
    return [(cell, share(hits, cell.trials)) for cell, hits in found]


def _is_open(hits: int, cell: Cell) -> bool:
    """Whether the coverage may lie on either side of a limit that holds for the cell, or below what must be."""
    limits = (LEAST, MOST) if _is_limited_above(cell) else (LEAST,)
    near = DOUBT * math.sqrt(LEAST * (1 - LEAST) / cell.trials)
    seen = hits / cell.trials
    return seen < LEAST or min(abs(seen - limit) for limit in limits) < near


def _is_limited_above(cell: Cell) -> bool:
    return cell.kind == "continuous" and cell.count >= 30


def _drawn(
    pool: ProcessPoolExecutor,
    is_open: Callable[[Drawn, Found], bool],
    count: Callable[[Drawn], Found],
    cells: Sequence[Drawn],
) -> list[tuple[Drawn, Found]]:
    """Each cell with what was counted; those that are open with what the last draw counted, which alone is told."""
    found = list(zip(cells, pool.map(count, cells, chunksize=1), strict=True))
    for _ in range(TIMES):
        places = [place for place, one in enumerate(found) if is_open(*one)]
        again = [found[place][0] for place in places]
        again = [cell._replace(seed=cell.seed + 50_000, trials=AGAIN * cell.trials) for cell in again]
        for place, one in zip(places, zip(again, pool.map(count, again, chunksize=1), strict=True), strict=True):
            found[place] = one
    return found


def share(count: int, of: int) -> Estimate:
    """So many of so many, with Wilson's interval."""
    return Estimate(count / of, *wilson(count, of), of)


def least(result: Result, what: str, found: Sequence[tuple[Any, Estimate]], floor: float = LEAST) -> None:
    """The worst cell, which must not lie below the floor."""
    _, worst = min(found, key=lambda one: one[1].mean)
    result.findings.append(
        Finding(what, worst.mean, "", worst.low, worst.high, worst.n, f">= {floor:g}", worst.mean >= floor)
    )


def most(result: Result, what: str, found: Sequence[tuple[Any, Estimate]], ceiling: float) -> None:
    """The worst cell, which must not lie above the ceiling and two Monte Carlo errors."""
    _, worst = max(found, key=lambda one: one[1].mean)
    limit = ceiling + 2 * math.sqrt(ceiling * (1 - ceiling) / worst.n) if ceiling <= 0.05 else ceiling
    result.findings.append(
        Finding(what, worst.mean, "", worst.low, worst.high, worst.n, f"<= {limit:.4g}", worst.mean <= limit)
    )


def report_means(pool: ProcessPoolExecutor, options: Options, result: Result) -> None:
    """Coverage of the mean: no cell below 94 %, no continuous one of 30 clusters and more above 96 %."""
    found = covered(pool, simulate.cover, cells_of_means(_trials(options, 2_000, 50), options.seed))
    result.raw["means"] = [[*cell, estimate.mean] for cell, estimate in found]
    least(result, f"coverage of means, least of {len(found)} cells", found)
    many = [one for one in found if _is_limited_above(one[0])]
    most(result, f"coverage of continuous scores, 30 clusters and more, most of {len(many)} cells", many, MOST)
    rows = ["| scores | clusters | 8 | 15 | 30 | 100 |", "|---|---|---|---|---|---|"]
    for place, spread in enumerate(scenarios.CONTINUOUS):
        for shape in scenarios.SHAPES:
            row = [e for cell, e in found if cell[:3] == ("continuous", place, shape)]
            rows.append(f"| {spread.name} | {shape} | {' | '.join(f'{one.mean:.1%}' for one in row)} |")
    for place, rate in enumerate(scenarios.SHARES):
        for shape in scenarios.SHAPES:
            for samples in (1, 5):
                row = [e for cell, e in found if (*cell[:3], cell.samples) == ("shares", place, shape, samples)]
                shown = " | ".join(f"{one.mean:.1%}" for one in row)
                rows.append(f"| pass or fail at {rate:.0%}, {samples} samples | {shape} | {shown} |")
    result.remarks.append("Coverage of 95 % intervals by the number of clusters.\n\n" + "\n".join(rows))


def report_differences(pool: ProcessPoolExecutor, options: Options, result: Result) -> None:
    """Coverage and errors of comparisons at the margin, and of the same twice."""
    cells = [
        Cell("change", place, "", count, 1, options.seed * 100_000 + 100 * place + count, _trials(options, 2_000, 50))
        for place in range(len(scenarios.CHANGES))
        for count in (20, 50, 150, 300)
    ]
    counts = _drawn(pool, _is_open_change, simulate.compare, cells)
    for what in ("covered", "shipped", "blocked", "different"):
        found = [(cell, share(count[what], cell.trials)) for cell, count in counts]
        if what == "covered":
            least(result, f"coverage of differences, least of {len(found)} cells", found)
            many = [
                (cell, one)
                for cell, one in found
                if cell.count >= 150 and scenarios.CHANGES[cell.scenario].name.startswith("scores, n")
            ]
            most(result, "coverage of differences of continuous scores, 150 clusters and more", many, MOST)
        else:
            name = {
                "shipped": "worse by the margin and shipped",
                "blocked": "worse by the margin, no more, and blocked",
                "different": "A/A: the same twice, found different",
            }[what]
            most(result, f"{name}, most of {len(found)} cells", found, simulate.ALPHA)
    rows = [
        "| change | cases | trials | covered | shipped | blocked | A/A different |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell, count in counts:
        rates = (f"{count[what] / cell.trials:.2%}" for what in ("covered", "shipped", "blocked", "different"))
        name = scenarios.CHANGES[cell.scenario].name
        rows.append(f"| {name} | {cell.count} | {cell.trials:,} | {' | '.join(rates)} |")
    result.remarks.append("Comparisons at the margin.\n\n" + "\n".join(rows))


def _is_open_change(cell: Cell, count: Counter[str]) -> bool:
    """Whether coverage or an error may lie on either side of its limit."""
    near = DOUBT * math.sqrt(simulate.ALPHA * (1 - simulate.ALPHA) / cell.trials)
    errors = max(count[what] for what in ("shipped", "blocked", "different")) / cell.trials
    return count["covered"] / cell.trials < LEAST + near or errors > simulate.ALPHA + near / DOUBT


def report_ratios(pool: ProcessPoolExecutor, options: Options, result: Result) -> None:
    """Coverage of ratios of skewed costs."""
    cells = [
        Cell("ratio", 0, "", count, 1, options.seed * 100_000 + count, _trials(options, 2_000, 50))
        for count in (15, 50, 200)
    ]
    found = covered(pool, simulate.ratio, cells)
    least(result, "coverage of ratios of log-normal costs, 15, 50 and 200 cases", found)


PILOTS = 8
"""Pilots that the power of a change is planned from: of heavy tails even 10,000 cases differ from those of the next."""


def report_power(pool: ProcessPoolExecutor, options: Options, result: Result) -> None:
    """What is announced against what is seen, over several pilots: within 3 points."""
    trials = math.ceil(_trials(options, 4_000, 40) / PILOTS)
    worst, rows = 0.0, ["| change | announced | cases, least and most of the pilots | seen |", "|---|---|---|---|"]
    for goal in (80, 90):
        cells = [
            Cell("power", place, "", goal, 1, options.seed * 100_000 + 1_000 * place + 2 * pilot, trials)
            for place, change in enumerate(scenarios.CHANGES)
            for pilot in range(PILOTS)
            if "only losses" not in change.name
        ]
        found = list(zip(cells, pool.map(simulate.power, cells, chunksize=1), strict=True))
        for place in dict.fromkeys(cell.scenario for cell in cells):
            plans = [one for cell, one in found if cell.scenario == place]
            seen = math.fsum(one.shipped for one in plans) / (PILOTS * trials)
            worst = max(worst, abs(seen - goal / 100))
            cases = f"{min(plans).cases} - {max(plans).cases}"
            rows.append(f"| {scenarios.CHANGES[place].name} | {goal} % | {cases} | {seen:.1%} |")
    result.worst("power announced less power seen, largest", worst, 0.03, n=PILOTS * trials)
    result.remarks.append(
        f"Cases planned, each from {PILOTS} pilots, and how many changes that are none are shipped with them.\n\n"
        + "\n".join(rows)
    )


EARLY = (0, 2, 4, 5)
"""The scenarios of early stopping, each with 90 % power to ship a change that is none."""


def report_looks(pool: ProcessPoolExecutor, options: Options, result: Result) -> None:
    """Ten looks: errors over all, and the cases used on average beside one look at the same power."""
    trials, goal = _trials(options, 1_000, 20), 0.9
    rows = [
        "| change | truth | one look | ten looks, mean | saved | shipped | blocked |",
        "|---|---|---|---|---|---|---|",
    ]
    saved, shipped = [], []
    for place in EARLY:
        change, cases = scenarios.CHANGES[place], simulate.planned(place, goal)
        cell = Cell("looks", place, "", cases, 1, options.seed * 1_000 + place, trials)
        futures = {
            truth: pool.submit(simulate.looks, cell, truth, cases, goal)
            for truth in (0.0, -change.margin, -2 * change.margin, -3 * change.margin)
        }
        for truth, future in futures.items():
            count = future.result()
            mean = count["cases"] / trials
            shown = f"{count['ship'] / trials:.1%} | {count['block'] / trials:.1%}"
            rows.append(f"| {change.name} | {truth:+.2f} | {cases} | {mean:.0f} | {1 - mean / cases:.0%} | {shown} |")
            if truth == -change.margin:
                shipped += [(cell, share(count[what], trials)) for what in ("ship", "block")]
            elif truth == 0:
                saved.append((1 - mean / cases, count["ship"] / trials))
    least_saved, least_power = min(part for part, _ in saved), min(power for _, power in saved)
    result.findings.append(
        Finding(
            "cases that ten looks save, least", least_saved, n=trials, limit=f">= {SAVED}", holds=least_saved >= SAVED
        )
    )
    result.findings.append(
        Finding("power of ten looks, least", least_power, n=trials, limit=">= 0.87", holds=least_power >= goal - 0.03)
    )
    most(result, "ten looks at a change at the margin: shipped, or blocked", shipped, simulate.ALPHA)
    result.remarks.append("Early stopping at 90 % power.\n\n" + "\n".join(rows))


def report_anytime(pool: ProcessPoolExecutor, options: Options, result: Result) -> None:
    """10,000 looks at a change at the margin."""
    parts, looks = 4, options.size(10_000, 500)
    trials = _trials(options, 1_000, 20) // parts
    found = []
    for place in (0, 2, 4):
        cells = [
            Cell("always", place, "", looks, 1, options.seed * 10_000 + 100 * place + part, trials)
            for part in range(parts)
        ]
        counts = list(pool.map(simulate.always, cells, chunksize=1))
        for what in ("ship", "block", "missed"):
            found.append(((place, what), share(sum(count[what] for count in counts), parts * trials)))
    most(result, f"{looks:,} looks at a change at the margin: shipped, blocked or outside the interval", found, 0.05)
    result.raw["anytime"] = [[*key, one.mean] for key, one in found]


def report_judge(pool: ProcessPoolExecutor, options: Options, result: Result) -> None:
    """Coverage of corrected means for each bias of the judge, labels and share."""
    cells = [
        Cell(
            "judge",
            place,
            bias,
            rest,
            labels,
            options.seed * 100_000 + 1_000 * place + labels,
            _trials(options, 1_000, 20),
        )
        for place in range(len(scenarios.SHARES))
        for bias in simulate.BIASES
        for labels, rest in ((30, 300), (100, 1_000), (200, 300))
    ]
    found = covered(pool, simulate.judge, cells)
    least(result, f"coverage of means corrected for a judge's bias, least of {len(found)} cells", found)
    result.raw["judge"] = [[*cell, one.mean] for cell, one in found]


def report_judge_errors(pool: ProcessPoolExecutor, options: Options, result: Result) -> None:
    """Coverage and errors at the truth of judges that are known from labels of other answers."""
    kinds = [("rubric", bias) for bias in ("flips", "length", "all")]
    kinds += [("pairwise", bias) for bias in ("flips", "position", "length", "all")]
    keys = [(*kind, *size) for kind in kinds for size in ((50, 100), (100, 300), (200, 300))]
    trials = _trials(options, 2_000, 32)
    cells = [judges.Cell(*key, options.seed * 100_000 + 100 * place, trials) for place, key in enumerate(keys)]
    counts = _drawn(pool, _is_beyond, judges.trial, cells)
    rows = ["| judge | bias | labels | cases | trials | uncorrected off by | difference covered | mean covered |"]
    rows[0] += " shipped | blocked |"
    rows.append("|---|---|---|---|---|---|---|---|---|---|")
    for cell, one in counts:
        off = f"{one['bias'] / 1e6 / cell.trials:+.3f}"
        rates = " | ".join(f"{one[what] / cell.trials:.1%}" for what in ("difference", "mean", "shipped", "blocked"))
        rows.append(f"| {' | '.join(map(str, cell[:4]))} | {cell.trials:,} | {off} | {rates} |")
    for what in ("difference", "mean"):
        found = [(cell, share(one[what], cell.trials)) for cell, one in counts]
        least(result, f"a judge known from other answers: coverage of a {what}, least of {len(found)} cells", found)
    for what in ("shipped", "blocked"):
        found = [(cell, share(one[what], cell.trials)) for cell, one in counts]
        most(result, f"a judge known from other answers: {what} at the margin, most of {len(found)} cells", found, 0.05)
    result.raw["judge_errors"] = [[*cell, one["difference"] / cell.trials] for cell, one in counts]
    result.remarks.append("Judges that are known from labels of other answers.\n\n" + "\n".join(rows))


def _is_beyond(cell: judges.Cell, count: Counter[str]) -> bool:
    """Whether an interval of a judge or a test of it misses its limit, which may be chance."""
    errors = max(count["shipped"], count["blocked"]) / cell.trials
    covered = min(count["difference"], count["mean"]) / cell.trials
    most = simulate.ALPHA + 2 * math.sqrt(simulate.ALPHA * (1 - simulate.ALPHA) / cell.trials)
    return covered < LEAST or errors > most


def report_continuous(pool: ProcessPoolExecutor, options: Options, result: Result) -> None:
    """100 months without a change, then drops of 5 points at 20 cases an hour, beside a fixed threshold."""
    months = options.size(100, 4)
    for kind, name in continuous.KINDS.items():
        base = options.seed * 100_000
        tuning = list(pool.map(continuous.month, [(base + 50_000 + n, kind) for n in range(2 * months)], chunksize=4))
        found = list(pool.map(continuous.month, [(base + n, kind) for n in range(months)], chunksize=4))
        false = sum(one.false for one in found) / months
        result.worst(f"false alarms a month, {name}", false, 1.0, n=months)
        delay = median(one.delay for one in found)
        allowed = max(1, sum(one.false for one in tuning)) / len(tuning)
        limits = {window: continuous.threshold(tuning, window, allowed) for window in continuous.WINDOWS}
        best = min(limits, key=lambda window: continuous.fixed_delay(tuning, window, limits[window]))
        peers = {window: continuous.fixed_delay(found, window, limit) for window, limit in limits.items()}
        what = f"a drop of 5 points, {name}: median delay"
        if kind != "fresh":
            result.worst(what, delay, peers[best], "h", months)
        else:
            result.tell_value(what, delay, "h", months)
        result.tell_value(f"the same of a fixed threshold, {name}", peers[best], "h", months)
        shown = ", ".join(f"{window} h: {late:.0f}" for window, late in peers.items())
        result.remarks.append(
            f"{name.capitalize()}: a fixed threshold of the share of a window at as many false alarms ({allowed:.3f} a "
            f"month, tuned on other months, as is the best window, {best} h), median delay in hours: {shown}."
        )


PARTS: dict[str, Report] = {
    "means": report_means,
    "differences": report_differences,
    "ratios": report_ratios,
    "power": report_power,
    "looks": report_looks,
    "anytime": report_anytime,
    "judge": report_judge,
    "judge_errors": report_judge_errors,
    "continuous": report_continuous,
}
