"""The network against its own definition; `test_greedy` holds it against vLLM."""

from __future__ import annotations

import numpy as np
import pytest

from trimtab.demo.engine import ServedModel
from trimtab.demo.llama import Llama

TOKENS = [1, 87, 93, 87, 287, 81, 203, 360, 365, 362, 18, 203, 56, 281, 87, 30, 225, 408, 67, 430]


def through(network: Llama, tokens: list[int], *lengths: int) -> np.ndarray:
    cache = network.new_cache(1)
    states, start = [], 0
    for length in lengths:
        states.append(network.forward([tokens[start : start + length]], [0], [start], cache)[0])
        start += length
    return np.concatenate(states)


@pytest.mark.parametrize("lengths", [(20,), (7, 13), (19, 1), (1,) * 20])
def test_pieces_of_a_prompt_give_what_the_whole_gives(small: ServedModel, lengths: tuple[int, ...]) -> None:
    """Hidden states do not depend on how a prompt is cut into pieces."""
    whole = through(small.network, TOKENS, 20)
    assert np.allclose(through(small.network, TOKENS, *lengths), whole, atol=2e-5)


def test_no_token_sees_a_later_one(small: ServedModel) -> None:
    """A changed token changes the states at its place and after it, and none before it."""
    changed = [*TOKENS[:12], 400, *TOKENS[13:]]
    before, after = through(small.network, TOKENS, 20), through(small.network, changed, 20)
    assert np.array_equal(before[:12], after[:12])
    assert not np.isclose(before[12:], after[12:]).all(axis=1).any()


def test_spans_do_not_touch_each_other(small: ServedModel) -> None:
    """Sequences decoded together have the same bits as each alone, in any company and order."""
    network = small.network
    tokens, starts = [5, 300, 41, 7, 500], [0, 3, 9, 2, 14]

    def cache_of(slots: int) -> object:
        cache = network.new_cache(slots)
        for slot in range(slots):
            network.forward([TOKENS[:15]], [slot], [0], cache)
        return cache

    together = network.forward([[token] for token in tokens], range(5), starts, cache_of(5))
    for index in range(5):
        alone = network.forward([[tokens[index]]], [0], [starts[index]], cache_of(1))
        assert np.array_equal(alone[0], together[index])


def test_embeddings_have_length_one_and_follow_the_text(small: ServedModel) -> None:
    """A text's vector has length 1; the same text has the same vector, another text another."""
    first, again, other = (small.network.embed(tokens) for tokens in (TOKENS, TOKENS, TOKENS[5:]))
    assert np.vecdot(first, first) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(first, again)
    assert np.vecdot(first, other) < 0.999
    mean = through(small.network, TOKENS, 20).mean(0)
    assert np.allclose(first, mean / np.linalg.norm(mean), atol=1e-5)
