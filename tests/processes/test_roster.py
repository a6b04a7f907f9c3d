"""The roster of processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab.errors import StoreError
from trimtab.processes import roster
from trimtab.processes.roster import Member

WORKER = Member("gateway", 1, 4711, "g1-0123456789ab", 1_700_000_000.5, 2, "ready", "d" * 64)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The roster on disk is a JSON list with the documented names, and reads back as it was."""
    path = tmp_path / "processes.json"
    roster.write(path, [WORKER])
    assert json.loads(path.read_text()) == [
        {
            "role": "gateway",
            "slot": 1,
            "pid": 4711,
            "epoch": "g1-0123456789ab",
            "started_at": 1_700_000_000.5,
            "restarts": 2,
            "state": "ready",
            "snapshot": "d" * 64,
        }
    ]
    assert roster.read(path) == (WORKER,)
    assert [entry.name for entry in tmp_path.iterdir()] == ["processes.json"]


def test_no_roster_is_empty_and_a_bad_one_an_error(tmp_path: Path) -> None:
    """Without `trimtab up` there is nobody; bytes that are no roster are a `StoreError` that names the file."""
    path = tmp_path / "processes.json"
    assert roster.read(path) == ()
    path.write_text("[{")
    with pytest.raises(StoreError, match=r"processes\.json"):
        roster.read(path)
    with pytest.raises(StoreError):
        roster.write(tmp_path / "nowhere" / "processes.json", [])
