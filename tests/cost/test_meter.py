"""Money: exact integers, dated rates and honest labels."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.cost import gpu, meter
from trimtab.cost.meter import Cost
from trimtab.cost.prices import PUSD_PER_USD, Rate, pusd_per_token, rate_on
from trimtab.cost.usage import from_openai
from trimtab.record.events import Usage

DAY = date(2026, 11, 23)
GEMINI_25_PRO = Rate(input=1_250_000, cache_read=625_000, output=10_000_000)
CLAUDE_37_SONNET = Rate(input=3_000_000, cache_read=300_000, cache_write=3_750_000, output=15_000_000)
GPT_4O = Rate(input=2_500_000, cache_read=1_250_000, output=10_000_000)


def usd(text):
    return int(Decimal(text) * PUSD_PER_USD)


def test_cached_gemini_call_is_not_counted_twice():
    """LiteLLM issue 14849: 0.184918125 USD, where 0.7642 was reported."""
    usage = from_openai(
        b'{"total_tokens": 264704, "prompt_tokens": 262960, "completion_tokens": 1744,'
        b' "prompt_tokens_details": {"text_tokens": 262960, "cached_tokens": 257955}}'
    )
    assert meter.price(usage, (GEMINI_25_PRO,), DAY, exact=True) == Cost(usd("0.184918125"), "exact")


def test_written_cache_is_not_counted_twice():
    """LiteLLM issue 9812: the billing console says 4.614 and 0.825 cents beside three plain tokens, not 9.1311."""
    usage = from_openai(
        b'{"input_tokens":3,"cache_creation_input_tokens":12304,"cache_read_input_tokens":0,"output_tokens":550}'
    )
    expected = usd("0.04614") + usd("0.00825") + usd("0.000009")
    assert meter.price(usage, (CLAUDE_37_SONNET,), DAY, exact=True) == Cost(expected, "exact")


def test_cached_openai_call_pays_the_full_rate_for_the_rest_only():
    """LiteLLM issue 6215: 86 at 2.50, 1920 at 1.25 and 300 at 10 USD for a million make 0.005615 USD."""
    usage = from_openai(
        b'{"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,'
        b' "prompt_tokens_details": {"cached_tokens": 1920}}'
    )
    assert meter.price(usage, (GPT_4O,), DAY, exact=True) == Cost(usd("0.005615"), "exact")


def test_reasoning_has_its_own_price_or_that_of_output():
    """Reasoning tokens are priced once: at their own rate where there is one, else as output."""
    usage = Usage(input=10, output=100, reasoning=60)
    plain = Rate(input=1, output=5)
    assert meter.price(usage, (plain,), DAY, exact=True).pusd == 10 + 100 * 5
    assert meter.price(usage, (Rate(input=1, output=5, reasoning=7),), DAY, exact=True).pusd == 10 + 40 * 5 + 60 * 7


@pytest.mark.parametrize("usage", [Usage(input=5, cache_read=1), Usage(input=5, cache_write=1)])
def test_a_class_without_a_price_makes_the_cost_unknown(usage):
    """Tokens that nobody priced are not priced at zero."""
    assert meter.price(usage, (Rate(input=1, output=5),), DAY, exact=True) == Cost(None, "unknown")


def test_labels_say_how_the_figure_was_come_by():
    """Told tokens are exact, estimated ones estimated; a modality without a row of its own is an estimate."""
    rates = (Rate(input=2, output=3),)
    assert meter.price(Usage(input=5, output=1), rates, DAY, exact=True) == Cost(13, "exact")
    assert meter.price(Usage(input=5, output=1), rates, DAY, exact=False) == Cost(13, "estimated")
    spoken = Usage(input=5, output=1, modalities={"input_audio": 4})
    assert meter.price(spoken, rates, DAY, exact=True) == Cost(13, "estimated")
    assert meter.price(Usage(input=5), (), DAY, exact=True) == Cost(None, "unknown")


def test_the_rate_in_force_is_the_one_that_began_last():
    """A price holds from its day until the next one begins, in whatever order the book lists them."""
    first = Rate(input=1, output=1)
    autumn = Rate(input=2, output=2, from_day=date(2026, 9, 1))
    winter = Rate(input=3, output=3, from_day=date(2026, 12, 1))
    book = (winter, first, autumn)
    assert rate_on(book, date(2026, 8, 31)) is first
    assert rate_on(book, date(2026, 9, 1)) is autumn
    assert rate_on(book, date(2026, 11, 30)) is autumn
    assert rate_on(book, date(2026, 12, 1)) is winter
    assert rate_on((autumn, winter), date(2026, 8, 31)) is None
    assert rate_on((), DAY) is None
    corrected = Rate(input=4, output=4, from_day=date(2026, 9, 1))
    assert rate_on((autumn, corrected), DAY) is corrected


def test_a_call_is_priced_on_its_day_in_utc():
    """The last nanosecond of a day and the first of the next fall on either side of midnight UTC."""
    midnight_ns = 1_788_220_800 * 10**9
    assert meter.day(midnight_ns) == date(2026, 9, 1)
    assert meter.day(midnight_ns - 1) == date(2026, 8, 31)
    assert meter.day(0) == date(1970, 1, 1)


def test_the_bound_takes_every_byte_for_the_dearest_token():
    """A call of 1,000 bytes and at most 10 tokens cannot cost more; without a limit or a rate nothing bounds it."""
    assert meter.bound((CLAUDE_37_SONNET,), 1000, 10, DAY) == 1000 * 3_750_000 + 10 * 15_000_000
    assert meter.bound((Rate(input=1, output=2, reasoning=9),), 5, 3, DAY) == 5 + 27
    assert meter.bound((CLAUDE_37_SONNET,), 1000, None, DAY) is None
    assert meter.bound((), 1000, 10, DAY) is None


tokens = st.integers(0, 10**7)
rates = st.integers(0, 10**9)


@given(tokens, tokens, tokens, tokens, rates, rates, rates, rates)
def test_no_split_of_a_request_costs_more_than_its_bound(fresh, read, write, output, a, b, c, d):
    """However the tokens of a request fall into classes, the bound holds."""
    rate = Rate(input=a, cache_read=b, cache_write=c, output=d)
    cost = meter.price(Usage(fresh, read, write, output), (rate,), DAY, exact=True).pusd
    assert cost <= meter.bound((rate,), fresh + read + write, output, DAY)


@given(tokens, tokens, tokens, rates, rates, rates)
def test_the_price_is_the_sum_over_classes_to_the_last_picodollar(fresh, read, output, a, b, c):
    """The figure equals the same sum in rational numbers."""
    cost = meter.price(Usage(fresh, read, 0, output), (Rate(input=a, cache_read=b, output=c),), DAY, exact=True)
    exact = Fraction(fresh) * a + Fraction(read) * b + Fraction(output) * c
    assert cost.pusd == exact and isinstance(cost.pusd, int)


def test_declared_prices_become_whole_picodollars_or_are_refused():
    """0.15 USD for a million tokens is 150,000 picodollars each; a third of a picodollar is not rounded away."""
    assert pusd_per_token(Decimal("0.15"), 1_000_000) == 150_000
    assert pusd_per_token(Decimal("2.5"), 1_000) == 2_500_000_000
    assert pusd_per_token(Decimal(0), 1_000_000) == 0
    with pytest.raises(ValueError, match="no whole number of picodollars"):
        pusd_per_token(Decimal(1), 3)


def test_hardware_time_is_shared_among_the_calls_in_flight():
    """2.50 USD an hour is 694,444,444 pUSD a second; 3 s among 4 calls cost a quarter of three of them."""
    per_second = gpu.pusd_per_second(Decimal("2.50"), 1)
    assert per_second == 694_444_444
    assert gpu.pusd_per_second(Decimal("3.60"), 2) == 2_000_000_000
    assert gpu.share(per_second, 3.0, 4) == Cost(520_833_333, "estimated")
    assert gpu.share(per_second, 3.0, 0) == Cost(2_083_333_332, "estimated")
    assert gpu.share(per_second, -1.0, 1) == Cost(0, "estimated")
