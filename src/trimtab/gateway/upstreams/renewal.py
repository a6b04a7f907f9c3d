"""Credentials that expire: each is fetched by a thread of its own, in time, and read without waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from trimtab.clock import Clock
from trimtab.errors import SecretMissing

T = TypeVar("T")

FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 60.0
LEAST_RENEWAL_S: Final = 1.0


class Fetched(NamedTuple, Generic[T]):
    """A credential; for how long it is good, None for until there is another; when to fetch the next. Seconds from now.

    What is fetched must not show a secret in its `repr`.
    """

    value: T
    lasts_s: float | None
    renew_in_s: float


class NotFetched(Exception):
    """There is no credential; the text says why, to clients too, and holds nothing secret."""


Fetch = Callable[[], Fetched[T]]
"""Fetches a credential, however long that takes, in a thread; raises `NotFetched`."""


class Renewed(Generic[T]):
    """One credential, fetched again before it expires. `name` is what messages call it.

    A fetch that fails is repeated after 1 s, doubling to 60 s; meanwhile the last credential stays in use until it
    expires. One fetch runs at a time.
    """

    def __init__(self, name: str, fetch: Fetch[T], clock: Clock) -> None:
        self._name = name
        self._fetch = fetch
        self._clock = clock
        self._value: T | None = None
        self._ends_at: float | None = None
        self._trouble = "it is being fetched"
        self._tried = asyncio.Event()

    def value(self) -> T:
        """The credential; raises `SecretMissing` while there is none that is good."""
        expired = self._ends_at is not None and self._clock.monotonic() >= self._ends_at
        if self._value is None or expired:
            raise SecretMissing(place=self._name, detail=self._trouble)
        return self._value

    async def tried(self) -> None:
        """Waits until a first fetch has ended, well or badly."""
        await self._tried.wait()

    async def run(self) -> None:
        """Fetches and renews until it is cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                fetched = await _in_thread(self._fetch, self._name)
            except NotFetched as failure:
                self._trouble = str(failure)
                pause_s, retry_s = retry_s, min(2 * retry_s, LAST_RETRY_S)
            except Exception as failure:  # noqa: BLE001  whatever a library raises must not end the renewal
                self._trouble = type(failure).__name__
                pause_s, retry_s = retry_s, min(2 * retry_s, LAST_RETRY_S)
            else:
                self._take(fetched)
                pause_s, retry_s = max(fetched.renew_in_s, LEAST_RENEWAL_S), FIRST_RETRY_S
            self._tried.set()
            await asyncio.sleep(pause_s)

    def _take(self, fetched: Fetched[T]) -> None:
        self._value = fetched.value
        self._ends_at = None if fetched.lasts_s is None else self._clock.monotonic() + fetched.lasts_s
        self._trouble = "it has expired and could not be fetched again yet"

    def __repr__(self) -> str:
        return f"Renewed({self._name}, {'none' if self._value is None else 'fetched'})"


async def _in_thread(work: Callable[[], T], name: str) -> T:
    """What `work` returns or raises. Its thread holds nobody up: not the loop's end, nor the process's."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, failure: BaseException | None) -> None:
        if ended.done():
            return
        if failure is None:
            ended.set_result(result)  # type: ignore[arg-type]  # where nothing failed, there is a result
        else:
            ended.set_exception(failure)

    def run() -> None:
        try:
            result, failure = work(), None
        except Exception as fault:  # noqa: BLE001  it is raised where it is awaited
            result, failure = None, fault
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result, failure)

    threading.Thread(target=run, name=f"fetch {name}", daemon=True).start()
    return await ended
