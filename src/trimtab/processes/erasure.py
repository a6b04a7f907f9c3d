"""Everything of one end user taken out: runs, calls, scores, dead letters and bodies, a portion at a time.

Each portion leaves all stores as they should be, and doing one again changes nothing: after a kill the next goes on.
Whose it was is written nowhere; what stands for them is an HMAC under a key of this installation.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from trimtab.errors import JournalUnavailable, StoreError
from trimtab.journal.asks import Find, RunRow
from trimtab.journal.client import Asking
from trimtab.journal.erasing import Erase, FindShreds, RunErased, Shred, Shreds
from trimtab.journal.refusals import JournalRefusal
from trimtab.processes.changes import Changes
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.installed_key import keep_key
from trimtab.processes.logs import event
from trimtab.record.kept import KeptBodies
from trimtab.record.shredding import shred
from trimtab.store.erasing import UserCall

RUNS_AT_ONCE: Final = 20
CALLS_AT_ONCE: Final = 2000
EVERY_S: Final = 60.0
SHREDS_AT_ONCE: Final = 10_000
MOST_FILE: Final = 64 << 20
MOST_FILES: Final = 10_000

log = logging.getLogger("trimtab.control")
Named = Callable[[Set[bytes], int], Set[bytes]]


class ErasedPortion(Struct, frozen=True, omit_defaults=True):
    """What one portion took out; `done` says that nothing is left. `bodies` are noted to go and are gone within the
    hour. `beyond` are files in which ids of it stand and that are not ours to change.
    """

    erasure: str
    done: bool
    runs: int = 0
    entries: int = 0
    reviews: int = 0
    calls: int = 0
    scores: int = 0
    letters: int = 0
    bodies: int = 0
    beyond: tuple[str, ...] = ()


class Runs(Asking, Protocol):
    """The journal as control has it."""

    async def find(self, wanted: Find) -> Sequence[RunRow]:
        """Runs, the latest first."""
        ...


class Erasure:
    """Takes an end user out; `key` is where the key of this installation lies, `places` where files may name them."""

    def __init__(self, desk: Desk, runs: Runs, noted: Changes, key: Path, places: Sequence[Path]) -> None:
        self._desk = desk
        self._runs = runs
        self._noted = noted
        self._key = key
        self._places = places
        self._one_at_a_time = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Erasure({self._runs!r})"

    async def portion(self, end_user: str, by: str) -> ErasedPortion:
        """Takes out the next portion; raises `StoreError`, `JournalUnavailable` and `JournalRefusal`."""
        async with self._one_at_a_time:
            erasure = digest_of(keep_key(self._key), end_user)
            rows = await self._runs.find(Find(end_user=end_user, limit=RUNS_AT_ONCE))
            runs = [row.run for row in rows]
            found = await self._desk.ask(lambda stores: stores.telemetry.calls_of_user(end_user, runs, CALLS_AT_ONCE))
            if found:
                done = await self._calls(erasure, end_user, found)
            else:
                done = await self._emptied(erasure, end_user, by, len(runs))
            words = [end_user, *runs, *(one.call for one in found)]
            if not done.done:
                files = await asyncio.to_thread(naming, self._places, [word for word in words if len(word) >= 6])
                done = replace(done, beyond=files)
                self._noted.note("erasure", erasure, _told(done), by=by)
            return done

    async def _calls(self, erasure: str, end_user: str, found: Sequence[UserCall]) -> ErasedPortion:
        """Calls go first: which runs they belong to is known by their runs."""
        calls = [one.call for one in found]
        digests = tuple({digest for one in found for digest in one.bodies})
        await self._runs.do(Shred(add=digests))

        def erased(stores: Stores) -> tuple[int, int]:
            letters = stores.letters.drop(calls) if stores.letters is not None else ()
            return len(letters), stores.telemetry.erase_calls(end_user, calls)

        letters, scores = await self._desk.ask(erased)
        return ErasedPortion(erasure, False, calls=len(calls), scores=scores, letters=letters, bodies=len(digests))

    async def _emptied(self, erasure: str, end_user: str, by: str, runs: int) -> ErasedPortion:
        entries = reviews = bodies = emptied = 0
        for _ in range(runs):
            told = await self._runs.do(Erase(end_user, erasure, by))
            if not isinstance(told, RunErased) or not told.run:
                break
            emptied, entries = emptied + 1, entries + told.entries
            reviews, bodies = reviews + told.reviews, bodies + told.bodies
        return ErasedPortion(erasure, not runs, emptied, entries, reviews, bodies=bodies)


class Shredder:
    """One of control's works: takes bodies out of packs that were noted to go, as soon as nobody writes those.

    `kept` are control's own, whose pack it finishes in time.
    """

    def __init__(
        self,
        runs: Asking,
        named: Named,
        bodies: Path,
        kept: KeptBodies,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._runs = runs
        self._named = named
        self._bodies = bodies
        self._kept = kept
        self._pause = pause
        self._after = ""

    def __repr__(self) -> str:
        return f"Shredder({self._bodies})"

    async def run(self, desk: Desk) -> None:
        """Works until it is cancelled."""
        while True:
            try:
                await self.look(desk)
            except (JournalUnavailable, JournalRefusal, StoreError) as failure:
                event(log, logging.WARNING, "bodies_not_shredded", detail=str(failure))
            await self._pause(EVERY_S)

    async def look(self, desk: Desk) -> int:
        """Takes out what can be taken out now of the next 10,000 bodies, all in turn; how many bodies that was."""
        await asyncio.to_thread(self._kept.finish)
        told = await self._runs.do(FindShreds(SHREDS_AT_ONCE, self._after))
        digests = told.digests if isinstance(told, Shreds) else ()
        self._after = digests[-1] if len(digests) >= SHREDS_AT_ONCE else ""
        if not digests:
            return 0
        going = {bytes.fromhex(digest) for digest in digests}

        def work(stores: Stores) -> frozenset[bytes]:
            def referenced(wanted: Set[bytes]) -> Set[bytes]:
                by_calls = stores.telemetry.bodies_named({digest.hex() for digest in wanted})
                return {bytes.fromhex(digest) for digest in by_calls} | self._named(wanted, 1 << 62)

            return shred(self._bodies, going, referenced).gone

        gone = await desk.ask(work)
        if gone:
            await self._runs.do(Shred(done=tuple(digest.hex() for digest in gone)))
        return len(gone)


def digest_of(key: bytes, end_user: str) -> str:
    """What stands for an end user in records of an erasure."""
    return hmac.new(key, b"trimtab/erasure\n" + end_user.encode(), hashlib.sha256).hexdigest()


def naming(places: Iterable[Path], words: Sequence[str]) -> tuple[str, ...]:
    """Files of lines below these places in which one of the words stands; those over 64 MiB are told unread."""
    wanted = [word.encode() for word in words]
    found: list[str] = []
    paths = [path for place in places for path in sorted(place.rglob("*.json*")) if path.is_file()]
    for path in paths[:MOST_FILES]:
        try:
            if path.stat().st_size > MOST_FILE:
                found.append(f"{path} (not read: over 64 MiB)")
                continue
            content = path.read_bytes()
        except OSError:
            continue
        if any(word in content for word in wanted):
            found.append(str(path))
    return tuple(found)


def _told(done: ErasedPortion) -> str:
    counted = ("runs", "entries", "reviews", "calls", "scores", "letters", "bodies")
    return ", ".join(f"{getattr(done, name)} {name}" for name in counted if getattr(done, name))
