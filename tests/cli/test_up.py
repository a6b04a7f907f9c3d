"""What `trimtab up --demo` writes before it starts."""

from pathlib import Path

from trimtab.cli.up import write_demo
from trimtab.declare.load import load
from trimtab.lock import lockfile
from trimtab.policy.agreement import agreement


def test_the_demo_is_written_with_its_lock(tmp_path: Path) -> None:
    """It is locked as it stands, so that its first calls bear a lock id."""
    write_demo(tmp_path / "demo")
    lock = lockfile.read(tmp_path / "demo")
    assert lock is not None
    assert {"prompts/route", "models/small", "schemas/extract"} <= {one.key for one in lock.entries}
    assert agreement(load(tmp_path / "demo"), lock).holds


def test_the_demo_may_be_locked_anywhere(tmp_path: Path) -> None:
    """Its lock is the same in every folder."""
    for name in ("one", "two"):
        write_demo(tmp_path / name)
    assert (tmp_path / "one" / lockfile.FILE).read_bytes() == (tmp_path / "two" / lockfile.FILE).read_bytes()
