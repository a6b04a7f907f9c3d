"""The table of whom a rollout reached: one bound for all workers, kept over their lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.errors import StoreError
from trimtab.gateway.exposure import Exposed, Exposure

WORKER = """\
import sys
from pathlib import Path
from trimtab.gateway.exposure import Exposure
table = Exposure(Path(sys.argv[1]), 100)
print(sum(table.admits(unit) for unit in range(int(sys.argv[2]), 1000)))
"""


def test_the_bound_holds_among_processes(tmp_path: Path) -> None:
    """Four workers that meet the same and other users at once reach 100 of them, and agree on whom."""
    path = tmp_path / "exposed"
    words = [sys.executable, "-c", WORKER, str(path)]
    workers = [subprocess.Popen([*words, str(first)], stdout=-1, text=True) for first in (1, 1, 50, 200)]
    told = [int(one.communicate(timeout=60)[0]) for one in workers]
    table = Exposure(path, 100)
    assert table.figures == Exposed(100, 0, 0)
    assert sum(table.admits(unit) for unit in range(1, 1000)) == 100
    assert max(told) <= 100
    table.close()


def test_counts_and_units_outlive_a_worker(tmp_path: Path) -> None:
    """A unit that is in stays in; the other counts are added up."""
    first = Exposure(tmp_path / "exposed", 2)
    assert [first.admits(unit) for unit in (7, 9, 7, 11)] == [True, True, True, False]
    first.copied()
    first.dropped()
    first.close()
    second = Exposure(tmp_path / "exposed", 2)
    second.dropped()
    assert [second.admits(unit) for unit in (9, 11)] == [True, False]
    assert second.figures == Exposed(2, 1, 2)
    second.close()


def test_units_that_fall_on_the_same_place(tmp_path: Path) -> None:
    """32 units of the same lowest bits are told apart."""
    table = Exposure(tmp_path / "exposed", 32)
    assert all(table.admits(unit << 40) for unit in range(1, 33))
    assert not any(table.admits(unit << 40) for unit in range(33, 60))
    table.close()


def test_a_table_has_its_room_from_the_beginning(tmp_path: Path) -> None:
    """A full disk is met when the file is made: a write into a hole of a mapped file would kill the worker."""
    path = tmp_path / "exposed"
    Exposure(path, 10_000).close()
    found = path.stat()
    assert found.st_blocks * 512 >= found.st_size > 8 * 10_000


def test_a_table_that_is_full(tmp_path: Path) -> None:
    """A file that is none of ours is told, and not looked through for ever."""
    path = tmp_path / "exposed"
    path.write_bytes(b"\0" * 64 + b"\xff" * 512)
    table = Exposure(path, 2)
    with pytest.raises(StoreError, match="full"):
        table.admits(7)
    table.close()


def test_a_table_that_cannot_be_made(tmp_path: Path) -> None:
    """It is told as a store that failed."""
    with pytest.raises(StoreError):
        Exposure(tmp_path / "missing" / "exposed", 2)
