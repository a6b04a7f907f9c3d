"""`trimtab export` writes what Prometheus and Grafana read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab.cli import run

PROJECT = """
environment = "test"
[gateway]
listen = "127.0.0.1:8400"
[control]
listen = "127.0.0.1:8401"
[models.small]
wire = "openai"
model = "small"
replicas = ["http://127.0.0.1:9"]
"""
TASK = """
owner = "support"
class = "interactive"
model = "small"
objective = { ttft_p95 = "800ms", success = 0.99 }
[alerts.floor]
signal = "parse_rate"
below = 0.95
severity = "page"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks" / "route").mkdir(parents=True)
    (tmp_path / "trimtab.toml").write_text(PROJECT)
    (tmp_path / "tasks" / "route" / "task.toml").write_text(TASK)
    return tmp_path


def test_rules_of_a_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The task's own rule and objectives are in it, and the head says what is not."""
    assert run(["export", "prometheus", "--project", str(project)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Written by `trimtab export prometheus`")
    assert "# Only Trimtab itself keeps: " in out and "output_length_drifts" in out.splitlines()[1]
    assert "- alert: TrimtabFloor" in out
    assert 'goal: "ttft_p95"' in out and 'owner: "support"' in out
    assert "- alert: TrimtabWatchdog" in out


def test_rules_into_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same text goes into a file, in a folder that is made; the next verb checks it."""
    assert run(["export", "prometheus", "--project", str(project)]) == 0
    text = capsys.readouterr().out
    file = project / "rules" / "trimtab.rules.yml"
    assert run(["export", "prometheus", "--project", str(project), "--out", str(file)]) == 0
    assert file.read_text() == text
    assert f"Next: promtool check rules {file}" in capsys.readouterr().out


def test_dashboards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file for each, named by its uid."""
    assert run(["export", "grafana", "--out", str(tmp_path / "boards")]) == 0
    files = sorted((tmp_path / "boards").iterdir())
    assert [file.name for file in files] == ["trimtab-overview.json", "trimtab-replicas.json", "trimtab-task.json"]
    assert [json.loads(file.read_text())["uid"] for file in files] == [file.stem for file in files]


def test_a_place_that_cannot_be_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a file stands in the way, that is said with what to do."""
    (project / "taken").write_text("")
    assert run(["export", "prometheus", "--project", str(project), "--out", str(project / "taken" / "r.yml")]) == 1
    assert "name another place with `--out`" in capsys.readouterr().err


def test_rules_as_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file the same rules are told as JSON, with a file where they were written."""
    assert run(["export", "prometheus", "--project", str(project), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rules = [rule for group in told["groups"] for rule in group["rules"]]
    assert "TrimtabFloor" in [rule.get("alert") for rule in rules]
    assert all(rule["expr"] for rule in rules)
    assert "output_length_drifts" in told["left_out"] and told["files"] == []
    file = project / "trimtab.rules.yml"
    assert run(["export", "prometheus", "--project", str(project), "--out", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["files"], told["groups"]) == ([str(file)], [])
    assert file.read_text().startswith("# Written by")


def test_dashboards_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files that were written are told, and are there."""
    assert run(["export", "grafana", "--out", str(tmp_path / "boards"), "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert len(files) == 3
    assert all(Path(file).is_file() for file in files)
