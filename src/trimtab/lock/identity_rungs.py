"""The rungs of the ladder: each holds what a replica tells and answers against what was locked, and gives a finding.

Pure: answers come in, evidence with its error rate goes out. `lock.identity` puts the rungs together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Final, Literal

from msgspec import Struct

from trimtab.lock.identity_baseline import DIGITS, FLOAT_ROUNDING, MAX_COLUMNS, MAX_TEXT, Baseline, FirstTokens, Server
from trimtab.lock.identity_probes import EXACT, FLOOR, Probe, Reading
from trimtab.statistics.permutation import MeanShift, p_value
from trimtab.statistics.string_kernel import StringMmd, hamming_kernel

Rung = Literal["server", "exact", "first_token", "texts", "fingerprints"]
RUNGS: Final[tuple[Rung, ...]] = ("server", "exact", "first_token", "texts", "fingerprints")

ALPHA: Final = 0.001
"""Of each check: the test of all prompts together, so that nothing is to be corrected for their number."""
FIRST_SAMPLES: Final = 4
"""Answers to each prompt in one check; the reference has `FIRST_REFERENCE`."""
FIRST_REFERENCE: Final = 40
TEXT_SAMPLES: Final = 10
TEXT_REFERENCE: Final = 40
MAX_TOLD: Final = 160


class Pinned(Struct, frozen=True):
    """The part of a `models/NAME` entry that was learned live; empty where nothing was."""

    fingerprints: tuple[str, ...] = ()
    server_version: str = ""
    served_model: str = ""
    baseline: str = ""


class Finding(Struct, frozen=True):
    """What one rung found. `before` and `after` are both sides, shortly; `detail` is the evidence with its error rate.

    `soft` is no hit, but reason to ask for more.
    """

    rung: Rung
    hit: bool
    detail: str
    before: str = ""
    after: str = ""
    soft: bool = False
    p: float | None = None
    effect: float | None = None
    tolerance: float | None = None


Answers = Mapping[Probe, Sequence[Reading]]


def server_finding(baseline: Baseline, identity: Pinned, server: Server, readings: Iterable[Reading]) -> Finding:
    """What the server tells of itself, and which model its answers name. What either side does not tell is not held
    against it."""
    models = sorted({reading.model for reading in readings if reading.model})
    pairs = [
        ("version", identity.server_version, server.version),
        ("root", baseline.server.root, server.root),
        ("context", _number(baseline.server.context_tokens), _number(server.context_tokens)),
        *(("model", identity.served_model, model) for model in models),
    ]
    different = [(name, old, new) for name, old, new in pairs if old and new and old != new]
    if not different:
        compared = sum(bool(old and new) for _, old, new in pairs)
        return Finding("server", False, f"{compared} things the server tells of itself are as locked")
    before, after = (_short(", ".join(f"{name} {side[place]}" for name, *side in different)) for place in (0, 1))
    names = ", ".join(name for name, _, _ in different)
    return Finding("server", True, f"the server itself tells another {names}; no chance is in it", before, after)


def exact_finding(baseline: Baseline, answers: Answers) -> Finding:
    """Greedy answers against the locked ones, token by token as far as they were kept."""
    locked = {one.prompt: one for one in baseline.exact}
    pairs = [
        (locked[probe.prompt], reading)
        for probe in EXACT
        if probe.prompt in locked
        for reading in answers.get(probe, ())
    ]
    rate = f"{min(one.repeats for one in baseline.exact)} repeats under load were alike when it was locked"
    for one, reading in pairs:
        told = reading.tokens or (reading.text[:MAX_TEXT],)
        place = _first_difference(one.tokens, told)
        if place is not None:
            old, new = (_quoted(side[place] if place < len(side) else "") for side in (one.tokens, told))
            return Finding("exact", True, f"after {one.prompt!r} token {place + 1} is another; {rate}", old, new)
    gaps = [
        (abs(old - new), one.prompt, token, old, new)
        for one, reading in pairs
        for token, old, new in zip(one.tokens, one.logprobs, reading.logprobs, strict=False)
    ]
    worst, prompt, token, old_value, new_value = max(gaps, key=lambda gap: gap[0], default=(0.0, "", "", 0.0, 0.0))
    if worst > FLOAT_ROUNDING:
        detail = f"after {prompt!r} a token has another probability, beyond {FLOAT_ROUNDING:g} nats; {rate}"
        before, after = (f"{_quoted(token)} {value:.4f}" for value in (old_value, new_value))
        return Finding("exact", True, detail, before, after, effect=worst, tolerance=FLOAT_ROUNDING)
    detail = f"{len(pairs)} greedy answers are as locked, {len(gaps)} log-probabilities to {worst:.1e} nats"
    return Finding("exact", False, detail, effect=worst, tolerance=FLOAT_ROUNDING)


def _first_difference(old: Sequence[str], new: Sequence[str]) -> int | None:
    pairs = zip(old, new, strict=False)
    place = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
    return place if place is not None or len(new) >= len(old) else len(new)


def first_token_finding(locked: Sequence[FirstTokens], answers: Answers, random: Random) -> Finding:
    """The permutation test on one-token answers, prompts being strata.

    A token that an answer did not tell is taken at the least probability that it told: a left-censored value. A
    difference below the tolerance counts for nothing: rounding, or twice what load made of the reference itself.
    """
    strata, shifts = [], []
    for one in locked:
        tested = _tested(one.prompt, answers)
        columns = _columns(one, tested)
        rows = [_censored([top.get(token) for token in columns], min(top.values(), default=FLOOR)) for top in tested]
        others = [_widened(row.values, len(columns)) for row in one.rows for _ in range(row.count)]
        if rows and others and columns:
            strata.append((rows, others))
            shifts.append(_largest_shift(one.prompt, columns, rows, others))
    if not strata:
        return Finding("first_token", False, "there is nothing to compare")
    statistic = MeanShift(strata)
    effect = statistic([range(size.tested) for size in statistic.sizes])
    tolerance = max(FLOAT_ROUNDING, 2 * load_effect(locked))
    p = p_value(statistic, random)
    _, detail, before, after = max(shifts)
    hit = p <= ALPHA and effect > tolerance
    evidence = f"p {p:.1g} at level {ALPHA:g}, mean shift {effect:.2g} nats over a tolerance of {tolerance:.2g}"
    told = f"{detail}; {evidence}" if hit else evidence
    sides = (before, after) if hit else ("", "")
    return Finding("first_token", hit, told, *sides, p=p, effect=effect, tolerance=tolerance)


def load_effect(locked: Sequence[FirstTokens]) -> float:
    """How far load alone moved the reference: the same distance, between its answers alone and those under load."""
    strata = []
    for one in locked:
        halves: tuple[list[list[float]], list[list[float]]] = ([], [])
        for row in one.rows:
            halves[row.loaded].extend([_widened(row.values, len(one.columns))] * row.count)
        if all(halves):
            strata.append(halves)
    if not strata:
        return 0.0
    statistic = MeanShift(strata)
    return statistic([range(size.tested) for size in statistic.sizes])


def _tested(prompt: str, answers: Answers) -> list[dict[str, float]]:
    readings = [reading for probe, told in answers.items() if probe.prompt == prompt for reading in told]
    return [{token: round(value, DIGITS) for token, value in one.top[0].items()} for one in readings if one.top]


def _columns(one: FirstTokens, tested: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """The tokens of both samples; only the reference's where it had more than were kept."""
    if len(one.columns) >= MAX_COLUMNS:
        return one.columns
    new = sorted({token for top in tested for token in top} - set(one.columns))
    return (*one.columns, *new)


