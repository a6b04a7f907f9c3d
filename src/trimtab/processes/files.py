"""How many files and sockets our processes may have open; children inherit it."""

from __future__ import annotations

import resource
from typing import Final

SPARE: Final = 256
"""Descriptors of a worker that are no connection: spool, packs, database, board, channel, listener, the loop's own."""


def wanted(max_connections: int) -> int:
    """What a worker needs when each client's connection has one to a replica beside it."""
    return 2 * max_connections + SPARE


def allow(count: int) -> int:
    """Raises the soft limit of open files to `count`, as far as the hard limit lets it; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    return limit if soft == resource.RLIM_INFINITY else soft
