"""The dated price book: picodollars (1e-12 USD, integer) for one token of each class."""

from __future__ import annotations

from datetime import date

from msgspec import Struct

PUSD_PER_USD = 10**12


class Rate(Struct, frozen=True):
    """Picodollars per token, in force from `from_day` (None: always) until the next rate begins.

    A class without a price of its own is None: tokens of that class then make the cost unknown, except that
    `reasoning` falls back to `output`, of which it is a part.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    from_day: date | None = None
