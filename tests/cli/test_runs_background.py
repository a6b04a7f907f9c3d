"""`trimtab runs list --background` and what is made again."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.test_runs import TOML
from trimtab.cli import run
from trimtab.cli.runs_background import age
from trimtab.clock import SystemClock
from trimtab.journal.asks import Begin, Begun, Finish
from trimtab.journal.background import Limits, Settle, Submit, Take, Taken
from trimtab.journal.client import BlockingLocalKeeper
from trimtab.journal.entries import Result, Started, body_of
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.processes.directory import DataDirectory

LIMITS = Limits(10, 3, 3600.0, 3600.0)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a call that is completed, a dead letter, and one that waits."""
    (tmp_path / "trimtab.toml").write_text(TOML)
    places = DataDirectory(tmp_path / ".trimtab")
    clock = SystemClock()
    with closing(RunStore(open_runs(places.journal), MemoryBodies(), clock)) as store:
        keeper = BlockingLocalKeeper(store)
        for name in ("bg_1", "bg_2", "bg_3"):
            started = Started(clock.wall_ns(), "refund", through="background", input=body_of(b"{}"))
            keeper.do(Submit(name, started, "app", "answer", "chat_completions", "small", LIMITS))
        for how in ("done", "dead"):
            taken = keeper.do(Take("g0", 15.0))
            assert isinstance(taken, Taken)
            name, epoch = taken.call.run, taken.epoch
            begun = keeper.do(Begin(name, epoch, "model", "refund", "aa", branch="background"))
            assert isinstance(begun, Begun)
            keeper.do(Finish(name, epoch, Result(0, begun.seq, "ok", body_of(b"{}"))))
            keeper.do(Settle(name, epoch, how, begun.seq, status=400, error="" if how == "done" else "invalid_request"))  # type: ignore[arg-type]
    return tmp_path


def test_background_calls_are_listed_and_made_again(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With status, tries and key; a dead letter waits under its own id when it was re-driven."""
    assert run(["runs", "list", "--background", "--json", "--project", str(project)]) == 0
    listed = json.loads(capsys.readouterr().out)["calls"]
    assert [(one["run"]["run"], one["call"]["status"]) for one in listed] == [
        ("bg_3", "queued"),
        ("bg_2", "failed"),
        ("bg_1", "completed"),
    ]
    assert run(["runs", "list", "--background", "--state", "parked", "--project", str(project)]) == 0
    text = capsys.readouterr().out
    assert "bg_2" in text
    assert "invalid_request" in text
    assert "1/3" in text
    assert "bg_1" not in text
    assert run(["runs", "redrive", "bg_2", "--project", str(project)]) == 0
    assert "bg_2 is made again" in capsys.readouterr().out
    assert run(["runs", "list", "--background", "--json", "--project", str(project)]) == 0
    listed = json.loads(capsys.readouterr().out)["calls"]
    assert [one["call"]["status"] for one in listed] == ["queued", "queued", "completed"]


def test_ages_are_short() -> None:
    """The largest unit that fits."""
    assert [age(seconds * 10**9) for seconds in (0, 59, 61, 7200, 200_000)] == ["0s", "59s", "1m", "2h", "2d"]