def _widened(values: Sequence[float | None], width: int) -> list[float]:
    told = [value for value in values if value is not None]
    return _censored([*values, *[None] * (width - len(values))], min(told, default=FLOOR))


def _censored(values: Sequence[float | None], least: float) -> list[float]:
    return [least if value is None else value for value in values]


def _largest_shift(
    prompt: str, columns: Sequence[str], rows: Sequence[Sequence[float]], others: Sequence[Sequence[float]]
) -> tuple[float, str, str, str]:
    """The token that moved most: how far, what to say of it, and its mean on both sides."""
    means = [[sum(column) / len(column) for column in zip(*side, strict=True)] for side in (others, rows)]
    gap, place = max((abs(old - new), at) for at, (old, new) in enumerate(zip(*means, strict=True)))
    token = _quoted(columns[place])
    before, after = (f"{token} {side[place]:.4f}" for side in means)
    return gap, f"after {prompt!r} {token} moved most", before, after


def texts_finding(baseline: Baseline, answers: Answers, random: Random) -> Finding:
    """The string-kernel test on sampled answers, prompts being strata."""
    strata = []
    for one in baseline.texts:
        readings = [reading for probe, told in answers.items() if probe.prompt == one.prompt for reading in told]
        tested = [reading.text[:MAX_TEXT] for reading in readings]
        if len(tested) > 1 and len(one.texts) > 1:
            strata.append((tested, one.texts))
    if not strata:
        return Finding("texts", False, "there is nothing to compare")
    statistic = StringMmd(strata, hamming_kernel(MAX_TEXT))
    effect = statistic([range(size.tested) for size in statistic.sizes])
    p = p_value(statistic, random)
    evidence = f"p {p:.1g} at level {ALPHA:g}, MMD^2 {effect:.2g}"
    if p > ALPHA:
        return Finding("texts", False, evidence, p=p, effect=effect)
    tested, locked = strata[0]
    return Finding(
        "texts", True, f"sampled answers are of another distribution; {evidence}", _quoted(locked[0]),
        _quoted(tested[0]), p=p, effect=effect,
    )  # fmt: skip


def fingerprint_finding(identity: Pinned, readings: Iterable[Reading], *, self_hosted: bool) -> Finding:
    """Fingerprints of the answers against the set that was locked; without such a set there is nothing to compare."""
    seen = {reading.fingerprint for reading in readings if reading.fingerprint}
    new = sorted(seen - set(identity.fingerprints))
    if not new or not identity.fingerprints:
        return Finding(
            "fingerprints", False, f"{len(seen)} fingerprints, none of them new" if seen else "none are told"
        )
    before, after = _short(", ".join(identity.fingerprints)), _short(", ".join(new))
    if self_hosted:
        detail = "the server's fingerprint, which stands for its configuration, is another; no chance is in it"
        return Finding("fingerprints", True, detail, before, after)
    return Finding("fingerprints", False, "a new fingerprint, which alone proves nothing", before, after, soft=True)


def _number(value: int) -> str:
    return str(value) if value else ""


def _quoted(text: str) -> str:
    return _short(repr(text))


def _short(text: str) -> str:
    return text if len(text) <= MAX_TOLD else text[: MAX_TOLD - 1] + "…"
