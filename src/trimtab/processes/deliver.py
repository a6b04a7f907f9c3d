"""Delivers what is told of alerts: takes letters out of the outbox, tries each receiver, and gives up in the end.

What cannot be delivered is tried again for a day, ever more rarely, and is then a dead letter that a person can send
again. Each receiver is served on its own, so that one that hangs holds up no other; one that takes what it is told
gets the next letter at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import msgspec
from msgspec import Struct

from trimtab.clock import Clock
from trimtab.declare.project import Secret
from trimtab.errors import SecretMissing, StoreError
from trimtab.journal.outbox import Letter
from trimtab.policy.secrets import Secrets
from trimtab.policy.watch import Address, Receiver, Watch
from trimtab.processes.logs import event
from trimtab.processes.review_links import LinkTo
from trimtab.signals.alerts.shown import Sent
from trimtab.signals.notify.message import Message, message_of
from trimtab.signals.notify.post import Undelivered

LOOK_S: Final = 1.0
MOST_AT_ONCE: Final = 100
"""Letters that one receiver gets one after another before the outbox is looked at again."""
READY: Final = b'{"message":'
THREADS: Final = 8
FIRST_DELAY_S: Final = 5.0
LONGEST_DELAY_S: Final = 3600.0
GIVE_UP_S: Final = 86_400.0
NS: Final = 1_000_000_000
RETAIN_NS: Final = 3600 * NS
KEPT_NS: Final = 400 * 86_400 * NS
"""How long what was delivered or given up is kept, as alerts are."""

log = logging.getLogger("trimtab.control")

T = TypeVar("T")
Linker = Callable[[LinkTo, str], str]
"""Makes the address of a link for a receiver."""


class Letters(Protocol):
    """The outbox; every operation raises `StoreError`."""

    def due(self, now_ns: int, limit: int) -> tuple[Letter, ...]:
        """What is to be delivered by now, up to `limit` of each receiver, the longest due first."""

    def delivered(self, letter: str) -> None:
        """Notes that it arrived."""

    def failed(self, letter: str, why: str, next_due_ns: int) -> None:
        """Notes that a try failed, and when the next one is due."""

    def dead(self, letter: str, why: str, now_ns: int) -> None:
        """Gives one up: it is a dead letter from then on."""

    def retain(self, since_ns: int) -> None:
        """Drops what was delivered or given up, and was made before then."""


class Carrier(Protocol):
    """Who brings messages to receivers; blocks."""

    def deliver(self, message: Message, receiver: Receiver) -> None:
        """Tries once; raises `Undelivered`, or `SecretMissing`."""


class Delivery:
    """One of control's works. The outbox is used from one thread, carriers from some."""

    def __init__(
        self,
        letters: Letters,
        carrier: Carrier,
        watch: Callable[[], Watch],
        clock: Clock,
        draw: random.Random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        linker: Linker | None = None,
    ) -> None:
        self._linker = linker
        self._letters = letters
        self._carrier = carrier
        self._watch = watch
        self._clock = clock
        self._draw = draw
        self._pause = pause
        self._served: set[str] = set()
        self._unwritten: dict[str, Undelivered | None] = {}
        self._retained_ns = 0
        self._books: ThreadPoolExecutor
        self._carriers: ThreadPoolExecutor

    def __repr__(self) -> str:
        return f"Delivery({len(self._served)} under way)"

    @property
    def under_way(self) -> int:
        """How many receivers are being served."""
        return len(self._served)

    async def run(self) -> None:
        """Delivers until it is cancelled; a failing database is waited for."""
        self._books, self._carriers = ThreadPoolExecutor(1, "outbox"), ThreadPoolExecutor(THREADS, "deliver")
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for receiver, letters in (await self._due()).items():
                        self._served.add(receiver)
                        group.create_task(self._serve(receiver, letters))
                    await self._retain()
                    await self._pause(LOOK_S)
        finally:
            self._books.shutdown(cancel_futures=True)
            self._carriers.shutdown(wait=False, cancel_futures=True)

    async def _due(self) -> dict[str, list[Letter]]:
        """What to begin with now, for each receiver that is not being served."""
        try:
            found = await self._booked(lambda: self._letters.due(self._clock.wall_ns(), MOST_AT_ONCE))
        except StoreError as failure:
            event(log, logging.ERROR, "outbox_unread", detail=str(failure))
            return {}
        return _of_each(found, self._served)

    async def _retain(self) -> None:
        """Drops what is long past, now and then."""
        now_ns = self._clock.wall_ns()
        if now_ns - self._retained_ns < RETAIN_NS:
            return
        self._retained_ns = now_ns
        try:
            await self._booked(lambda: self._letters.retain(now_ns - KEPT_NS))
        except StoreError as failure:
            event(log, logging.ERROR, "outbox_unwritten", detail=str(failure))

    async def _serve(self, receiver: str, letters: list[Letter]) -> None:
        """Delivers one after another, up to the first that does not arrive."""
        try:
            for letter in letters:
                if not await self._deliver(letter):
                    return
        finally:
            self._served.discard(receiver)

    async def _deliver(self, letter: Letter) -> bool:
        """Tries one, unless only what became of it could not be written: then that is, and nobody is told twice.

        Whether it arrived and that is written.
        """
        failure = self._unwritten.pop(letter.id) if letter.id in self._unwritten else await self._tried(letter)
        try:
            await self._settle(letter, failure)
        except StoreError as unwritten:
            self._unwritten[letter.id] = failure
            event(log, logging.ERROR, "outbox_unwritten", letter=letter.id, detail=str(unwritten))
            return False
        return failure is None

    async def _tried(self, letter: Letter) -> Undelivered | None:
        receiver = self._watch().alerting.receivers.get(letter.receiver)
        if receiver is None:
            return Undelivered("the receiver is not declared any more", is_final=True)
        try:
            message = read(letter, self._linker)
        except (msgspec.MsgspecError, ValueError):
            return Undelivered("what was to be told cannot be read", is_final=True)
        work = asyncio.get_running_loop().run_in_executor(self._carriers, self._carrier.deliver, message, receiver)
        try:
            await work
        except Undelivered as failure:
            return failure
        except SecretMissing as failure:
            return Undelivered(str(failure))
        except Exception as failure:  # noqa: BLE001 - one receiver may not end control; the text may hold its address
            return Undelivered(f"its address or secret cannot be used ({type(failure).__name__})", is_final=True)
        return None

    async def _settle(self, letter: Letter, failure: Undelivered | None) -> None:
        now_ns = self._clock.wall_ns()
        facts = {"letter": letter.id, "alert": letter.alert, "receiver": letter.receiver}
        if failure is None:
            await self._booked(lambda: self._letters.delivered(letter.id))
            event(log, logging.INFO, "alert_delivered", kind=letter.kind, **facts)
        elif failure.is_final or now_ns - letter.made_ns >= GIVE_UP_S * NS:
            await self._booked(lambda: self._letters.dead(letter.id, failure.why, now_ns))
            event(log, logging.ERROR, "alert_undelivered", why=failure.why, **facts)
        else:
            due_ns = now_ns + round(self._delay_s(letter.tries, failure.after_s) * NS)
            await self._booked(lambda: self._letters.failed(letter.id, failure.why, due_ns))
            event(log, logging.WARNING, "alert_delayed", why=failure.why, tries=letter.tries + 1, **facts)

    def _delay_s(self, tries: int, asked_s: float | None) -> float:
        """Doubling from 5 s to an hour, with a jitter of half; at least as long as the receiver asked for."""
        longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(tries, 16))
        return max(longest * self._draw.uniform(0.5, 1.0), asked_s or 0.0)

    async def _booked(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._books, work)


