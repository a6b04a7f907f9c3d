"""The lock as an operator meets it: edits with and without their lock, and what was told of them."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import RunningTrimtab, free_port, running_trimtab, trimtab
from tests.acceptance.scripted import ScriptedModel, Turn, running_scripted
from tests.lock.repositories import BARE, commit, repository

PROJECT = """\
environment = "staging"
[gateway]
listen = "127.0.0.1:{gateway}"
keys = "open"
workers = 1
[control]
listen = "127.0.0.1:{control}"
[data]
directory = ".trimtab"
reserve = "1MiB"
[models.small]
model = "scripted"
replicas = ["{replica}"]
"""
TASK = """\
model = "small"
sampling = { temperature = 0.0 }
"""
PROMPT = "system:\nSort the ticket.\n\nuser:\n{{ ticket }}\n"
LOOKS = 200


@dataclass
class Answer:
    """What a client gets: status, the lock that the answer bears, and its body."""

    status: int
    lock: str
    body: dict[str, Any]


class Site:
    """A project under git that is up, with its client and its operator."""

    def __init__(self, running: RunningTrimtab, model: ScriptedModel) -> None:
        self.root = running.project
        self._url = running.url
        self._model = model

    def call(self, lock: str = "", **body: Any) -> Answer:
        """One call of the task; its prompt is rendered by the gateway unless the body brings messages."""
        self._model.turns.append(Turn("billing"))
        asked = {"model": "triage", "messages": [], "trimtab": {"inputs": {"ticket": "refund me"}}, **body}
        headers = {"content-type": "application/json"} | ({"x-trimtab-lock": lock} if lock else {})
        request = urllib.request.Request(f"{self._url}/v1/chat/completions", json.dumps(asked).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers["x-trimtab-lock"], json.load(answer))
        except urllib.error.HTTPError as failure:
            with failure:
                self._model.turns.pop()
                return Answer(failure.status or 0, failure.headers["x-trimtab-lock"], json.load(failure))

    def verb(self, *words: str, status: int = 0) -> str:
        """What a verb prints; it must end with this status."""
        done = trimtab(*words, project=self.root)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def lock(self) -> str:
        """Locks the project, commits all, and gives the lock's id."""
        lock_id: str = json.loads(self.verb("lock", "--json"))["lock_id"]
        commit(self.root, "Locked")
        return lock_id

    def until(self, found: Callable[[], bool]) -> None:
        """Looks until something holds."""
        for _ in range(LOOKS):
            if found():
                return
        raise AssertionError(f"not so after {LOOKS} looks: {self.verb('status')}")

    def status(self) -> dict[str, Any]:
        """What the host is doing."""
        return dict(json.loads(self.verb("status", "--json")))

    def report(self) -> dict[str, Any]:
        """The figures by lock."""
        return dict(json.loads(self.verb("report", "--by-lock", "--json")))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A locked project that is up; git knows nobody but its own authors."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.setenv(name, BARE[name])
    with running_scripted() as model:
        root = repository(tmp_path / "project")
        (root / ".gitignore").write_text(".trimtab/\nup.log\n")
        task = root / "tasks" / "triage"
        task.mkdir(parents=True)
        text = PROJECT.format(gateway=free_port(), control=free_port(), replica=model.url)
        (root / "trimtab.toml").write_text(text)
        (task / "task.toml").write_text(TASK)
        (task / "prompt.md").write_text(PROMPT)
        assert trimtab("lock", project=root).returncode == 0
        commit(root, "First")
        with running_trimtab(root) as running:
            yield Site(running, model)


def test_a_change_has_its_name_everywhere(site: Site) -> None:
    """An edit serves without a lock until it is locked; status, answers, figures and skew tell which call was made
    under what, and what differs.
    """
    first = site.status()["lock"]
    assert site.call().lock == first[:12]

    prompt = site.root / "tasks" / "triage" / "prompt.md"
    prompt.write_text(PROMPT.replace("Sort", "Order"))
    site.until(lambda: site.status()["lock"] == "")
    assert '"Sort" -> "Order"' in str(site.status()["drift"]["differences"])
    assert "is not what trimtab.lock pins" in site.verb("status")
    assert site.call(temperature=0.7, top_p=0.5).lock == ""
    drifted = site.call(lock=first)
    assert (drifted.status, drifted.body["error"]["code"]) == (409, "lock_drift")

    second = site.lock()
    site.until(lambda: site.status()["lock"] == second)
    assert site.status()["drift"] is None
    assert site.call(lock=second[:12]).lock == second[:12]
    assert site.call(lock=first).status == 409

    def counted() -> list[tuple[str, int]]:
        return [(use["lock"], use["calls"]) for use in site.report()["locks"]]

    site.until(lambda: len(counted()) == 3)
    assert counted() == [(first, 1), ("", 1), (second, 1)]
    assert [(one["task"], one["lock"], one["requests"]) for one in site.report()["tasks"]] == [
        ("triage", first, 1),
        ("triage", "", 1),
        ("triage", second, 1),
    ]
    calls = [json.loads(line) for line in site.verb("calls", "tail", "--json").splitlines()]
    assert f"lock {second}" in site.verb("calls", "show", calls[-1]["admitted"]["call"])

    told = site.verb("lock", "skew", "HEAD~1", status=1)
    assert "1 difference in 1 task" in told
    assert 'triage  prompt  prompts/triage: the system turn changed: "Sort" -> "Order"' in told
    assert site.verb("lock", "skew", second[:12], "HEAD").count("no difference") == 1

    live = json.loads(site.verb("lock", "skew", first[:12], "--live", "--json", status=1))
    assert (live["before"]["lock_id"], live["after"]["calls"]) == (first, 3)
    found = {(skew["aspect"], skew["words"].split(",")[0]): (skew["calls"], skew["of"]) for skew in live["skews"]}
    new_prompt = calls[-1]["admitted"]["prompt"][:12]
    assert found == {
        ("lock", "made while what served agreed with no lock"): (1, 3),
        ("lock", f"made under lock {second[:12]}"): (1, 3),
        ("prompt", f"rendered from the prompt {new_prompt}"): (2, 3),
        ("sampling", "clients set top_p themselves"): (1, 3),
    }
    assert site.verb("lock", "skew", "--live", "--task", "other").count("no difference") == 1
