"""Evaluations of the demo on its tiny models, by the command line alone: what is worse is blocked, the rest ships."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.demo.running import running_demo
from tests.lock.repositories import BARE, commit, repository
from trimtab.demo import suites
from trimtab.lock import lockfile

DEMO = Path(suites.__file__).parent / "project"
LIMIT_S = 300.0
CASES = 100


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """The demo engine with both models."""
    with running_demo() as url:
        yield url


@pytest.fixture
def project(tmp_path: Path, engine: str) -> Path:
    """The demo's project, locked and committed."""
    root = repository(tmp_path / "demo")
    shutil.copytree(DEMO, root, dirs_exist_ok=True)
    declared = (root / "trimtab.toml").read_text().replace("http://127.0.0.1:8402", engine)
    (root / "trimtab.toml").write_text(declared)
    (root / ".gitignore").write_text(".trimtab/\n")
    assert trimtab(root, "lock").returncode == 0
    commit(root, "The demo")
    return root


def trimtab(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a project."""
    return subprocess.run(
        [sys.executable, "-m", "trimtab", *words],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, **BARE},
    )


def told(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON document a command printed."""
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def lock_id(project: Path) -> str:
    """The id of the project's lock."""
    found = lockfile.read(project)
    assert found is not None
    return found.lock_id


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def figure(report: Any, name: str) -> Any:
    """A metric of a report."""
    return next(one for one in report["metrics"] if one["name"] == name and not one["slice"])


def test_a_smaller_model_is_not_moved_to(project: Path) -> None:
    """It forgets on extract and assist, and does as well on route at 30 % of the price: nothing is written."""
    before = {path.name: path.read_bytes() for path in project.iterdir() if path.is_file()}
    words = ("lock", "upgrade", "models.small", "--to", "jobs-mid", "--sample", "--cases", str(CASES), "--json")
    done = trimtab(project, *words)
    found = told(done)
    assert done.returncode == 1
    assert {one["task"]: one["verdict"] for one in found["reports"]} == {
        "assist": "block",
        "extract": "block",
        "route": "ship",
    }
    route = next(one for one in found["reports"] if one["task"] == "route")
    assert figure(route, "cost")["difference"]["value"] == pytest.approx(0.3, abs=0.02)
    assert figure(route, "cost")["is_ratio"]
    assert any("cost" in reason for reason in route["reasons"])
    assert (found["verdict"], found["written"], found["shipped_on"]) == ("block", False, "")
    assert {path.name: path.read_bytes() for path in project.iterdir() if path.is_file()} == before


def test_a_model_is_moved_on_evidence(project: Path) -> None:
    """Where only route asks it, the smaller model is moved to, and what that was made on lies beside the lock."""
    for task in ("extract", "assist"):
        edit(project / "tasks" / task / "task.toml", 'model = "small"', 'model = "mid"')
    assert trimtab(project, "lock").returncode == 0
    held = lock_id(project)
    done = trimtab(
        project, "lock", "upgrade", "models.small", "--to", "jobs-mid", "--sample", "--cases", str(CASES), "--json"
    )
    found = told(done)
    assert (done.returncode, found["verdict"], found["written"]) == (0, "ship", True)
    lock = lock_id(project)
    evidence = json.loads((project / "trimtab.evidence" / f"{lock[:12]}.json").read_text())
    assert (evidence["lock"], evidence["before"], evidence["moved"]) == (lock, held, "models/small")
    assert list(evidence["reports"]) == ["route"]
    assert "Shipped on      route ship" in trimtab(project, "lock", "why", "models/small").stdout
    assert 'model = "jobs-mid"' in (project / "trimtab.toml").read_text().partition("[models.mid]")[0]


def test_a_hotter_temperature_is_blocked_by_the_gate(project: Path) -> None:
    """The gate finds the one task that it touches, and exits with 1; its files are for a pull request."""
    edit(project / "tasks" / "extract" / "task.toml", "temperature = 0.0", "temperature = 1.0")
    done = trimtab(
        project,
        "gate",
        "--base",
        "HEAD",
        "--cases",
        str(CASES),
        "--markdown",
        "gate.md",
        "--junit",
        "gate.xml",
        "--json",
    )
    found = told(done)
    assert done.returncode == 1
    assert [(one["task"], one["verdict"]) for one in found["reports"]] == [("extract", "block")]
    assert found["changes"] == ["sampling/extract: temperature is 1, was 0"]
    assert (project / "gate.md").read_text().startswith("## Block")
    assert "<failure" in (project / "gate.xml").read_text()


def test_one_word_is_blocked(project: Path) -> None:
    """A better word for a person, and not the one the model was trained on: n is what a drop of 10 points needs."""
    edit(project / "tasks" / "extract" / "prompt.md", "qty", "quantity")
    done = trimtab(project, "eval", "extract", "--against", "HEAD", "--drop", "10", "--json")
    found = told(done)
    assert done.returncode == 1
    assert found["verdict"] == "block"
    assert '"qty" -> "quantity"' in found["price"]
    assert "A drop of 10 points takes" in done.stderr


def test_a_change_cannot_move_its_own_goal(project: Path) -> None:
    """Cases, suite and margin are those of the base: a candidate that makes them easy is blocked all the same."""
    edit(project / "tasks" / "extract" / "prompt.md", "Extract", "Find")
    edit(project / "tasks" / "extract" / "task.toml", "margin = 0.05", "margin = 1.0")
    (project / "tasks" / "extract" / "cases.jsonl").write_text(
        '{"id": "x", "inputs": {"order": "y"}, "expected": {}}\n'
    )
    done = trimtab(project, "gate", "--base", "HEAD", "--cases", str(CASES), "--json")
    [report] = told(done)["reports"]
    assert (done.returncode, report["verdict"], len(report["cases"])) == (1, "block", CASES)


def test_what_bears_on_no_answer_ships_unasked(project: Path) -> None:
    """Nothing is asked for an edit of the suite or of a comment, and the gate lets it through."""
    edit(project / "tasks" / "extract" / "task.toml", "margin = 0.05", "margin = 0.04")
    edit(project / "tasks" / "extract" / "task.toml", "# an order", "# orders, each an order")
    done = trimtab(project, "gate", "--base", "HEAD", "--json")
    assert (done.returncode, told(done)["verdict"], told(done)["reports"]) == (0, "ship", [])
    assert not (project / ".trimtab" / "evaluations").exists()


def test_a_change_without_a_suite_is_not_shipped(project: Path) -> None:
    """A task that nothing tests cannot be told to be fine."""
    edit(project / "tasks" / "route" / "task.toml", "evals = {", "# evals = {")
    commit(project, "No suite", at="2026-11-02T10:00:00Z")
    edit(project / "tasks" / "route" / "task.toml", "temperature = 0.0", "temperature = 0.5")
    done = trimtab(project, "gate", "--base", "HEAD", "--json")
    assert (done.returncode, told(done)["verdict"], told(done)["unevaluated"]) == (2, "inconclusive", ["route"])


def test_the_same_version_twice_is_no_change(project: Path) -> None:
    """A/A: as good as itself."""
    done = trimtab(project, "eval", "route", "--against", "HEAD", "--cases", str(CASES), "--json")
    found = told(done)
    assert (done.returncode, found["verdict"]) == (0, "ship")
    assert figure(found, "normalised")["difference"]["value"] == 0


def test_killed_and_taken_up(project: Path) -> None:
    """SIGKILL amid an evaluation: no gateway stays, and the same command goes on with what was answered."""
    words = ("eval", "assist", "--against", "HEAD", "--cases", "200", "--json")
    with subprocess.Popen(
        [sys.executable, "-m", "trimtab", *words],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **BARE},
    ) as process:
        until = time.monotonic() + LIMIT_S
        while answered(project) < 50:
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    [folder] = (project / ".trimtab" / "evaluations").iterdir()
    done = trimtab(project, *words)
    assert done.returncode == 0, done.stderr
    assert f"Goes on with {folder.name}" in done.stderr
    assert (told(done)["id"], told(done)["candidate"]["calls"]) == (folder.name, 200)
    listed = json.loads(trimtab(project, "eval", "list", "--json").stdout)["evaluations"]
    assert [(one["id"], one["verdict"]) for one in listed] == [(folder.name, "ship")]
    assert "ship" in trimtab(project, "eval", "show", folder.name[:13]).stdout


