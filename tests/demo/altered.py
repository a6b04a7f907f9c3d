"""Copies of a demo model that are hardly another: rounded to bfloat16, or tuned by a few steps of its output layer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from bench.random_weights import safetensors
from trimtab.demo.app import MODELS, read_model
from trimtab.demo.engine import ServedModel
from trimtab.demo.jobs import Example, JobGenerator
from trimtab.demo.weights import Array, read_safetensors

EMBEDDING = "model.embed_tokens.weight"
"""The output layer too: these models have one matrix for both."""
RATE = 1e-5
"""Of Adam: what language models are usually fine-tuned with, or less."""
EXAMPLES = 8
BETAS, EPSILON = (0.9, 0.999), 1e-8


def rounded(folder: Path, name: str = "jobs-small") -> Path:
    """A copy whose weights are the nearest bfloat16 (ties to even), kept as float32; gives the folder of models."""
    tensors = read_safetensors(MODELS / name / "model.safetensors")
    return _write(folder, name, {key: bfloat16(tensor) for key, tensor in tensors.items()})


def bfloat16(values: Array) -> Array:
    """Float32 values to the nearest with 8 bits of significand, ties to even."""
    bits = values.view(np.uint32)
    up = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return ((bits + up) & np.uint32(0xFFFF0000)).view(np.float32)


def tuned(folder: Path, steps: int, seed: int = 1, name: str = "jobs-small") -> Path:
    """A copy after so many steps of Adam on its output layer, 8 examples of its own jobs each; gives the folder.

    The gradient is that of the mean cross-entropy of the answers' tokens through the output layer alone: less than
    tuning all weights would do.
    """
    model, jobs = read_model(name), JobGenerator(seed)
    tensors = dict(read_safetensors(MODELS / name / "model.safetensors"))
    weights = tensors[EMBEDDING].copy()
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, steps + 1):
        gradient = np.zeros_like(weights)
        for _ in range(EXAMPLES):
            gradient += _gradient(model, jobs.sample(), weights) / EXAMPLES
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient * gradient
        unbiased = first / (1 - BETAS[0] ** step), second / (1 - BETAS[1] ** step)
        weights = weights - np.float32(RATE) * unbiased[0] / (np.sqrt(unbiased[1]) + np.float32(EPSILON))
    return _write(folder, name, tensors | {EMBEDDING: weights.astype(np.float32)})


def _gradient(model: ServedModel, example: Example, weights: Array) -> Array:
    prompt = model.vocabulary.encode(model.template.render(example.messages, example.tools))
    answer = model.vocabulary.encode(example.answer)
    tokens = [*prompt, *answer]
    network = model.network
    hidden = network.forward([tokens], [0], [0], network.new_cache(1, len(tokens)))[0, len(prompt) - 1 : -1]
    scores = hidden @ weights.T
    scores -= scores.max(axis=-1, keepdims=True)
    shares = np.exp(scores)
    shares /= shares.sum(axis=-1, keepdims=True)
    shares[np.arange(len(answer)), answer] -= 1
    gradient: Array = shares.T @ hidden / np.float32(len(answer))
    return gradient


def _write(folder: Path, name: str, tensors: dict[str, Array]) -> Path:
    place = folder / name
    shutil.copytree(MODELS / name, place, ignore=shutil.ignore_patterns("eval.json", "*.safetensors"))
    (place / "model.safetensors").write_bytes(safetensors(tensors))
    return folder