class Ready(Struct, frozen=True):
    """A letter that says itself what is told."""

    message: Message
    link: LinkTo | None = None


def written(ready: Ready) -> bytes:
    """As it lies in the outbox."""
    return msgspec.json.encode(ready)


def read(letter: Letter, linker: Linker | None = None) -> Message:
    """What a letter tells; `linker` makes the link that decides, which lies in no outbox.

    Raises `msgspec.MsgspecError` and `ValueError` for what tells nothing.
    """
    if letter.body.startswith(READY):
        ready = msgspec.json.decode(letter.body, type=Ready)
        if ready.link is None or linker is None:
            return ready.message
        return msgspec.structs.replace(ready.message, link=linker(ready.link, letter.receiver) or ready.message.link)
    return message_of(letter.id, msgspec.json.decode(letter.body, type=Sent))


def revealed(address: Address, secrets: Secrets) -> str:
    """The text of an address: as it stands, or read from where it lies; raises `SecretMissing`."""
    if not address.is_secret:
        return address.text
    kind, _, place = address.text.partition(":")
    return secrets.read(Secret("file" if kind == "file" else "env", place))


def _of_each(letters: Collection[Letter], busy: Collection[str]) -> dict[str, list[Letter]]:
    """The letters of each receiver that is not being served, in their order."""
    found: dict[str, list[Letter]] = {}
    for letter in letters:
        if letter.receiver not in busy:
            found.setdefault(letter.receiver, []).append(letter)
    return found
