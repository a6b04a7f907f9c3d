"""What the pages of undeclared calls ask."""

from __future__ import annotations

from typing import Protocol

from trimtab.advice.seen import ClusterDetail, UndeclaredShown


class UndeclaredDesk(Protocol):
    """The calls that belong to no task. Every operation raises `StoreError`."""

    async def list(self, since_ns: int, until_ns: int) -> UndeclaredShown:
        """The clusters of [since, until), in ns since 1970."""

    async def detail(self, cluster: str, since_ns: int, until_ns: int) -> ClusterDetail:
        """One cluster with what is proposed of it; raises `HTTPException` (404) for one that there is not."""
