"""Whether two sets of texts come from one source: maximum mean discrepancy with a kernel on strings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import eq

from trimtab.statistics.permutation import Sizes

Kernel = Callable[[str, str], float]


def hamming_kernel(length: int) -> Kernel:
    """The share of `length` places at which two texts bear the same character; both are cut or filled up to it.

    Source: I. Gao, P. Liang and C. Guestrin, "Model Equality Testing: Which Model Is This API Serving?", arXiv
    2410.20247 (2024), the Hamming kernel; here over characters, since tokenizers of hosted models are not known.
    """

    def kernel(one: str, other: str) -> float:
        one, other = one[:length], other[:length]
        same: int = sum(map(eq, one, other))
        return (same + length - max(len(one), len(other))) / length

    return kernel


class StringMmd:
    """The mean over strata of the unbiased estimate of MMD^2 between the tested texts and the others.

    Strata are prompts: answers to different prompts are not compared. For samples x of n and y of m texts it is
    sum_{i!=j} k(x_i, x_j) / (n (n - 1)) + sum_{i!=j} k(y_i, y_j) / (m (m - 1)) - 2 sum_{i,j} k(x_i, y_j) / (n m).
    Source: A. Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012), equation 3. Raises `ValueError` for a sample
    of fewer than two texts.
    """

    def __init__(self, strata: Sequence[tuple[Sequence[str], Sequence[str]]], kernel: Kernel) -> None:
        if not strata or not all(len(tested) > 1 and len(others) > 1 for tested, others in strata):
            raise ValueError("both samples of every stratum need at least two texts")
        self.sizes = [Sizes(len(tested), len(tested) + len(others)) for tested, others in strata]
        self._grams = [_gram([*tested, *others], kernel) for tested, others in strata]
        self._sums = [[sum(row) for row in gram] for gram in self._grams]

    def __call__(self, tested: Sequence[Sequence[int]]) -> float:
        """The estimate when these texts of each stratum are the sample under test."""
        found = [self._of(place, chosen) for place, chosen in enumerate(tested)]
        return sum(found) / len(found)

    def _of(self, stratum: int, chosen: Sequence[int]) -> float:
        """From the sums of the rows: what lies across and among the others follows from what lies among the chosen."""
        gram, sums = self._grams[stratum], self._sums[stratum]
        n, m = len(chosen), self.sizes[stratum].pooled - len(chosen)
        among = sum(gram[one][other] for one in chosen for other in chosen)
        across = sum(sums[one] for one in chosen) - among
        rest = sum(sums) - 2 * across - among
        return among / (n * (n - 1)) + rest / (m * (m - 1)) - 2 * across / (n * m)


def _gram(texts: Sequence[str], kernel: Kernel) -> list[list[float]]:
    """The kernel of each pair, 0 on the diagonal, which the unbiased estimate leaves out."""
    gram = [[0.0] * len(texts) for _ in texts]
    for one, text in enumerate(texts):
        for other in range(one):
            gram[one][other] = gram[other][one] = kernel(text, texts[other])
    return gram
