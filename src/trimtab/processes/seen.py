"""What of a window of live calls a lock can be held against, for `trimtab lock skew`."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from trimtab.lock.skew_live import Sampled
from trimtab.lock.skew_requests import RequestSample
from trimtab.processes.desk import Stores
from trimtab.store.lock_figures import CallKind
from trimtab.store.telemetry import CallFilter, ReportQuery

REQUESTS: Final = 200
"""Of each task, the latest requests that are looked at."""
MOST_TASKS: Final = 200
"""Tasks whose requests are looked at, those with most calls first."""
MOST_BYTES: Final = 64 << 20
"""Bodies that are read for one answer; what comes after them is not looked at."""


class Seen(Struct, frozen=True):
    """Calls of a window, [since, until) in ns since 1970, by all that a lock pins, and what a sample of them asks for.

    `kinds` has those of most calls; `calls` counts them all.
    """

    since_ns: int
    until_ns: int
    calls: int
    kinds: tuple[CallKind, ...]
    sampled: tuple[Sampled, ...]


def read_seen(stores: Stores, query: ReportQuery) -> Seen:
    """Looks at a window; raises `StoreError` when telemetry cannot be read."""
    found = stores.telemetry.call_kinds(query)
    tasks = list(dict.fromkeys(kind.task for kind in found.kinds))[:MOST_TASKS]
    sampled = []
    left = MOST_BYTES
    for task in tasks if stores.bodies is not None else ():
        sample = RequestSample(task)
        for call in stores.telemetry.tail(CallFilter((task,), since_ns=query.since_ns, limit=REQUESTS)):
            digest = call.admitted.request_body
            body = stores.bodies.read(digest) if digest and left > 0 and stores.bodies is not None else None
            if body is not None and call.at_ns < query.until_ns:
                left -= len(body)
                sample.add(body)
        sampled.append(sample.sampled())
    return Seen(query.since_ns, query.until_ns, found.calls, found.kinds, tuple(sampled))
