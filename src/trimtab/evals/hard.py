"""Which input signal parts the cases that come out right from those that come out wrong.

Every signal gives several ways to part the cases in two, and the best of many looks good by chance alone. So the scores
are dealt to the cases anew a thousand times, and a part counts only where it is further apart than the furthest of all
parts is in 19 of 20 deals: P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing (1993), the single step of
chapter 2.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any, Final

from msgspec import Struct

from trimtab.data.text import texts, words
from trimtab.evals.case import Case

DEALS: Final = 999
MOST_PARTS: Final = 400
MOST_CASES: Final = 5_000
LEAST: Final = 5
"""Cases on each side of a part."""
MOST_VALUES: Final = 12
"""Different values of an input that is a category."""
CUTS: Final = (0.2, 0.4, 0.5, 0.6, 0.8)
BITS: Final = 6
"""A score is dealt in 64ths."""
Signal = Callable[[Case], str]


class Part(Struct, frozen=True):
    """The cases for which a signal is so: how many, their mean score and that of the others, and the p-value that holds
    for all parts together.
    """

    signal: str
    is_so: str
    cases: int
    score: float
    others: float
    p_value: float


class HardParts(Struct, frozen=True):
    """The best part of each signal, the surest first; of how many cases, and how many parts were looked at.

    `left_out` cases share a group with another: of each group one is looked at, since cases of one group are no
    evidence by themselves.
    """

    cases: int
    looked_at: int
    parts: tuple[Part, ...]
    left_out: int = 0


class _Side(Struct, frozen=True):
    signal: str
    is_so: str
    mask: int
    size: int


def hard_parts(
    cases: Sequence[Case], scores: Mapping[str, float], signals: Mapping[str, Signal] | None = None, seed: int = 0
) -> HardParts:
    """The parts of cases that `scores` (by case, from 0 to 1) tell apart; `signals` are further ones, by name.

    With more than 5,000 cases as many are drawn.
    """
    chance = random.Random(f"hard parts {seed}")  # noqa: S311 - deals, not secrets
    scored = [one for one in cases if one.id in scores]
    alone = list({one.group or f"\n{one.id}": one for one in scored}.values())
    if len(alone) > MOST_CASES:
        alone = chance.sample(alone, MOST_CASES)
    values = [min(1.0, max(0.0, scores[one.id])) for one in alone]
    sides = list(_sides(alone, signals or {}))[:MOST_PARTS]
    left_out = len(scored) - len(alone)
    if not sides or pstdev(values) == 0:
        return HardParts(len(alone), len(sides), (), left_out)
    found = _apart(sides, values)
    furthest = []
    dealt = list(values)
    for _ in range(DEALS):
        chance.shuffle(dealt)
        furthest.append(max(_apart(sides, dealt)))
    best: dict[str, Part] = {}
    for side, apart in zip(sides, found, strict=True):
        p_value = (1 + sum(one >= apart - 1e-12 for one in furthest)) / (DEALS + 1)
        inside = [value for at, value in enumerate(values) if side.mask >> at & 1]
        outside = [value for at, value in enumerate(values) if not side.mask >> at & 1]
        part = Part(side.signal, side.is_so, side.size, fmean(inside), fmean(outside), p_value)
        if side.signal not in best or _rank(part) < _rank(best[side.signal]):
            best[side.signal] = part
    return HardParts(len(alone), len(sides), tuple(sorted(best.values(), key=_rank)), left_out)


def _rank(part: Part) -> tuple[float, float]:
    return part.p_value, -abs(part.score - part.others)


def _apart(sides: Sequence[_Side], values: Sequence[float]) -> list[float]:
    """How far the mean of each side is from that of all, in its standard error. Scores are summed bit by bit."""
    top = (1 << BITS) - 1
    whole = [round(value * top) for value in values]
    planes = []
    for bit in range(BITS):
        planes.append((1 << bit, int("".join("1" if one >> bit & 1 else "0" for one in reversed(whole)), 2)))
    n, total = len(whole), sum(whole)
    mean = total / n
    spread = math.sqrt(sum((one - mean) ** 2 for one in whole) / n) or 1.0
    found = []
    for side in sides:
        inside = sum(weight * (side.mask & plane).bit_count() for weight, plane in planes)
        found.append(abs(inside - side.size * mean) / spread / math.sqrt(side.size * (n - side.size) / n))
    return found


def _sides(cases: Sequence[Case], signals: Mapping[str, Signal]) -> Iterator[_Side]:
    known: dict[str, list[Any]] = {"length in words": [len(_words(one)) for one in cases]}
    if any(one.messages for one in cases):
        known["messages"] = [len(one.messages) for one in cases]
    for tag in sorted({tag for one in cases for tag in one.tags}):
        known[f"tag {tag}"] = [tag in one.tags for one in cases]
    for name in sorted({name for one in cases for name in one.inputs or {}}):
        column = [(one.inputs or {}).get(name) for one in cases]
        known[f"inputs.{name}"] = column
        if sum(isinstance(value, str) for value in column) > len(column) // 2:
            known[f"length of inputs.{name}"] = [len(value) if isinstance(value, str) else None for value in column]
    for name, signal in signals.items():
        known[name] = [signal(one) for one in cases]
    masks: set[int] = set()
    for name, column in known.items():
        for is_so, inside in _ways(column):
            size = sum(inside)
            if LEAST <= size <= len(inside) - LEAST:
                mask = int("".join("1" if one else "0" for one in reversed(inside)), 2)
                if mask not in masks:
                    masks.add(mask)
                    yield _Side(name, is_so, mask, size)


def _ways(column: Sequence[Any]) -> Iterator[tuple[str, list[bool]]]:
    """The ways to part cases by a column: above a cut of its numbers, or by each of its few values."""
    numbers = [value for value in column if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) > len(column) // 2 and len(set(numbers)) > 2:
        ordered = sorted(numbers)
        for cut in dict.fromkeys(ordered[int(part * (len(ordered) - 1))] for part in CUTS):
            yield f"above {cut:g}", [_is_number(value) and value > cut for value in column]
        return
    plain = [_word(value) for value in column]
    counts = Counter(plain)
    if len(counts) <= MOST_VALUES:
        for value in sorted(counts):
            yield f"is {value}", [one == value for one in plain]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _word(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:80] if isinstance(value, str | int | float) else type(value).__name__


def _words(case: Case) -> list[str]:
    said = "\n".join(texts(case.inputs if case.inputs is not None else [one.get("content") for one in case.messages]))
    return words(said)
