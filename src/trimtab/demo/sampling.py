"""From the scores of one step to the next token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trimtab.demo.weights import Array


@dataclass(frozen=True)
class Sampling:
    """How one answer is drawn, in the terms of the OpenAI wire.

    `temperature` 0 is greedy. `logprobs` is how many alternatives are reported beside each token; None reports nothing.
    Tokens of `end_ids` end the answer; none of them is drawn before `min_tokens`.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    min_tokens: int = 0
    end_ids: frozenset[int] = frozenset()
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logprobs: int | None = None


@dataclass(frozen=True)
class Drawn:
    """A token; with `Sampling.logprobs` also its natural log-probability and the most likely tokens with theirs.

    Log-probabilities are those of the network, before temperature, bias and penalties.
    """

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class Sampler:
    """Draws the tokens of one answer; the same seed and scores give the same tokens."""

    def __init__(self, sampling: Sampling, vocabulary: int) -> None:
        self._sampling = sampling
        self._random = np.random.default_rng(sampling.seed)
        self._counts = np.zeros(vocabulary, np.float32)
        self._drawn = 0
        self._bias_ids = np.fromiter(sampling.logit_bias, np.intp)
        self._bias = np.fromiter(sampling.logit_bias.values(), np.float32)
        self._end_ids = np.fromiter(sampling.end_ids, np.intp)

    def draw(self, scores: Array) -> Drawn:
        """The next token for scores shaped (vocabulary,)."""
        adjusted = self._adjusted(scores)
        token = int(adjusted.argmax()) if self._sampling.temperature == 0 else self._chosen(adjusted)
        self._counts[token] += 1
        self._drawn += 1
        if self._sampling.logprobs is None:
            return Drawn(token)
        return _reported(token, scores, self._sampling.logprobs)

    def _adjusted(self, scores: Array) -> Array:
        sampling = self._sampling
        adjusted = scores.copy()
        if sampling.logit_bias:
            adjusted[self._bias_ids] += self._bias
        if sampling.presence_penalty or sampling.frequency_penalty:
            adjusted -= np.float32(sampling.frequency_penalty) * self._counts
            adjusted -= np.float32(sampling.presence_penalty) * (self._counts > 0)
        if self._drawn < sampling.min_tokens:
            adjusted[self._end_ids] = -np.inf
        return adjusted

    def _chosen(self, adjusted: Array) -> int:
        sampling = self._sampling
        scaled = (adjusted.astype(np.float64) - adjusted.max()) / sampling.temperature
        if sampling.top_k <= 0 and sampling.top_p >= 1:
            return self._place(np.exp(scaled).cumsum())
        order = np.argsort(-scaled, kind="stable")[: sampling.top_k if sampling.top_k > 0 else None]
        mass = np.exp(scaled[order]).cumsum()
        nucleus = int(np.searchsorted(mass, sampling.top_p * mass[-1])) + 1
        return int(order[self._place(mass[:nucleus])])

    def _place(self, mass: NDArray[np.float64]) -> int:
        """A place drawn with the probabilities whose running sum this is, up to a factor."""
        place = int(np.searchsorted(mass, self._random.random() * mass[-1], side="right"))
        return min(place, len(mass) - 1)


def _reported(token: int, scores: Array, alternatives: int) -> Drawn:
    shifted = scores.astype(np.float64) - scores.max()
    logprobs = shifted - np.log(np.exp(shifted).sum())
    best = np.argsort(-logprobs, kind="stable")[:alternatives]
    return Drawn(token, float(logprobs[token]), tuple((int(other), float(logprobs[other])) for other in best))
