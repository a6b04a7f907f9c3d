"""What control does about background calls: counts those that wait, and has receivers told of those that are over.

Each telling has an id of its own that follows from the call and the moment it was over, so that none is made twice,
whoever restarts. Nothing stands in it that a model or a client wrote: an id, a status, a task and links.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from trimtab.errors import JournalUnavailable, StoreError
from trimtab.journal.background import (
    BackgroundCall,
    BackgroundCalls,
    BackgroundCounts,
    CountBackground,
    FindBackground,
    ToldOf,
)
from trimtab.journal.client import Asking
from trimtab.journal.outbox import Letter
from trimtab.journal.refusals import JournalRefusal
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes.deliver import Ready, written
from trimtab.processes.logs import event
from trimtab.signals.notify.message import BACKGROUND, Message

LOOK_S: Final = 2.0
MOST: Final = 200
WORDS: Final = {
    "completed": "is completed",
    "incomplete": "is over, its answer is incomplete",
    "failed": "failed for good",
    "cancelled": "was cancelled",
}

log = logging.getLogger("trimtab.control")


class Box(Protocol):
    """What is to be delivered."""

    def put(self, letters: Iterable[Letter]) -> None:
        """Takes letters in, each once; raises `StoreError`."""


class BackgroundWatch:
    """One of control's works. `counts` are the latest, None until the journal was asked."""

    def __init__(
        self,
        journal: Asking,
        box: Box,
        watch: Callable[[], Watch],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.counts: BackgroundCounts | None = None
        self._journal = journal
        self._box = box
        self._watch = watch
        self._pause = pause

    def __repr__(self) -> str:
        return f"BackgroundWatch({self.counts!r})"

    async def run(self) -> None:
        """Looks until it is cancelled; a journal that does not answer is waited for."""
        while True:
            try:
                await self.look()
            except (JournalUnavailable, JournalRefusal, StoreError) as failure:
                event(log, logging.WARNING, "background_calls_unread", detail=str(failure))
            await self._pause(LOOK_S)

    async def look(self) -> None:
        """Counts, and has told what is to be told by now."""
        counts = await self._journal.do(CountBackground())
        self.counts = counts if isinstance(counts, BackgroundCounts) else None
        found = await self._journal.do(FindBackground(untold=True, limit=MOST))
        calls = found.calls if isinstance(found, BackgroundCalls) else ()
        if calls:
            watch = self._watch()
            self._box.put(letter_of(call, watch) for call in calls)
            await self._journal.do(ToldOf(tuple((call.run, call.over_ns or 0) for call in calls)))


def letter_of(call: BackgroundCall, watch: Watch) -> Letter:
    """What is told of a call that is over."""
    over_ns = call.over_ns or 0
    identity = f"{call.run}.{over_ns}.{call.receiver}"
    url = watch.alerting.console_url
    message = Message(
        id=identity,
        group=call.run,
        kind=call.status,
        environment=watch.environment,
        severity="ticket",
        title=f"Background call {call.run} of {call.task} {WORDS.get(call.status, call.status)}",
        lines=(f"id {call.run}", f"status {call.status}", f"poll /v1/background/{call.run}"),
        causes=(),
        calls=(),
        task=call.task,
        owner=watch.tasks.get(call.task, TaskWatch()).owner,
        signal=BACKGROUND,
        link=f"{url}/runs/{call.run}" if url else "",
        began_ns=call.submitted_ns,
        ended_ns=over_ns,
    )
    content = written(Ready(message))
    return Letter(identity, call.run, "opened", call.receiver, content, over_ns, over_ns, 0, "waiting", "")
