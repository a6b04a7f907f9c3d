"""Is it still the model that was locked? Power and false alarms of each rung of the ladder apart.

`level`: the tests alone, on samples that a computer drew from one source: they may not hit more often than they say,
and two hits in a row no more often than worked out. `demo` and `vllm`: a server, always under load, tested with its own
model and with copies: rounded to bfloat16, tuned by one and by three steps, of another size. An alarm is two hits in a
row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from bench import swapped
from bench.intervals import Estimate
from bench.options import Options
from bench.report import Result
from bench.swapped import NAME, Counted, Subject
from tests.demo.altered import rounded
from tests.engine.vllm_server import running_vllm
from trimtab.demo.app import MODELS
from trimtab.lock.identity import questions
from trimtab.lock.identity_baseline import MAX_TEXT, encode
from trimtab.lock.identity_probes import FIRST, TEXT
from trimtab.lock.identity_rungs import (
    ALPHA,
    FIRST_REFERENCE,
    FIRST_SAMPLES,
    TEXT_REFERENCE,
    TEXT_SAMPLES,
    Pinned,
    Rung,
)
from trimtab.processes.identity_learn import Learned
from trimtab.statistics.alarms import two_hits
from trimtab.statistics.intervals import wilson
from trimtab.statistics.permutation import MeanShift, p_value
from trimtab.statistics.string_kernel import StringMmd, hamming_kernel

POWER = 0.95
LEVELS = {"first_token": 8_000, "texts": 2_000}
WIDE = 0.05
"""The level at which two hits in a row happen often enough to be counted."""
SAME = {"exact": 1_000, "first_token": 1_000, "texts": 100}
COPIES = {"exact": 100, "first_token": 80, "texts": 20}
SERVED_SAME = {"exact": 100, "first_token": 100}
SERVED_COPIES = 20
ANOTHER = "another model"
"""The others see it at once."""
SWAPS: dict[str, Callable[[Path], Path]] = {
    "rounded to bfloat16": rounded,
    "tuned by 1 step": lambda folder: swapped.tuned(folder, 1),
    "tuned by 3 steps": lambda folder: swapped.tuned(folder, 3),
    ANOTHER: swapped.other,
}
VLLM_SWAPS: dict[str, tuple[Callable[[Path], Path] | None, tuple[str, ...]]] = {
    "rounded to bfloat16": (rounded, ()),
    "tuned by 1 step": (lambda folder: swapped.tuned(folder, 1), ()),
    "served with --dtype=bfloat16": (None, ("--dtype=bfloat16",)),
}


def run(options: Options, result: Result) -> None:
    """The tests alone, then servers."""
    for name, arm in (("level", level), ("demo", on_demo), ("vllm", on_vllm)):
        if options.wants(name):
            options.tell(f"identity: {name}")
            arm(options, result)


def level(options: Options, result: Result) -> None:
    """How often the tests hit although nothing differs, and how often twice with one reference."""
    draw = Random(options.seed)
    pairs = {"first_token": lambda: _first_token_pair(draw), "texts": lambda: _texts_pair(draw)}
    sizes = {"first_token": (FIRST_SAMPLES, FIRST_REFERENCE), "texts": (TEXT_SAMPLES, TEXT_REFERENCE)}
    for rung, pair in pairs.items():
        trials = options.size(LEVELS[rung] // 2, 100)
        found = [pair() for _ in range(trials)]
        tests = [p for both in found for p in both]
        for alpha in (ALPHA, WIDE):
            hits = sum(p <= alpha for p in tests)
            what = f"{rung}: hits at level {alpha:g}, nothing changed"
            result.show(what, _share(hits, len(tests)))
            result.worst(f"{what}, lower end at 99.9 %", wilson(hits, len(tests), 0.999).low, alpha, n=len(tests))
        twice = sum(max(both) <= WIDE for both in found)
        expected = two_hits(WIDE, *sizes[rung])
        what = f"{rung}: two hits of one reference at level {WIDE:g} (worked out: {expected:.4f})"
        result.show(what, _share(twice, trials))


def on_demo(options: Options, result: Result) -> None:
    """The demo engine, each rung apart."""
    with swapped.demo() as subject:
        learned = swapped.learn(subject)
        _tell_costs(learned, result)
        for rung, count in SAME.items():
            options.tell(f"identity: the same model, {rung}")
            only = swapped.only(learned.baseline, rung)  # type: ignore[arg-type]
            _no_alarm(result, f"demo, {rung}", swapped.trials(subject, only, options.size(count, 10), options))
    for swap, make in SWAPS.items():
        with tempfile.TemporaryDirectory() as folder, swapped.demo(make(Path(folder))) as subject:
            for rung, count in COPIES.items():
                if swap == ANOTHER and rung != "texts":
                    continue
                options.tell(f"identity: {swap}, {rung}")
                only = swapped.only(learned.baseline, rung)  # type: ignore[arg-type]
                counted = swapped.trials(subject, only, options.size(count, 2), options)
                _power(result, f"demo, {rung}: {swap}", counted, promised=rung != "texts" and not options.quick)


def on_vllm(options: Options, result: Result) -> None:
    """A real vLLM, by the rungs that compare answers, and by what it tells of itself."""
    with running_vllm(MODELS / NAME, NAME) as vllm:
        subject = Subject(vllm.url, "vllm")
        learned = swapped.learn(subject)
        result.tell_value("vllm: greedy probes alike under load", len(learned.baseline.exact))
        for rung, count in SERVED_SAME.items():
            if rung == "exact" and not learned.baseline.exact:
                continue
            only = swapped.only(learned.baseline, rung)  # type: ignore[arg-type]
            _no_alarm(result, f"vllm, {rung}", swapped.trials(subject, only, options.size(count, 5), options))
    for swap, (make, flags) in VLLM_SWAPS.items():
        options.tell(f"identity: vLLM, {swap}")
        with tempfile.TemporaryDirectory() as folder:
            place = make(Path(folder)) if make else MODELS
            with running_vllm(place / NAME, NAME, flags) as vllm:
                _served_copy(options, result, learned, Subject(vllm.url, "vllm"), swap)


def _served_copy(options: Options, result: Result, learned: Learned, subject: Subject, swap: str) -> None:
    rungs: tuple[Rung, ...] = ("exact", "first_token") if learned.baseline.exact else ("first_token",)
    for rung in rungs:
        only = swapped.only(learned.baseline, rung)
        counted = swapped.trials(subject, only, options.size(SERVED_COPIES, 2), options)
        _power(result, f"vllm, {rung}: {swap}", counted, promised=False)
    told = Pinned(learned.fingerprints, learned.baseline.server.version, learned.served_model)
    counted = swapped.trials(subject, learned.baseline, options.size(SERVED_COPIES, 2), options, told)
    _power(result, f"vllm, all rungs: {swap}", counted, promised=False)
    result.equal(f"vllm, all rungs: {swap} missed", counted.trials - counted.alarms, 0, n=counted.trials)


def _tell_costs(learned: Learned, result: Result) -> None:
    result.worst("size of a baseline with every rung", len(encode(learned.baseline)), 200_000, "B")
    result.tell_value("answers that a baseline takes", learned.requests)
    for rung in ("exact", "first_token", "texts"):
        asked = questions(swapped.only(learned.baseline, rung))  # type: ignore[arg-type]
        result.tell_value(f"{rung}: output tokens of a check, at most", sum(probe.tokens for probe in asked))


def _no_alarm(result: Result, what: str, counted: Counted) -> None:
    result.equal(f"{what}: alarms, the same model under load", counted.alarms, 0, n=counted.trials)
    result.show(f"{what}: single hits, the same model under load", _share(counted.hits, counted.checks))
    if counted.shown:
        result.remarks.append(f"{what}: {counted.shown}")


def _power(result: Result, what: str, counted: Counted, *, promised: bool) -> None:
    if promised:
        result.at_least(f"{what}: alarms", _share(counted.alarms, counted.trials), POWER)
    else:
        result.show(f"{what}: alarms", _share(counted.alarms, counted.trials))
    if counted.shown:
        result.raw[what] = counted.shown


def _share(count: int, n: int) -> Estimate:
    interval = wilson(count, n)
    return Estimate(count / n, interval.low, interval.high, n)


def _first_token_pair(draw: Random) -> tuple[float, float]:
    """Two checks of a server whose log-probabilities vary, against one reference of it."""

    def rows(count: int) -> list[list[float]]:
        return [[draw.gauss(-1.0 - token, 0.05) for token in range(10)] for _ in range(count)]

    reference = [rows(FIRST_REFERENCE) for _ in FIRST]
    one, other = (p_value(MeanShift([(rows(FIRST_SAMPLES), others) for others in reference]), draw) for _ in range(2))
    return one, other


def _texts_pair(draw: Random) -> tuple[float, float]:
    """Two checks of a source of sentences of a few words, against one reference of it."""

    def texts(count: int) -> list[str]:
        return [
            " ".join(draw.choices(("red", "green", "blue", "or", "and", "not"), k=draw.randint(3, 8)))
            for _ in range(count)
        ]

    reference = [texts(TEXT_REFERENCE) for _ in TEXT]
    kernel = hamming_kernel(MAX_TEXT)
    one, other = (
        p_value(StringMmd([(texts(TEXT_SAMPLES), others) for others in reference], kernel), draw) for _ in range(2)
    )
    return one, other
