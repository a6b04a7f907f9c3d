"""Control as a process, and a replica whose model was swapped: an alarm in status, report, metrics and records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tests.control.running import PROJECT, TASK, Running, control, data_of, until
from tests.demo.altered import rounded
from tests.demo.running import running_demo
from trimtab.assemble.identity import learn
from trimtab.declare.load import load
from trimtab.lock.identity import Standing, pinned
from trimtab.lock.lockfile import FILE, encode
from trimtab.lock.resolve import resolve
from trimtab.processes.identity import ReplicaIdentity

MODEL = """
[models.jobs]
wire = "openai"
model = "jobs-small"
replicas = ["{url}"]
identity = "600s"
price = {{ input = 1, output = 2, cache_read = 1 }}
"""


def declared(url: str) -> str:
    return PROJECT + MODEL.format(url=url)


def lock(directory: Path, url: str) -> str:
    """Locks the model that answers there; the digest of its baseline."""
    project = directory / "project"
    (project / "tasks" / "route").mkdir(parents=True)
    (project / "trimtab.toml").write_text(declared(url))
    (project / "tasks" / "route" / "task.toml").write_text(TASK)
    found = load(project)
    whole, _ = learn(found, resolve(found, None).lock, models=("jobs",))
    (project / FILE).write_bytes(encode(whole))
    entry = whole.get("models", "jobs")
    assert entry is not None
    return pinned(entry.pinned).baseline


def suspect(directory: Path, url: str, baseline: str) -> None:
    """As an earlier life of control left it, long ago: one hit, so that the next test is due at once."""
    data_of(directory).mkdir(parents=True)
    kept = ReplicaIdentity("jobs", url, Standing("suspected", 1, 1, 1, "exact"), baseline=baseline)
    (data_of(directory) / "identity.json").write_bytes(msgspec.json.encode([kept]))


def state(running: Running) -> str:
    [one] = running.status().identity
    return one.standing.state


def test_a_swap_is_an_alarm_everywhere(tmp_path: Path) -> None:
    """The second hit in a row, over a restart: status tells it, `/metrics` is 0, the report shows both sides, and the
    questions are calls of `(probe)` that cost something."""
    with running_demo("--model", "jobs-small") as url:
        baseline = lock(tmp_path, url)
    with running_demo("--model", "jobs-small", "--folder", str(rounded(tmp_path / "copies"))) as url:
        suspect(tmp_path, url, baseline)
        with control(tmp_path, declared=declared(url)) as running:
            assert until(lambda: state(running), "changed") == "changed"
            until(lambda: len(report(running)["drift"]), 1)
            told = report(running)
            _, metrics = running.ask_tcp("/metrics", secret(running))
            assert running.end() == 0
    [drift] = told["drift"]
    assert (drift["kind"], drift["subject"]) == ("model_identity", f"jobs {url}")
    assert drift["before"]
    assert drift["after"]
    assert drift["detail"].startswith("exact: ")
    [probes] = [one for one in told["tasks"] if one["task"] == "(probe)"]
    assert probes["requests"] == 4
    assert probes["cost"]["exact"]["pusd"] > 0
    assert f'trimtab_model_identity_same{{model="jobs",replica="{url}"}} 0.0' in metrics
    assert 'trimtab_model_identity_tests_total{model="jobs"' in metrics


def report(running: Running) -> Any:
    return running.ask("/api/report?since=1h")[1]


def secret(running: Running) -> str:
    """The secret of a key made now."""
    _, made = running.ask("/api/keys", "POST", b'{"name": "prometheus", "role": "viewer"}')
    found: str = made["secret"]
    return found
