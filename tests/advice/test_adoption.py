"""The task proposed for calls that belong to none."""

from __future__ import annotations

import json
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.advice.samples import PROMPT, SPREADS, cluster, facts
from trimtab.advice.adoption import CannotPropose, propose
from trimtab.advice.seen import Answers, Proposal, SeenTool
from trimtab.declare.load import read
from trimtab.policy.compile import schema_mistakes
from trimtab.store.histograms import of_values

PROJECT = """\
[models.small]
wire = "openai"
model = "qwen"
replicas = ["http://127.0.0.1:9"]
[models.large]
wire = "openai"
model = "qwen-large"
replicas = ["http://127.0.0.1:9"]
"""
TOOL = SeenTool("look_up", "Looks an order up.", {"type": "object", "properties": {"order": {"type": "string"}}})
TEXT = st.text(st.characters(codec="utf-8"), max_size=80)


def declared(found: Proposal) -> dict[str, Any]:
    """The task.toml as TOML reads it."""
    return tomllib.loads(found.files[0].text)


def says(found: Proposal, key: str) -> str:
    """The comment above a key, on one line."""
    lines = found.files[0].text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{key} ="))
    above: list[str] = []
    while at and lines[at - 1].startswith("#"):
        at -= 1
        above.insert(0, lines[at].removeprefix("# "))
    return " ".join(above)


