"""Cases drawn from the stores of a host: for control's route, and for the command line while nothing runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from trimtab.data.drawn import DEFAULT_WINDOW, MOST_CASES, STRATA, Drawn, Read, corrected, draw
from trimtab.data.filters import Condition, conditions
from trimtab.errors import InvalidRequest
from trimtab.processes.desk import Stores
from trimtab.reports.window import since_ns
from trimtab.store.telemetry import Sample, SampleQuery

POOL = 20_000
"""Calls of the window that are looked at, drawn at random."""
MOST_NAMED = 1_000
"""Calls that are looked up one by one."""


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to draw: so many cases of a task's calls since a time that keep conditions, spread over strata of `by`.

    With `calls` only these, whenever they were; with `corrected` those that feedback gave the right answer to.
    """

    task: str
    where: tuple[str, ...] = ()
    by: str = ""
    sample: int = 200
    seed: int = 0
    since: str = DEFAULT_WINDOW
    calls: tuple[str, ...] = ()
    corrected: bool = False


class Pool(NamedTuple):
    """The calls to draw from, and by call the digest of the answer that would have been right."""

    sample: Sample
    right: Mapping[str, str] = {}


def understood(wish: Wish) -> tuple[Condition, ...]:
    """The wish's conditions; raises `InvalidRequest` for what cannot be wished."""
    if not 0 < wish.sample <= MOST_CASES:
        raise InvalidRequest(detail=f"sample is {wish.sample}, not from 1 to {MOST_CASES}")
    if wish.by and wish.by not in STRATA:
        raise InvalidRequest(detail=f"{wish.by[:60]!r} is nothing to stratify by; there are {', '.join(STRATA)}")
    if len(wish.calls) > MOST_NAMED:
        raise InvalidRequest(detail=f"{len(wish.calls)} calls are named; name at most {MOST_NAMED}")
    if not -(2**63) <= wish.seed < 2**63:
        raise InvalidRequest(detail="the seed has more than 64 bits")
    try:
        return tuple(condition for text in wish.where for condition in conditions(text))
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong


def drawn(stores: Stores, wish: Wish, now_ns: int) -> Drawn:
    """The cases; raises `InvalidRequest`, and `StoreError` where telemetry or bodies fail."""
    pool = pool_of(stores, wish, now_ns)
    return cases_of(pool, wish, lambda digest: body_of(stores, digest))


def pool_of(stores: Stores, wish: Wish, now_ns: int) -> Pool:
    """The calls to draw from; raises `InvalidRequest` for a time that is none, and `StoreError`."""
    try:
        begin = since_ns(wish.since, now_ns)
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong
    if wish.corrected:
        given = stores.telemetry.corrections(wish.task, begin, min(wish.sample, MOST_NAMED))
        right = {one.call: one.correction for one in given}
        return Pool(_named(stores, wish.task, right), right)
    if wish.calls:
        return Pool(_named(stores, wish.task, wish.calls))
    return Pool(stores.telemetry.sample(SampleQuery(begin, now_ns + 1, (wish.task,), POOL, wish.seed)))


def body_of(stores: Stores, digest: str) -> bytes | None:
    """The body of a digest, None where it is not kept; raises `StoreError`."""
    return stores.bodies.read(digest) if stores.bodies is not None else None


def cases_of(pool: Pool, wish: Wish, read: Read) -> Drawn:
    """The cases of calls, whose bodies are read one by one; raises `InvalidRequest` and what `read` raises."""
    found = draw(pool.sample.calls, pool.sample.of, understood(wish), wish.by, wish.sample, read)
    return corrected(found, pool.right, read) if wish.corrected else found


def _named(stores: Stores, task: str, names: Iterable[str]) -> Sample:
    """The calls of these names that are of the task."""
    details = [stores.telemetry.call(name) for name in names]
    calls = tuple(one.call for one in details if one is not None and one.call.admitted.task == task)
    return Sample(calls, len(calls))
