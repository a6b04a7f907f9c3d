"""Deletes spool segments that nobody needs any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from trimtab.clock import Clock
from trimtab.record import tail
from trimtab.record.events import Admitted, Event, Settled
from trimtab.record.tail import Segment

GRACE_S = 60.0
"""How long a segment stays after all of it is stored."""


def name_of(segment: Segment) -> str:
    """A segment's name in positions and messages: `EPOCH/NUMBER`."""
    return f"{segment.epoch}/{segment.number:08d}"


class Sweep:
    """Decides which segments may go.

    A segment may go once all of it has been stored for the grace time, nobody writes to it, every call admitted in it
    is settled, and all segments of its worker before it have gone. So whoever settles the calls of a dead worker still
    finds each `admitted`, and each `settled` that answers one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._admitted_in: dict[str, str] = {}
        self._open: Counter[str] = Counter()
        self._complete_at: dict[str, float] = {}

    def follow(self, segment: str, events: Iterable[Event]) -> None:
        """Notes which calls of a segment are open, from its events in order; they may come again."""
        for event in events:
            match event:
                case Admitted(call=call) if call not in self._admitted_in:
                    self._admitted_in[call] = segment
                    self._open[segment] += 1
                case Settled(admitted=Admitted(call=call)) if call in self._admitted_in:
                    self._open[self._admitted_in.pop(call)] -= 1
                case _:
                    pass

    def choose(self, segments: Sequence[Segment], read_to: Mapping[str, int]) -> list[Segment]:
        """The segments that may go now, in the order they must go in.

        `read_to` gives for each segment that was read to its end its size then.
        """
        now = self._clock.monotonic()
        chosen: list[Segment] = []
        held: set[str] = set()
        for segment in segments:
            if self._is_spent(segment, read_to, now) and segment.epoch not in held:
                chosen.append(segment)
            else:
                held.add(segment.epoch)
        return chosen

    def forget(self, segment: str) -> None:
        """Drops what is known of a segment that is gone."""
        self._open.pop(segment, None)
        self._complete_at.pop(segment, None)

    def _is_spent(self, segment: Segment, read_to: Mapping[str, int], now: float) -> bool:
        name = name_of(segment)
        if read_to.get(name) != segment.path.stat().st_size:
            self._complete_at.pop(name, None)
            return False
        since = self._complete_at.setdefault(name, now)
        return now - since >= GRACE_S and not self._open[name] and tail.finished(segment)
