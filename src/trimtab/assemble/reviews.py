"""Reviews and background calls as control has them: asked of the journal, held against what is in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from trimtab.clock import Clock
from trimtab.database.migrate import open_state
from trimtab.errors import StoreError
from trimtab.journal.client import Asking, KeeperClient
from trimtab.journal.outbox import Outbox
from trimtab.policy.snapshot import Snapshot
from trimtab.policy.watch import Watch
from trimtab.processes.background_watch import BackgroundWatch
from trimtab.processes.deliver import Linker
from trimtab.processes.directory import DataDirectory
from trimtab.processes.installed_key import keep_key
from trimtab.processes.review_book import ReviewBook
from trimtab.processes.review_links import PATH, LinkTo, ReviewLinks, token_of
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


def background_watch(directory: DataDirectory, watch: Callable[[], Watch], clock: Clock) -> BackgroundWatch:
    """What tells of background calls that are over; its outbox is used from the running loop's thread."""
    keeper = KeeperClient(directory.keeper_socket, patience_s=PATIENCE_S, clock=clock)
    return BackgroundWatch(keeper, Outbox(open_state(directory.state)), watch)


def review_links(directory: DataDirectory, book: ReviewBook, watch: Callable[[], Watch], clock: Clock) -> ReviewLinks:
    """What signed links lead to."""
    return ReviewLinks(directory.link_key, book, watch, clock)


def linker(directory: DataDirectory, watch: Callable[[], Watch]) -> Linker:
    """Makes addresses of signed links, as messages leave; empty where that cannot be, for the link that asks to sign
    in.
    """

    def address(link: LinkTo, receiver: str) -> str:
        try:
            return f"{watch().alerting.console_url}{PATH}{token_of(keep_key(directory.link_key), link, receiver)}"
        except StoreError:
            return ""

    return address


def schemas_of(snapshot: Snapshot, task: str) -> Mapping[str, str]:
    """The schemas of the arguments of a task's tools, by tool."""
    policy = snapshot.tasks.get(task)
    return {tool.name: tool.input_schema.text for tool in policy.tools} if policy is not None else {}
