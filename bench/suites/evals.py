"""Evaluations of the demo on its tiny models, by the command line: how long they take, and what verdicts they reach.

`speed`: 300 cases, 5 samples of each, in both arms. `verdicts`: changes for the worse and for the better that are known
beforehand, each with other cases and seeds in every round. `early`: how many calls a bad change costs where the
evaluation may end early. `killed`: SIGKILL at random moments; the same command again pays for nothing twice.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.intervals import mean
from bench.options import Options
from bench.parts import run_parts
from bench.report import Result
from tests.demo.running import running_demo
from tests.lock.repositories import BARE, commit, repository
from trimtab.assemble.evaluation_records import ends_of
from trimtab.demo import suites

DEMO = Path(suites.__file__).parent / "project"
LIMIT_S = 300.0
CASES = 300
SAMPLES = 5
SHIP, BLOCK, INCONCLUSIVE = 0, 1, 2
Edit = Callable[[Path], None]


def run(options: Options, result: Result) -> None:
    """The demo engine serves all arms, on the same cores as they run on."""
    with running_demo() as engine, tempfile.TemporaryDirectory(prefix="trimtab-evals-") as folder:
        project = demo_at(Path(folder) / "demo", engine)
        arms = {"speed": speed, "verdicts": verdicts, "early": early, "killed": killed}
        run_parts(options, result, {name: partial(arm, options, project) for name, arm in arms.items()})


def demo_at(root: Path, engine: str) -> Path:
    """The demo's project in a repository, locked."""
    repository(root)
    shutil.copytree(DEMO, root, dirs_exist_ok=True)
    declared = (root / "trimtab.toml").read_text().replace("http://127.0.0.1:8402", engine)
    (root / "trimtab.toml").write_text(declared)
    (root / ".gitignore").write_text(".trimtab/\n")
    trimtab(root, "lock")
    commit(root, "The demo")
    return root


