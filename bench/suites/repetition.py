"""Degenerate repetition: how often it is found, how often something else is taken for it, and what looking costs.

The corpora and their split are described in `bench/repetition/README.md`. The limits hold for the half that tuning
never saw; families that tuning never saw at all are shown beside it. Text that nobody made for this is tried too: the
files of Python's standard library, none of which is degenerate.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.intervals import Estimate
from bench.micro.repetition import by_family
from bench.options import Options
from bench.repetition import corpus, measure
from bench.repetition.corpus import Answer, Part
from bench.repetition.measure import Judged, Share
from bench.report import Result

PRECISION, RECALL, CHUNK_US = 0.98, 0.95, 2.0
PARTS: dict[Part, str] = {
    "tuning": "half used for tuning",
    "held_out_half": "held-out half",
    "held_out_family": "held-out families",
    "fresh_family": "families made afterwards",
}
FILES, FILE_CHARACTERS = 1_000, 12_000


def run(options: Options, result: Result) -> None:
    """The corpora part by part, then the standard library, then the cost."""
    answers = corpus.answers()
    if options.quick:
        answers = random.Random(options.seed).sample(answers, 300)
    for part, name in PARTS.items():
        options.tell(f"repetition: {name}")
        report_part(part, name, measure.judge_all(answers, part), result)
    report_library(options.size(FILES, 50), options.seed, result)
    options.tell("repetition: cost")
    report_cost(result)


def report_part(part: Part, name: str, judged: Sequence[Judged], result: Result) -> None:
    """Precision and recall of a part, its mistakes by family, and how late the verdicts came."""
    precision, recall = measure.precision(judged), measure.recall(judged)
    if part == "held_out_half":
        result.at_least(f"precision, {name}", estimate(precision), PRECISION)
        result.at_least(f"recall, {name}", estimate(recall), RECALL)
    else:
        result.show(f"precision, {name}", estimate(precision))
        result.show(f"recall, {name}", estimate(recall))
    families = measure.right_by_family(judged)
    result.raw[part] = {family: as_row(share) for family, share in families.items()}
    wrong = [f"{family} {share.count} of {share.of}" for family, share in families.items() if share.count < share.of]
    result.remarks.append(f"Judged rightly, {name}: {', '.join([*wrong, 'all others'])}.")
    delays = measure.delays(judged)
    if delays:
        result.tell_value(f"characters of repetition before the verdict, median, {name}", delays[len(delays) // 2])
        result.tell_value(f"the same, 90th percentile, {name}", delays[len(delays) * 9 // 10], n=len(delays))


def estimate(share: Share) -> Estimate:
    """A proportion as the report takes it."""
    return Estimate(share.value, *share.interval, share.of)


def as_row(share: Share) -> dict[str, Any]:
    """A proportion as JSON."""
    return {"right": share.count, "of": share.of, "low": share.interval.low, "high": share.interval.high}


def report_library(files: int, seed: int, result: Result) -> None:
    """How many source files of the standard library are taken for degenerate."""
    paths = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    paths = [path for path in paths if "site-packages" not in path.parts and path.stat().st_size > 1_500]
    chosen = random.Random(seed).sample(paths, min(files, len(paths)))
    texts = (path.read_text("utf-8", "replace")[:FILE_CHARACTERS] for path in chosen)
    judged = [measure.judge(Answer("library", number, False, text)) for number, text in enumerate(texts)]
    flagged = [str(path.name) for path, each in zip(chosen, judged, strict=True) if each.verdict]
    result.show("share flagged, files of the standard library", estimate(Share(len(flagged), len(judged))))
    result.raw["library"] = flagged


def report_cost(result: Result) -> None:
    """CPU for each chunk of a token's size, by family of legitimate text."""
    costs = by_family()
    mean = sum(cost for cost, _ in costs.values()) / len(costs)
    dearest = max(costs, key=lambda family: costs[family][0])
    result.tell_value("CPU for each chunk, mean over families", mean, "us", n=len(costs))
    result.worst(f"CPU for each chunk, dearest family ({dearest})", costs[dearest][0], CHUNK_US, "us", n=len(costs))
    result.tell_value("CPU of the dearest single chunk", max(longest for _, longest in costs.values()), "us")
    result.raw["cost"] = costs
