"""What is declared of background calls."""

from __future__ import annotations

from msgspec import Struct


class Background(Struct, frozen=True):
    """The `[background]` table. `waiting` is for each key; `concurrency` for each worker; `busy` for each replica.

    `deadline_s` is the time from submission to answer where the client does not shorten it, `keep_s` how long an answer
    is kept.
    """

    waiting: int = 1000
    attempts: int = 5
    deadline_s: float = 86_400.0
    keep_s: float = 7 * 86_400.0
    concurrency: int = 8
    busy: int = 32
    max_request: int = 8 << 20
