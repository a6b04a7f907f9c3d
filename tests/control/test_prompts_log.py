"""`trimtab prompts log`: the figures of each version, told by a control that runs, and where none does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.control.running import GUARD_S, control, data_of, until
from tests.store.conftest import ROOT
from tests.store.samples import SECOND_NS, call
from tests.store.spools import SegmentWriter
from trimtab.processes.directory import DataDirectory

PROMPT = "user:\n{{ ticket }}\n"
DIGEST = hashlib.sha256(PROMPT.encode()).hexdigest()


def prepare(directory: Path) -> None:
    """A spool with 40 calls of the task's prompt, of which 30 kept their schema at once, and 5 of another prompt."""
    task = directory / "project" / "tasks" / "route"
    task.mkdir(parents=True, exist_ok=True)
    (task / "prompt.md").write_text(PROMPT)
    now_ns = time.time_ns() - 10 * SECOND_NS
    writer = SegmentWriter(data_of(directory) / "spool", "g0-0123456789ab")
    for number in range(45):
        made = call(
            f"g0-0123456789ab-{number}",
            now_ns,
            verdict="valid" if number < 30 else "truncated",
            total_s=0.5,
            answer_tokens=20,
            cost=("exact", 2_000_000_000),
        )
        made = replace(made, admitted=replace(made.admitted, prompt=DIGEST if number < 40 else "0" * 64))
        writer.write(made.admitted, made)


def said(project: Path, *arguments: str) -> str:
    """What the command prints, in a process of its own: a store is opened once in a process."""
    command = [sys.executable, "-c", "from trimtab.cli import main; main()", "prompts", "log", "route", *arguments]
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(project.parent)}
    done = subprocess.run(
        [*command, "--project", str(project)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=GUARD_S,
    )
    return done.stdout


@pytest.fixture(scope="module", params=["running", "resting"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with these calls, whose control runs or where nothing does."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "resting":
        with control(directory):
            pass
        prepare(directory)
        yield directory / "project"
        return
    prepare(directory)
    with DataDirectory(data_of(directory)).hold(), control(directory) as running:

        def stored() -> int:
            status, answer = running.ask("/api/calls?limit=1000")
            return len(answer["calls"]) if status == 200 else -1

        assert until(stored, 45) == 45
        yield directory / "project"


def test_figures_of_a_version(project: Path) -> None:
    """Its own calls are counted, with the share that was valid at once, its interval, length, latency and cost."""
    [version] = json.loads(said(project, "--json"))["versions"]
    assert version["digest"] == DIGEST
    figures: dict[str, Any] = version["figures"]
    assert figures["requests"] == 40
    valid = figures["answers"]["valid_first"]
    assert (valid["count"], valid["n"], valid["share"]) == (30, 40, 0.75)
    # Wilson's interval for 30 of 40 at 95 %, by hand: centre (0.75 + z²/80) / (1 + z²/40), z = 1.96.
    assert (valid["low"], valid["high"]) == (pytest.approx(0.5981, abs=1e-4), pytest.approx(0.8581, abs=1e-4))
    assert figures["output_tokens"]["p50"] == 20
    assert figures["total_s"]["p95"] == pytest.approx(0.5, rel=0.01)
    assert figures["cost"]["exact"] == {"calls": 40, "pusd": 80_000_000_000}


def test_figures_as_text(project: Path) -> None:
    """The same in a line."""
    line = " ".join(said(project).split())
    assert "40 calls valid at once 75 % (59.8-85.8), n 40 output p50 20 p95 20 tokens" in line
    assert "cost 0.002 USD a call" in line


def test_figures_since(project: Path) -> None:
    """A window that begins tomorrow has no calls, and that is said."""
    assert "no calls" in said(project, "--since", "2100-01-01")
