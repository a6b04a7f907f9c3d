"""What telemetry is asked to take out all of one end user."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Protocol

from msgspec import Struct


class UserCall(Struct, frozen=True):
    """A call of an end user, and the digests of the bodies that its record names."""

    call: str
    request: str
    messages: str
    response: str

    @property
    def bodies(self) -> tuple[str, ...]:
        """The digests there are."""
        return tuple(digest for digest in (self.request, self.messages, self.response) if digest)


class Erasing(Protocol):
    """Every operation raises `StoreError` when the store fails."""

    def calls_of_user(self, end_user: str, runs: Sequence[str], limit: int) -> tuple[UserCall, ...]:
        """Calls of an end user, and those of these runs whoever made them."""

    def erase_calls(self, end_user: str, calls: Sequence[str]) -> int:
        """Takes out these calls with their attempts, scores and texts, and what is summed up of the end user alone.

        How many scores that were. Done again it changes nothing. Sums over all calls stay as they are.
        """

    def bodies_named(self, digests: Set[str]) -> frozenset[str]:
        """Those of these digests that a call or a score names."""
