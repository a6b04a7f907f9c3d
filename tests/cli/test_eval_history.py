"""What a task scored under each lock, beside what it does live."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from rich.console import Console

from tests.evals.renderings.reports import ALONE, BLOCKED
from trimtab.cli.eval import command
from trimtab.cli.eval_history import History, history_text
from trimtab.console.beside import joined
from trimtab.errors import UnknownTask
from trimtab.evals.history import scored
from trimtab.signals.figure import Cell, Figure

A, B, C = "a1" * 32, "b2" * 32, "c3" * 32
FIGURES = Figure("parse_rate", "ratio", 400, 0.99), Figure("cost_per_call", "amount", 410, 0.001)
CELL = Cell("extract", B, 0, 410, FIGURES)


def test_the_latest_score_of_each_lock() -> None:
    """Both arms of a comparison, by the first scorer over all cases; the newer evaluation's where a lock has two."""
    newer = replace(ALONE, at_ns=5)
    found = scored([BLOCKED, newer, replace(BLOCKED, task="other", at_ns=9)], "extract")
    assert [(one.lock, one.id, one.figure.value) for one in found] == [
        (f"sha256:{B}", "0193", 0.869), (f"sha256:{A}", "0192", 0.931)
    ]  # fmt: skip


def test_scores_stand_beside_live_figures() -> None:
    """A lock may have either alone; calls without a lock are left out."""
    cells = [CELL, replace(CELL, value=""), replace(CELL, value=C, figures=())]
    rows = joined(scored([BLOCKED], "extract"), cells)
    assert [(one.lock, one.score is not None, one.calls) for one in rows] == [
        (C, False, 410), (B, True, 410), (A, True, 0)
    ]  # fmt: skip
    console = Console(width=200, highlight=False, force_terminal=False)
    with console.capture() as captured:
        console.print(history_text(History("extract", 0, rows)))
    shown = [line.split() for line in captured.get().splitlines()]
    row = next(line for line in shown if line and line[0].startswith("b2"))
    assert row[:10] == ["b2b2b2b2b2b2", "exact", "in", "0192", "86.9", "%", "(84.0", "to", "89.5)", "410"]
    assert row[10:14] == ["99", "%", "(n", "400)"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one task, in which nothing was evaluated yet."""
    (tmp_path / "tasks" / "extract").mkdir(parents=True)
    (tmp_path / "trimtab.toml").write_text('[models.small]\nmodel = "m"\nreplicas = ["http://127.0.0.1:9000"]\n')
    (tmp_path / "tasks" / "extract" / "task.toml").write_text('model = "small"\n')
    return tmp_path


def test_the_verb(project: Path) -> None:
    """Where nothing was evaluated it says so; of an evaluation that ended there is a row; a foreign task is refused."""
    ran = CliRunner().invoke(command, ["history", "extract", "--project", str(project)])
    assert (ran.exit_code, "No lock of this task" in ran.output) == (0, True), ran.output
    folder = project / ".trimtab" / "evaluations" / "0192"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    (folder / "report.json").write_bytes(msgspec.json.encode(BLOCKED))
    ran = CliRunner().invoke(command, ["history", "extract", "--project", str(project), "--json"])
    found = msgspec.json.decode(ran.stdout, type=History)
    assert [one.lock for one in found.locks] == [B, A]
    ran = CliRunner().invoke(command, ["history", "nobody", "--project", str(project)])
    assert isinstance(ran.exception, UnknownTask)
