"""What a lock was shipped on lies beside it, is found by what it moved, and is believed only where it fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from trimtab.errors import LockUnwritten
from trimtab.lock.evidence_files import FOLDER, ShippedOn, attach, evidence_of, place_of

FIRST = ShippedOn("a" * 64, "0" * 64, "models/small", "d" * 64, 1, "ship", {"route": {"verdict": "ship"}})


def test_it_is_found_by_what_was_moved(tmp_path: Path) -> None:
    """By the entry and its digest, whatever the lock is called since; of several the latest."""
    second = replace(FIRST, lock="b" * 64, at_ns=2)
    assert attach(tmp_path, second) == tmp_path / FOLDER / "bbbbbbbbbbbb.json"
    attach(tmp_path, FIRST)
    assert evidence_of(tmp_path, "models/small", "d" * 64) == second
    assert evidence_of(tmp_path, "models/small", "e" * 64) is None
    assert evidence_of(tmp_path, "models/large", "d" * 64) is None
    assert evidence_of(tmp_path / "nowhere", "models/small", "d" * 64) is None


def test_under_another_name_it_is_none(tmp_path: Path) -> None:
    """A file that was copied for another lock is no evidence for it."""
    attach(tmp_path, FIRST).rename(place_of(tmp_path, "c" * 64))
    assert evidence_of(tmp_path, "models/small", "d" * 64) is None


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_foreign_bytes_are_passed_over(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever lies there, what is whole is still found."""
    root = tmp_path_factory.mktemp("evidence")
    attach(root, FIRST)
    place_of(root, "f" * 64).write_bytes(data)
    assert evidence_of(root, "models/small", "d" * 64) == FIRST


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """It is told which, and what to do."""
    (tmp_path / FOLDER).write_text("no folder")
    with pytest.raises(LockUnwritten, match=FOLDER):
        attach(tmp_path, FIRST)
