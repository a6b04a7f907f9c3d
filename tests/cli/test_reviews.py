"""`trimtab reviews`, in a project where nothing else runs."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.test_runs import TOML
from trimtab.cli import run
from trimtab.clock import SystemClock
from trimtab.journal.asks import AskReview, Begin, Begun, Lease, Open
from trimtab.journal.client import BlockingLocalKeeper
from trimtab.journal.entries import Asked, Started, body_of
from trimtab.journal.proposals import Background, context_of
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.processes.directory import DataDirectory

SCHEMA = '{"type":"object","properties":{"amount_usd":{"type":"number"}}}'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a run that waits for a person."""
    (tmp_path / "trimtab.toml").write_text(TOML)
    with closing(
        RunStore(open_runs(DataDirectory(tmp_path / ".trimtab").journal), MemoryBodies(), SystemClock())
    ) as store:
        keeper = BlockingLocalKeeper(store)
        lease = keeper.do(Open("r1", Started(1, "refund"), "me"))
        assert isinstance(lease, Lease)
        begun = keeper.do(Begin("r1", lease.epoch, "step", "review refund", "aa", branch="1", tool="refund"))
        assert isinstance(begun, Begun)
        asked = Asked(2, "v1", begun.seq, "b1", "over 100 USD \x1b[2J")
        context = context_of(Background("Pays money back", schema=SCHEMA))
        keeper.do(AskReview("r1", lease.epoch, asked, body_of(b'{"amount_usd":900}'), context))
    return tmp_path


def test_list_and_show(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What waits is listed and shown: the action, why, its arguments; nothing of it reaches the terminal raw."""
    assert run(["reviews", "list", "--project", str(project)]) == 0
    assert run(["reviews", "show", "v1", "--project", str(project)]) == 0
    told = capsys.readouterr().out
    for words in ("v1", "refund", "over 100 USD", "Pays money back", '"amount_usd": 900', "trimtab reviews approve v1"):
        assert words in told
    assert "\x1b[2J" not in told


def test_edit_then_nothing_else(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An edit that does not fit is refused, one that does is written once, and nobody decides otherwise after it."""
    edited = tmp_path / "edited.json"
    edited.write_text('{"amount_usd": "all"}')
    assert run(["reviews", "edit", "v1", str(edited), "--project", str(project)]) == 1
    assert "amount_usd" in capsys.readouterr().err
    edited.write_text('{"amount_usd": 90}')
    assert run(["reviews", "edit", "v1", str(edited), "--by", "ana", "--json", "--project", str(project)]) == 0
    decided = json.loads(capsys.readouterr().out)
    assert (decided["verdict"], decided["by"], decided["edited"]["inline"]) == ("edited", "ana", '{"amount_usd": 90}')
    assert run(["reviews", "reject", "v1", "--reason", "no", "--project", str(project)]) == 1
    assert "edited by ana" in capsys.readouterr().err
    assert run(["reviews", "list", "--project", str(project)]) == 0
    assert "Nothing waits" in capsys.readouterr().out


def test_a_review_that_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told what is."""
    assert run(["reviews", "approve", "v9", "--project", str(project)]) == 1
    assert "trimtab reviews list" in capsys.readouterr().err
