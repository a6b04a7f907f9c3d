"""Files that say which lock may serve in an environment: written whole, and refused where they are not understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.errors import PromotionRefused
from trimtab.lock.promotions import FOLDER, Promotion, mismatch, place, promotion, write

LOCK = "1" * 64
ONE = Promotion("production", LOCK, "staging", "ann", "2026-01-01T00:00:00+00:00", ("e1",), "r1", 200)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The folder is made, nothing lies beside the file, and only the very lock may serve."""
    path = write(tmp_path, ONE)
    assert [found.name for found in (tmp_path / FOLDER).iterdir()] == [path.name]
    assert promotion(tmp_path, "production") == ONE
    assert mismatch(tmp_path, "production", LOCK) == ""
    assert "lock 111111111111 was promoted" in mismatch(tmp_path, "production", "2" * 64)
    assert "nothing was promoted to staging" in mismatch(tmp_path, "staging", LOCK)


@pytest.mark.parametrize(
    "data", [b"", b"<<<<<<< HEAD", b'{"environment": "\xff"}', b"[]", b'{"environment": "production", "more": 1}']
)
def test_what_cannot_be_read(tmp_path: Path, data: bytes) -> None:
    """A conflict or another's file is refused with what to do."""
    path = write(tmp_path, ONE)
    path.write_bytes(data)
    with pytest.raises(PromotionRefused, match="version control"):
        promotion(tmp_path, "production")


def test_a_file_of_another_environment(tmp_path: Path) -> None:
    """A copy under another name promotes nothing."""
    write(tmp_path, ONE).rename(place(tmp_path, "staging"))
    with pytest.raises(PromotionRefused, match="another environment"):
        promotion(tmp_path, "staging")


@pytest.mark.parametrize("name", ["", "..", "../x", "Prod", "a/b", "x" * 65, "-x", "prod\n"])
def test_names_that_are_no_environment(tmp_path: Path, name: str) -> None:
    """A name cannot lead out of the folder."""
    with pytest.raises(PromotionRefused, match="no environment"):
        place(tmp_path, name)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A file in the place of the folder is told."""
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(PromotionRefused, match="cannot be written"):
        write(tmp_path, ONE)
