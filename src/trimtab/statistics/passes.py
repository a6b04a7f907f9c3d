"""pass@k and pass^k: whether one of k samples passes, and whether all do.

From c of n samples that pass, 1 - C(n - c, k) / C(n, k) and C(c, k) / C(n, k) are unbiased: M. Chen et al., "Evaluating
large language models trained on code", arXiv 2107.03374 (2021); S. Yao et al., "tau-bench", arXiv 2406.12045 (2024).
Cases vary, not samples alone: the interval is that of a mean over cases, in their groups (`clustered.mean_share`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from trimtab.statistics.clustered import Estimate, Observation, mean_share


def pass_at(observations: Sequence[Observation], k: int, confidence: float = 0.95) -> Estimate:
    """The mean probability that at least one of `k` samples of a case passes (a value of at least 1 passes).

    Raises `ValueError` without observations, and for a case of fewer than `k` samples.
    """
    return _mean(observations, k, confidence, lambda n, c: 1 - math.comb(n - c, k) / math.comb(n, k))


def pass_all(observations: Sequence[Observation], k: int, confidence: float = 0.95) -> Estimate:
    """The mean probability that all of `k` samples of a case pass, pass^k. Raises `ValueError` like `pass_at`."""
    return _mean(observations, k, confidence, lambda n, c: math.comb(c, k) / math.comb(n, k))


def _mean(
    observations: Sequence[Observation], k: int, confidence: float, share: Callable[[int, int], float]
) -> Estimate:
    few = [one for one in observations if len(one.values) < k]
    if k < 1 or few:
        raise ValueError(
            f"case {few[0].case} has {len(few[0].values)} samples: k can be no more than that, and {k} was asked for"
            if few
            else f"{k} samples tell nothing: give a k of at least 1"
        )
    values = [share(len(one.values), sum(value >= 1 for value in one.values)) for one in observations]
    samples = sum(len(one.values) for one in observations)
    return mean_share(values, [one.group for one in observations], samples, confidence)
