"""A report on a terminal, as a person reads it."""

from __future__ import annotations

from rich.console import Console

from tests.evals.renderings.reports import ALONE, BLOCKED, HOSTILE
from trimtab.cli.evaluation_text import report_text
from trimtab.evals.report import Report

GOLDEN = """\
extract: working tree (lock b2b2b2b2b2b2) against origin/main (lock a1a1a1a1a1a1)
block   exact: -6.2 points (-8.4 to -4.0); at least 4.4 points worse with 95 % confidence.

               base    candidate          difference (95 %)     margin   verdict
 ────────────────────────────────────────────────────────────────────────────────
 exact       93.1 %       86.9 %   -6.2 points (-8.4 to -4.0)   2 points   block
 length  212 tokens   146 tokens     -31.0 % (-34.0 to -27.5)          -   -

1 slice, each judged by itself

                   base   candidate        difference (95 %)     margin   verdict
 ──────────────────────────────────────────────────────────────────────────────────
 exact in long   70.0 %      70.0 %   0.0 points (-5.0 to 5.0)   2 points   inconclusive

Prompt: "Be concise." added: length -31.0 % (-34.0 to -27.5).
1 case of 3 worse, 1 better, 1 the same

 case     base   candidate
 ──────────────────────────────
 c1      100 %         0 %
 c2     40.0 %      80.0 %   flaky

what differs
  prompt extract: 3 words changed
3 cases, 5 samples of each, 3,000 calls, 2.1 USD, 74 s
The smallest difference that so many cases show in exact: 2.76 points.
Of the variance 75 % lies between cases; the next call is best spent on a new case.
3 calls of the base failed and count as no answers: deadline_gap 3.
To run it again: evaluation 0192, seed 7, suite c3c3c3c3c3c3, cases d4d4d4d4d4d4, judge large e5e5e5e5e5e5
"""
"""Written by hand; how wide columns are is rich's."""


def shown(report: Report) -> str:
    console = Console(width=160, highlight=False, force_terminal=False)
    with console.capture() as captured:
        console.print(report_text(report))
    return captured.get()


def words(text: str) -> list[list[str]]:
    """The words of each line that has any, without rulers."""
    lines = (line.replace("─", " ").split() for line in text.splitlines())
    return [line for line in lines if line]


def test_a_blocked_change() -> None:
    """Verdict and reason first, then figures, slices, cases, changes, and what it took."""
    assert words(shown(BLOCKED)) == words(GOLDEN)


def test_one_arm() -> None:
    """Without a base there is no verdict and no case that turned; the score has its interval, and of what it is."""
    told = shown(ALONE)
    assert told.startswith("extract: working tree (lock b2b2b2b2b2b2)\n")
    assert "worse" not in told
    assert words(told)[1:3] == [
        ["value", "(95", "%)", "cases"],
        ["exact", "86.9", "%", "(84.0", "to", "89.5)", "300"],
    ]


def test_hostile_names() -> None:
    """Control codes of foreign names are shown, and rich's markup in them is text."""
    told = shown(HOSTILE)
    assert "\x1b" not in told
    assert "[a](http://b)" in told
