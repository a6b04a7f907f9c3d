"""A candidate made ready to serve beside the snapshot in force, and which calls are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trimtab.gateway.exposure import Exposure
from trimtab.gateway.serving import Serving
from trimtab.policy.rollout import Rollout, below, place, unit_of

if TYPE_CHECKING:
    from trimtab.gateway.exchange import Exchange

BOUND: Final = (b"x-trimtab-lock", b"x-trimtab-redrive", b"x-trimtab-evaluation", b"x-trimtab-replay")
"""Headers of calls that belong to what is in force, or are no user's."""


class Candidate:
    """Tells, from headers and task alone, whether a call goes to the candidate: the same on every worker."""

    def __init__(self, rollout: Rollout, serving: Serving, exposure: Exposure) -> None:
        self.rollout = rollout
        self.serving = serving
        self.exposure = exposure
        self._tasks = frozenset(rollout.tasks)
        self._below = below(rollout.share)
        self._is_canary = rollout.kind == "canary"

    def takes(self, exchange: Exchange) -> bool:
        """Whether a call that was routed under the snapshot in force is to be answered by the candidate instead."""
        if not self._is_canary:
            return False
        unit = self._unit(exchange)
        return bool(unit) and self.exposure.admits(unit)

    def copies(self, exchange: Exchange) -> bool:
        """Whether a call that has been answered is to be asked once more, for nobody."""
        return not self._is_canary and bool(self._unit(exchange))

    def _unit(self, exchange: Exchange) -> int:
        """The call's user, as a number, if it is among the share; else 0."""
        if exchange.task.name not in self._tasks or exchange.purpose or exchange.redrive_of:
            return 0
        headers = exchange.request.headers
        if exchange.asked.prompt_version or any(name in headers for name in BOUND):
            return 0
        conversation = headers.get(b"x-trimtab-conversation", b"").decode("latin-1")
        end_user = headers.get(b"x-trimtab-user", b"").decode("latin-1")
        found = place(self.rollout.salt, unit_of(conversation, end_user, exchange.call))
        return found if found < self._below else 0

    def close(self) -> None:
        """Lets go of what it counts in; calls that are under way end under it."""
        self.exposure.close()

    def __repr__(self) -> str:
        return f"Candidate({self.rollout.kind} {self.rollout.id}, {self.exposure!r})"
