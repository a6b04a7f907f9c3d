"""The ends of an arm's calls as its gateway records them, read while they are written."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trimtab.clock import Clock
from trimtab.errors import GatewayGone
from trimtab.record import tail
from trimtab.record.events import Settled
from trimtab.record.index import BodyIndex

LOOK_S: Final = 0.01
"""Between two looks at the spool while somebody waits for the end of a call."""
PATIENCE_S: Final = 15.0
"""How long after its answer a call may take to be recorded."""
MOST_UNTAKEN: Final = 10_000
"""Ends of calls that nobody has asked for; beyond that the oldest are let go."""


class Ends:
    """Follows the spool of one worker's life and hands out the ends of its calls; many threads may wait at once.

    Whichever of them waits longest reads for all; nothing is read while nobody waits.
    """

    def __init__(self, spool: Path, epoch: str, clock: Clock) -> None:
        self._spool = spool
        self._epoch = epoch
        self._clock = clock
        self._reading = threading.Lock()
        self._found: OrderedDict[str, Settled] = OrderedDict()
        self._number = 0
        self._offset = 0

    def of(self, call: str) -> Settled:
        """The end of a call, once it is recorded. Raises `GatewayGone` where that does not come, `StoreError`."""
        until = self._clock.monotonic() + PATIENCE_S
        while True:
            found = self._found.pop(call, None)
            if found is not None:
                return found
            if self._clock.monotonic() > until:
                raise GatewayGone(address=f"the arm in {self._spool.parent}", detail=f"call {call} is not recorded")
            with self._reading:
                if call not in self._found:
                    self._read()
            if call not in self._found:
                threading.Event().wait(LOOK_S)

    def _read(self) -> None:
        segments = [one for one in tail.segments(self._spool) if one.epoch == self._epoch]
        for segment in segments:
            if segment.number < self._number:
                continue
            if segment.number > self._number:
                self._number, self._offset = segment.number, 0
            for offset, event in tail.read(segment.path, self._offset):
                self._offset = offset
                if isinstance(event, Settled):
                    self._found[event.admitted.call] = event
            while len(self._found) > MOST_UNTAKEN:
                self._found.popitem(last=False)

    def __repr__(self) -> str:
        return f"Ends({self._epoch}, {len(self._found)} not taken)"


def ends_of(directory: Path, run: str) -> Iterator[Settled]:
    """The ends of the calls of a run as an arm's directory has them, of any life; in no order."""
    for segment in tail.segments(directory / "spool"):
        for _, event in tail.read(segment.path, 0):
            if isinstance(event, Settled) and event.admitted.run == run:
                yield event


class Bodies:
    """The bodies that an arm's gateway keeps; many threads may read."""

    def __init__(self, directory: Path) -> None:
        self._index = BodyIndex(directory / "bodies")
        self._lock = threading.Lock()

    def read(self, digest: str) -> bytes | None:
        """The bytes a digest stands for; None if they are not kept. Raises `StoreError`."""
        if not digest:
            return None
        with self._lock:
            found = self._index.read(digest)
            if found is None:
                self._index.update()
                found = self._index.read(digest)
            return found

    def __repr__(self) -> str:
        return f"Bodies({self._index!r})"