def trimtab(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a project."""
    command = [sys.executable, "-m", "trimtab", *words]
    env = {**os.environ, **BARE}
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=env)


def told(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command printed."""
    if not done.stdout:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def speed(options: Options, project: Path, result: Result) -> None:
    """Wall time of the whole command, both arms: start, calls, verdict."""
    samples = options.size(SAMPLES, 1)
    begin = time.monotonic()
    report = told(trimtab(project, "eval", "extract", "--against", "HEAD", "--samples", str(samples), "--json"))
    taken_s = time.monotonic() - begin
    calls = report["base"]["calls"] + report["candidate"]["calls"]
    what = f"{CASES} cases x {samples} samples of two versions, {calls:,} calls"
    result.worst(what, taken_s, LIMIT_S, "s")
    result.tell_value("calls a second, all told", calls / taken_s)


def edited(path: str, before: str, after: str) -> Edit:
    """An edit of a file of the project."""

    def edit(project: Path) -> None:
        text = (project / path).read_text()
        if before not in text:
            raise RuntimeError(f"{path} has no {before!r}")
        (project / path).write_text(text.replace(before, after, 1))

    return edit


def everywhere(*edits: Edit) -> Edit:
    """Several edits as one."""

    def edit(project: Path) -> None:
        for one in edits:
            one(project)

    return edit


ROUTE, EXTRACT, ASSIST = (f"tasks/{task}/task.toml" for task in ("route", "extract", "assist"))
PLANTED: dict[str, tuple[str, Edit, int]] = {
    "extract, a smaller model": ("extract", edited(EXTRACT, 'model = "small"', 'model = "mid"'), BLOCK),
    "assist, a smaller model": ("assist", edited(ASSIST, 'model = "small"', 'model = "mid"'), BLOCK),
    "route, a smaller model": (
        "route",
        everywhere(edited(ROUTE, 'model = "small"', 'model = "mid"'), edited(ROUTE, '["mid"]', '["small"]')),
        SHIP,
    ),
    "extract, temperature 1": ("extract", edited(EXTRACT, "temperature = 0.0", "temperature = 1.0"), BLOCK),
    "extract, `qty` becomes `quantity`": ("extract", edited("tasks/extract/prompt.md", "qty", "quantity"), BLOCK),
    "assist, nothing": ("assist", lambda project: None, SHIP),
}
"""What is changed in which task, and the verdict that is right."""
DROP = "10"
"""Points: n is what the power rule says that such a loss needs."""


def verdicts(options: Options, project: Path, result: Result) -> None:
    """Rounds with other seeds, so with other cases: of 300, as many as a drop of 10 points needs."""
    rounds = options.rounds or options.size(20, 2)
    draw = random.Random(options.seed)
    for name, (task, edit, right) in PLANTED.items():
        found = []
        for _ in range(rounds):
            reseed(project, task, draw.randrange(1 << 31))
            edit(project)
            words = ("eval", task, "--against", "HEAD", "--drop", DROP, "--json", "--new")
            found.append(trimtab(project, *words).returncode)
            restore(project)
        result.raw[name] = found
        wrong = sum(status not in {right, INCONCLUSIVE} for status in found)
        result.equal(f"{name}: wrong verdicts", wrong, 0, n=rounds)
        result.tell_value(f"{name}: right verdicts", found.count(right) / rounds, n=rounds)


def reseed(project: Path, task: str, seed: int) -> None:
    """Gives a suite another seed, committed: cases and samples are drawn anew."""
    path = project / "tasks" / task / "task.toml"
    text = re.sub(r", seed = \d+", "", path.read_text())
    path.write_text(text.replace("margin = 0.05", f"margin = 0.05, seed = {seed}"))
    commit(project, "Another seed")


def restore(project: Path) -> None:
    """Undoes what was not committed."""
    subprocess.run(["git", "-C", str(project), "checkout", "-q", "."], check=True, env=BARE)


def early(options: Options, project: Path, result: Result) -> None:
    """Calls that a blocked change took, of those that the whole plan has."""
    draw = random.Random(options.seed)
    shares = []
    task, edit, _ = PLANTED["extract, `qty` becomes `quantity`"]
    for _ in range(options.rounds or options.size(20, 2)):
        reseed(project, task, draw.randrange(1 << 31))
        edit(project)
        report = told(trimtab(project, "eval", task, "--against", "HEAD", "--early", "--json", "--new"))
        restore(project)
        shares.append((report["base"]["calls"] + report["candidate"]["calls"]) / (2 * CASES))
    result.show("a loss of 14 points with --early: part of the calls that were made", mean(shares))


def killed(options: Options, project: Path, result: Result) -> None:
    """Each time the same command goes on, and at the end every sample was settled once by the gateways."""
    draw = random.Random(options.seed)
    words = [sys.executable, "-m", "trimtab", "eval", "assist", "--against", "HEAD", "--json"]
    kills = options.size(20, 2)
    for _ in range(kills):
        with subprocess.Popen(
            words, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **BARE}
        ) as process:
            time.sleep(1.5 + draw.random() * 1.5)
            process.send_signal(signal.SIGKILL)
    report = told(trimtab(project, *words[3:]))
    spent = settled(project / ".trimtab" / "evaluations" / report["id"], report["id"])
    result.raw["kills"] = spent
    result.equal("samples that were answered twice", sum(times > 1 for times in spent.values()), 0, n=len(spent))
    result.equal("samples in the report", report["base"]["calls"] + report["candidate"]["calls"], 2 * CASES, n=kills)


def settled(folder: Path, evaluation: str) -> dict[str, int]:
    """How often each sample was answered well, by arm and step."""
    found: dict[str, int] = {}
    for arm in ("base", "candidate"):
        for end in ends_of(folder / arm, evaluation):
            if end.outcome == "ok":
                key = f"{arm} {end.admitted.step}"
                found[key] = found.get(key, 0) + 1
    return found
