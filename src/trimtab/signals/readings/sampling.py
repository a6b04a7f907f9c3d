"""Which calls of a batch are read: all of them, or so many that reading them has a bounded cost.

The choice depends on the batch alone, and within it on the ids of calls: a batch that comes again after a crash has the
same calls read, and which they are has nothing to do with what is in them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from trimtab.record.events import Settled

PER_TASK_S: Final = 10.0
"""Calls of one task that are read, for each second that a batch spans."""
PER_BATCH_S: Final = 50.0
"""The same of all tasks together."""
SEARCHED_S: Final = 300.0
SEARCHED_BYTES_S: Final = 4 << 20
"""Calls that can be found by their words, and bytes of their bodies, for each second that a batch spans."""
LEAST_SPAN_S: Final = 1.0
"""A batch spans at least the second between two passes of the ingest."""
WHOLE: Final = float(1 << 64)


def rank(call: str) -> float:
    """A number in [0, 1) that depends on a call's id and is even over ids."""
    return int.from_bytes(blake2b(call.encode("utf-8", "replace"), digest_size=8).digest()) / WHOLE


def sampled(calls: Iterable[Settled]) -> frozenset[str]:
    """The ids of the calls of a batch that are read."""
    of_task: dict[str, list[Settled]] = defaultdict(list)
    for call in calls:
        of_task[call.admitted.task].append(call)
    every = [call for of_one in of_task.values() for call in of_one]
    span_s = _span_s(every)
    chosen = [call for of_one in of_task.values() for call in _first(of_one, PER_TASK_S * _span_s(of_one))]
    return frozenset(call.admitted.call for call in _first(chosen, PER_BATCH_S * span_s))


def searched(calls: Iterable[Settled]) -> frozenset[str]:
    """The ids of the calls of a batch that can be found by their words: all, as long as there are not very many."""
    every = list(calls)
    span_s = _span_s(every)
    room, found = SEARCHED_BYTES_S * span_s, []
    for call in _first(every, SEARCHED_S * span_s):
        room -= call.admitted.request_bytes + call.response_bytes
        if room < 0:
            break
        found.append(call.admitted.call)
    return frozenset(found)


def _first(calls: list[Settled], most: float) -> list[Settled]:
    return calls if len(calls) <= most else sorted(calls, key=lambda call: rank(call.admitted.call))[: int(most)]


def _span_s(calls: list[Settled]) -> float:
    ends = [call.at_ns for call in calls]
    return max(LEAST_SPAN_S, (max(ends) - min(ends)) / 1e9) if ends else LEAST_SPAN_S
