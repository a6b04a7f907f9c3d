"""Scores of a judge that errs, corrected by a part that people labelled; and how well raters agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from trimtab.statistics.clustered import Estimate


class Judged(NamedTuple):
    """The judge's score of one case and that of people, None where none looked; `group` as in `Observation`."""

    case: str
    group: str
    judge: float
    human: float | None = None


class Agreement(Struct, frozen=True):
    """A coefficient of agreement, 1 for perfect, 0 for chance, and its interval."""

    value: float
    low: float
    high: float
    units: int


def corrected_mean(judged: Sequence[Judged], confidence: float = 0.95) -> Estimate:
    """The mean that people would give (prediction-powered inference with power tuning)."""
    raise NotImplementedError


def rogan_gladen(
    positive: tuple[int, int], sensitivity: tuple[int, int], specificity: tuple[int, int], confidence: float = 0.95
) -> Estimate:
    """The share that is truly positive, from a binary judge's share and its sensitivity and specificity."""
    raise NotImplementedError


def cohen_kappa(pairs: Sequence[tuple[str, str]], confidence: float = 0.95) -> Agreement:
    """The agreement of two raters over categories, beyond chance."""
    raise NotImplementedError


def krippendorff_alpha(
    units: Sequence[Sequence[str | float]], measure: str = "nominal", confidence: float = 0.95
) -> Agreement:
    """The agreement of any number of raters; each unit has the values of those who rated it."""
    raise NotImplementedError