def mistakes(found: Proposal) -> list[str]:
    """What `trimtab check` would say of a project with these files."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "trimtab.toml").write_text(PROJECT)
        for one in found.files:
            (root / one.path).parent.mkdir(parents=True, exist_ok=True)
            (root / one.path).write_text(one.text, encoding="utf-8")
        reading = read(root)
        return [str(one) for one in (*reading.mistakes, *schema_mistakes(reading.schemas))]


def test_a_whole_proposal() -> None:
    """Every value, by hand from 200 equal calls: margins above for limits, a little below for goals."""
    found = propose(cluster(), facts(system_prompt="You are a helpful assistant. Sort support tickets."))
    assert (found.task, found.calls, found.files[0].path) == (
        "sort-support-tickets",
        200,
        "tasks/sort-support-tickets/task.toml",
    )
    assert declared(found) == {
        "model": "small",
        "class": "interactive",
        "redaction": "digest",
        "match": {"system_prompt": PROMPT},
        "sampling": {"max_output_tokens": 192},
        "deadline": {"first_token": "3s", "gap": "2s", "total": "8s"},
        "objective": {"ttft_p95": "800ms", "tpot_p95": "28ms", "total_p99": "3.2s", "success": 0.995},
        "retry": {"attempts": 3},
        "completion": {"rule": "outcome == 'ok' and finish_reason == 'stop'"},
    }
    assert mistakes(found) == []


def test_comments_say_from_how_many_calls() -> None:
    """Each value has its count and its margin above it."""
    found = propose(cluster(), facts())
    assert says(found, "model") == "200 of 200 calls asked for it."
    assert says(found, "class") == "200 of 200 calls were streamed."
    assert "200 complete answers, times 1.5; the longest answer had 100." in says(found, "sampling")
    assert "of 200 calls, times 3" in says(found, "deadline")
    assert "success: 199 of 200 calls." in says(found, "objective")


@pytest.mark.parametrize("calls", [0, 1, 99])
def test_too_few_calls(calls: int) -> None:
    """They are refused, with how many more are needed."""
    with pytest.raises(CannotPropose, match=f"there are {calls} such calls .* need 100; wait for {100 - calls} more"):
        propose(cluster(calls=calls), facts())


def test_names() -> None:
    """A name that is given is taken; one that something else has is refused."""
    assert propose(cluster(), facts(), "sorting").task == "sorting"
    with pytest.raises(CannotPropose, match="small is the name of a task or model already"):
        propose(cluster(), facts(), "small")


def test_a_model_that_is_not_declared() -> None:
    """There is no task without its model."""
    with pytest.raises(CannotPropose, match=r"no model of the project answers to gone; declare it in trimtab\.toml"):
        propose(cluster(asked={"gone": 200}), facts())


def test_calls_that_belong_to_a_task_by_now() -> None:
    """They are not adopted twice."""
    with pytest.raises(CannotPropose, match="belong to task sorting by now"):
        propose(cluster(), facts(task="sorting"))


def test_the_model_most_calls_asked_for() -> None:
    """Names of one model count together; the others are told, because their calls will get another model."""
    found = propose(cluster(asked={"large": 90, "small": 60, "qwen": 50}), facts())
    assert declared(found)["model"] == "small"
    assert says(found, "model") == (
        "110 of 200 calls asked for it. The others asked for large (90): from now on they get this model too."
    )


def test_calls_that_are_not_streamed() -> None:
    """Half of the calls are not more than half."""
    assert declared(propose(cluster(streamed=100), facts()))["class"] == "background"
    assert declared(propose(cluster(streamed=101), facts()))["class"] == "interactive"


def test_cut_answers_are_no_part_of_the_length() -> None:
    """Of 200 answers four were cut at 2,000 tokens: the p99 is that of the others, and nothing complete is cut off."""
    spreads = {**SPREADS, "output": of_values([100] * 196 + [2000] * 4)}
    seen = cluster(spreads=spreads, largest_output=2000, finish_reasons={"stop": 196, "length": 4})
    found = propose(seen, facts(complete=of_values([100] * 196)))
    assert declared(found)["sampling"] == {"max_output_tokens": 2048}
    told = says(found, "sampling")
    assert told.startswith(("p99 99 tokens", "p99 100 tokens", "p99 101 tokens"))
    assert "(4 were cut, and are not in the p99)" in told


def test_answers_that_are_often_cut_get_no_limit() -> None:
    """Above one in twenty their length is not known."""
    seen = cluster(finish_reasons={"stop": 189, "length": 11})
    found = propose(seen, facts(complete=of_values([100] * 189)))
    assert "sampling" not in declared(found)
    assert any("11 of 200 answers ran into the limit" in one for one in found.left_out)


def test_figures_of_few_calls_are_left_out() -> None:
    """A p99 of 99 values, a p95 of 19 and a success of none are not told."""
    spreads = {"output": of_values([100] * 99), "total": of_values([1e6] * 99), "ttft": of_values([1e6] * 19)}
    found = propose(cluster(spreads=spreads, outcomes={"invalid_request": 200}), facts())
    assert {"sampling", "deadline", "objective"} & set(declared(found)) == set()
    assert any("the length of 99 complete answers is known" in one for one in found.left_out)
    assert any(one.startswith("deadlines: fewer than 100 calls") for one in found.left_out)


def test_without_a_system_prompt_keys_tell_calls_apart() -> None:
    """Keys of other tasks stay theirs, and what else comes with a key is told."""
    seen = cluster(system_prompt="", keys={"mine": 100, "shared": 60, "theirs": 39, "": 1})
    found = propose(seen, facts(claimed_keys=frozenset({"theirs"}), shared_keys=frozenset({"shared"})))
    assert declared(found)["match"] == {"keys": ["mine", "shared"]}
    assert "All other calls that no task claims go with them, of shared." in says(found, "match")
    assert found.task == "mine"


def test_nothing_tells_calls_apart() -> None:
    """Then clients have to ask for the task, and the proposal says so."""
    found = propose(cluster(system_prompt="", keys={"": 200}), facts(), "sorting")
    assert "match" not in declared(found)
    assert 'Have clients ask for model = "sorting".' in found.left_out[0]


def test_other_tools_with_the_same_prompt_are_told() -> None:
    """A task takes all calls with its system prompt."""
    assert "2 other kinds of calls, with other tools" in says(propose(cluster(), facts(siblings=2)), "match")


def test_a_schema_that_calls_asked_for() -> None:
    """It is written as it came, its keys in their order, and completion reads its verdict."""
    schema = '{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer"}},"required":["b","a"]}'
    found = propose(cluster(), facts(redaction="full", bodies=20, schemas={schema: 18}), "sorting")
    written = {one.path: one.text for one in found.files}
    assert json.loads(written["tasks/sorting/output.schema.json"]) == json.loads(schema)
    assert written["tasks/sorting/output.schema.json"].index('"b"') < written["tasks/sorting/output.schema.json"].index(
        '"a"'
    )
    assert declared(found)["output"] == {"schema": "output.schema.json", "on_invalid": "pass"}
    assert says(found, "output").startswith("18 of 20 calls that were read asked for answers by this schema.")
    assert declared(found)["completion"] == {"rule": "outcome == 'ok' and verdict == 'valid'"}
    assert mistakes(found) == []


def test_calls_that_ask_for_different_schemas_get_none() -> None:
    """Nine in ten must have the same."""
    schemas = {'{"type":"object"}': 17, '{"type":"object","title":"b"}': 3}
    assert "output" not in declared(propose(cluster(), facts(redaction="full", bodies=20, schemas=schemas)))


def test_an_inferred_schema_says_so() -> None:
    """It comes from answers, and nobody declared it."""
    answers = Answers(20, tuple({"queue": "bills"} for _ in range(20)))
    found = propose(cluster(), facts(redaction="full", bodies=20, answers=answers))
    assert says(found, "output").startswith("Inferred from 20 answers, not declared by anybody")
    assert mistakes(found) == []


@pytest.mark.parametrize(
    ("values", "read_", "why"),
    [
        (19, 19, "19 of 19 answers that were read are JSON; 20 are needed"),
        (20, 22, "20 of 22 answers that were read are JSON"),
        (0, 0, "0 of 0 answers"),
    ],
)
def test_too_few_answers_infer_nothing(values: int, read_: int, why: str) -> None:
    """20, and 95 % of those that were read."""
    answers = Answers(read_, tuple({"queue": "bills"} for _ in range(values)))
    found = propose(cluster(), facts(redaction="full", bodies=read_, answers=answers))
    assert any(why in one for one in found.left_out)
    assert "Not proposed:" in found.files[0].text


def test_bodies_that_are_not_kept() -> None:
    """Schema and tools cannot be proposed, and the way to get them is told with its key."""
    found = propose(cluster(tools="sha256:" + "0" * 64), facts())
    assert [one.partition(":")[0] for one in found.left_out] == ["the schema of answers", "tools"]
    assert all('undeclared_redaction = "full" under [defaults]' in one for one in found.left_out)


def test_tools() -> None:
    """Each is a file of its own that is taken to write; the task names it, and is done without another call."""
    found = propose(cluster(tools="sha256:" + "0" * 64), facts(redaction="full", bodies=9, tools=(TOOL,)), "sorting")
    assert [one.path for one in found.files] == ["tasks/sorting/task.toml", "tools/look_up.json"]
    assert json.loads(found.files[1].text) == {
        "description": TOOL.description,
        "input_schema": TOOL.input_schema,
        "effect": "write",
    }
    assert declared(found)["tools"] == ["look_up"]
    assert declared(found)["completion"] == {"rule": "outcome == 'ok' and tool_calls == 0"}
    assert mistakes(found) == []


@settings(deadline=None, max_examples=40)
@given(prompt=TEXT, key=TEXT, asked=TEXT, reason=TEXT, description=TEXT.filter(str.strip), name=TEXT)
def test_hostile_texts(prompt: str, key: str, asked: str, reason: str, description: str, name: str) -> None:
    """Whatever stands in prompts, models asked for, finish reasons, tools and answers, the files have no mistake."""
    seen = cluster(asked={asked: 150, "small": 50}, finish_reasons={reason: 200}, tools="sha256:" + "0" * 64)
    answers = Answers(25, tuple({name or "a": prompt} for _ in range(25)))
    tool = SeenTool("look_up", description, {"type": "object", "properties": {name: {"description": prompt}}})
    known = facts(redaction="full", system_prompt=prompt, bodies=25, answers=answers, tools=(tool,))
    found = propose(seen, known)
    assert mistakes(found) == []
    assert all(letter.isprintable() or letter == "\n" for one in found.files for letter in one.text)


@given(
    lengths=st.lists(st.integers(1, 100_000), min_size=100, max_size=300),
    micros=st.lists(st.floats(1e3, 1e9), min_size=100, max_size=300),
)
def test_limits_hold_up_nothing_that_was_seen_to_go_well(lengths: list[int], micros: list[float]) -> None:
    """The limit on tokens is not below the longest answer, nor a deadline below the p99, whatever was seen."""
    spreads = {"output": of_values(lengths), "ttft": of_values(micros), "total": of_values(micros)}
    found = declared(propose(cluster(spreads=spreads, largest_output=max(lengths)), facts()))
    assert found["sampling"]["max_output_tokens"] >= max(lengths)
    p99_s = sorted(micros)[int(0.99 * (len(micros) - 1))] / 1e6
    seconds = {
        key: float(text[:-2]) / 1000 if text.endswith("ms") else float(text[:-1])
        for key, text in found["deadline"].items()
    }
    assert seconds["first_token"] >= p99_s
    assert seconds["total"] >= seconds["first_token"]
