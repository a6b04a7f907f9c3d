"""Cases drawn from the stores of a host: for control's route, and for the command line while nothing runs."""

from __future__ import annotations

import msgspec

from trimtab.data.drawn import DEFAULT_WINDOW, MOST_CASES, STRATA, Drawn, Read, draw
from trimtab.data.filters import Condition, conditions
from trimtab.errors import InvalidRequest
from trimtab.processes.desk import Stores
from trimtab.reports.window import since_ns
from trimtab.store.telemetry import Sample, SampleQuery

POOL = 20_000
"""Calls of the window that are looked at, drawn at random."""


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to draw: so many cases of a task's calls since a time that keep conditions, spread over strata of `by`."""

    task: str
    where: tuple[str, ...] = ()
    by: str = ""
    sample: int = 200
    seed: int = 0
    since: str = DEFAULT_WINDOW


def understood(wish: Wish) -> tuple[Condition, ...]:
    """The wish's conditions; raises `InvalidRequest` for what cannot be wished."""
    if not 0 < wish.sample <= MOST_CASES:
        raise InvalidRequest(detail=f"sample is {wish.sample}, not from 1 to {MOST_CASES}")
    if wish.by and wish.by not in STRATA:
        raise InvalidRequest(detail=f"{wish.by[:60]!r} is nothing to stratify by; there are {', '.join(STRATA)}")
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


def pool_of(stores: Stores, wish: Wish, now_ns: int) -> Sample:
    """The calls to draw from; raises `InvalidRequest` for a time that is none, and `StoreError`."""
    try:
        begin = since_ns(wish.since, now_ns)
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong
    return stores.telemetry.sample(SampleQuery(begin, now_ns + 1, (wish.task,), POOL, wish.seed))


def body_of(stores: Stores, digest: str) -> bytes | None:
    """The body of a digest, None where it is not kept; raises `StoreError`."""
    return stores.bodies.read(digest) if stores.bodies is not None else None


def cases_of(pool: Sample, wish: Wish, read: Read) -> Drawn:
    """The cases of calls, whose bodies are read one by one; raises `InvalidRequest` and what `read` raises."""
    return draw(pool.calls, pool.of, understood(wish), wish.by, wish.sample, read)
