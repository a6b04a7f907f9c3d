"""How well reviewers agree who labelled answers by themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

from msgspec import Struct

from trimtab.statistics.agreement import Agreement, Measure, cohen_kappa, krippendorff_alpha

LEAST_COMMON: Final = 2
"""Rows that two must both have labelled for their kappa."""


class PairAgreement(Struct, frozen=True):
    """Two reviewers: how many rows both labelled, on what share of them they said the same, and Cohen's kappa with its
    95 % interval; None where both always said the same one thing.
    """

    first: str
    second: str
    rows: int
    same: float
    kappa: float | None
    low: float
    high: float


class SetAgreement(Struct, frozen=True):
    """All reviewers of a set: Krippendorff's alpha with its 95 % interval over rows that two or more labelled; None
    where there are none, or all said the same one thing. `same` is the share of rows on which all agree.
    """

    rows: int
    same: float | None
    alpha: float | None
    low: float
    high: float
    measure: Measure
    pairs: tuple[PairAgreement, ...] = ()


def agreement_of(rows: Sequence[Mapping[str, float]], measure: Measure) -> SetAgreement:
    """The agreement on rows, each the values by reviewer. Kappa is of categories, whatever the measure of alpha."""
    both = [row for row in rows if len(row) > 1]
    if not both:
        return SetAgreement(0, None, None, -1.0, 1.0, measure)
    found = krippendorff_alpha([tuple(row.values()) for row in both], measure)
    same = sum(len(set(row.values())) == 1 for row in both) / len(both)
    names = sorted({name for row in both for name in row})
    pairs = [_pair(one, other, both) for one, other in combinations(names, 2)]
    known = tuple(pair for pair in pairs if pair is not None)
    return SetAgreement(len(both), same, _known(found), found.low, found.high, measure, known)


def _pair(first: str, second: str, rows: Sequence[Mapping[str, float]]) -> PairAgreement | None:
    common = [(row[first], row[second]) for row in rows if first in row and second in row]
    if len(common) < LEAST_COMMON:
        return None
    found = cohen_kappa(common)
    same = sum(one == other for one, other in common) / len(common)
    return PairAgreement(first, second, len(common), same, _known(found), found.low, found.high)


def _known(found: Agreement) -> float | None:
    return None if math.isnan(found.value) else found.value
