"""Figures in words: units, rounding, signs, and what is not there."""

from __future__ import annotations

import pytest

from tests.evals.renderings.reports import EXACT, LENGTH
from trimtab.evals import words
from trimtab.evals.report import UNBOUNDED, Figure, Metric

SECONDS = Metric("latency", "score", "s", more_is_better=False, difference=Figure(0.0123, -0.5, UNBOUNDED, 1, 2))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (1234.5, "1230"),
        (0.012345, "0.0123"),
        (-0.5, "-0.5"),
        (100.0, "100"),
        (1e9, "1000000000"),
        (99.96, "100"),
    ],
)
def test_digits(value: float, told: str) -> None:
    """Three significant digits at most, and never an exponent."""
    assert words.digits(value) == told


@pytest.mark.parametrize(
    ("figure", "unit", "told"),
    [
        (Figure(0.869, 0.84, 0.895, 300, 1500), "share", "86.9 % (84.0 to 89.5)"),
        (Figure(28.9, 28.5, 29.2, 40, 120), "tokens", "28.9 tokens (28.5 to 29.2)"),
        (Figure(0.98, 0.95, 1.02, 40, 120), "s", "980 ms (950 to 1.02 s)"),
        (Figure(0.5, -UNBOUNDED, UNBOUNDED, 1, 1), "USD", "0.5 USD (? to ?)"),
        (None, "share", "-"),
    ],
)
def test_figures_with_intervals(figure: Figure | None, unit: str, told: str) -> None:
    """The unit stands once, but where an end is told in another one."""
    assert words.figure_text(figure, unit) == told


@pytest.mark.parametrize(
    ("share", "told"), [(0, "0"), (1, "100"), (0.99999, ">99.9"), (0.0001, "<0.1"), (0.931, "93.1"), (0.5, "50.0")]
)
def test_shares(share: float, told: str) -> None:
    """A share is never rounded up to all or down to nothing."""
    assert words.share_text(share) == told


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [(0.31, "s", "310 ms"), (2.5, "s", "2.5 s"), (0.00123, "USD", "0.00123 USD"), (212.4, "tokens", "212 tokens")],
)
def test_amounts(value: float, unit: str, told: str) -> None:
    """Amounts stand with their unit."""
    assert words.amount_text(value, unit) == told


def test_differences() -> None:
    """Shares differ by points, ratios by percent, amounts by their unit; a side that nothing bounds is `?`."""
    assert words.difference_text(EXACT) == "-6.2 points (-8.4 to -4.0)"
    assert words.difference_text(LENGTH) == "-31.0 % (-34.0 to -27.5)"
    assert words.difference_text(SECONDS) == "+0.0123 s (-0.5 to ?)"


@pytest.mark.parametrize(
    ("metric", "worse", "word", "told"),
    [
        (EXACT, 0.044, "at least", "at least 4.4 points worse"),
        (EXACT, 0.018, "at most", "at most 1.8 points worse"),
        (EXACT, -0.01, "at most", "at least 1.0 points better"),
        (LENGTH, 0.1, "at most", "at most 10 % more"),
        (LENGTH, -0.275, "at most", "at least 27.5 % less"),
        (SECONDS, 0.12, "", "0.12 s worse"),
    ],
)
def test_how_much_worse(metric: Metric, worse: float, word: str, told: str) -> None:
    """What is surely not worse than a little below nothing is surely better."""
    assert words.worse_text(metric, worse, word) == told


def test_foreign_names() -> None:
    """Control codes are shown and not obeyed, and a long name is cut."""
    assert words.plain("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
    assert words.plain("x" * 100) == "x" * 77 + "..."
