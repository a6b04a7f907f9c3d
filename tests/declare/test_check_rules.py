"""Checks between steps: what a task may say of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare.check_rules import unknown_steps
from trimtab.declare.checking import Agrees, Check, Cited, Judged, Sampled
from trimtab.declare.load import load, read

WHOLE = f"""{TASK}
[[check]]
name = "form"
schema = "form.json"
on_failure = "repair"
repairs = 2
then = "ask"
roles = ["admin"]
expires = "24h"
otherwise = "approve"
[[check]]
name = "in range"
after = "quote"
rule = "answer.cents <= state.limit"
on_failure = "branch"
branch = "other"
[[check]]
name = "same order"
after = "reply"
agrees = {{ with = "find_order", fields = ["order", "total = amount.cents"] }}
[[check]]
name = "sources"
after = "reply"
cited = {{ in = "search", field = "sources", least = 2 }}
on_failure = "flag"
[[check]]
name = "friendly"
judge = {{ model = "small", question = "Is it friendly?" }}
[[check]]
name = "sure"
samples = {{ count = 5, agree = 0.8, fields = "label" }}
"""


def project(tmp_path: Path, task: str) -> Path:
    """A project of two tasks, of which the first says so."""
    root = write(tmp_path, MODEL, triage=task, other=TASK)
    (root / "tasks" / "triage" / "form.json").write_text('{"type": "object"}')
    return root


def test_all_that_checks_say(tmp_path: Path) -> None:
    """Every key ends where it belongs, in the order in which they are written, and defaults hold for the rest."""
    assert load(project(tmp_path, WHOLE)).tasks["triage"].checks == (
        Check(
            name="form", task="triage", schema='{"type":"object"}', on_failure="repair", repairs=2, then="ask",
            roles=("admin",), expires_s=86_400.0, otherwise="approve",
        ),
        Check(
            name="in range", task="triage", after="quote", rule="answer.cents <= state.limit", on_failure="branch",
            branch="other",
        ),
        Check(
            name="same order", task="triage", after="reply",
            agrees=Agrees("find_order", (("order", "order"), ("total", "amount.cents"))),
        ),
        Check(name="sources", task="triage", after="reply", cited=Cited(("search",), "sources", 2), on_failure="flag"),
        Check(name="friendly", task="triage", judge=Judged("small", "Is it friendly?")),
        Check(name="sure", task="triage", samples=Sampled(5, 0.8, ("label",))),
    )  # fmt: skip


RULE = f'{TASK}[[check]]\nname = "right"\nrule = "answer"\n'
WRONG = {
    "no name": (f'{TASK}[[check]] #!\nrule = "answer"\n', "has no `name`", 'name = "in range"'),
    "name": (f'{TASK}[[check]]\nname = "a/b" #!\nrule = "answer"\n', "not the name of a check", "A-Z a-z 0-9"),
    "twice": (f'{RULE}[[check]]\nname = "right" #!\nrule = "answer"\n', 'two checks "right"', "name each"),
    "no kind": (f'{TASK}[[check]] #!\nname = "right"\n', "says not what is held", "exactly one of schema, rule"),
    "two kinds": (
        f'{TASK}[[check]] #!\nname = "a"\nrule = "answer"\nschema = "form.json"\n',
        "has schema and rule",
        "exactly one",
    ),
    "fact": (f'{TASK}[[check]]\nname = "a"\nrule = "anwser.x" #!\n', "a condition on", "did you mean answer?"),
    "call": (f'{TASK}[[check]]\nname = "a"\nrule = "range(9)" #!\n', "calling something", "write one such as"),
    "schema": (f'{TASK}[[check]]\nname = "a"\nschema = "../x.json" #!\n', "not the name of a file", "output.schema"),
    "nothing to compare": (
        f'{TASK}[[check]]\nname = "a"\nagrees = {{ with = "x" }} #!\n', "has no `fields`", "total = amount.cents",
    ),
    "path": (
        f'{TASK}[[check]]\nname = "a"\nagrees = {{ with = "x", fields = ["a..b"] }} #!\n',
        "not a path",
        "order.items[0].price",
    ),
    "no tools": (f'{TASK}[[check]]\nname = "a"\ncited = {{ field = "x" }} #!\n', "has no `in`", '["search"]'),
    "model": (
        f'{TASK}[[check]]\nname = "a"\njudge = {{ model = "smal", question = "?" }} #!\n',
        'no model "smal"',
        "did you mean small?",
    ),
    "no question": (
        f'{TASK}[[check]]\nname = "a"\njudge = {{ model = "small" }} #!\n', "has no `question`", "question =",
    ),
    "one sample": (
        f'{TASK}[[check]]\nname = "a"\nsamples = {{ count = 1, agree = 1 }} #!\n',
        "samples.count is 1, not a whole number from 2 to 32",
        "bounds",
    ),
    "useless repairs": (f"{RULE}repairs = 2 #!\n", "repairs has no use", 'on_failure = "repair"'),
    "useless branch": (f'{RULE}branch = "other" #!\n', "branch has no use", 'on_failure = "branch"'),
    "useless roles": (f'{RULE}roles = ["admin"] #!\n', "nobody is asked", 'on_failure = "ask"'),
    "useless otherwise": (
        f'{RULE}on_failure = "ask"\notherwise = "approve" #!\n', "nothing expires", 'expires = "24h"',
    ),
    "no such task": (
        f'{RULE}on_failure = "branch"\nbranch = "othr" #!\n', 'no task "othr"', "did you mean other?",
    ),
    "itself": (f'{RULE}on_failure = "branch"\nbranch = "triage" #!\n', "the same task again", "another one"),
    "unknown": (f'{RULE}on_fail = "flag" #!\n', "unknown key", "did you mean on_failure?"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_check(tmp_path: Path, case: str) -> None:
    """It is refused at its line, with what to write instead."""
    text, what, instead = WRONG[case]
    toml, line = text, marked(text)
    [found, *_] = read(project(tmp_path, toml)).mistakes
    assert (found.path, found.line) == ("tasks/triage/task.toml", line)
    assert what in found.what
    assert instead in found.instead


TOOL = '{"description": "Finds it.", "input_schema": {"type": "object"}}'


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ('rule = "answer"\non_failure = "repair" #!', "which cannot be asked to mend"),
        ('rule = "answer"\non_failure = "branch"\nbranch = "other" #!', "in whose place no task"),
        ("samples = { count = 3, agree = 1.0 } #!", "only models are asked several times"),
    ],
)
def test_a_tool_is_no_model(tmp_path: Path, kind: str, what: str) -> None:
    """What only a model can do is not declared of a tool."""
    toml = f'tools = ["find"]\n{TASK}[[check]]\nname = "a"\nafter = "find"\n{kind}\n'
    line = marked(toml)
    root = project(tmp_path, toml)
    (root / "tools").mkdir()
    (root / "tools" / "find.json").write_text(TOOL)
    [found] = read(root).mistakes
    assert found.line == line
    assert what in found.what


def test_steps_that_nobody_declares() -> None:
    """A step that is neither a task nor a tool may be the program's own: it is told, and no mistake."""
    check = Check(name="a", after="triage", agrees=Agrees("draft", (("x", "x"),)))
    assert unknown_steps(check, "triage", ["triage"], ["search"]) == ("draft",)
    assert unknown_steps(Check(name="b", cited=Cited(("search",))), "triage", ["triage"], ["search"]) == ()
