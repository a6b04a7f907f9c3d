"""`trimtab label` by itself, in a project where nothing runs."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from trimtab.cli import verbs

TOML = '[models.small]\nmodel = "Qwen/Qwen3-0.6B"\nreplicas = ["http://127.0.0.1:9"]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a file of answers."""
    (tmp_path / "trimtab.toml").write_text(TOML)
    rows = [{"inputs": {"ticket": f"ticket {one}"}, "observed": f"answer {one}\x1b[31m"} for one in range(2)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(project: Path, *words: str, status: int = 0) -> str:
    """What a verb says."""
    found = CliRunner().invoke(verbs, ["label", *words, "--project", str(project)])
    assert found.exit_code == status, found.output
    return found.output


def told(project: Path, *words: str) -> Any:
    """What a verb tells as JSON."""
    return json.loads(run(project, *words, "--json"))


def test_two_reviewers_from_the_first_row_to_the_export(project: Path) -> None:
    """Both label both rows by themselves, their agreement is told, and the export is a data set of labels."""
    run(project, "new", "helpful", "--task", "triage", "--question", "Does it help?")
    assert told(project, "add", "helpful", str(project / "rows.jsonl")) == {"added": 2, "known": 0}
    assert told(project, "add", "helpful", str(project / "rows.jsonl")) == {"added": 0, "known": 2}
    for who, keys in (("ana", "yn"), ("ben", "yy")):
        for key in keys:
            waits = told(project, "next", "helpful", "--reviewer", who)
            assert list(waits["keys"]) == ["y", "n"]
            run(project, "put", "helpful", waits["next"]["id"], key, "--reviewer", who)
    assert told(project, "next", "helpful", "--reviewer", "ana")["next"] is None
    found = told(project, "agreement", "helpful")
    assert found["agreement"]["same"] == 0.5
    assert len(found["disputed"]) == 1
    run(project, "export", "helpful", "--to", str(project / "out.jsonl"))
    lines = [json.loads(line) for line in (project / "out.jsonl").read_text().splitlines()]
    assert [one["values"] for one in lines] == [[1.0, 1.0], [0.0, 1.0]]
    assert {key for one in lines for key in one} == {"inputs", "answer", "values"}


def test_a_set_without_rows_says_how_to_fill_it(project: Path) -> None:
    """Nobody is told that all is done where nothing was put in."""
    run(project, "new", "empty", "--task", "triage", "--question", "Does it help?")
    said = run(project, "next", "empty")
    assert said.startswith("The set has no rows yet.\n\nNext: trimtab label add empty --evaluation ID")


def test_answers_reach_the_terminal_without_their_escapes(project: Path) -> None:
    """What a model wrote is shown with its control codes escaped."""
    run(project, "new", "helpful", "--task", "triage", "--question", "Does it help?")
    run(project, "add", "helpful", str(project / "rows.jsonl"))
    said = run(project, "next", "helpful")
    assert "\\x1b[31m" in said
    assert "\x1b" not in said


def test_what_cannot_be_is_told(project: Path) -> None:
    """A set that there is not, a key that there is not, and a set without a row of answers."""
    run(project, "new", "helpful", "--task", "triage", "--question", "Does it help?")
    found = CliRunner().invoke(verbs, ["label", "next", "nothing", "--project", str(project)])
    assert found.exit_code == 1
    assert "no set nothing" in str(found.exception)
    run(project, "add", "helpful", status=2)


def test_the_reviewer_is_in_the_command_that_follows(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the last line labels for the same reviewer, in the same project; one's own name is left out."""
    monkeypatch.setenv("LOGNAME", "ana")
    run(project, "new", "helpful", "--task", "triage", "--question", "Does it help?")
    run(project, "add", "helpful", str(project / "rows.jsonl"))
    last = run(project, "next", "helpful", "--reviewer", "ben").splitlines()[-1]
    assert last.endswith(f" y --reviewer ben --project {project}")
    assert run(project, "next", "helpful").splitlines()[-1].endswith(f" y --project {project}")


def test_a_user_without_a_name_has_a_number(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container nobody may be called anything; labels are kept all the same."""

    def nameless(uid: int) -> None:
        raise KeyError(uid)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nameless)
    run(project, "new", "helpful", "--task", "triage", "--question", "Does it help?")
    run(project, "add", "helpful", str(project / "rows.jsonl"))
    waits = told(project, "next", "helpful")
    [label] = told(project, "put", "helpful", waits["next"]["id"], "y")["labels"]
    assert label["reviewer"] == f"user {os.getuid()}"
