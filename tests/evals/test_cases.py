"""Cases: what of a row goes in and what is expected, what it is called, and which rows are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.declare.evaluating import Evals, Scorer
from trimtab.declare.project import Prompt, Task, Turn
from trimtab.errors import DataInvalid
from trimtab.evals.case import Case
from trimtab.evals.cases import as_case, body, misfits, read_cases

SUITE = Evals(
    cases="tasks/triage/cases",
    scorers=(Scorer("exact", "exact"),),
    group="inputs.customer.id",
    slices={"long": "inputs.ticket | length > 10", "german": "'de' in tags", "hard": "meta.level > 2"},
)
TASK = Task(
    "triage", "small", prompt=Prompt((Turn("user", "{{ ticket }}"),), ("ticket",), "d", types={"ticket": "string"})
)
USER: dict[str, Any] = {"role": "user", "content": "where is it?"}
SAID: dict[str, Any] = {"role": "assistant", "content": "on its way"}
CALLED: dict[str, Any] = {"role": "assistant", "tool_calls": [{"function": {"name": "track", "arguments": "{}"}}]}

ROWS: dict[str, tuple[dict[str, Any], Case]] = {
    "inputs and expected": (
        {"id": "a", "inputs": {"ticket": "broken"}, "expected": {"label": "defect"}},
        Case("a", {"ticket": "broken"}, expected={"label": "defect"}),
    ),
    "a number as id": ({"id": 7, "inputs": {"ticket": "x"}}, Case("7", {"ticket": "x"})),
    "a call that it was drawn from": (
        {"call": "0199", "inputs": {"ticket": "x"}, "observed": "y"},
        Case("0199", {"ticket": "x"}),
    ),
    "bare fields": (
        {"id": "a", "ticket": "x", "label": "defect", "note": "hard", "observed": "other"},
        Case("a", {"ticket": "x"}, expected="defect"),
    ),
    "several fields that come out": (
        {"id": "a", "ticket": "x", "label": "defect", "answer": "sorry"},
        Case("a", {"ticket": "x"}, expected={"label": "defect", "answer": "sorry"}),
    ),
    "messages that end with the answer": (
        {"id": "a", "messages": [USER, SAID]},
        Case("a", messages=(USER,), expected="on its way"),
    ),
    "messages that end with a tool call": (
        {"id": "a", "messages": [USER, CALLED]},
        Case("a", messages=(USER,), expected=CALLED),
    ),
    "messages whose answer is another": (
        {"id": "a", "messages": [USER, SAID], "expected": "lost"},
        Case("a", messages=(USER,), expected="lost"),
    ),
    "inputs and messages": (
        {"id": "a", "inputs": {"ticket": "x"}, "messages": [SAID, USER]},
        Case("a", {"ticket": "x"}, (SAID, USER)),
    ),
    "group, slices and tags": (
        {
            "id": "a",
            "inputs": {"ticket": "it broke again", "customer": {"id": 12}},
            "tags": ["de"],
            "meta": {"level": 2},
        },
        Case(
            "a",
            {"ticket": "it broke again", "customer": {"id": 12}},
            group="12",
            slices=("long", "german"),
            tags=("de",),
        ),
    ),
}
"""Rows, and the cases that they are: worked out by hand from docs/configuration.md."""


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_a_case(name: str) -> None:
    """What goes in, what is expected and what a case belongs to stand where the documentation says."""
    row, case = ROWS[name]
    assert as_case(row, SUITE) == case


NO_CASES = {
    "nothing goes in": ({"id": "a", "expected": 1}, "has nothing that goes in"),
    "an answer alone": ({"messages": [SAID]}, "its one message is the answer"),
    "no messages": ({"messages": "hello"}, "has messages that are no list"),
    "a message without a role": ({"messages": [{"content": "x"}]}, "has messages that are no list"),
    "inputs that are a text": ({"inputs": "x"}, "has inputs that are no object"),
    "an id that is a list": ({"id": [1], "inputs": {}}, "has an id that is no text"),
    "an id that is too long": ({"id": "a" * 201, "inputs": {}}, "has an id that is no text"),
    "an id of two lines": ({"id": "a\nb", "inputs": {}}, "has an id that is no text"),
    "tags that are numbers": ({"id": "a", "inputs": {}, "tags": [1]}, "has tags that are no list"),
}


@pytest.mark.parametrize("name", NO_CASES)
def test_what_is_no_case(name: str) -> None:
    """Anything else is refused in words that follow "the row"."""
    row, words = NO_CASES[name]
    with pytest.raises(ValueError, match=words):
        as_case(row, SUITE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELD = st.sampled_from(["id", "call", "inputs", "messages", "expected", "label", "tags", "meta", "ticket", "observed"])


@given(row=st.dictionaries(FIELD, JSON, max_size=6))
def test_any_row_is_a_case_or_is_told(row: dict[str, Any]) -> None:
    """Whatever a row holds, it becomes a case with a name and something that goes in, or is refused."""
    try:
        case = as_case(row, SUITE)
    except ValueError:
        return
    assert 1 <= len(case.id) <= 200
    assert case.inputs is not None or case.messages
    json.dumps(body(case, "triage", 1))


def write(root: Path, *rows: object) -> None:
    folder = root / "tasks" / "triage"
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    (folder / "cases.jsonl").write_text(text)


def test_the_name_of_a_case_outlives_its_place(tmp_path: Path) -> None:
    """A case without an id is called by what goes in, wherever it stands and whatever is expected of it."""
    write(tmp_path, {"inputs": {"ticket": "a"}, "expected": 1}, {"inputs": {"ticket": "b"}, "expected": 2})
    first = [case.id for case in read_cases(tmp_path, TASK, SUITE).cases]
    write(tmp_path, {"inputs": {"ticket": "b"}, "expected": 3}, {"expected": 1, "inputs": {"ticket": "a"}})
    assert [case.id for case in read_cases(tmp_path, TASK, SUITE).cases] == first[::-1]
    assert len(set(first)) == 2


def test_the_same_case_twice_has_two_names(tmp_path: Path) -> None:
    """Rows without ids that are the same are told apart by a number."""
    write(tmp_path, *[{"inputs": {"ticket": "a"}, "expected": 1}] * 3)
    names = [case.id for case in read_cases(tmp_path, TASK, SUITE).cases]
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]


def test_what_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    """Rows that are no cases are left out; each is a mistake at its own line, and so is a case that cannot be asked."""
    write(
        tmp_path,
        {"id": "a", "inputs": {"ticket": "x"}, "expected": 1},
        "{",
        {"id": "a", "inputs": {"ticket": "y"}, "expected": 1},
        "",
        {"id": "b", "expected": 1},
        {"id": "c", "inputs": {"tcket": "x"}, "expected": 1},
        {"id": "d", "inputs": {"ticket": "x"}},
    )
    found = read_cases(tmp_path, TASK, SUITE)
    assert [case.id for case in found.cases] == ["a", "c", "d"]
    assert found.lines == {"a": 1, "c": 6, "d": 7}
    told = [(mistake.path, mistake.line, mistake.what) for mistake in found.mistakes]
    assert told[0][:2] == ("tasks/triage/cases.jsonl", 2)
    assert "is not JSON" in told[0][2]
    assert told[1:3] == [
        ("tasks/triage/cases.jsonl", 3, "the row has the id a, as line 1 has"),
        ("tasks/triage/cases.jsonl", 5, "the row has nothing that goes in"),
    ]
    assert [line for _, line, _ in told[3:]] == [6, 7]
    assert "the prompt has no input tcket" in told[3][2]
    assert told[4][2] == "the case d says nothing of what is expected"


def test_misfits_of_another_version(tmp_path: Path) -> None:
    """Cases that fit one version of a prompt need not fit another."""
    write(tmp_path, {"id": "a", "inputs": {"ticket": "x"}, "expected": 1})
    found = read_cases(tmp_path, TASK, SUITE)
    assert found.mistakes == ()
    other = Task("triage", "small", prompt=Prompt((Turn("user", "{{ text }}"),), ("text",), "d"))
    [mistake] = misfits(found, other, SUITE)
    assert mistake.line == 1
    [mistake] = misfits(found, Task("triage", "small"), SUITE)
    assert "has no prompt.md" in mistake.what


def test_a_scorer_that_needs_nothing_expected(tmp_path: Path) -> None:
    """Where the first scorer looks at the answer alone, cases need not say what is expected."""
    write(tmp_path, {"id": "a", "inputs": {"ticket": "x"}})
    suite = Evals(cases="tasks/triage/cases", scorers=(Scorer("schema", "schema"), Scorer("exact", "exact")))
    assert read_cases(tmp_path, TASK, suite).mistakes == ()


def test_no_cases(tmp_path: Path) -> None:
    """An empty file is a mistake; one that is not there, or kept elsewhere, an error."""
    write(tmp_path)
    [mistake] = read_cases(tmp_path, TASK, SUITE).mistakes
    assert mistake.what == "there are no cases"
    with pytest.raises(DataInvalid, match="there is no such file"):
        read_cases(tmp_path, TASK, Evals(cases="tasks/other/cases"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "far.json").write_text(f'{{"digest": "sha256:{"0" * 64}"}}')
    with pytest.raises(DataInvalid, match="not kept in the project"):
        read_cases(tmp_path, TASK, Evals(cases="far"))


def test_what_is_sent() -> None:
    """A case becomes a request to its task, with the inputs of the prompt where it has some."""
    assert body(Case("a", {"ticket": "x"}), "triage", 5) == {
        "model": "triage",
        "messages": [],
        "seed": 5,
        "trimtab": {"inputs": {"ticket": "x"}},
    }
    assert body(Case("a", messages=(USER,)), "triage", 5) == {"model": "triage", "messages": [USER], "seed": 5}
