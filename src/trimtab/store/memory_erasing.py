"""The contract `Erasing` over lists in memory."""

from __future__ import annotations

from collections.abc import Sequence, Set

from trimtab.record.events import Attempt, Score, Settled
from trimtab.store.erasing import UserCall
from trimtab.store.texts import CallText


class ErasingLists:
    """Takes calls out of lists."""

    _calls: list[Settled]
    _attempts: list[Attempt]
    _scores: list[Score]
    _call_texts: dict[str, CallText]

    def calls_of_user(self, end_user: str, runs: Sequence[str], limit: int) -> tuple[UserCall, ...]:
        """Calls of an end user, and those of these runs whoever made them."""
        theirs = [one for one in self._calls if one.admitted.end_user == end_user != "" or one.admitted.run in runs]
        return tuple(
            UserCall(one.admitted.call, one.admitted.request_body, one.admitted.messages, one.response_body)
            for one in theirs[:limit]
        )

    def erase_calls(self, end_user: str, calls: Sequence[str]) -> int:
        """Takes these calls out; how many scores went with them."""
        going, before = set(calls), len(self._scores)
        self._calls = [one for one in self._calls if one.admitted.call not in going]
        self._attempts = [one for one in self._attempts if one.call not in going]
        self._scores = [one for one in self._scores if one.call not in going]
        for call in going:
            self._call_texts.pop(call, None)
        return before - len(self._scores)

    def bodies_named(self, digests: Set[str]) -> frozenset[str]:
        """Those of these digests that a call or a score names."""
        named = {one.admitted.request_body for one in self._calls} | {one.admitted.messages for one in self._calls}
        named |= {one.response_body for one in self._calls} | {one.correction for one in self._scores}
        return frozenset(named & digests)
