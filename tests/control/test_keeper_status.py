"""How `trimtab status` tells of the journal of runs."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
from rich.console import Console

from trimtab.cli.status import status_text
from trimtab.journal.frames import Healthy
from trimtab.processes.keeper_watch import KeeperView
from trimtab.processes.status import Status, TelemetryState, read_status

SAID = Healthy(0, 3, 2, 1200, 4, 300, 0.45, 0.02)


def shown(run: Path, keeper: KeeperView | None) -> str:
    """What the verb shows, after the way over the socket."""
    status = read_status(1, "test", run, lambda: None, TelemetryState(True, 1))
    sent = msgspec.json.encode(msgspec.structs.replace(status, keeper=keeper))
    out = io.StringIO()
    read = msgspec.json.decode(sent, type=Status)
    Console(file=out, width=200, highlight=False).print(status_text(read, is_live=True))
    return out.getvalue()


def test_a_journal_at_work(tmp_path: Path) -> None:
    """Asks, commits and their mean time stand in one line: 0.45 s over 300 commits are 1.5 ms each."""
    (line,) = [one for one in shown(tmp_path, KeeperView(True, 1, "", SAID)).splitlines() if "journal" in one]
    assert line.split() == ["journal", "up", "1,200", "asks,", "300", "commits,", "1.5", "ms", "each,", "2", "wait"]


def test_a_journal_in_trouble(tmp_path: Path) -> None:
    """What is wrong is said below it; control codes of others do not reach the terminal."""
    text = shown(tmp_path, KeeperView(False, 1, "keeper.sock: \x1b[2Jno answer", SAID))
    assert "journal    down" in text
    assert "\x1b" not in text
    assert "no answer" in text


def test_no_journal(tmp_path: Path) -> None:
    """A host whose keeper was not asked yet says nothing of it."""
    assert "journal" not in shown(tmp_path, None)
