"""Commands that end with a verdict exit with it, and with nothing that looks like one where there is none."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from tests.evals.samples import BOTH, SUITE, both, cases
from trimtab.cli.verdicts import UNTOLD, VerdictCommand, junit_of, status_of, verdict_of, write_reports
from trimtab.errors import GitFailed
from trimtab.evals.comparing import compare
from trimtab.evals.report import Report, Verdict

VERDICTS: tuple[Verdict | None, ...] = ("ship", "block", "inconclusive", None)


def report(task: str = "sort") -> Report:
    """A report of two cases that both arms answer alike."""
    return replace(compare(BOTH, SUITE, cases(2), both(cases(2), 1, lambda *_: 1.0, lambda *_: 1.0)), task=task)


@pytest.mark.parametrize("verdicts", list(product(VERDICTS, repeat=2)))
def test_verdicts_together(verdicts: tuple[Verdict | None, Verdict | None]) -> None:
    """What blocks one blocks all; all must ship for all to ship."""
    found = verdict_of(verdicts)
    assert (found == "block") == ("block" in verdicts)
    assert (found == "ship") == (verdicts == ("ship", "ship"))


def test_statuses() -> None:
    """0 ship, 1 block, 2 inconclusive; without a question, 0."""
    assert [status_of(one) for one in VERDICTS] == [0, 1, 2, 0]
    assert status_of(verdict_of([])) == 0


def ending(how: str) -> int:
    """The exit status of a command that ends like this."""

    @click.command(cls=VerdictCommand)
    @click.option("--how", default="")
    def command(how: str) -> int:
        match how:
            case "fails":
                raise GitFailed(detail="x")
            case "breaks":
                raise ZeroDivisionError
            case "misused":
                raise click.UsageError("x")
        return int(how)

    arguments = ["--wrong"] if how == "misspelt" else ["--how", how]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    if isinstance(result.exception, click.ClickException):
        return result.exception.exit_code
    assert result.exception is None
    status = result.return_value
    assert isinstance(status, int)
    return status


@pytest.mark.parametrize("status", [0, 1, 2])
def test_the_verdict_is_the_status(status: int) -> None:
    """Nothing comes between."""
    assert ending(str(status)) == status


@pytest.mark.parametrize("how", ["fails", "breaks", "misused", "misspelt"])
def test_a_failure_is_no_verdict(how: str) -> None:
    """An error that is told, a mistake of ours, and a command that is not understood: 3, never 0, 1 or 2."""
    assert ending(how) == UNTOLD == 3


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["gate"], 3),
        (["gate", "--base", "HEAD", "--no-such-option"], 3),
        (["gate", "--base", "HEAD"], 3),
        (["eval", "sort"], 3),
        (["eval", "sort", "--samples", "0"], 3),
        (["eval", "--resume"], 3),
        (["eval", "show", "nothing"], 1),
        (["lock", "upgrade", "models.x", "--sample", "--to"], 3),
        (["lock", "upgrade", "models.x", "--to"], 2),
        (["lock", "upgrade", "models.x", "--to", "y", "--sample"], 3),
        (["lock", "upgrade", "models.x", "--to", "y"], 1),
    ],
)
def test_where_there_is_no_project(tmp_path: Path, words: list[str], status: int) -> None:
    """Of the real command: nothing there can be judged, and no status says that it was."""
    done = subprocess.run(
        [sys.executable, "-m", "trimtab", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr


def test_reports_in_one_junit_document() -> None:
    """Each task's suites stand in one document that can be read."""
    root = ET.fromstring(junit_of([report("one"), report("two")]))
    assert root.tag == "testsuites"
    assert [suite.get("name") for suite in root][:1] == ["one verdict"]
    assert {str(suite.get("name")).split()[0] for suite in root} == {"one", "two"}


def test_files(tmp_path: Path) -> None:
    """Markdown is added to what is there; JUnit is written anew; a file that cannot be written is told."""
    markdown, junit = tmp_path / "summary.md", tmp_path / "gate.xml"
    markdown.write_text("before\n")
    for _ in range(2):
        write_reports([report()], markdown, junit, "## Head\n")
    assert markdown.read_text().startswith("before\n## Head\n")
    assert markdown.read_text().count("## Head") == 2
    assert junit.read_text().count("<testsuites ") == 1
    with pytest.raises(click.ClickException, match="cannot be written"):
        write_reports([report()], tmp_path / "no" / "where.md", None)
