"""The dated price book: picodollars (1e-12 USD, integer) for one token of each class."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

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


def rate_on(rates: Sequence[Rate], day: date) -> Rate | None:
    """The rate in force on `day`: the one that began last, of two that began together the later listed.

    None when none had begun by then.
    """
    if len(rates) == 1 and rates[0].from_day is None:
        return rates[0]
    begun = [rate for rate in rates if rate.from_day is None or rate.from_day <= day]
    return max(reversed(begun), key=lambda rate: rate.from_day or date.min, default=None)


def pusd_per_token(usd: Decimal, per_tokens: int) -> int:
    """Picodollars for one token at `usd` for `per_tokens` tokens; ValueError where that is no whole number of them."""
    pusd, rest = divmod(usd * PUSD_PER_USD, per_tokens)
    if rest:
        raise ValueError(f"{usd} USD for {per_tokens} tokens is no whole number of picodollars (1e-12 USD) a token")
    return int(pusd)
