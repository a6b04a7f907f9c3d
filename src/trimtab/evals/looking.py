"""How often what was found may be looked at while it comes in, and at which levels."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from trimtab.statistics.group_sequential import LOOKS, levels

LEAST_CASES: Final = 20
"""Cases between two looks at least."""


class Look(Struct, frozen=True):
    """One of so many looks, at equal parts of the cases of a plan; the only one, at the end, unless said otherwise."""

    number: int = 1
    of: int = 1

    def level(self, alpha: float) -> float:
        """The p-value at which to decide, such that all looks together are wrong with probability `alpha`."""
        return alpha if self.of == 1 else levels(self.of, alpha)[self.number - 1]

    def confidence(self, alpha: float) -> float:
        """The confidence of an interval beyond each end of which the truth lies with `alpha`, over all looks."""
        return max(1 - 2 * self.level(alpha), 1e-6)


ONCE: Final = Look()


def looks_of(cases: int) -> int:
    """How many looks a plan of so many cases has: ten, or fewer such that twenty cases lie between two."""
    return max(1, min(LOOKS, cases // LEAST_CASES))
