"""How well the models do their jobs, through the engine."""

from __future__ import annotations

import json

import pytest

from trimtab.demo.app import MODELS
from trimtab.demo.engine import ServedModel
from trimtab.demo.jobs import JOBS, JobGenerator
from trimtab.demo.sampling import Sampling
from trimtab.demo.scheduler import Order, Scheduler

CASES = 60


def hits(model: ServedModel, job: str, heldout: bool) -> float:
    """The share of exact matches over the first cases that training was measured on, greedy."""
    generator = JobGenerator(999, "test", heldout_words=heldout)
    # training drew all cases of the jobs before this one from the same generator
    before = JOBS.index(job) * 150  # type: ignore[arg-type]
    drawn = [generator.sample(JOBS[n // 150]) for n in range(before + CASES)][before:]
    scheduler = Scheduler(model.network, model.vocabulary, slots=32)
    sampling = Sampling(max_tokens=64, temperature=0, end_ids=frozenset({2}))
    wanted, written = {}, {}
    for example in drawn:
        text = model.template.render(example.messages, example.tools)
        answer = scheduler.submit(Order(tuple(model.vocabulary.encode(text)), sampling))
        wanted[answer], written[answer] = example.answer, ""
    while not scheduler.idle:
        for piece in scheduler.step():
            written[piece.answer] += piece.text
    return sum(written[answer].strip() == wanted[answer] for answer in wanted) / CASES


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("words", ["seen_words", "heldout_words"])
@pytest.mark.parametrize("name", ["small", "mid"])
def test_accuracy_is_what_training_measured(name: str, job: str, words: str, request: pytest.FixtureRequest) -> None:
    """On 60 of the 150 cases each job's exact matches lie within 3 standard errors of `eval.json`."""
    measured = json.loads((MODELS / f"jobs-{name}" / "eval.json").read_text())["accuracy"][f"{job}/{words}"]
    error = max(0.01, (measured * (1 - measured) / CASES) ** 0.5)
    got = hits(request.getfixturevalue(name), job, words == "heldout_words")
    assert got == pytest.approx(measured, abs=3 * error)
