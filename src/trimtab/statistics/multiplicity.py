"""Many tests at once: which of them to believe."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values such that those at most alpha err at all with probability alpha, in the order given; for any dependence.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(_ascending(p_values)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """P-values such that of those at most q a share of q is false on average; for independent or positively dependent
    tests.

    Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995) 289-300.
    """
    adjusted, least = [0.0] * len(p_values), 1.0
    for rank, place in reversed(list(enumerate(_ascending(p_values), 1))):
        least = min(least, p_values[place] * len(p_values) / rank)
        adjusted[place] = least
    return adjusted


def e_benjamini_hochberg(e_values: Sequence[float], level: float) -> list[int]:
    """The places of the hypotheses to reject so that a share `level` of them is false on average; for any dependence.

    R. Wang and A. Ramdas, "False discovery rate control with e-values", JRSS B 84 (2022) 822-852. Raises `ValueError`
    unless 0 < level < 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"{level} is no share of false discoveries")
    order = sorted(range(len(e_values)), key=lambda place: -e_values[place])
    n = len(e_values)
    rejected = max((rank for rank, place in enumerate(order, 1) if rank * e_values[place] >= n / level), default=0)
    return sorted(order[:rejected])


def _ascending(values: Sequence[float]) -> list[int]:
    return sorted(range(len(values)), key=values.__getitem__)
