"""In a running demo: an answer is read, judged by rule, by its client and by its owner, and all of it is stored."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import msgspec

from tests.contents.look import Found
from tests.control.running import until
from tests.processes.test_demo import LAST_LINE, LIMIT_S, TRIMTAB, demo_at, verb

ORDER = "Ada from Paris ordered 3 lamps."
COMPLETION = '\n[completion]\nrule = "outcome == \'ok\' and answer is mapping"\nfeedback = "thumbs"\n'


def post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        return json.loads(answer.read()), dict(answer.headers)


def shown(folder: Path, call: str) -> int:
    """The exit status of `trimtab calls show`: 0 once the call is stored."""
    command = [*TRIMTAB, "calls", "show", call, "--project", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_feedback_in_the_demo(tmp_path: Path) -> None:
    """A call's answer, a thumb from its client, the right answer from the command line: each is there afterwards."""
    demo_at(tmp_path)
    task = tmp_path / "tasks" / "extract" / "task.toml"
    task.write_text(re.sub("(?m)^completion = .*\n", "", task.read_text()) + COMPLETION)
    declared = (tmp_path / "trimtab.toml").read_text()
    gateway, control = (f"http://{found}" for found in re.findall(r'listen = "([^"]+)"', declared))
    command = [*TRIMTAB, "up", "--demo", "--project", str(tmp_path)]
    with (tmp_path / "up.log").open("wb") as log, subprocess.Popen(command, stdout=-1, stderr=log, text=True) as up:
        guard = threading.Timer(LIMIT_S, up.kill)
        guard.start()
        assert up.stdout is not None
        while LAST_LINE not in (line := up.stdout.readline()):
            assert line, (tmp_path / "up.log").read_text()
        answer, headers = post(
            f"{gateway}/v1/chat/completions",
            {"model": "extract", "messages": [], "trimtab": {"inputs": {"order": ORDER}}},
        )
        call, said = headers["x-trimtab-call"], answer["choices"][0]["message"]["content"]
        assert until(lambda: shown(tmp_path, call), 0) == 0
        thumb, _ = post(f"{control}/api/feedback", {"call": answer["id"], "name": "thumbs", "score": 1})
        (tmp_path / "right.json").write_text(json.dumps(json.loads(said) | {"qty": 4}))
        taken = json.loads(verb(tmp_path, "feedback", call, "--correct", str(tmp_path / "right.json"), "--json"))
        guard.cancel()
        up.send_signal(signal.SIGINT)
        up.stdout.read()
        assert up.wait(LIMIT_S) == 0
    assert (thumb["call"], thumb["joined"], taken["correction"]) == (call, True, "full")
    looked = subprocess.run(
        [sys.executable, "-m", "tests.contents.look", str(tmp_path), call], capture_output=True, text=True, check=True
    )
    found = msgspec.json.decode(looked.stdout.splitlines()[-1], type=Found)
    scores = {(one.name, one.source): one for one in found.scores}
    assert {key: one.value for key, one in scores.items() if key[0] in {"completion", "accuracy", "thumbs"}} == {
        ("completion", "rule"): 1.0,
        ("completion", "feedback"): 1.0,
        ("thumbs", "feedback"): 1.0,
        ("accuracy", "feedback"): 0.0,
    }
    assert {one.task for one in found.scores} == {"extract"}
    assert {one.by for one in found.scores if one.source == "feedback"} == {"(demo)", "(owner)"}
    assert found.answered == said
    assert found.categories["input.language"] == {"en": 1}
    assert scores["accuracy/qty", "feedback"].value == 0.0
