"""Work that gathers for one thread, which does what has come at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")
Facts = TypeVar("Facts")


class Lane(Generic[Item, Done, Facts]):
    """A thread and what waits for it: `work` is done there with at most `most` items at once, and `done` is called in
    the loop with what came of it.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[Item]], tuple[list[Done], Facts]],
        done: Callable[[list[Item], list[Done], Facts], None],
        most: int,
    ) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self._work = work
        self._done = done
        self._most = most
        self._waiting: deque[Item] = deque()
        self._working = False
        self._thread = ThreadPoolExecutor(1, name)

    @property
    def waiting(self) -> int:
        """Items that nobody works at yet."""
        return len(self._waiting)

    def put(self, item: Item) -> None:
        """Takes an item in."""
        self._waiting.append(item)
        if not self._working:
            self._working = True
            self.idle.clear()
            asyncio.get_running_loop().call_soon(self._next)  # what came in the same turn of the loop goes along

    def _next(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        doing = asyncio.get_running_loop().run_in_executor(self._thread, self._work, batch)
        doing.add_done_callback(lambda done: self._finish(batch, *done.result()))

    def _finish(self, batch: list[Item], came: list[Done], facts: Facts) -> None:
        try:
            self._done(batch, came, facts)
        finally:
            if self._waiting:
                self._next()
            else:
                self._working = False
                self.idle.set()

    async def close(self) -> None:
        """Waits until nothing is left to do."""
        await self.idle.wait()
        self._thread.shutdown()

    def __repr__(self) -> str:
        return f"{len(self._waiting)} wait"
