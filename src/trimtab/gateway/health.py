"""Health checks of replicas that no call is telling us about: those held back, and those that are idle.

One worker checks for all of a host; the others stand by to take over. What a check finds goes to the board: failing
checks spare a replica, a passing one after a failing one lets a trial through at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from trimtab.clock import Clock
from trimtab.errors import CallError
from trimtab.gateway.board import Board
from trimtab.gateway.routing import Choice, Router

INTERVAL_S: Final = 5.0
JITTER: Final = 0.2
CHECK_TIMEOUT_S: Final = 2.0
AT_ONCE: Final = 8
HEALTH_PATH: Final = "/health"
MODELS_PATH: Final = "/v1/models"

Exchange = Callable[[str, str, str], Awaitable[int]]
"""GET (model, replica url, path) -> HTTP status; raises OSError, TimeoutError or CallError when none came."""


class Health:
    """The health checks of one worker; `router` gives the one in force.

    A replica passes when it answers `/health`, or `/v1/models` where there is none, with anything below 500: an
    answer that wants a key is an answer.
    """

    def __init__(
        self,
        board: Board,
        router: Callable[[], Router],
        exchange: Exchange,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._board = board
        self._router = router
        self._exchange = exchange
        self._clock = clock
        self._random = random
        self._paths: dict[Choice, str] = {}

    async def run(self) -> None:
        """Checks every 5 s (give or take 20 %, so that hosts do not march in step) until it is cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S * (1 + JITTER * (2 * self._random() - 1)))
            if self._board.claim_checks():
                await self.round()

    async def round(self) -> None:
        """Checks every replica that is due, eight at once."""
        due = [choice for choice in self._router().replicas if self._due(choice)]
        self._paths = {choice: self._paths.get(choice, HEALTH_PATH) for choice in self._router().replicas}
        turns = asyncio.Semaphore(AT_ONCE)

        async def check(choice: Choice) -> None:
            async with turns:
                passed = await self._passes(choice)
            if choice in self._router().replicas:
                self._board.checked(choice.column, self._clock.monotonic(), passed=passed)

        async with asyncio.TaskGroup() as group:
            for choice in due:
                group.create_task(check(choice))

    def _due(self, choice: Choice) -> bool:
        now = self._clock.monotonic()
        return not self._board.closed(choice.column) or not self._board.busy_since(choice.column, now, INTERVAL_S)

    async def _passes(self, choice: Choice) -> bool:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                status = await self._exchange(choice.model, choice.replica, self._paths[choice])
                if status == 404 and self._paths[choice] == HEALTH_PATH:
                    self._paths[choice] = MODELS_PATH
                    status = await self._exchange(choice.model, choice.replica, MODELS_PATH)
        except (OSError, TimeoutError, CallError):
            return False
        return 0 < status < 500

    def __repr__(self) -> str:
        return f"Health({len(self._paths)} replicas known)"
