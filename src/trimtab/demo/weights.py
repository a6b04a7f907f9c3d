"""Reads a model directory in the Hugging Face layout: its shape from `config.json`, its tensors from safetensors."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from trimtab.errors import FormatError

Array = NDArray[np.float32]
Count = Annotated[int, Meta(ge=1)]
HEADER_LIMIT_BYTES = 1 << 20


class Rope(Struct, frozen=True):
    """Rotary position embedding: the base of its wavelengths."""

    rope_theta: float = 10_000.0


class Shape(Struct, frozen=True):
    """The sizes of a Llama model, under the names that `config.json` uses."""

    vocab_size: Count
    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    num_key_value_heads: Count
    head_dim: Count
    max_position_embeddings: Count
    rms_norm_eps: float
    eos_token_id: int
    rope_parameters: Rope = Rope()
    tie_word_embeddings: bool = False


class _Tensor(Struct, frozen=True):
    dtype: str
    shape: list[Annotated[int, Meta(ge=0)]]
    data_offsets: tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]


def read_shape(folder: Path) -> Shape:
    """The sizes of the model in `folder`; FormatError if `config.json` lacks one."""
    path = folder / "config.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(path=path, offset=0, detail=str(error)) from error


def read_safetensors(path: Path) -> dict[str, Array]:
    """All tensors of a file, by name; float32 only, else FormatError.

    The format: 8 bytes little-endian length, that many bytes of JSON naming type, shape and place of each tensor, then
    the tensors (https://github.com/huggingface/safetensors, section Format).
    """
    content = path.read_bytes()
    if len(content) < 8:
        raise FormatError(path=path, offset=0, detail=f"{len(content)} bytes hold no header length")
    (length,) = struct.unpack_from("<Q", content)
    if length > min(HEADER_LIMIT_BYTES, len(content) - 8):
        raise FormatError(path=path, offset=0, detail=f"a header of {length} bytes does not fit")
    try:
        header = msgspec.json.decode(content[8 : 8 + length], type=dict[str, msgspec.Raw])
        header.pop("__metadata__", None)
        tensors = {name: msgspec.json.decode(raw, type=_Tensor) for name, raw in header.items()}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(path=path, offset=8, detail=str(error)) from error
    return {name: _array(path, content, 8 + length, name, tensor) for name, tensor in tensors.items()}


def _array(path: Path, content: bytes, base: int, name: str, tensor: _Tensor) -> Array:
    begin, end = tensor.data_offsets
    count = math.prod(tensor.shape)
    if tensor.dtype != "F32" or end - begin != 4 * count or base + end > len(content):
        detail = f"{name} is {tensor.dtype} {tensor.shape} in bytes {begin} to {end}"
        raise FormatError(path=path, offset=base + begin, detail=detail)
    return np.frombuffer(content, "<f4", count, base + begin).reshape(tensor.shape)
