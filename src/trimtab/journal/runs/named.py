"""Which bodies runs that are kept name: what of the body store must stay for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Final

from trimtab.journal.runs.database import Database

PAGE: Final = 1000
DIGEST: Final = re.compile(rb'"digest":"([0-9a-f]{64})"')
"""A body's digest in an entry; within a text its quotes would be escaped."""


def named_of(database: Database, held: Set[bytes], before_ns: int) -> set[bytes]:
    """Those of the digests `held` that a run names which may name a body written before `before_ns`.

    A run that begins while this reads can name none of them that no run named before, so that what is not found here
    may be deleted. Raises `StoreError`.
    """
    found: set[bytes] = set()
    with database.mapped():
        for number in _runs(database, before_ns):
            for content in _contents(database, number):
                found |= held & {bytes.fromhex(digest.decode()) for digest in DIGEST.findall(content)}
    return found


def _runs(database: Database, before_ns: int) -> Iterator[int]:
    after = 0
    while page := database.rows("naming_runs", {"after": after, "before_ns": before_ns, "limit": PAGE}):
        after = page[-1][0]
        yield from (number for (number,) in page)


def _contents(database: Database, number: int) -> Iterator[bytes]:
    since = 1
    while page := database.rows("entries", {"number": number, "since": since, "limit": PAGE}):
        since = page[-1][0] + 1
        yield from (content.encode() if isinstance(content, str) else bytes(content) for _, content, _ in page)
    for bodies in database.rows("naming_reviews", {"number": number}):
        yield from (bytes(body) for body in bodies if body is not None)
