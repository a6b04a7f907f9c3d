"""Data sets: near duplicates and cases seen before, how many of the planted are found, how many found are planted.

The rows are of our own making (`bench/planted`), four parts: families and edits by which the parameters were chosen,
others that took no part in that, and others again that were made later (`bench/planted/README.md`). Limits are on all
but the first. Most families fill in forms, so that rows which are different cases look much alike. 100,000 rows are
checked by `trimtab data check`'s own function in a process of its own, whose CPU and memory are told.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from collections.abc import Iterable
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.intervals import Estimate
from bench.options import Options
from bench.planted.corpus import PARTS, Part, corpus, score
from bench.planted.seen import seen
from bench.report import Result
from trimtab.data.bags import Bags
from trimtab.data.cases import case
from trimtab.data.check import check
from trimtab.data.contamination import CONTAINMENT, Contamination
from trimtab.data.examples import Reference
from trimtab.data.manifest import Held
from trimtab.data.near_duplicates import NEARNESS, among
from trimtab.data.text import row_words
from trimtab.statistics.intervals import wilson

FLOOR = 0.95
SIZES = (300, 3_000, 30_000)
CASES, TRAINING = 10_000, 50_000
ROWS, CEILING_S = 100_000, 60.0
SMALL_SEEDS = 10
"""Small data sets are drawn so many times, and counted together."""


def run(options: Options, result: Result) -> None:
    """Near duplicates, contamination, then time and memory."""
    for part in PARTS:
        for size in SIZES[: options.size(3, 2)]:
            options.tell(f"data: near duplicates, {part}, {size} rows")
            report_near(part, size, options, result)
    for part in PARTS:
        options.tell(f"data: cases seen before, {part}")
        report_seen(part, options, result)
    for part in PARTS:
        rows = options.size(ROWS, 5_000)
        options.tell(f"data: a check of {rows} rows, {part}")
        report_cost(part, rows, options.seed, result)
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in NEARNESS.told.items())
    result.remarks.append(f"Near duplicates: {told}. Cases seen before: containment {CONTAINMENT.threshold}.")


def share(count: int, of: int) -> Estimate:
    """So many of so many, with Wilson's interval."""
    return Estimate(count / of if of else 1.0, *wilson(count, of), of)


def limited(part: Part, result: Result, what: str, estimate: Estimate) -> None:
    """A figure with its limit, but for the part by which parameters were chosen."""
    if part == "tuning" or estimate.n < 300:
        result.show(what, estimate)
    else:
        result.at_least(what, estimate, FLOOR)


def bags_of(rows: Iterable[dict[str, Any]]) -> Bags:
    """Rows as a check takes them in."""
    bags = Bags()
    for row in rows:
        taken = case(row)
        bags.take(taken.words, taken.texts)
    return bags


def report_near(part: Part, size: int, options: Options, result: Result) -> None:
    """Recall over planted rows, precision over reported pairs."""
    scores = []
    for seed in range(SMALL_SEEDS if size < SIZES[-1] else 1):
        rows = corpus(part, size, options.seed + seed)
        found = among(bags_of(rows.rows))
        scores.append(score(rows, [(pair.one, pair.other) for pair in found.pairs], found.clusters))
    recall = share(sum(each.found for each in scores), sum(each.planted for each in scores))
    precision = share(sum(each.right for each in scores), sum(each.reported for each in scores))
    name = f"{part.replace('_', ' ')}, {size:,} rows"
    limited(part, result, f"near duplicates, recall, {name}", recall)
    limited(part, result, f"near duplicates, precision, {name}", precision)
    result.raw[f"near {name}"] = {"missed": _sum(s.missed for s in scores), "wrong": _sum(s.wrong for s in scores)}


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for key, count in each.items():
            total[key] = total.get(key, 0) + count
    return total


def report_seen(part: Part, options: Options, result: Result) -> None:
    """Recall over cases that stand in the training set, precision over cases reported."""
    planted = seen(part, options.size(CASES, 1_000), options.size(TRAINING, 5_000), options.seed)
    search = Contamination(bags_of(planted.cases))
    for number, row in enumerate(planted.training):
        search.take(number, row_words(row))
    found = search.seen()
    right = sum(planted.of[each.reference] == each.case for each in found)
    reported = {each.case for each in found}
    hits = sum(place in reported for place in planted.made_by)
    name = f"{part.replace('_', ' ')}, {len(planted.cases):,} cases, {len(planted.training):,} rows of training"
    limited(part, result, f"seen before, recall, {name}", share(hits, len(planted.made_by)))
    limited(part, result, f"seen before, precision, {name}", share(right, len(found)))
    result.raw[f"seen {name}"] = sorted(by for place, by in planted.made_by.items() if place not in reported)


def report_cost(part: Part, rows: int, seed: int, result: Result) -> None:
    """CPU and peak memory of a process that checks a file, against a tenth as many rows of training too."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "data").mkdir()
        made = corpus(part, rows, seed).rows
        size = write_rows(root / "data" / "tried.jsonl", made)
        other = corpus(part, rows // 10, seed + 1, share=0.0).rows
        write_rows(root / "data" / "train.jsonl", other)
        manifest = {"file": "data/train.jsonl", "digest": f"sha256:{'0' * 64}", "purpose": "training"}
        (root / "data" / "train.json").write_text(json.dumps(manifest))
        with get_context("spawn").Pool(1) as pool:
            empty_mib = pool.apply(peak_mib)
            cpu_s, peak, findings = pool.apply(check_one, (str(root), rows))
    name = f"{part.replace('_', ' ')}, {rows:,} rows of {size / rows:.0f} bytes"
    result.worst(f"check, {name}: CPU", cpu_s, CEILING_S, "s")
    result.tell_value(f"check, {name}: peak memory", peak, "MiB")
    result.tell_value(f"the same process before: {part.replace('_', ' ')}", empty_mib, "MiB")
    result.tell_value(f"near duplicates told, {name}", findings)


def write_rows(path: Path, rows: Iterable[object]) -> int:
    """Writes rows; the bytes they take."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path.write_bytes(text.encode())


def peak_mib() -> float:
    """The most memory that this process has held."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def check_one(root: str, rows: int) -> tuple[float, float, int]:
    """Checks the file in a process that does nothing else: seconds of CPU, MiB at the peak, near duplicates."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    tried = Held("tried", "data/tried.jsonl", "", rows)
    against = (Reference("trained_on", "train", "train, which the model m was trained on"),)
    checked = check(Path(root), tried, against, date(2026, 11, 1))
    if checked.rows != rows:
        raise RuntimeError(f"{checked.rows} rows were read of {rows}")
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu_s, peak_mib(), checked.counts.get("near_duplicate", 0)
