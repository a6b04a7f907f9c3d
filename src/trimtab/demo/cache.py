"""Keys and values of the sequences under way, one slot each, and which beginnings of prompts they already hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trimtab.demo.weights import Array


class KvCache:
    """Keys and values shaped (slots, layers, kv heads, positions, width); memory is touched only as it fills."""

    def __init__(self, slots: int, layers: int, kv_heads: int, positions: int, width: int) -> None:
        self.slots = slots
        self._keys = np.zeros((slots, layers, kv_heads, positions, width), np.float32)
        self._values = np.zeros_like(self._keys)

    def append(self, slot: int, layer: int, start: int, keys: Array, values: Array) -> tuple[Array, Array]:
        """Add rows shaped (rows, kv heads, width) at position `start`; gives all up to there, positions second."""
        end = start + len(keys)
        self._keys[slot, layer, :, start:end] = keys.transpose(1, 0, 2)
        self._values[slot, layer, :, start:end] = values.transpose(1, 0, 2)
        return self._keys[slot, layer, :, :end], self._values[slot, layer, :, :end]

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Give slot `target` the first `tokens` positions of slot `source`."""
        for stored in (self._keys, self._values):
            stored[target, :, :, :tokens] = stored[source, :, :, :tokens]


class Taken(NamedTuple):
    """A slot, and how many of the prompt's first tokens it already holds."""

    slot: int
    cached_tokens: int


class SlotPool:
    """Hands out slots, longest unused first, and finds the beginning that a new prompt shares with an earlier one.

    Only whole pieces of `piece_tokens` are shared, and only as prefill computed them: a prompt's keys and values have
    the same bits whether they were found or computed. At least one token is left to compute.
    """

    def __init__(self, cache: KvCache, piece_tokens: int) -> None:
        self._cache = cache
        self._piece = piece_tokens
        self._free = list(range(cache.slots))
        self._known: list[tuple[int, ...]] = [()] * cache.slots

    def take(self, prompt: Sequence[int]) -> Taken | None:
        """A slot for this prompt, or None while all are in use."""
        if not self._free:
            return None
        shared, source = max((self._shared(prompt, known), slot) for slot, known in enumerate(self._known))
        slot = source if shared and source in self._free else self._free[0]
        self._free.remove(slot)
        if slot != source:
            self._cache.copy(source, slot, shared)
        self._known[slot] = tuple(prompt[:shared])
        return Taken(slot, shared)

    def computed(self, slot: int, prompt: Sequence[int], tokens: int) -> None:
        """Say that the slot now holds the first `tokens` of this prompt."""
        self._known[slot] = tuple(prompt[: tokens - tokens % self._piece])

    def give_back(self, slot: int) -> None:
        """End the use of a slot; what it holds can still be shared until it is taken again."""
        self._free.append(slot)

    @property
    def free(self) -> int:
        """How many slots are not in use."""
        return len(self._free)

    def _shared(self, prompt: Sequence[int], known: tuple[int, ...]) -> int:
        tokens = 0
        limit = min(len(known), len(prompt) - 1)
        while (
            tokens + self._piece <= limit
            and tuple(prompt[tokens : tokens + self._piece]) == known[tokens : tokens + self._piece]
        ):
            tokens += self._piece
        return tokens

    def __repr__(self) -> str:
        return f"SlotPool({len(self._known) - self.free} of {len(self._known)} slots in use)"
