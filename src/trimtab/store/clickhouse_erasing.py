"""Takes calls out of ClickHouse: rows are rewritten without them before the answer comes."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import cache
from typing import Any, Final

from clickhouse_connect.driver.query import QueryResult

from trimtab.store import statements
from trimtab.store.erasing import UserCall

AT_ONCE: Final = 1000
"""Ids in one statement."""


@cache
def _sql() -> dict[str, str]:
    return statements.load("erasing.sql")


class Eraser:
    """Deletes, for a store that can send statements."""

    def _ask(self, text: str, **parameters: Any) -> QueryResult:
        raise NotImplementedError

    def _tell(self, text: str, **parameters: Any) -> None:
        raise NotImplementedError

    def calls_of_user(self, end_user: str, runs: Sequence[str], limit: int) -> tuple[UserCall, ...]:
        """Calls of an end user, and those of these runs whoever made them."""
        found = self._ask(_sql()["calls_of_user"], end_user=end_user, runs=list(runs), limit=limit)
        return tuple(UserCall(*row) for row in found.result_rows)

    def erase_calls(self, end_user: str, calls: Sequence[str]) -> int:
        """Takes these calls out, and what is summed up of the end user alone; how many scores went with them."""
        scores = 0
        for start in range(0, len(calls), AT_ONCE):
            some = list(calls[start : start + AT_ONCE])
            scores += self._ask(_sql()["scores_of_calls"], calls=some).result_rows[0][0]
            for table in ("scores", "texts", "attempts", "calls"):
                self._tell(_sql()["erase_calls"], table=table, calls=some)
        if end_user:
            hashed = self._ask(_sql()["hash_of_user"], end_user=end_user).result_rows[0][0]
            self._tell(_sql()["erase_conversations"], hash=hashed)
        return scores

    def bodies_named(self, digests: Set[str]) -> frozenset[str]:
        """Those of these digests that a call or a score names."""
        wanted, found = sorted(digests), set[str]()
        for start in range(0, len(wanted), AT_ONCE):
            rows = self._ask(_sql()["bodies_named"], digests=wanted[start : start + AT_ONCE]).result_rows
            found |= {digest for (digest,) in rows}
        return frozenset(found & digests)
