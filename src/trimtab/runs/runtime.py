"""Where runs are kept and models asked: what a program is connected to."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import cache, cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from weakref import WeakKeyDictionary

from trimtab.clock import Clock, SystemClock
from trimtab.declare.checking import Check
from trimtab.declare.reviewing import ReviewRule
from trimtab.ids import IdSource
from trimtab.journal.asks import LEASE_S, Ask, Told
from trimtab.journal.client import BlockingKeeper, Hears, KeeperClient
from trimtab.journal.requests import Path as Paths
from trimtab.runs.gateway import GatewayModels
from trimtab.runs.leases import Leases
from trimtab.runs.models import Models

if TYPE_CHECKING:
    from trimtab.declare.project import Task

DIRECTORY: Final = ".trimtab"
URL: Final = "http://127.0.0.1:8400"
SOCKET: Final = Path("run") / "keeper.sock"
LOCK: Final = "trimtab.lock"


class Keeper(Protocol):
    """The journal for code that awaits."""

    async def do(self, ask: Ask) -> Told:
        """What was told; raises `JournalRefusal` and `JournalUnavailable`."""
        ...

    async def watch(self, runs: Callable[[], Iterable[str]]) -> None:
        """Hears of orders until it is cancelled, those of `runs` that were given before too."""
        ...

    async def close(self) -> None:
        """Hangs up."""
        ...


class ThreadsKeeper(Protocol):
    """The journal for threads."""

    def do(self, ask: Ask) -> Told:
        """What was told; raises `JournalRefusal` and `JournalUnavailable`."""
        ...

    def close(self) -> None:
        """Hangs up."""
        ...


Rules = Mapping[str, Sequence[ReviewRule]]
"""Rules of reviews by task."""
Checks = Mapping[str, Sequence[Check]]
"""Checks between steps by task."""


class Runtime:
    """A journal, models, time and names for runs. As a context manager it holds for what is called inside.

    `keeper` makes a client of the journal for a loop; given what is to hear of orders, one that does. `lock` is the
    lock id that runs name and reviews are bound to, `volatile` gives paths in models' requests that do not count,
    `reviews` the rules by which tools' calls are put before persons, `checks` what steps' answers are held against;
    each is asked for once.
    `lease_s` is how long a run stays held by a driver of which nothing is heard. `replays` names a run, there as a
    copy: whatever is begun here is that run, only what is recorded of it is given, and nothing is done.
    """

    def __init__(  # noqa: PLR0913 - all are named, and most have defaults
        self,
        *,
        keeper: Callable[[Hears | None], Keeper],
        blocking: ThreadsKeeper,
        models: Models,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        lock: str = "",
        volatile: Callable[[], Sequence[Paths]] = tuple,
        reviews: Callable[[], Rules] = dict,
        checks: Callable[[], Checks] = dict,
        lease_s: float = LEASE_S,
        replays: str = "",
    ) -> None:
        self.blocking = blocking
        self.models = models
        self.clock = clock or SystemClock()
        self.ids = ids or IdSource()
        self.lock = lock
        self._volatile = volatile
        self._reviews = reviews
        self._checks = checks
        self.lease_s = lease_s
        self.replays = replays
        self.seeds = random.Random(os.urandom(16))  # noqa: S311 - jitter, not secrecy
        self.leases = Leases(keeper, lease_s)
        self._keeper = keeper
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, list[Any]] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def __repr__(self) -> str:
        return f"Runtime({self.blocking!r}, {self.models!r})"

    @cached_property
    def volatile(self) -> Sequence[Paths]:
        """The paths in requests that do not make a step another one."""
        return self._volatile()

    @cached_property
    def reviews(self) -> Rules:
        """The rules by which tools' calls are put before persons."""
        return self._reviews()

    @cached_property
    def checks(self) -> Checks:
        """What steps' answers are held against."""
        return self._checks()

    def new_id(self) -> str:
        """A fresh id."""
        with self._guard:
            return self.ids.new(self.clock.wall_ns())

    async def __aenter__(self) -> Keeper:
        """The journal for the running loop, from here to the matching exit."""
        loop = asyncio.get_running_loop()
        with self._guard:
            held = self._loops.get(loop)
            if held is None:
                held = self._loops[loop] = [self._keeper(None), 0]
            held[1] += 1
        keeper: Keeper = held[0]
        return keeper

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        with self._guard:
            held = self._loops[loop]
            held[1] -= 1
            last = held[1] == 0
            if last:
                del self._loops[loop]
        if last:
            await held[0].close()
            await self.models.close()

    def __enter__(self) -> Self:
        _before.set((*_before.get(), _current.get()))
        _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        *earlier, before = _before.get()
        _before.set(tuple(earlier))
        _current.set(before)

    def close(self) -> None:
        """Ends what keeps leases, and hangs up."""
        self.leases.close()
        self.blocking.close()


