"""Numbers as they stand in tables: at most three significant digits, the unit in the head of the column."""

from __future__ import annotations

from decimal import Decimal

NONE = "-"
PUSD_A_USD = 10**12


def three_digits(value: float | None) -> str:
    """`1234.5` -> `1230`, `0.012345` -> `0.0123`, None -> `-`; never an exponent."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    rounded = Decimal(f"{value:.2e}")
    return f"{rounded.quantize(Decimal(1)) if abs(rounded) >= 100 else rounded.normalize():f}"


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds."""
    return NONE if seconds is None else three_digits(seconds * 1000)


def percent(share: float) -> str:
    """A share of one in percent to three digits, never rounded up to 100 or down to 0."""
    text = three_digits(share * 100)
    if text == "100" and share < 1:
        return ">99.9"
    return "<0.1" if 0 < share < 0.001 else text


def share_of(share: float, low: float, high: float, n: int) -> str:
    """A share of `n` with its interval: `93.4 % (91.2-95.2), n 412`."""
    return f"{percent(share)} % ({percent(low)}-{percent(high)}), n {whole(n)}"


def usd(pusd: int | None) -> str:
    """Picodollars as US dollars to three digits."""
    return NONE if pusd is None else three_digits(float(Decimal(pusd) / PUSD_A_USD))


def whole(count: int) -> str:
    """A count in full, in groups of three."""
    return f"{count:,}"
