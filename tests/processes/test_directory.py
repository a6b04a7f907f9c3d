"""One `trimtab up` a data directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.errors import DirectoryInUse
from trimtab.processes.directory import DataDirectory

CHILD_OF_A_DEAD_ONE = "import sys; sys.stdin.read()"


def test_lock_names_its_holder_and_is_refused_to_others(tmp_path: Path) -> None:
    """A directory that is held is refused with the holder's pid, and free again afterwards."""
    directory = DataDirectory(tmp_path / "data")
    with directory.hold():
        assert directory.holder() == os.getpid()
        with pytest.raises(DirectoryInUse, match=f"is held by process {os.getpid()};"), directory.hold():
            raise AssertionError("held twice")
    with directory.hold():
        assert directory.run.is_dir()
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_children_of_a_dead_supervisor_keep_the_lock(tmp_path: Path) -> None:
    """While a child that inherited the lock lives, nobody else gets the directory, even if the supervisor is gone."""
    directory = DataDirectory(tmp_path)
    with directory.hold() as lock:
        child = subprocess.Popen(
            [sys.executable, "-S", "-c", CHILD_OF_A_DEAD_ONE], stdin=subprocess.PIPE, pass_fds=[lock]
        )
    with pytest.raises(DirectoryInUse), directory.hold():
        raise AssertionError("held twice")
    child.communicate()
    with directory.hold():
        assert child.returncode == 0


async def test_new_supervisor_waits_for_the_children_of_a_dead_one(tmp_path: Path) -> None:
    """`vacated` returns at once for a free directory or a living holder, and waits for what a dead one left behind."""
    directory = DataDirectory(tmp_path)
    await directory.vacated(60)
    with directory.hold():
        await directory.vacated(60)
    gone = subprocess.run([sys.executable, "-S", "-c", "import os; print(os.getpid())"], stdout=-1, check=True)
    with directory.hold() as lock:
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(0.3)"], pass_fds=[lock])
    directory.lock.write_bytes(gone.stdout)
    await directory.vacated(60)
    assert child.wait() == 0
