"""A whole evaluation by judges: asked through a real gateway, paid for, and held against what people said."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.assemble.evaluating import TASK, Model, says, write_project
from tests.threaded_upstream import threaded_upstream
from trimtab.assemble.evaluation import Around, carry_out
from trimtab.assemble.evaluation_money import bound_of
from trimtab.assemble.evaluation_plan import Options, prepare
from trimtab.assemble.evaluation_scorers import scorers_of
from trimtab.assemble.evaluation_side import Side, side
from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.evals.kept import Evaluations
from trimtab.evals.plan import Cell
from trimtab.evals.sample import Arm
from trimtab.ids import IdSource
from trimtab.testing import Received, Script, json_answer

CASES, LABELS = 12, 20
JUDGE = """
[models.large]
wire = "openai"
model = "judge"
replicas = ["{url}"]
price = {{ input = 10.0, output = 20.0, from = 2026-01-01 }}
"""
SUITE = """
[evals]
margin = 0.2
concurrency = 4
[[evals.scorers]]
kind = "rubric"
name = "right"
model = "large"
question = "Is the label right?"
labels = "right_labels"
[[evals.scorers]]
kind = "pairwise"
name = "better"
model = "large"
question = "Which label is right?"
"""


class Judged(Model):
    """Answers tickets by temperature, and questions of judges by what they show; `sorted` counts the tickets."""

    sorted = 0

    def answer(self, request: Received) -> Script:
        """The script for one request."""
        if request.method != "POST":
            return json_answer({})
        body = json.loads(request.body)
        if body["model"] != "judge":
            self.sorted += 1
            return says('{"label": "b"}' if body["temperature"] else '{"label": "a"}')
        self.asked.append(body)
        shown: dict[str, Any] = json.loads(body["messages"][-1]["content"].split("\n\n")[0])
        if "answered" in shown:
            return says("yes" if '"a"' in shown["answered"] else "no")
        return says("first" if '"a"' in shown["first"] else "second")


@contextlib.contextmanager
def served() -> Iterator[Judged]:
    """A server of both models."""
    found = Judged(lambda _: says(""))
    with threaded_upstream(found.answer) as found.url:
        yield found


def write(root: Path, url: str, temperature: float) -> None:
    """The project, its cases and its labels."""
    write_project(root, url, more=JUDGE.format(url=url))
    (root / "tasks" / "sort" / "task.toml").write_text(TASK.format(temperature=temperature, more=SUITE))
    rows = [{"id": f"case {n}", "inputs": {"ticket": f"ticket {n}"}, "expected": "a"} for n in range(CASES)]
    (root / "tasks" / "sort" / "cases.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    labels = [
        {"inputs": {"ticket": f"old {n}"}, "answer": json.dumps({"label": "ab"[n % 2]}), "value": 1 - n % 2}
        for n in range(LABELS)
    ]
    (root / "data").mkdir(exist_ok=True)
    text = "".join(f"{json.dumps(row)}\n" for row in labels)
    (root / "data" / "right_labels.jsonl").write_text(text)
    manifest = {"digest": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}", "file": "data/right_labels.jsonl"}
    (root / "data" / "right_labels.json").write_text(json.dumps(manifest))


def test_judges(tmp_path: Path) -> None:
    """Both judges see that the warm arm is wrong; their calls are paid for, labels once for both evaluations."""
    around = Around(Evaluations(tmp_path / ".trimtab"), scorers_of, SystemClock(), IdSource())
    with served() as found:
        reports = []
        for _ in range(2):
            write(tmp_path, found.url, 0.0)
            base = side(load(tmp_path), "cold")
            write(tmp_path, found.url, 0.9)
            sides: dict[Arm, Side] = {"base": base, "candidate": side(load(tmp_path), "warm")}
            done = carry_out(prepare("sort", sides, Options(), SystemClock(), IdSource()), around)
            assert done.report is not None
            reports.append(done.report)
    asked = [json.loads(body["messages"][-1]["content"].split("\n\n")[0]) for body in found.asked]
    labels = [one for one in asked if one["asked"]["inputs"]["ticket"].startswith("old")]
    assert len(labels) == LABELS
    assert len(asked) - LABELS == 2 * (CASES * 2 + CASES * 2)
    assert {body["temperature"] for body in found.asked} == {0}
    first, second = reports
    assert [one.verdict for one in reports] == ["block", "block"]
    right, better = (next(one for one in first.metrics if one.name == name) for name in ("right", "better"))
    assert right.base is not None
    assert right.candidate is not None
    assert (right.base.value, right.candidate.value, right.method) == (1.0, 0.0, "judge")
    assert better.difference is not None
    assert better.difference.value == -1.0
    assert first.exactly.judges == {"large": "judge"}
    assert first.exactly.labels.keys() == {"right"}
    answers, judgements = 2 * CASES * (20 * 1.0 + 9 * 2.0) / 1e6, 4 * CASES * (20 * 10.0 + 9 * 20.0) / 1e6
    assert first.cost_usd == second.cost_usd == pytest.approx(answers + judgements)
    assert any(note.startswith("right is corrected by 20 labels of right_labels") for note in first.notes)
    assert any(note.startswith("better is a judge's word as it stands") for note in first.notes)


@pytest.mark.parametrize("kept", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9])
def test_what_judges_said_before_a_crash_is_not_paid_twice(tmp_path: Path, kept: float) -> None:
    """What was not yet written down when it came is taken from the records of the gateway, each call once."""
    around = Around(Evaluations(tmp_path / ".trimtab"), scorers_of, SystemClock(), IdSource())
    with served() as found:
        write(tmp_path, found.url, 0.0)
        base = side(load(tmp_path), "cold")
        write(tmp_path, found.url, 0.9)
        sides: dict[Arm, Side] = {"base": base, "candidate": side(load(tmp_path), "warm")}
        prepared = prepare("sort", sides, Options(), SystemClock(), IdSource())
        whole = carry_out(prepared, around).report
        asked = found.sorted, len(found.asked)
        folder = tmp_path / ".trimtab" / "evaluations" / prepared.plan.id
        (folder / "report.json").unlink()
        lines = (folder / "samples.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "samples.jsonl").write_bytes(b"".join(lines[: int(kept * len(lines))]))
        again = carry_out(prepared, around).report
    assert (found.sorted, len(found.asked)) == asked
    assert whole is not None
    assert again is not None
    assert (again.metrics[:2], again.cost_usd) == (whole.metrics[:2], pytest.approx(whole.cost_usd))


def test_what_judges_may_cost_has_the_size_of_the_case(tmp_path: Path) -> None:
    """A question of 20,000 letters of two bytes each is shown to both judges, three times and twice three times."""
    write(tmp_path, "http://127.0.0.1:9", 0.0)
    folder = tmp_path / "tasks" / "sort"
    text = (folder / "task.toml").read_text()
    (folder / "task.toml").write_text(text.replace("temperature = 0.0", "temperature = 0.0, max_output_tokens = 50"))
    row = {"id": "long", "messages": [{"role": "user", "content": "\u00e9" * 20_000}], "expected": "a"}
    (folder / "cases.jsonl").write_text(json.dumps(row) + "\n")
    found = {"candidate": side(load(tmp_path), "here")}
    prepared = prepare("sort", found, Options(), SystemClock(), IdSource())
    bound = bound_of(prepared, SystemClock())(Cell("candidate", "long", 0, 0))
    assert bound is not None
    assert bound > (3 + 2 * 3) * 40_000 * 10.0 / 1e6
