"""Reading model directories."""

from __future__ import annotations

import contextlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.demo.app import MODELS
from trimtab.demo.weights import read_safetensors, read_shape
from trimtab.errors import FormatError


def packed(header: dict[str, object], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_tensors_come_back_as_written(tmp_path: Path) -> None:
    """A file packed by hand reads as the numbers and shapes that were put in."""
    path = tmp_path / "model.safetensors"
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [16, 20]},
    }
    path.write_bytes(packed(header, struct.pack("<5f", 1, 2, 3, 4, 5)))
    tensors = read_safetensors(path)
    assert set(tensors) == {"a", "b"}
    assert np.array_equal(tensors["a"], [[1, 2], [3, 4]])
    assert np.array_equal(tensors["b"], [5])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01\x00",
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        packed({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"\0" * 7),
        packed({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}, b"\0" * 4),
        packed({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"\0" * 8),
        packed({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [8, 0]}}, b"\0" * 8),
        packed({"a": {"shape": [2]}}, b""),
    ],
)
def test_a_damaged_file_is_a_format_error(tmp_path: Path, content: bytes) -> None:
    """Whatever is wrong with a file, the error is FormatError and names it."""
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"broken\.safetensors"):
        read_safetensors(path)


@given(cut=st.integers(0, 400), place=st.integers(0, 399), value=st.integers(0, 255))
def test_no_bytes_make_the_reader_fail_otherwise(
    tmp_path_factory: pytest.TempPathFactory, cut: int, place: int, value: int
) -> None:
    """A file cut anywhere, with any byte changed, is read or is a FormatError."""
    header = {f"t{n}": {"dtype": "F32", "shape": [4], "data_offsets": [16 * n, 16 * n + 16]} for n in range(3)}
    content = bytearray(packed(header, bytes(range(48))))
    content[place % len(content)] = value
    path = tmp_path_factory.mktemp("mutated") / "m.safetensors"
    path.write_bytes(content[: cut if cut < len(content) else None])
    with contextlib.suppress(FormatError):
        assert all(tensor.dtype == np.float32 for tensor in read_safetensors(path).values())


def test_the_shape_is_read_from_the_configuration() -> None:
    """The sizes of jobs-small are those that its README states."""
    shape = read_shape(MODELS / "jobs-small")
    assert (shape.hidden_size, shape.num_hidden_layers, shape.vocab_size) == (128, 2, 768)
    assert (shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim) == (4, 2, 32)
    tensors = read_safetensors(MODELS / "jobs-small" / "model.safetensors")
    assert sum(tensor.size for tensor in tensors.values()) == 461_440


def test_a_configuration_without_a_size_is_a_format_error(tmp_path: Path) -> None:
    """A missing key is named."""
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FormatError, match="vocab_size"):
        read_shape(tmp_path)
