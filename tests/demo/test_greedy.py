"""The demo engine against what vLLM wrote."""

from __future__ import annotations

import pytest

from tests.demo.greedy import MAX_TOKENS, MODELS, digest, prompts, recorded
from trimtab.demo.engine import ServedModel
from trimtab.demo.sampling import Drawn, Sampling
from trimtab.demo.scheduler import Order, Scheduler


def greedy(model: ServedModel) -> list[tuple[Order, list[Drawn]]]:
    """The engine's own greedy tokens for all prompts, 32 at a time."""
    scheduler = Scheduler(model.network, model.vocabulary, slots=32)
    sampling = Sampling(max_tokens=MAX_TOKENS, temperature=0, end_ids=frozenset({2}), logprobs=2)
    rendered = [model.template.render(prompt.messages, prompt.tools) for prompt in prompts()]
    answers = [scheduler.submit(Order(tuple(model.vocabulary.encode(text)), sampling)) for text in rendered]
    drawn: dict[object, list[Drawn]] = {answer: [] for answer in answers}
    while not scheduler.idle:
        for piece in scheduler.step():
            drawn[piece.answer].append(piece.drawn)
    return [(answer.order, drawn[answer]) for answer in answers]


@pytest.mark.parametrize("name", MODELS)
def test_greedy_output_is_vllms_token_for_token(name: str, request: pytest.FixtureRequest) -> None:
    """On 200 prompts every token is vLLM's, but where vLLM's two best lie within 0.001 either may be taken.

    Log-probabilities agree to 0.001 as well. What differed is listed in the test's output.
    """
    model: ServedModel = request.getfixturevalue(name.removeprefix("jobs-"))
    lines = [line for line in recorded() if line.model == name]
    assert len(lines) == 200
    for index, ((order, drawn), line) in enumerate(zip(greedy(model), lines, strict=True)):
        assert digest(order.prompt) == line.prompt, f"prompt {index} is tokenised otherwise"
        ids = [one.token for one in drawn]
        same = next((step for step, (a, b) in enumerate(zip(ids, line.ids, strict=False)) if a != b), len(ids))
        if ids != line.ids:
            print(f"{name}, prompt {index}: other tokens from step {same} on, a tie: {same in line.ties()}")
            assert same in line.ties(), f"prompt {index}, step {same}: {ids} instead of {line.ids}"
        for one, (best, second) in zip(drawn[:same], line.top2, strict=False):
            assert [logprob for _, logprob in one.top] == pytest.approx([best, second], abs=1e-3)


def test_ties_are_few() -> None:
    """The recording leaves almost no room: at most 5 of its steps are ties, and it has over 7,000."""
    lines = recorded()
    assert sum(len(line.ids) for line in lines) > 7000
    assert sum(len(line.ties()) for line in lines) <= 5
