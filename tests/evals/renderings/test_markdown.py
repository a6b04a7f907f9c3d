"""A report for a pull request: what it says, that it obeys nobody, and that it fits into a comment."""

from __future__ import annotations

import re

from msgspec.structs import replace

from tests.evals.renderings.reports import ALONE, BLOCKED, HOSTILE
from trimtab.evals.renderings.markdown import MOST_CHARACTERS, escaped, markdown
from trimtab.evals.report import CaseResult

GOLDEN = r"""### Block: extract\: working tree \(lock b2b2b2b2b2b2\) against origin/main \(lock a1a1a1a1a1a1\)

- exact\: \-6.2 points \(\-8.4 to \-4.0\); at least 4.4 points worse with 95 % confidence.

|  | base | candidate | difference (95 %) | margin | verdict |
| --- | ---: | ---: | ---: | ---: | --- |
| exact | 93.1 % | 86.9 % | \-6.2 points \(\-8.4 to \-4.0\) | 2 points | block |
| length | 212 tokens | 146 tokens | \-31.0 % \(\-34.0 to \-27.5\) | \- | \- |

Prompt\: "Be concise." added\: length \-31.0 % \(\-34.0 to \-27.5\).

<details>
<summary>1 slice</summary>

|  | base | candidate | difference (95 %) | margin | verdict |
| --- | ---: | ---: | ---: | ---: | --- |
| exact in long | 70.0 % | 70.0 % | 0.0 points \(\-5.0 to 5.0\) | 2 points | inconclusive |

</details>

<details>
<summary>1 case of 3 worse, 1 better, 1 the same</summary>

| case | base | candidate |  |
| --- | ---: | ---: | --- |
| c1 | 100 % | 0 % |  |
| c2 | 40.0 % | 80.0 % | flaky |

</details>

<details>
<summary>1 change of the lock</summary>

- prompt extract\: 3 words changed

</details>

<details>
<summary>How it was measured</summary>

- 3 cases, 5 samples of each, 3,000 calls, 2.1 USD, 74 s
- The smallest difference that so many cases show in exact\: 2.76 points.
- Of the variance 75 % lies between cases; the next call is best spent on a new case.
- 3 calls of the base failed and count as no answers\: deadline\_gap 3.
- To run it again\: evaluation 0192, seed 7, suite c3c3c3c3c3c3, cases d4d4d4d4d4d4, judge large e5e5e5e5e5e5

</details>
"""
"""Written by hand."""


def test_a_blocked_change() -> None:
    """Verdict, reasons, figures and price stand open; slices, cases, changes and the rest are folded away."""
    assert markdown(BLOCKED) == GOLDEN


def test_one_arm() -> None:
    """Without a base there is no verdict, no margin and no difference."""
    told = markdown(ALONE)
    assert told.startswith("### extract\\: working tree \\(lock b2b2b2b2b2b2\\)\n")
    assert "| exact | 86.9 % \\(84.0 to 89.5\\) | 300 |" in told
    assert "worse" not in told


def test_nobody_is_obeyed() -> None:
    """Names of cases, prompts and lock entries make no tag, link, mention, table cell, heading or line."""
    told = markdown(HOSTILE)
    bare = re.sub(r"\\.", "", told)
    for mark in ("<img", "`", "@", "](", "\x1b"):
        assert mark not in bare
    rows = [line for line in bare.splitlines() if line.startswith("|") and not line.startswith("| ---")]
    assert {line.count("|") for line in rows} <= {7, 5}
    assert [line for line in bare.splitlines() if line.startswith("#")] == [bare.splitlines()[0]]


def test_it_fits_into_a_comment() -> None:
    """A report that would be too long loses folded parts from the end, and says how many."""
    many = tuple(f"change {number} " + "x" * 5_000 for number in range(40))
    long = replace(BLOCKED, changes=many, notes=many, cases=tuple(CaseResult("x" * 5_000, "") for _ in range(9)))
    told = markdown(replace(long, reasons=("y" * 70_000,)))
    assert told.endswith("parts left out for length; `report.json` has all.\n")
    assert len(markdown(long)) <= MOST_CHARACTERS


def test_escaping() -> None:
    """Every sign that Markdown reads as its own has a backslash before it, and line ends are spaces."""
    assert escaped("a*b_c\n# `d`") == "a\\*b\\_c \\# \\`d\\`"
