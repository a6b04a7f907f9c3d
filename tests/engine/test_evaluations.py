"""The demo's changes judged on a real vLLM: the same verdicts as on the demo engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.test_evaluations import DEMO, edit, figure, told, trimtab
from tests.engine.vllm_server import ROOT, running_vllm
from tests.lock.repositories import commit, repository

pytestmark = pytest.mark.engine

MODELS = ROOT / "src" / "trimtab" / "demo" / "models"
CASES = ("--cases", "120")


@pytest.fixture(scope="module")
def vllm_mid() -> Iterator[str]:
    """A vLLM that serves jobs-mid, without `/v1`."""
    with running_vllm(MODELS / "jobs-mid", "jobs-mid") as vllm:
        yield vllm.url


@pytest.fixture
def project(tmp_path: Path, vllm_url: str, vllm_mid: str) -> Path:
    """The demo's project on two vLLMs, locked and committed."""
    root = repository(tmp_path / "demo")
    shutil.copytree(DEMO, root, dirs_exist_ok=True)
    small, mid = (root / "trimtab.toml").read_text().split("[models.mid]")
    small = small.replace("http://127.0.0.1:8402", vllm_url).replace(
        'wire = "openai"', 'wire = "openai"\nengine = "vllm"'
    )
    mid = mid.replace("http://127.0.0.1:8402", vllm_mid).replace('wire = "openai"', 'wire = "openai"\nengine = "vllm"')
    (root / "trimtab.toml").write_text(f"{small}[models.mid]{mid}")
    for path in root.glob("tasks/*/task.toml"):
        slower = path.read_text().replace('first_token = "5s", gap = "2s"', 'first_token = "60s", gap = "60s"')
        path.write_text(slower.replace('total = "30s"', 'total = "120s"'))
    (root / ".gitignore").write_text(".trimtab/\n")
    done = trimtab(root, "lock")
    assert done.returncode == 0, done.stderr
    commit(root, "The demo")
    return root


def test_a_smaller_model(project: Path) -> None:
    """It is blocked on extract and assist, and ships on route for less than a third of the price."""
    for task in ("extract", "route", "assist"):
        edit(project / "tasks" / task / "task.toml", 'model = "small"', 'model = "mid"')
    edit(project / "tasks" / "route" / "task.toml", 'fallback = ["mid"]', 'fallback = ["small"]')
    done = trimtab(project, "gate", "--base", "HEAD", *CASES, "--json")
    reports = {one["task"]: one for one in told(done)["reports"]}
    assert {task: one["verdict"] for task, one in reports.items()} == {
        "assist": "block",
        "extract": "block",
        "route": "ship",
    }, done.stderr
    cost = figure(reports["route"], "cost")["difference"]
    assert cost["high"] < 0.35
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [("task.toml", "temperature = 0.0", "temperature = 1.0"), ("prompt.md", "Extract name", "Find name")],
    ids=["hotter", "one word"],
)
def test_a_change_for_the_worse(project: Path, file: str, before: str, after: str) -> None:
    """A hotter temperature and one word are blocked on extract."""
    edit(project / "tasks" / "extract" / file, before, after)
    done = trimtab(project, "gate", "--base", "HEAD", *CASES, "--json")
    found = told(done)
    assert [(one["task"], one["verdict"]) for one in found["reports"]] == [("extract", "block")], json.dumps(found)[
        :2000
    ]
    assert done.returncode == 1


def test_nothing_changed(project: Path) -> None:
    """A/A: the same version is shipped, though a batch may change the last digits of a probability."""
    done = trimtab(project, "eval", "assist", "--against", "HEAD", *CASES, "--json")
    assert (done.returncode, told(done)["verdict"]) == (0, "ship"), done.stderr
