"""Rules of reviews: what they may say, and when they ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare.load import load, read
from trimtab.declare.review_matching import asks, rule_for
from trimtab.declare.reviewing import ReviewRule, ReviewSample

WHOLE = f"""{TASK}
[[review]]
tools = ["refund"]
when = "arguments.amount_usd > 100"
roles = ["admin", "finance"]
receivers = ["desk"]
expires = "24h"
otherwise = "reject"
escalate = {{ after = "4h", to = "pager" }}
[[review]]
[review_sample]
share = 0.02
reviewers = 2
"""
RECEIVERS = "".join(f'[receivers.{one}]\nkind = "webhook"\nurl = "http://127.0.0.1/x"\n' for one in ("desk", "pager"))


def test_all_that_a_rule_says(tmp_path: Path) -> None:
    """Every key ends where it belongs, and what a rule does not say is the default."""
    task = load(write(tmp_path, MODEL + RECEIVERS, triage=WHOLE)).tasks["triage"]
    first = ReviewRule(
        ("refund",),
        "arguments.amount_usd > 100",
        ("admin", "finance"),
        ("desk",),
        86_400.0,
        "reject",
        14_400.0,
        "pager",
    )
    assert task.reviews == (first, ReviewRule())
    assert task.review_sample == ReviewSample(0.02, 2)


WRONG = {
    "receiver": (f'{TASK}review.receivers = ["deks"] #!', 'there is no receiver "deks"', "did you mean desk?"),
    "escalation": (
        f'{TASK}review.escalate = {{ after = "1h", to = "nobody" }} #!',
        "no receiver",
        "[receivers.nobody]",
    ),
    "no after": (f'{TASK}review.escalate = {{ to = "desk" }} #!', "review.escalate has no `after`", 'after = "4h"'),
    "late": (
        f'{TASK}[review]\nexpires = "1h"\nescalate.after = "2h" #!',
        "escalates after it has expired",
        "shorter than expires",
    ),
    "otherwise": (f'{TASK}review.otherwise = "approve" #!', "nothing expires", 'expires = "24h"'),
    "tool": (f'{TASK}tools = ["refund"]\nreview.tools = ["refnud"] #!', 'no tool "refnud"', "did you mean refund?"),
    "client": (f'{TASK}review.roles = ["client"] #!', "keys are for calls", "the name of a key"),
    "condition": (f'{TASK}review.when = "amount > 100" #!', 'a condition on "amount"', "use"),
    "share": (f"{TASK}review_sample.reviewers = 2 #!", "review_sample has no `share`", "share = 0.02"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_at_its_line(tmp_path: Path, case: str) -> None:
    """Each mistake is found on its line, and what to write instead is said."""
    text, what, instead = WRONG[case]
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "refund.json").write_text('{"description": "d", "input_schema": {"type": "object"}}')
    [mistake] = read(write(tmp_path, MODEL + RECEIVERS, triage=text.replace(" #!", ""))).mistakes
    assert what in mistake.what
    assert instead in mistake.instead
    assert mistake.line == marked(text)


OVER_100 = ReviewRule(("refund",), "arguments.amount_usd > 100")


@pytest.mark.parametrize(
    ("tool", "effect", "arguments", "expected"),
    [
        ("refund", "write", {"amount_usd": 101}, True),
        ("refund", "write", {"amount_usd": 100}, False),
        ("refund", "read", {"amount_usd": 101}, True),
        ("charge", "write", {"amount_usd": 101}, False),
        ("refund", "write", {"amount_usd": "500"}, True),
        ("refund", "write", {}, True),
        ("refund", "write", {"amount_usd": None}, True),
    ],
)
def test_when_a_rule_asks(tool: str, effect: str, arguments: dict[str, Any], expected: bool) -> None:
    """It asks where its condition holds, and where that cannot be told of these arguments."""
    assert asks(OVER_100, tool, effect, arguments) is expected


def test_a_rule_without_tools_is_about_what_changes_something() -> None:
    """Tools that only read need no person; others do."""
    assert not asks(ReviewRule(), "look", "read", {})
    assert asks(ReviewRule(), "send", "idempotent", {})
    assert asks(ReviewRule(), "send", "write", {})


def test_the_first_rule_that_asks_holds() -> None:
    """Rules are tried in their order; where none asks, nobody is asked."""
    large = ReviewRule(("refund",), "arguments.amount_usd > 1000", roles=("admin",))
    assert rule_for((large, OVER_100), "refund", "write", {"amount_usd": 5000}) == large
    assert rule_for((large, OVER_100), "refund", "write", {"amount_usd": 500}) == OVER_100
    assert rule_for((large, OVER_100), "refund", "write", {"amount_usd": 50}) is None
