"""A clock that jumps, and an event loop that lives by it: tests of time that take none.

    clock = JumpingClock()
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(clock)) as runner:
        runner.run(main())          # `asyncio.sleep(3600)` in there returns at once, an hour later by `clock`

With pytest-asyncio, in a `conftest.py`:

    def pytest_asyncio_loop_factories(config, item):
        return {"jumping": JumpingLoop}
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from selectors import SelectorKey
from typing import Any, Final

START_S: Final = 1000.0
START_NS: Final = 1_767_225_600 * 10**9
"""2026-01-01 00:00:00 UTC."""
STUCK_S: Final = 10.0

Ready = list[tuple[SelectorKey, int]]


class JumpingClock:
    """A `trimtab.clock.Clock` that stands still until it is advanced; both of its times move together."""

    __slots__ = ("_now",)

    def __init__(self) -> None:
        self._now = START_S

    def monotonic(self) -> float:
        """Seconds, from 1000.0 on."""
        return self._now

    def wall_ns(self) -> int:
        """Nanoseconds since 1970, from 2026-01-01 00:00:00 UTC on."""
        return START_NS + round((self._now - START_S) * 1e9)

    def advance(self, seconds: float) -> None:
        """Lets that much time pass; raises `ValueError` if it is negative."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._now += seconds

    def __repr__(self) -> str:
        return f"JumpingClock({self._now - START_S:.3f} s after its start)"


class Stuck(RuntimeError):
    """Everything waits and no timer is set: nothing came of 10 s of real time."""


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer as soon as nothing else can run.

    Sockets are served as ever; what is ready always goes before a jump. Bytes on their way from another process, or
    work in a thread, cannot be seen coming: with those, set `threshold_s`, the real seconds of quiet to wait for before
    each jump (0.01 is enough on loopback; trio's `MockClock.autojump_threshold` is the same). Raises `Stuck` from
    whatever runs the loop when nothing can ever happen again, instead of hanging.
    """

    def __init__(self, clock: JumpingClock | None = None, threshold_s: float = 0.0) -> None:
        self.clock = JumpingClock() if clock is None else clock
        super().__init__(_JumpingSelector(self.clock, threshold_s))

    def time(self) -> float:
        """The clock's monotonic seconds."""
        return self.clock.monotonic()


class _JumpingSelector(selectors.BaseSelector):
    """The platform's selector, but time that would be waited out is jumped over."""

    def __init__(self, clock: JumpingClock, threshold_s: float) -> None:
        self._real = selectors.DefaultSelector()
        self._clock = clock
        self._threshold_s = threshold_s

    def select(self, timeout: float | None = None) -> Ready:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            ready = self._real.select(STUCK_S)
            if not ready:
                raise Stuck(Stuck.__doc__)
            return ready
        if self._threshold_s > 0:
            ready = self._real.select(self._threshold_s)
        if not ready:
            self._clock.advance(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
