"""All posts of a `trimtab up` together: who starts and stops in which order, the roster, what every child is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from trimtab.errors import StoreError
from trimtab.processes import roster
from trimtab.processes.channel import Directive
from trimtab.processes.logs import event
from trimtab.processes.post import Post
from trimtab.processes.roster import Member, RoleName

log = logging.getLogger("trimtab.supervisor")

BEFORE: tuple[RoleName, ...] = ("keeper",)
FIRST: tuple[RoleName, ...] = ("demo", "gateway")
THEN: tuple[RoleName, ...] = ("control",)


class Crew:
    """The posts in the order they were added; `me` gives the supervisor's own line of the roster."""

    def __init__(self, roster_path: Path, me: Callable[[], Member]) -> None:
        self.posts: list[Post] = []
        self._roster_path = roster_path
        self._me = me

    def add(self, post: Post) -> None:
        """Takes in a post, before `start`."""
        self.posts.append(post)

    async def start(self) -> None:
        """Keeper, which is not waited for; demo engine and gateways; when those are ready, control, nor is it.

        Raises `CannotStart` when the demo engine or a gateway does not get ready.
        """
        for post in self._of(BEFORE):
            await post.open()
        first = self._of(FIRST)
        for post in first:
            await post.open()
        await asyncio.gather(*(post.filled() for post in first))
        for post in self._of(THEN):
            await post.open()

    async def restart_gateways(self) -> bool:
        """Replaces the gateway workers one after another; stops at the first successor that does not get ready."""
        for post in self._of(("gateway",)):
            if not await post.replace():
                return False
        return True

    def tell(self, directive: Directive) -> None:
        """Passes a directive on to every child."""
        for post in self.posts:
            post.tell(directive)

    async def stop_gateways(self) -> None:
        """Drains the gateways."""
        await self._close(("gateway",))

    async def stop_rest(self) -> None:
        """Lets control ingest the rest, ends the demo engine, and last keeper."""
        await self._close(("control", "demo"))
        await self._close(BEFORE)
        self.write_roster([])

    def kill(self) -> None:
        """Ends every child at once."""
        for post in self.posts:
            post.kill()

    def changed(self) -> None:
        """Writes the roster anew."""
        self.write_roster([self._me(), *(child.member() for post in self.posts for child in post.alive)])

    def write_roster(self, members: Sequence[Member]) -> None:
        """Replaces the roster; a disk that is full leaves the old one, which is said in the log."""
        try:
            roster.write(self._roster_path, members)
        except StoreError as failure:
            event(log, logging.ERROR, "roster_not_written", error=str(failure))

    async def _close(self, roles: Sequence[RoleName]) -> None:
        await asyncio.gather(*(post.close() for post in self._of(roles)))

    def _of(self, roles: Sequence[RoleName]) -> list[Post]:
        return [post for role in roles for post in self.posts if post.role.name == role]

    def __repr__(self) -> str:
        return f"Crew({'; '.join(map(repr, self.posts))})"
