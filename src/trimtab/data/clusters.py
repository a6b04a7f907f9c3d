"""Things joined into clusters: a disjoint-set forest (B. A. Galler and M. J. Fischer, CACM 7, 1964)."""

from __future__ import annotations

from collections.abc import Iterable


class Clusters:
    """So many things, each a cluster of its own at first; the least number of a cluster stands for it."""

    def __init__(self, size: int) -> None:
        self._up = list(range(size))

    def find(self, one: int) -> int:
        """The thing that stands for the cluster of this one."""
        up = self._up
        while up[one] != one:
            up[one] = up[up[one]]
            one = up[one]
        return one

    def join(self, one: int, other: int) -> bool:
        """Makes two clusters one; whether they were two."""
        one, other = self.find(one), self.find(other)
        if one == other:
            return False
        self._up[max(one, other)] = min(one, other)
        return True

    def join_all(self, many: Iterable[int]) -> None:
        """Makes one cluster of them all."""
        first: int | None = None
        for one in many:
            if first is None:
                first = one
            else:
                self.join(first, one)

    def all(self, least: int = 1) -> list[list[int]]:
        """The clusters of at least so many things, each sorted, in the order of their first things."""
        found: dict[int, list[int]] = {}
        for one in range(len(self._up)):
            found.setdefault(self.find(one), []).append(one)
        return [cluster for cluster in found.values() if len(cluster) >= least]