_current: ContextVar[Runtime | None] = ContextVar("trimtab_runtime", default=None)
_before: ContextVar[tuple[Runtime | None, ...]] = ContextVar("trimtab_runtimes_before", default=())
_default: list[Runtime] = []
_making = threading.Lock()


def connect(
    directory: str | Path | None = None, url: str | None = None, key: str | None = None, lock: str | None = None
) -> Runtime:
    """What runs are kept in and models asked through: the data directory of a `trimtab up`, and its gateway.

    What is not said is taken from `TRIMTAB_DIRECTORY`, `TRIMTAB_URL`, `TRIMTAB_KEY` and `TRIMTAB_LOCK`; where nothing
    names a lock, it is the one in force there. Connects when it is first needed. What `trimtab runs replay` runs is
    connected to the recorded run, whatever is said.
    """
    environment = os.environ
    replays = environment.get("TRIMTAB_REPLAY", "")
    if replays:
        url, lock = environment.get("TRIMTAB_URL"), environment.get("TRIMTAB_LOCK", "")
    folder = Path(directory or environment.get("TRIMTAB_DIRECTORY") or DIRECTORY)
    place = Path(environment["TRIMTAB_REPLAY_SOCKET"]) if replays else folder / SOCKET
    tasks = cache(lambda: _tasks(folder.parent))
    return Runtime(
        keeper=lambda hears: KeeperClient(place, hears=hears),
        blocking=BlockingKeeper(place),
        models=GatewayModels(url or environment.get("TRIMTAB_URL") or URL, key or environment.get("TRIMTAB_KEY") or ""),
        lock=(environment.get("TRIMTAB_LOCK") or _lock(folder)) if lock is None else lock,
        volatile=lambda: _declared(folder.parent),
        reviews=lambda: {name: task.reviews for name, task in tasks().items() if task.reviews},
        checks=lambda: {name: task.checks for name, task in tasks().items() if task.checks},
        replays=replays,
    )


def _lock(folder: Path) -> str:
    """The id of the lock that is in force there, or was last; empty where none is known."""
    places = [place for place in (folder / "run" / LOCK, folder.parent / LOCK) if place.exists()]
    if not places:
        return ""
    from trimtab.lock.lockfile import id_of_first  # noqa: PLC0415 - it takes its time, and many projects have none

    return id_of_first(places)


def _declared(project: Path) -> Sequence[Paths]:
    """What the project in a folder declares volatile, of all its tasks; nothing where none can be read."""
    from trimtab.declare.volatile import volatile_in  # noqa: PLC0415 - most runs never need it, and it takes its time

    return volatile_in(project)


def _tasks(project: Path) -> Mapping[str, Task]:
    """The tasks of the project in a folder, if there is one. Raises `DeclarationError` for a project with mistakes: no
    tool acts while nothing tells whether somebody is to be asked, and no answer is taken that nothing is held against.
    """
    from trimtab.declare.load import PROJECT_FILE, load  # noqa: PLC0415 - it takes its time

    if not (project / PROJECT_FILE).exists():
        return {}
    return load(project).tasks


def current() -> Runtime:
    """The runtime that holds here: the one whose context this is, else the environment's."""
    found = _current.get()
    if found is not None:
        return found
    with _making:
        if not _default:
            _default.append(connect())
        return _default[0]
