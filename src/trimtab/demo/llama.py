"""The Llama network in numpy: tokens in, hidden states and logits out.

Activations are shaped (spans, rows, hidden): a span is a run of neighbouring tokens of one sequence. Decoding is many
spans of one row, prefill is one span of many rows. numpy multiplies span by span, so a row's bits depend on its own
span only: a sequence has the same output alone and in company, on every processor.

Sources: Touvron et al. 2023 (arXiv 2302.13971); grouped queries, Ainslie et al. 2023 (2305.13245); rotary positions,
Su et al. 2021 (2104.09864); gated units, Shazeer 2020 (2002.05202); root mean square norm, Zhang and Sennrich 2019
(1910.07467).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.demo.cache import KvCache
from trimtab.demo.weights import Array, Shape

PREFILL_ROWS = 24  # how many prompt tokens go through the network at once


@dataclass(frozen=True)
class Layer:
    """One block's matrices, transposed for `rows @ matrix`; queries, keys and values side by side, gate and up too."""

    attention_norm: Array
    query_key_value: Array
    attention_out: Array
    feed_norm: Array
    gate_up: Array
    down: Array


class Llama:
    """A decoder with grouped-query attention, rotary positions, root-mean-square norms and gated units."""

    def __init__(self, shape: Shape, tensors: dict[str, Array], context_tokens: int | None = None) -> None:
        self.shape = shape
        self.context_tokens = min(shape.max_position_embeddings, context_tokens or shape.max_position_embeddings)
        self._layers = [_layer(tensors, f"model.layers.{index}.") for index in range(shape.num_hidden_layers)]
        self._embedding = tensors["model.embed_tokens.weight"]
        head = self._embedding if shape.tie_word_embeddings else tensors["lm_head.weight"]
        self._head = np.ascontiguousarray(head.T)
        self._final_norm = tensors["model.norm.weight"]
        self._cos, self._sin = _rotations(shape, self.context_tokens)

    def new_cache(self, slots: int, context_tokens: int | None = None) -> KvCache:
        """Room for the keys and values of `slots` sequences."""
        shape = self.shape
        positions = context_tokens or self.context_tokens
        return KvCache(slots, shape.num_hidden_layers, shape.num_key_value_heads, positions, shape.head_dim)

    def forward(
        self, token_ids: Sequence[Sequence[int]], slots: Sequence[int], starts: Sequence[int], cache: KvCache
    ) -> Array:
        """Hidden states after the last norm, shaped (spans, rows, hidden).

        Span i holds the tokens `token_ids[i]` of the sequence in slot `slots[i]`, the first at position `starts[i]`;
        all spans are equally long. Their keys and values are added to the cache.
        """
        rows = len(token_ids[0])
        positions = np.asarray(starts)[:, None] + np.arange(rows)
        cos, sin = self._cos[positions][:, :, None], self._sin[positions][:, :, None]
        x = self._embedding[np.asarray(token_ids)]
        for index, layer in enumerate(self._layers):
            mixed = self._norm(x, layer.attention_norm) @ layer.query_key_value
            query, key, value = self._heads(mixed, cos, sin)
            attended = np.empty_like(query)
            for span, (slot, start) in enumerate(zip(slots, starts, strict=True)):
                keys, values = cache.append(slot, index, start, key[span], value[span])
                attended[span] = _attend(query[span], keys, values)
            x = x + attended.reshape(*x.shape[:2], -1) @ layer.attention_out
            x = x + _gated(self._norm(x, layer.feed_norm) @ layer.gate_up) @ layer.down
        return self._norm(x, self._final_norm)

    def logits(self, hidden: Array) -> Array:
        """Scores over the vocabulary for hidden states shaped (spans, hidden)."""
        scores: Array = (hidden[:, None] @ self._head)[:, 0]
        return scores

    def embed(self, token_ids: Sequence[int]) -> Array:
        """The mean of the hidden states of a text, scaled to length 1: a toy, the models never learnt to embed."""
        cache = self.new_cache(1, len(token_ids))
        total: Array = np.zeros(self.shape.hidden_size, np.float32)
        for start in range(0, len(token_ids), PREFILL_ROWS):
            total = total + self.forward([token_ids[start : start + PREFILL_ROWS]], [0], [start], cache)[0].sum(0)
        unit: Array = total / np.sqrt(np.vecdot(total, total))
        return unit

    def _norm(self, x: Array, weight: Array) -> Array:
        mean_square = np.vecdot(x, x) / np.float32(self.shape.hidden_size)
        scaled: Array = x * (1 / np.sqrt(mean_square + np.float32(self.shape.rms_norm_eps)))[..., None]
        return scaled * weight

    def _heads(self, mixed: Array, cos: Array, sin: Array) -> tuple[Array, Array, Array]:
        """Queries, keys and values, each shaped (spans, rows, heads, width); values are not rotated."""
        shape = self.shape
        split = mixed.reshape(*mixed.shape[:2], -1, shape.head_dim)
        rotating = split[:, :, : -shape.num_key_value_heads]
        half = shape.head_dim // 2
        left, right = rotating[..., :half], rotating[..., half:]
        rotated = np.concatenate([left * cos - right * sin, right * cos + left * sin], axis=-1)
        queries = shape.num_attention_heads
        return rotated[:, :, :queries], rotated[:, :, queries:], split[:, :, -shape.num_key_value_heads :]


def _attend(query: Array, keys: Array, values: Array) -> Array:
    """Attention of one span: queries (rows, heads, width) over keys and values (kv heads, positions, width)."""
    rows, heads, width = query.shape
    kv_heads, positions, _ = keys.shape
    scaled: Array = query * np.float32(width**-0.5)
    grouped = scaled.reshape(rows, kv_heads, -1, width).transpose(1, 2, 0, 3).reshape(kv_heads, -1, width)
    scores: Array = grouped @ keys.transpose(0, 2, 1)
    if rows > 1:
        unseen = np.arange(positions) > np.arange(positions - rows, positions)[:, None]
        scores.reshape(kv_heads, -1, rows, positions)[:, :, unseen] = -np.inf
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    attended: Array = scores @ values
    return attended.reshape(kv_heads, -1, rows, width).transpose(2, 0, 1, 3).reshape(rows, heads, width)


def _gated(gate_up: Array) -> Array:
    half = gate_up.shape[-1] // 2
    gate, up = gate_up[..., :half], gate_up[..., half:]
    with np.errstate(over="ignore"):  # exp of a large negative gate: the gate is then 0, as it should be
        gated: Array = gate / (1 + np.exp(-gate)) * up
    return gated


def _layer(tensors: dict[str, Array], prefix: str) -> Layer:
    def joined(*names: str) -> Array:
        return np.ascontiguousarray(np.concatenate([tensors[f"{prefix}{name}.weight"] for name in names]).T)

    return Layer(
        attention_norm=tensors[f"{prefix}input_layernorm.weight"],
        query_key_value=joined("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        attention_out=joined("self_attn.o_proj"),
        feed_norm=tensors[f"{prefix}post_attention_layernorm.weight"],
        gate_up=joined("mlp.gate_proj", "mlp.up_proj"),
        down=joined("mlp.down_proj"),
    )


def _rotations(shape: Shape, positions: int) -> tuple[Array, Array]:
    exponents = np.arange(0, shape.head_dim, 2, dtype=np.float32) / np.float32(shape.head_dim)
    wavelengths = np.float32(shape.rope_parameters.rope_theta) ** exponents
    angles = np.arange(positions, dtype=np.float32)[:, None] / wavelengths
    return np.cos(angles), np.sin(angles)
