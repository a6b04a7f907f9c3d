"""Logs of Inspect AI: samples become cases and epochs samples, in both forms of a log; what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.declare.evaluating import Scorer
from trimtab.errors import ImportRefused
from trimtab.evals.imports.inspect_ai import inspect_ai

HEAD: dict[str, Any] = {
    "version": 2,
    "status": "success",
    "eval": {"task": "sums", "model": "openai/gpt-5", "scorers": [{"name": "match"}, {"name": "model_graded_qa"}]},
    "plan": {"steps": [{"solver": "chain_of_thought"}, {"solver": "generate"}]},
}
SAMPLES: list[dict[str, Any]] = [
    {
        "id": 1,
        "epoch": 1,
        "input": "1 + 1?",
        "target": "2",
        "scores": {"match": {"value": "C"}, "model_graded_qa": {"value": "P"}},
        "events": [{"event": "model", "output": "x" * 100}],
    },
    {"id": 1, "epoch": 2, "input": "1 + 1?", "target": "2", "scores": {"match": {"value": "I"}}},
    {
        "id": "b",
        "epoch": 1,
        "input": [
            {"role": "system", "content": "Count."},
            {"role": "user", "content": [{"type": "text", "text": "2?"}]},
        ],
        "target": ["two", "2"],
        "metadata": {"level": 3},
    },
]
ROWS = (
    {
        "id": "1",
        "messages": [{"role": "user", "content": "1 + 1?"}],
        "expected": "2",
        "meta": {"inspect_scores": {"match": 0.5, "model_graded_qa": 0.5}},
    },
    {
        "id": "b",
        "messages": [{"role": "system", "content": "Count."}, {"role": "user", "content": "2?"}],
        "expected": "two",
        "meta": {"inspect_metadata": {"level": 3}},
    },
)


def as_json(folder: Path) -> Path:
    path = folder / "log.json"
    path.write_text(json.dumps({**HEAD, "samples": SAMPLES}), "utf-8")
    return path


def as_zip(folder: Path) -> Path:
    path = folder / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(HEAD))
        for sample in SAMPLES:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("summaries.json", "[]")
    return path


@pytest.mark.parametrize("written", [as_json, as_zip])
def test_samples_become_cases(tmp_path: Path, written: Any) -> None:
    """A sample is one case however often it was run; inputs are messages, the first target is expected."""
    found = inspect_ai(written(tmp_path), judge="large")
    assert found.rows == ROWS
    assert found.samples == 2
    assert found.scorers == (
        Scorer("match", "normalised"),
        Scorer("model_graded_qa", "rubric", model="large", question="Does the answer say what was expected?"),
    )


def test_each_case_has_an_id_that_a_suite_takes(tmp_path: Path) -> None:
    """What cannot be printed stands as ?, and a sample without an id is called by its number."""
    path = tmp_path / "log.json"
    samples = [{"id": "two\nlines", "input": "a"}, {"id": "", "input": "b"}]
    path.write_text(json.dumps({"eval": {}, "samples": samples}), "utf-8")
    assert [row["id"] for row in inspect_ai(path).rows] == ["two?lines", "2"]


def test_what_is_left_is_told(tmp_path: Path) -> None:
    """The model, solvers, further targets, and graders without a judge are told by name."""
    told = "\n".join(inspect_ai(as_json(tmp_path)).left)
    for words in ("openai/gpt-5", "chain_of_thought", "further targets", "model_graded_qa: name the model", "match: "):
        assert words in told


REFUSED: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{", "no JSON"),
    "another JSON": (b"{}", "no log of Inspect AI"),
    "a list": (b"[1]", "no JSON of a log"),
    "no samples": (json.dumps(HEAD).encode(), "no samples"),
    "half a zip": (b"PK\x03\x04rest", "inspect log convert"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(tmp_path: Path, kind: str) -> None:
    """What is no log is refused with what to do."""
    content, words = REFUSED[kind]
    path = tmp_path / "log.json"
    path.write_bytes(content)
    with pytest.raises(ImportRefused) as refused:
        inspect_ai(path)
    assert words in str(refused.value)


def test_a_missing_file(tmp_path: Path) -> None:
    """A file that is not there is refused, not met by a traceback."""
    with pytest.raises(ImportRefused, match="No such file"):
        inspect_ai(tmp_path / "log.json")


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
FIELDS = ["id", "epoch", "input", "target", "scores", "metadata", "choices"]


@settings(max_examples=200)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES), max_size=4), VALUES, VALUES)
def test_foreign_logs(tmp_path_factory: pytest.TempPathFactory, samples: Any, scorers: Any, plan: Any) -> None:
    """A log of any shape becomes cases with messages, or is refused; nothing else."""
    path = tmp_path_factory.getbasetemp() / "log.json"
    path.write_text(json.dumps({"eval": {"scorers": scorers}, "plan": plan, "samples": samples}), "utf-8")
    try:
        found = inspect_ai(path)
    except ImportRefused:
        return
    assert all(isinstance(row["messages"], list) for row in found.rows)
