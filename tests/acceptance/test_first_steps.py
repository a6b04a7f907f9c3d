"""What a newcomer does first: the printed examples work as they stand, and the verbs it names show the calls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.running import RunningTrimtab, free_port, running_trimtab
from trimtab.demo import welcome


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTrimtab]:
    """The demo project, as `make up` writes and starts it, on free ports."""
    folder = tmp_path_factory.mktemp("first") / "demo"
    welcome.write_project(folder, f"http://127.0.0.1:{free_port()}")
    declared = folder / "trimtab.toml"
    text = declared.read_text()
    for port in ("8400", "8401"):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    declared.write_text(text)
    with running_trimtab(folder, "--demo", "--project", ".") as running:
        yield running


def test_the_curl_line_answers(demo: RunningTrimtab) -> None:
    """The shell line gives an answer of the task `route`."""
    done = subprocess.run(welcome.curl_line(demo.url, None), shell=True, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "shipping"


def test_the_python_snippet_answers(demo: RunningTrimtab) -> None:
    """The snippet runs as it is printed and prints the queue."""
    code = welcome.python_snippet(demo.url, None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "shipping"


def test_calls_and_report_show_what_was_called(demo: RunningTrimtab) -> None:
    """A call is in `calls tail`, with its bodies in `calls show`, and counted in `report`, within seconds."""
    subprocess.run(welcome.curl_line(demo.url, None), shell=True, capture_output=True, check=True)
    for _ in range(100):
        tail = demo.trimtab("calls", "tail", "--json")
        calls = [json.loads(line) for line in tail.stdout.splitlines()] if tail.returncode == 0 else []
        if calls:
            break
    admitted = calls[-1]["admitted"]
    assert admitted["task"] == "route"
    shown = demo.trimtab("calls", "show", admitted["call"])
    assert welcome.TICKET in shown.stdout
    report = json.loads(demo.trimtab("report", "--json").stdout)
    assert "route" in json.dumps(report)
    assert demo.trimtab("status").returncode == 0


def test_a_bad_edit_keeps_the_old_policy_and_says_so(demo: RunningTrimtab, tmp_path: Path) -> None:
    """After an edit with a mistake calls are still answered, and `status` names the mistake."""
    task = demo.project / "tasks" / "route" / "task.toml"
    good = task.read_text()
    task.write_text(good + "\nnonsense = 1\n")
    try:
        for _ in range(100):
            status = demo.trimtab("status").stdout
            if "nonsense" in status:
                break
        assert "nonsense" in status
        done = subprocess.run(welcome.curl_line(demo.url, None), shell=True, capture_output=True, text=True, check=True)
        assert "shipping" in done.stdout
    finally:
        task.write_text(good)
