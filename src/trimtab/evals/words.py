"""Figures of a report in words, the same on a terminal, in a pull request and in the reasons of a verdict."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from trimtab.evals.report import UNBOUNDED, Figure, Metric

NONE: Final = "-"
UNBOUNDED_WORD: Final = "?"
"""The end of an interval that nothing bounds."""
LABELS: Final = {
    "parse_rate": "parse rate",
    "tool_validity": "tool validity",
    "refusal_rate": "refusals",
}
MOST_NAME: Final = 80


def name_of(metric: Metric) -> str:
    """What a metric is called: its name, and the slice it is of."""
    name = LABELS.get(metric.name, metric.name) if metric.kind == "guard" else metric.name
    return plain(f"{name} in {metric.slice}" if metric.slice else name)


def plain(words: str, most: int = MOST_NAME) -> str:
    """Words of others on one line, control codes escaped, cut at `most`."""
    cut = words if len(words) <= most else words[: most - 3] + "..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in cut)


def digits(value: float, places: int = 3) -> str:
    """A number with so many significant digits at most, never with an exponent: `1234.5` -> `1230`."""
    if value == 0:
        return "0"
    rounded = Decimal(f"{value:.{places - 1}e}")
    return f"{rounded.quantize(Decimal(1)) if abs(rounded) >= 10 ** (places - 1) else rounded.normalize():f}"


def value_text(metric: Metric, figure: Figure | None) -> str:
    """A mean in its unit: `93.1 %`, `212 tokens`, `0.0012 USD`, `310 ms`; `-` where nothing was measured."""
    return NONE if figure is None else amount_text(figure.value, metric.unit)


def figure_text(figure: Figure | None, unit: str) -> str:
    """A value with its interval, the unit once: `86.9 % (84.0 to 89.5)`; `-` where nothing was measured."""
    if figure is None:
        return NONE
    value = amount_text(figure.value, unit)
    _, space, shown = value.rpartition(" ")
    low, high = (
        UNBOUNDED_WORD if abs(one) >= UNBOUNDED else amount_text(one, unit).removesuffix(space + shown)
        for one in (figure.low, figure.high)
    )
    return f"{value} ({low} to {high})"


def amount_text(value: float, unit: str) -> str:
    """A value in its unit."""
    if unit == "share":
        return f"{share_text(value)} %"
    if unit == "s":
        return f"{digits(value * 1000)} ms" if value < 1 else f"{digits(value)} s"
    return f"{digits(value)} {unit}"


def share_text(share: float) -> str:
    """A share of one in percent with one decimal, never rounded up to 100 or down to 0."""
    text = f"{share * 100:.1f}"
    if text == "100.0":
        return "100" if share >= 1 else ">99.9"
    return ("0" if share <= 0 else "<0.1") if text in {"0.0", "-0.0"} else text


def difference_text(metric: Metric) -> str:
    """What differs, with its interval: `-1.2 points (-3.0 to 0.6)`; for ratios `+12 % (8.0 to 16)`; `-` for nothing."""
    found = metric.difference
    if found is None:
        return NONE
    unit = "%" if metric.is_ratio else "points" if metric.unit == "share" else metric.unit
    low, high = step_text(metric, found.low, sign=False), step_text(metric, found.high, sign=False)
    return f"{step_text(metric, found.value)} {unit} ({low} to {high})"


def step_text(metric: Metric, value: float, *, sign: bool = True) -> str:
    """A difference, or an end of its interval, without its unit: points for shares, percent for ratios."""
    if abs(value) >= UNBOUNDED:
        return UNBOUNDED_WORD
    if metric.is_ratio or metric.unit == "share":
        value = (value - metric.is_ratio) * 100
        text = f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
        text = "0.0" if text == "-0.0" else text
    else:
        text = digits(value)
    return f"+{text}" if sign and value > 0 and text != "0.0" else text


def margin_text(metric: Metric) -> str:
    """How much worse is borne: `2 points`, `10 %`; `-` where the metric decides nothing."""
    if metric.margin is None:
        return NONE
    if metric.is_ratio or metric.unit == "share":
        return f"{digits(metric.margin * 100)} {'%' if metric.is_ratio else 'points'}"
    return f"{digits(metric.margin)} {metric.unit}"


def worse_text(metric: Metric, worse: float, word: str = "") -> str:
    """By how much a candidate is worse, in the unit of the margin: `1.2 points worse`, `12 % more`.

    Below 0 it is better; `word` ("at most", "at least") stands before it, and is turned round for what is better.
    """
    turned = {"at most": "at least", "at least": "at most"}
    size = abs(worse)
    if metric.is_ratio:
        told, sides = f"{digits(size * 100)} %", ("more", "less")
    elif metric.unit == "share":
        told, sides = f"{size * 100:.1f} points", ("worse", "better")
    else:
        told, sides = f"{digits(size)} {metric.unit}", ("worse", "better")
    is_worse = worse >= 0
    shown = word if is_worse else turned.get(word, word)
    return " ".join(part for part in (shown, told, sides[0 if is_worse else 1]) if part)


def count(number: int, what: str) -> str:
    """`1 case`, `1,200 cases`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")
