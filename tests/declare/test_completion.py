"""Completion of a task: what its table may say, and that a rule can neither reach out nor run away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateSyntaxError

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare.alerting import Completion
from trimtab.declare.conditions import Condition, compiled
from trimtab.declare.load import load, read

FACTS: dict[str, Any] = {
    "outcome": "ok",
    "tool_calls": 0,
    "calls": 3,
    "answer": {"label": "billing", "score": 4, "items": [1, 2], "note": None},
}

HOLDS = {
    "outcome == 'ok'": True,
    "outcome == 'ok' and answer.label in ['billing', 'access']": True,
    "answer.label == 'access' or calls > 2": True,
    "not tool_calls": True,
    "answer.score + 1 >= 5": True,
    "answer.items | length == 2": True,
    "answer.note is none": True,
    "answer['label'] | upper == 'BILLING'": True,
    "answer.keys is defined": False,
    "answer.missing == 1": False,
    "answer.missing | default(1) == 1": True,
    "answer.label > 3": False,
    "answer.label.__class__ is defined": False,
    "1 < answer.score <= 4": True,
    "'x' if answer.score > 4 else ''": False,
    "verdict == 'valid'": False,
}
"""Rules, and whether they hold of FACTS: worked out by hand."""

REFUSED = {
    "'a' * 10**9": "has no place",
    "range(10**9) | list": "has no place",
    "answer ~ answer": "~ has no place",
    "answer.label.upper()": "calling something has no place",
    "answer | map('x')": "the filter map has no place",
    "answer | tojson": "the filter tojson has no place",
    "answer is divisibleby 2": "the test divisibleby has no place",
    "self": "self has no place",
    "answer.items[0:1]": "a slice has no place",
    "7 % 2 == 1": "% has no place",
    "7 / 0": "/ has no place",
    "{'a': 1}": "an object has no place",
    "outcome }} {{ calls": "unexpected '}'",
    "outcome) }}{% for a in answer %}{{ a }}{% endfor %}{{ (1": "for has no place",
    "(" * 450 + "1" + ")" * 450: "nested too deep",
    "not " * 240 + "outcome": "nested too deep; use 50 terms",
    "turns" + "+turns" * 150: "nested too deep; use 50 terms",
    "1" + " + 1" * 400: "longer than 1000 characters",
    "outcome ==": "unexpected",
    "": "end of template",
}
"""What is no rule, and why."""


@pytest.mark.parametrize("rule", HOLDS)
def test_what_a_rule_says(rule: str) -> None:
    """A rule holds as its words say; where the answer has not what it names, it does not hold."""
    assert compiled(rule).holds(FACTS) is HOLDS[rule]


@pytest.mark.parametrize("rule", REFUSED)
def test_what_is_no_rule(rule: str) -> None:
    """Nothing that calls, repeats, formats or nests without bound is taken."""
    with pytest.raises(TemplateSyntaxError, match=r".") as refused:
        compiled(rule)
    assert REFUSED[rule] in (refused.value.message or "")


def test_which_facts_are_read() -> None:
    """A rule tells which facts it reads, so that no body is read for one that needs none."""
    assert compiled("outcome == 'ok' and calls < 9").names == {"outcome", "calls"}


TOKENS = (
    "outcome", "answer", "calls", ".label", "['x']", "(", ")", "[", "]", "==", "<", "in", "and", "or", "not", "+", "-",
    "*", "**", "%", "~", "/", "//", "|", "length", "string", "default", "is", "defined", "if", "else", "1", "'a'", ",",
    "{{", "}}", "{%", "%}", "#", ".", "__class__", "self", "none", "9" * 300,
)  # fmt: skip

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.sampled_from(TOKENS), max_size=30).map(" ".join), VALUES)
def test_any_words_are_refused_or_answered(rule: str, answer: Any) -> None:
    """Whatever the words and the answer, a rule is refused when it is read, or says yes or no."""
    try:
        found: Condition = compiled(rule)
    except TemplateSyntaxError:
        return
    assert found.holds({**FACTS, "answer": answer}) in {True, False}


RULES = {
    "nothing told": (f"{TASK}[completion] #!\nquiet = '1m'", "completion tells nothing", "write rule"),
    "no condition": (f"{TASK}completion.rule = 'outcome ==' #!", "completion.rule is no condition", "write one"),
    "unknown fact": (
        f"{TASK}completion.rule = 'outcom == 1' #!",
        'completion.rule is a condition on "outcom"',
        "did you mean outcome?",
    ),
    "no question": (f"{TASK}completion.judge = 'small' #!", "completion.judge has no question", "write question"),
    "no judge": (
        f"{TASK}completion.feedback = 'x'\ncompletion.sample = 0.1 #!",
        "completion.sample has no use without a judge",
        "take it out",
    ),
    "unknown judge": (
        f"{TASK}completion.question = 'Done?'\ncompletion.judge = 'smal' #!",
        'there is no model "smal"',
        "did you mean small?",
    ),
    "sample": (
        f"{TASK}completion.question = 'Done?'\ncompletion.judge = 'small'\ncompletion.sample = 0 #!",
        "completion.sample is 0, not a number above 0",
        "bounds",
    ),
    "quiet": (f"{TASK}completion.feedback = 'x'\ncompletion.quiet = '1s' #!", "completion.quiet is", "from 10s"),
}


@pytest.mark.parametrize("name", RULES)
def test_mistakes(tmp_path: Path, name: str) -> None:
    """Each mistake in the table is told at its line, with what to write instead."""
    text, what, instead = RULES[name]
    [mistake] = read(write(tmp_path, MODEL, triage=text)).mistakes
    assert mistake.line == marked(text)
    assert what in mistake.what
    assert instead in mistake.instead


def test_what_is_read(tmp_path: Path) -> None:
    """A whole table is read as it is written."""
    text = (
        f"{TASK}[completion]\nrule = \"outcome == 'ok'\"\nfeedback = 'thumbs up'\njudge = 'small'\nquestion = 'Done?'\n"
        "sample = 0.5\nquiet = '1m'\ncalls_a_day = 7\n"
    )
    expected = Completion("outcome == 'ok'", "thumbs up", "small", "Done?", 0.5, 60.0, 7)
    assert load(write(tmp_path, MODEL, triage=text)).tasks["triage"].completion == expected
