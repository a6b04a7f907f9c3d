"""What a crash of the machine leaves of the journal: all that was told, in logs that are whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.journaled.images import fault, images, workload

COMMITS = 100
IMAGES = 120


def faults(folder: Path, seed: int, synchronous: str = "FULL") -> Counter[str]:
    """What is wrong with images of a workload, by its first word."""
    (folder / "image").mkdir()
    trace = workload(folder, COMMITS, seed, synchronous)
    if not any(event.file == "journal.db-wal" for event in trace.events):
        pytest.skip("this sqlite3 module has a library of its own, which cannot be listened to")
    return Counter(fault(image, folder / "image") for image in images(trace, IMAGES, seed))


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_that_was_told_is_lost(tmp_path: Path, seed: int) -> None:
    """Any image of what had reached the disk opens, is whole, and holds every entry and body that was acknowledged."""
    assert faults(tmp_path, seed) == {"": IMAGES}


def test_a_store_that_did_not_wait_for_the_disk_would_be_found_out(tmp_path: Path) -> None:
    """The same images of a journal that commits without a sync have lost acknowledged entries."""
    found = faults(tmp_path, 1, "NORMAL")
    assert any("is lost" in one for one in found)
