"""What is said before and while a suite is asked."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from trimtab.cli.evaluating import duration, progress, told
from trimtab.evals.progress import Progress

NOW = Progress(
    planned=3000, done=1500, kept=0, open=16, failed=0, retried=0, spent_usd=0.0123, unpriced=0, budget_usd=None,
    elapsed_s=30.0, rate=50.0, left_s=30.0, waiting_s=0.0,
)  # fmt: skip


def shown(*steps: Progress, terminal: bool) -> str:
    """What stands on a screen after these steps."""
    written = io.StringIO()
    screen = Console(file=written, force_terminal=terminal, width=120, highlight=False, color_system=None)
    with progress(screen, "extract") as tell:
        for step in steps:
            tell(step)
    return written.getvalue()


def test_the_rate_the_money_and_the_time() -> None:
    """How fast, how much so far, how long still."""
    assert told(NOW) == "50.0 a second, 0.0123 USD, 30 s left"


def test_what_is_wrong_is_said_too() -> None:
    """Failures, and a rate limit that holds it; no time left where it is not known."""
    held = replace(NOW, failed=3, waiting_s=6.6, left_s=None)
    assert told(held) == "50.0 a second, 0.0123 USD, 3 failed, held 7 s by a rate limit"


def test_a_bar_on_a_terminal() -> None:
    """One row that changes, with the same words."""
    assert "50.0 a second, 0.0123 USD, 30 s left" in shown(NOW, terminal=True)


def test_plain_lines_elsewhere() -> None:
    """One every ten seconds, and no control codes."""
    steps = [replace(NOW, elapsed_s=seconds, done=int(seconds) * 50) for seconds in (1.0, 10.5, 12.0, 21.0, 22.0)]
    lines = shown(*steps, terminal=False).splitlines()
    assert [line.split(",")[0] for line in lines] == ["extract: 500 of 3", "extract: 1"]
    assert all(line.isprintable() for line in lines)


def test_names_of_others_move_no_cursor() -> None:
    """A task's name is shown, not obeyed."""
    written = io.StringIO()
    with progress(Console(file=written, force_terminal=True, width=120), "a\x1b[2Jb") as tell:
        tell(NOW)
    assert "\x1b[2J" not in written.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (600, "10 min"), (5400, "1 h 30 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, words: str) -> None:
    """As people say them."""
    assert duration(seconds) == words
