"""`trimtab gate`: what it refuses before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.assemble.evaluating import write_project, write_suite
from trimtab.cli import run

URL = "http://127.0.0.1:9"


@pytest.fixture
def sides(tmp_path: Path) -> tuple[str, ...]:
    """The options that compare two folders which are alike."""
    for name in ("base", "candidate"):
        write_project(tmp_path / name, URL)
        write_suite(tmp_path / name)
    return "--project", str(tmp_path / "candidate"), "--base", str(tmp_path / "base")


def test_a_task_that_neither_side_has_does_not_ship(sides: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name is no verdict, where a task that did not change ships."""
    assert run(["gate", *sides, "--task", "sort"]) == 0
    capsys.readouterr()
    assert run(["gate", *sides, "--task", "sort", "--task", "srot"]) == 3
    told = capsys.readouterr()
    assert (told.out, "'srot'" in told.err) == ("", True)
