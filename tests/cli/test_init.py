"""`trimtab init`."""

import json
from pathlib import Path

import pytest

from trimtab.cli import run
from trimtab.declare.load import load
from trimtab.declare.rendering import render


def test_the_project_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written has no mistakes, and its prompt can be rendered."""
    assert run(["init", str(tmp_path / "new")]) == 0
    assert "trimtab check --project" in capsys.readouterr().out
    assert run(["check", "--project", str(tmp_path / "new")]) == 0
    task = load(tmp_path / "new").tasks["answer"]
    assert task.prompt is not None
    messages = render(task.prompt, {"subject": "sailing", "facts": ["A trim tab moves a rudder."]})
    assert messages == [
        {
            "role": "system",
            "content": "You answer questions about sailing.\nUse only these facts:\n- A trim tab moves a rudder.\n"
            "Say so when you do not know.",
        }
    ]


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When one of its files is there, nothing is written and the file is named."""
    (tmp_path / "trimtab.toml").write_text("mine")
    assert run(["init", str(tmp_path)]) == 1
    assert f"there already: {tmp_path}/trimtab.toml; choose another directory" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["trimtab.toml"]
    assert (tmp_path / "trimtab.toml").read_text() == "mine"


def test_a_folder_with_an_application_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A .gitignore that is there is no hindrance: it stays, and what belongs into it is told unless it stands there."""
    for name, lines, told in (
        ("app", "node_modules/\n", "as it was; add the line .trimtab/ to it"),
        ("told", "/.trimtab\n", "as it was\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".gitignore").write_text(lines)
        assert run(["init", str(tmp_path / name)]) == 0
        assert f"left  {tmp_path}/{name}/.gitignore {told}" in capsys.readouterr().out
        assert (tmp_path / name / ".gitignore").read_text() == lines
        assert (tmp_path / name / "trimtab.toml").exists()


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, the files that were written."""
    assert run(["init", "--json", str(tmp_path)]) == 0
    written = json.loads(capsys.readouterr().out)["written"]
    assert sorted(written) == sorted(str(path) for path in tmp_path.rglob("*") if path.is_file())
    assert f"{tmp_path}/trimtab.toml" in written


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place that cannot be written is an error, not a traceback."""
    (tmp_path / "file").write_text("")
    assert run(["init", str(tmp_path / "file" / "new")]) == 1
    assert "the project cannot be written" in capsys.readouterr().err


def test_what_was_written_is_taken_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a later file cannot be written the earlier ones do not stay, so that none is in the way of the next try."""
    (tmp_path / "tasks").write_text("")
    assert run(["init", str(tmp_path)]) == 1
    assert "the project cannot be written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["tasks"]
