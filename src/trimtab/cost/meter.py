"""What a call costs: exact integer picodollars (1e-12 USD) and how far the figure can be trusted.

`exact`: the server told the tokens and every class of them has a price of its own. `estimated`: the tokens were
estimated, the hardware's time was shared out, or part of them belongs to a modality (audio, images) for which the price
book has no row of its own. `unknown`: no rate was in force, or tokens fell into a class without a price; no figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from trimtab.cost.prices import Rate, rate_on
from trimtab.record.events import CostLabel, Usage

NS_PER_DAY = 86_400 * 10**9
EPOCH_DAY = date(1970, 1, 1).toordinal()


class Cost(NamedTuple):
    """Picodollars and how they were come by; None when nobody can say."""

    pusd: int | None
    label: CostLabel


UNKNOWN = Cost(None, "unknown")


def day(at_ns: int) -> date:
    """The day in UTC of a moment in nanoseconds since 1970: the day whose rate a call is priced at."""
    return _date(at_ns // NS_PER_DAY)


@lru_cache(maxsize=4)
def _date(days: int) -> date:
    return date.fromordinal(EPOCH_DAY + days)


def price(usage: Usage, rates: Sequence[Rate], day: date, *, exact: bool) -> Cost:
    """The cost of `usage` at the rate in force on `day`; `exact` says whether the server told the tokens."""
    rate = rate_on(rates, day)
    if rate is None:
        return UNKNOWN
    reasoning_rate = rate.output if rate.reasoning is None else rate.reasoning
    total = usage.input * rate.input + (usage.output - usage.reasoning) * rate.output + usage.reasoning * reasoning_rate
    for tokens, rate_of_class in ((usage.cache_read, rate.cache_read), (usage.cache_write, rate.cache_write)):
        if tokens:
            if rate_of_class is None:
                return UNKNOWN
            total += tokens * rate_of_class
    return Cost(total, "exact" if exact and not usage.modalities else "estimated")


def bound(rates: Sequence[Rate], request_bytes: int, max_output_tokens: int | None, day: date) -> int | None:
    """The most one answer to a text request can cost, in picodollars; None where nothing bounds it.

    A token is at least a byte, so a request has at most as many input tokens as bytes; each is taken at the dearest
    class. Images by URL and more than one choice are outside this bound. None without a rate or an output limit.
    """
    rate = rate_on(rates, day)
    if rate is None or max_output_tokens is None:
        return None
    dearest_input = max(rate.input, rate.cache_read or 0, rate.cache_write or 0)
    dearest_output = max(rate.output, rate.reasoning or 0)
    return request_bytes * dearest_input + max_output_tokens * dearest_output
