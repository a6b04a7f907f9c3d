"""pass@k and pass^k: whether one of k samples passes, and whether all do."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.statistics.clustered import Estimate, Observation


def pass_at(observations: Sequence[Observation], k: int, confidence: float = 0.95) -> Estimate:
    """The mean probability that at least one of `k` samples of a case passes (a value of at least 1 passes)."""
    raise NotImplementedError


def pass_all(observations: Sequence[Observation], k: int, confidence: float = 0.95) -> Estimate:
    """The mean probability that all of `k` samples of a case pass, pass^k."""
    raise NotImplementedError
