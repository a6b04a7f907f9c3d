"""A model of random weights: the demo model's tokenizer, template and shape, and weights that mean nothing.

Sampled at temperature 1 it says anything that a grammar lets through, so that it finds what a grammar forgot.
"""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.demo.app import MODELS
from trimtab.demo.weights import Array, read_safetensors

SPREAD = 0.02
"""Standard deviation of the weights, as Llama models are initialised."""


def write(folder: Path, seed: int) -> Path:
    """Writes the model directory, in the Hugging Face layout; gives `folder`."""
    trained = MODELS / "jobs-small"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("eval.json", "*.safetensors"))
    source = np.random.default_rng(seed)
    tensors = {
        name: tensor if tensor.ndim == 1 else source.normal(0, SPREAD, tensor.shape).astype("<f4")
        for name, tensor in read_safetensors(trained / "model.safetensors").items()
    }
    (folder / "model.safetensors").write_bytes(safetensors(tensors))
    return folder


def safetensors(tensors: dict[str, Array]) -> bytes:
    """Float32 tensors in the format that `trimtab.demo.weights` reads."""
    header: dict[str, dict[str, Any]] = {"__metadata__": {"format": "pt"}}
    bodies, at = [], 0
    for name, tensor in tensors.items():
        body = tensor.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(body)]}
        bodies.append(body)
        at += len(body)
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    return struct.pack("<Q", len(told)) + told + b"".join(bodies)
