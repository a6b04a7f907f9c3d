"""Configurations of promptfoo: what becomes of tests and assertions, what is left and told, what is refused."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.declare.projects import MODEL, TASK, write
from trimtab.declare.evaluating import Scorer
from trimtab.declare.load import load
from trimtab.errors import ImportRefused
from trimtab.evals.imports.promptfoo import promptfoo
from trimtab.evals.imports.suite import Imported

CONFIG = """
description: support
prompts: [file://prompt.txt, "Answer: {{question}}"]
providers: [openai:gpt-5-mini]
evaluateOptions: {repeat: 3, maxConcurrency: 4}
defaultTest:
  vars: {language: English}
  assert:
    - type: latency
      threshold: 2000
    - type: llm-rubric
      value: Is it polite?
tests:
  - description: capital
    vars: {question: "What is the capital of France?"}
    assert:
      - {type: equals, value: Paris}
  - description: opening
    vars: {question: "When do you open?"}
    metadata: {from: mail}
    assert:
      - {type: equals, value: "9:00"}
      - {type: javascript, value: output.length < 10}
"""


def imported(folder: Path, config: str, judge: str = "") -> Imported:
    path = folder / "promptfooconfig.yaml"
    path.write_text(config, "utf-8")
    return promptfoo(path, judge)


def test_each_case_has_an_id_that_a_suite_takes(tmp_path: Path) -> None:
    """Of its own, though a test is called as a second case of another is; what cannot be printed stands as ?."""
    config = """
tests:
  - {description: greet, vars: {name: [Ann, Ben]}}
  - {description: greet 2, vars: {name: Cay}}
  - {description: "\U0001f469\u200d\U0001f4bb asks", vars: {name: Dee}}
"""
    found = imported(tmp_path, config)
    assert [row["id"] for row in found.rows] == ["greet", "greet 2", "greet 2 2", "\U0001f469?\U0001f4bb asks"]


def test_tests_become_cases(tmp_path: Path) -> None:
    """Variables, those of defaultTest among them, go in; the value of `equals` is expected."""
    assert imported(tmp_path, CONFIG).rows == (
        {
            "id": "capital",
            "inputs": {"language": "English", "question": "What is the capital of France?"},
            "expected": "Paris",
        },
        {
            "id": "opening",
            "inputs": {"language": "English", "question": "When do you open?"},
            "expected": "9:00",
            "meta": {"from": "mail"},
        },
    )


def test_assertions_become_scorers(tmp_path: Path) -> None:
    """What compares comes first; what holds for all tests marks all cases; options become samples and concurrency."""
    found = imported(tmp_path, CONFIG, judge="large")
    assert found.scorers == (
        Scorer("equals", "exact"),
        Scorer("latency", "latency"),
        Scorer("rubric", "rubric", model="large", question="Is it polite?"),
    )
    assert (found.samples, found.concurrency) == (3, 4)


def test_what_is_left_is_told(tmp_path: Path) -> None:
    """Prompts, providers, thresholds, programs, and rubrics without a judge are told by name."""
    told = "\n".join(imported(tmp_path, CONFIG).left)
    for words in ("prompts (2)", "providers", "threshold of latency", "javascript: a program", "--judge MODEL"):
        assert words in told


def test_several_kinds_of_expectation(tmp_path: Path) -> None:
    """Where tests compare in two ways, what a case expects is told apart by the way."""
    found = imported(
        tmp_path,
        "tests:\n"
        "  - {vars: {q: a}, assert: [{type: equals, value: x}, {type: contains, value: y}]}\n"
        "  - {vars: {q: b}, assert: [{type: equals, value: z}]}\n",
    )
    assert [row["expected"] for row in found.rows] == [{"equals": "x", "contains": "y"}, {"equals": "z"}]
    assert found.scorers == (
        Scorer("equals", "exact", expected='["equals"]'),
        Scorer("contains", "contains", expected='["contains"]'),
    )


def test_a_rubric_of_each_test(tmp_path: Path) -> None:
    """What a model judges of single tests becomes what they expect, which the judge is shown; none without a judge."""
    config = "tests:\n" + "".join(
        f"  - {{vars: {{q: {name}}}, assert: [{{type: llm-rubric, value: says {name}}}]}}\n" for name in "ab"
    )
    found = imported(tmp_path, config, judge="large")
    assert [row["expected"] for row in found.rows] == ["says a", "says b"]
    question = "Does the answer do what is expected?"
    assert found.scorers == (Scorer("llm-rubric", "rubric", model="large", question=question),)
    assert imported(tmp_path, config).left == ("llm-rubric: name the model that judges with --judge MODEL (2 times)",)


SHARED: dict[str, tuple[str, Scorer]] = {
    "icontains": ("{type: icontains, value: a.b}", Scorer("icontains", "regex", pattern=r"(?i)a\.b")),
    "starts-with": ("{type: starts-with, value: Dear}", Scorer("starts-with", "regex", pattern=r"\ADear")),
    "regex": ("{type: regex, value: '^[A-Z]+$'}", Scorer("regex", "regex", pattern="^[A-Z]+$")),
    "is-json": ("{type: is-json}", Scorer("schema", "schema")),
    "cost": ("{type: cost, threshold: 0.01}", Scorer("cost", "cost")),
    "contains": ("{type: contains, value: sorry}", Scorer("contains", "contains", pattern="sorry")),
}
"""An assertion of all tests, and the scorer for it, written by hand."""


@pytest.mark.parametrize("kind", SHARED)
def test_what_all_tests_assert(tmp_path: Path, kind: str) -> None:
    """What every test asserts in the same words is a scorer with these words."""
    text, scorer = SHARED[kind]
    found = imported(tmp_path, f"defaultTest: {{assert: [{text}]}}\ntests: [{{vars: {{q: a}}}}, {{vars: {{q: b}}}}]\n")
    assert found.scorers == (scorer,)


def test_what_single_tests_assert(tmp_path: Path) -> None:
    """A pattern of one test among several marks no other, so it is told and not taken over."""
    found = imported(tmp_path, "tests:\n  - {vars: {q: a}, assert: [{type: regex, value: x}]}\n  - {vars: {q: b}}\n")
    assert found.scorers == ()
    assert any("regex of single tests" in words for words in found.left)


def test_lists_of_variables(tmp_path: Path) -> None:
    """A variable with several values makes a case of each, with a name of its own and its value in what is expected."""
    found = imported(
        tmp_path,
        "tests:\n  - {description: hi, vars: {who: [Ann, Bo]}, assert: [{type: contains, value: 'Hi {{ who }}'}]}\n",
    )
    assert [(row["id"], row["inputs"], row["expected"]) for row in found.rows] == [
        ("hi", {"who": "Ann"}, "Hi Ann"),
        ("hi 2", {"who": "Bo"}, "Hi Bo"),
    ]


def test_tests_in_a_csv(tmp_path: Path) -> None:
    """Columns are variables, `__expected` an assertion, plain words those of the answer."""
    (tmp_path / "tests.csv").write_text("q,__expected\none,equals: 1\ntwo,Two: the number\n", "utf-8")
    found = imported(tmp_path, "tests: file://tests.csv\n")
    assert [(row["inputs"], row["expected"]) for row in found.rows] == [
        ({"q": "one"}, "1"),
        ({"q": "two"}, "Two: the number"),
    ]


@pytest.mark.parametrize("name", ["../tests.yaml", "https://example.org/tests.csv", "tests/*.yaml", "tests.py"])
def test_foreign_files_are_not_read(tmp_path: Path, name: str) -> None:
    """Nothing outside the folder is read, nothing is fetched, and no program is run."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "tests.yaml").write_text("- {vars: {q: secret}}\n", "utf-8")
    found = imported(tmp_path / "inner", f"tests: ['file://{name}', {{vars: {{q: own}}}}]\n")
    assert [row["inputs"] for row in found.rows] == [{"q": "own"}]
    assert any(name in words for words in found.left)


REFUSED = {
    "no tests": ("prompts: [a]\n", "no tests"),
    "a list": ("- a\n", "no table"),
    "no YAML": ("a: [\n", "no YAML"),
    "an object of Python": ("tests: !!python/object/apply:os.system [echo]\n", "no YAML"),
    "not a number": ("tests: [{vars: {q: .nan}}]\n", "NaN"),
    "a large number": ("tests: [{vars: {q: 1" + "0" * 400 + "}}]\n", "64 bits"),
    "itself": ("tests: &a [{vars: {q: *a}}]\n", "64 levels"),
    "deep": ("tests: " + "[" * 3000 + "]" * 3000 + "\n", ""),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(tmp_path: Path, kind: str) -> None:
    """What is no configuration is refused with the file's name and what to do."""
    config, words = REFUSED[kind]
    with pytest.raises(ImportRefused, match=r"promptfooconfig\.yaml was not imported") as refused:
        imported(tmp_path, config)
    assert words in str(refused.value)


def test_few_bytes_for_many_values(tmp_path: Path) -> None:
    """Aliases that stand for a billion values are refused before anything is made of them."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ImportRefused, match="2,000,000 values"):
        imported(tmp_path, "\n".join([*lines, "tests: [{vars: {q: *a8}}]", ""]))


def test_the_suite_can_be_used(tmp_path: Path) -> None:
    """What comes of it stands in a project as it is: the table is read, and each row is JSON on a line."""
    found = imported(tmp_path, CONFIG, judge="small")
    root = tmp_path / "project"
    root.mkdir()
    write(root, MODEL, triage=TASK + found.table())
    (root / "tasks" / "triage" / "cases.jsonl").write_bytes(found.cases())
    assert load(root).tasks["triage"].evals is not None
    assert load(root).tasks["triage"].evals.scorers == found.scorers  # type: ignore[union-attr]
    assert [json.loads(line)["id"] for line in found.cases().splitlines()] == ["capital", "opening"]


@given(st.text(), st.text())
def test_any_words_stand_in_the_table(question: str, name: str) -> None:
    """Whatever words a scorer has, the table is TOML and says them."""
    scorer = Scorer(name, "rubric", model="m", question=question, arguments=("a", name))
    table = tomllib.loads(Imported((), (scorer,)).table())["evals"]["scorers"][0]
    assert table.get("question", "") == question
    assert table["arguments"] == ["a", name]


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["vars", "assert", "type", "value", "tests", "q"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(JSON_VALUES, JSON_VALUES, JSON_VALUES)
@example("\x00", None, None)
def test_foreign_configurations(
    tmp_path_factory: pytest.TempPathFactory, tests: Any, default: Any, options: Any
) -> None:
    """A configuration of any shape becomes a suite of cases, or is refused; nothing else."""
    path = tmp_path_factory.mktemp("config") / "config.json"
    config = {"tests": tests, "defaultTest": default, "evaluateOptions": options}
    path.write_text(json.dumps(config), "utf-8")
    try:
        found = promptfoo(path, "judge")
    except ImportRefused:
        return
    assert all(isinstance(row["inputs"], dict) for row in found.rows)
    assert len({row["id"] for row in found.rows}) == len(found.rows)
    tomllib.loads(found.table())