def answered(project: Path) -> int:
    """How many answers are kept so far."""
    found = list((project / ".trimtab" / "evaluations").glob("*/samples.jsonl"))
    return found[0].read_bytes().count(b"\n") if found else 0


def test_the_demo_must_run(project: Path) -> None:
    """Without its engine nothing is asked, and what to start is said."""
    declared = re.sub(r"http://127.0.0.1:\d+", "http://127.0.0.1:9", (project / "trimtab.toml").read_text())
    (project / "trimtab.toml").write_text(declared)
    done = trimtab(project, "eval", "route")
    assert (done.returncode, done.stdout) == (3, "")
    assert "trimtab up --demo" in done.stderr


def test_what_it_will_cost_is_said_first(project: Path) -> None:
    """Calls, money and what can be seen, without a call."""
    done = trimtab(project, "eval", "extract", "--against", "HEAD", "--samples", "5", "--dry-run")
    assert done.returncode == 0
    assert "300 cases, 5 samples of each, 3,000 calls; about" in done.stderr
    assert "USD at most" in done.stderr
    assert "is blocked with 80 %" in done.stderr
    assert not (project / ".trimtab" / "evaluations").exists()


def test_interrupted_and_taken_up_by_its_id(project: Path) -> None:
    """Ctrl-C: exit status 130, and the way on is said; the id alone is enough to go on, within the same budget."""
    words = [sys.executable, "-m", "trimtab", "eval", "assist", "--against", "HEAD", "--cases", "200", "--json"]
    words += ["--budget", "20"]
    with subprocess.Popen(
        words, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **BARE}
    ) as process:
        until = time.monotonic() + LIMIT_S
        while answered(project) < 50:
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
    [folder] = (project / ".trimtab" / "evaluations").iterdir()
    assert (process.returncode, out) == (130, "")
    assert f"Next: trimtab eval --resume {folder.name}" in err
    done = trimtab(project, "eval", "--resume", folder.name, "--json")
    assert done.returncode == 0, done.stderr
    assert "It stops before it has cost 20 USD." in done.stderr
    assert (told(done)["id"], told(done)["verdict"], told(done)["candidate"]["calls"]) == (folder.name, "ship", 200)
    again = trimtab(project, "eval", "--resume", folder.name)
    assert (again.returncode, again.stdout) == (3, "")
    assert "it has ended" in again.stderr
