"""Drift of a tool's answers, through a control that runs: from records to the report, /metrics and `trimtab tools`."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.control.running import Running, control, until, write_calls
from trimtab.cli import run
from trimtab.record.events import ToolResult
from trimtab.reports.report import Report


def drift(running: Running) -> list[tuple[str, str, str, str]]:
    status, answer = running.ask("/api/report?since=1h")
    found = msgspec.convert(answer, Report).drift if status == 200 else ()
    return [(one.kind, one.subject, one.before, one.after) for one in found]


def test_a_tool_that_answers_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answers that requests bring are learned from, and what they turn into is told wherever people look."""
    write_calls(tmp_path, 60, tool_results=(ToolResult("find", "{id:integer,tags:[string]}", 30),))
    with control(tmp_path) as running:
        assert until(lambda: running.status().telemetry.lag_bytes, 0) == 0
        assert drift(running) == []
        write_calls(
            tmp_path, 20, "g1-0123456789ab", tool_results=(ToolResult("find", "{id:string,tags:[string]}", 30),)
        )
        told = [("tool_shape", "find", "$.id: number", "$.id: string")]
        assert until(lambda: drift(running), told) == told
        made = running.ask("/api/keys", "POST", b'{"name": "prometheus", "role": "viewer"}')[1]
        _, metrics = running.ask_tcp("/metrics", made["secret"])
        assert 'trimtab_tool_drift{class="major",kind="tool_shape",tool="find"} 1.0' in metrics
        assert 'trimtab_tool_results_total{result="ok",task="route",tool="find"} 80.0' in metrics
        assert run(["tools", "--json", "--project", str(tmp_path / "project")]) == 0
        found = json.loads(capsys.readouterr().out)["tools"]["find"]
        assert (found["answers"], [one["path"] for one in found["drift"]]) == (80, ["$.id"])
        assert running.end() == 0
