"""Reviews as control has them: asked of the journal, held against the tools and the lock in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from trimtab.clock import Clock
from trimtab.database.migrate import open_state
from trimtab.journal.client import Asking, KeeperClient
from trimtab.journal.outbox import Outbox
from trimtab.policy.snapshot import Snapshot
from trimtab.policy.watch import Watch
from trimtab.processes.directory import DataDirectory
from trimtab.processes.review_book import ReviewBook
from trimtab.processes.review_watch import ReviewWatch

PATIENCE_S: Final = 2.0
"""How long a telling waits for keeper."""


def review_book(journal: Asking, snapshot: Callable[[], Snapshot], clock: Clock) -> ReviewBook:
    """Reviews, asked of whoever has the journal."""
    return ReviewBook(journal, lambda task: schemas_of(snapshot(), task), lambda: snapshot().lock_id, clock)


def review_watch(directory: DataDirectory, watch: Callable[[], Watch], clock: Clock) -> ReviewWatch:
    """What tells of reviews and samples runs; its outbox is used from the running loop's thread."""
    keeper = KeeperClient(directory.keeper_socket, patience_s=PATIENCE_S, clock=clock)
    return ReviewWatch(keeper, Outbox(open_state(directory.state)), watch, clock)


def schemas_of(snapshot: Snapshot, task: str) -> Mapping[str, str]:
    """The schemas of the arguments of a task's tools, by tool."""
    policy = snapshot.tasks.get(task)
    return {tool.name: tool.input_schema.text for tool in policy.tools} if policy is not None else {}
