"""From scores to tokens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from trimtab.demo.sampling import Sampler, Sampling

# Probabilities 0.5, 0.25, 0.15, 0.1 for tokens 2, 0, 3, 1.
PROBABILITIES = {2: 0.5, 0: 0.25, 3: 0.15, 1: 0.1}
SCORES = np.log(np.array([PROBABILITIES[token] for token in range(4)], np.float32)) + np.float32(3)
DRAWS = 4000
Draw = Callable[..., Counter[int]]


def shares(**fields: object) -> dict[int, float]:
    sampler = Sampler(Sampling(max_tokens=DRAWS, seed=5, **fields), 4)  # type: ignore[arg-type]
    counts = Counter(sampler.draw(SCORES).token for _ in range(DRAWS))
    return {token: count / DRAWS for token, count in counts.items()}


def close(expected: dict[int, float]) -> object:
    return pytest.approx(expected, abs=4.5 * math.sqrt(0.25 / DRAWS))


def test_temperature_zero_takes_the_likeliest() -> None:
    """Greedy draws have no chance in them."""
    assert shares(temperature=0) == {2: 1}


def test_temperature_one_follows_the_probabilities() -> None:
    """4,000 draws lie within 4.5 standard errors of the model's probabilities."""
    assert shares(temperature=1) == close(PROBABILITIES)


def test_a_higher_temperature_is_flatter() -> None:
    """At temperature 2 the shares are as the square roots of the probabilities."""
    roots = {token: math.sqrt(p) for token, p in PROBABILITIES.items()}
    assert shares(temperature=2) == close({token: root / sum(roots.values()) for token, root in roots.items()})


def test_top_k_keeps_the_k_likeliest() -> None:
    """With top_k 2 the rest is never drawn, and the two share by their probabilities."""
    assert shares(top_k=2) == close({2: 2 / 3, 0: 1 / 3})


@pytest.mark.parametrize(("top_p", "kept"), [(0.3, {2}), (0.6, {2, 0}), (0.8, {2, 0, 3}), (1.0, {0, 1, 2, 3})])
def test_top_p_keeps_the_fewest_that_reach_it(top_p: float, kept: set[int]) -> None:
    """The nucleus is the smallest set of likeliest tokens with at least that much probability."""
    assert set(shares(top_p=top_p)) == kept


def test_a_bias_moves_a_token() -> None:
    """A bias of +100 forces a token, one of -100 bans it."""
    assert shares(logit_bias={1: 100.0}) == {1: 1}
    assert 2 not in shares(logit_bias={2: -100.0})


def test_ends_are_banned_until_min_tokens() -> None:
    """A token that ends the answer cannot be drawn before `min_tokens` others were."""
    sampler = Sampler(Sampling(max_tokens=9, temperature=0, min_tokens=3, end_ids=frozenset({2})), 4)
    assert [sampler.draw(SCORES).token for _ in range(5)] == [0, 0, 0, 2, 2]


def test_penalties_make_repetition_unlikely() -> None:
    """A frequency penalty grows with each use, a presence penalty is paid once."""
    frequency = Sampler(Sampling(max_tokens=9, temperature=0, frequency_penalty=0.5), 4)
    assert [frequency.draw(SCORES).token for _ in range(4)] == [2, 2, 0, 2]  # 2 pays .5 a use and leads 0 by .69
    presence = Sampler(Sampling(max_tokens=9, temperature=0, presence_penalty=1.5), 4)
    assert [presence.draw(SCORES).token for _ in range(5)] == [2, 0, 3, 2, 2]  # paid, 2 leads 1 by .11


def test_the_seed_decides() -> None:
    """The same seed draws the same tokens, another seed others."""

    def drawn(seed: int) -> list[int]:
        sampler = Sampler(Sampling(max_tokens=50, seed=seed), 4)
        return [sampler.draw(SCORES).token for _ in range(50)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_logprobs_are_the_models_own() -> None:
    """Log-probabilities ignore temperature and bias, come in falling order, and their exponentials sum to 1."""
    drawn = Sampler(Sampling(max_tokens=1, temperature=0.1, logit_bias={1: 100.0}, logprobs=4), 4).draw(SCORES)
    assert drawn.token == 1
    assert drawn.logprob == pytest.approx(math.log(0.1), abs=1e-6)
    assert [token for token, _ in drawn.top] == [2, 0, 3, 1]
    assert sum(math.exp(logprob) for _, logprob in drawn.top) == pytest.approx(1)


def test_scores_are_left_as_they_were() -> None:
    """Drawing does not change the scores it was given."""
    scores = SCORES.copy()
    Sampler(Sampling(max_tokens=1, logit_bias={1: 5.0}, frequency_penalty=1.0), 4).draw(scores)
    assert np.array_equal(scores, SCORES)
