"""`trimtab runs`, in a project where nothing else runs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import trimtab
from tests.journal.logs import BEGAN, SECOND
from trimtab.cli import run
from trimtab.clock import SystemClock
from trimtab.data.rows import Row, read_row
from trimtab.journal.asks import Begin, Begun, Claim, Finish, Lease, Note, Open, Read
from trimtab.journal.client import BlockingLocalKeeper
from trimtab.journal.entries import Checked, Ended, Result, Started, body_of
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.processes.directory import DataDirectory
from trimtab.testing import LocalRuns

ASKED = b'{"model": "refund", "messages": [{"role": "user", "content": "my order \\u001b[2J 12"}]}'
ANSWERED = b'{"choices": [{"message": {"role": "assistant", "content": "refunded"}}]}'
TOML = (
    '[gateway]\nlisten = "127.0.0.1:0"\n[models.m]\nwire = "openai"\nmodel = "m"\nreplicas = ["http://127.0.0.1:9"]\n'
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with three runs: r1 and r2 differ in the answer of their tool, r3 failed."""
    (tmp_path / "trimtab.toml").write_text(TOML)
    places = DataDirectory(tmp_path / ".trimtab")
    with closing(RunStore(open_runs(places.journal), MemoryBodies(), SystemClock())) as store:
        keeper = BlockingLocalKeeper(store)
        write(keeper, "r1", "order 12 is open")
        write(keeper, "r2", "order 12 is closed")
        write(keeper, "r3", "order 12 is open", failed=True)
    return tmp_path


def write(keeper: BlockingLocalKeeper, name: str, answer: str, *, failed: bool = False) -> None:
    lease = keeper.do(Open(name, Started(BEGAN + int(name[1:]) * SECOND, "refund"), "me"))
    assert isinstance(lease, Lease)
    after = 0
    steps: tuple[tuple[Any, str, bytes, bytes], ...] = (
        ("tool", "look up", b'{"order": 12}', answer.encode()),
        ("model", "refund", ASKED, ANSWERED),
    )
    for kind, label, asked, answered in steps:
        digest = sha256(asked).hexdigest()
        begun = keeper.do(Begin(name, lease.epoch, kind, label, digest, body_of(asked), branch="1", after=after))
        assert isinstance(begun, Begun)
        after = begun.seq
        keeper.do(Finish(name, lease.epoch, Result(BEGAN, after, "ok", body_of(answered), cost_pusd=2_000_000_000)))
    if failed:
        keeper.do(Note(name, lease.epoch, Checked(BEGAN, after, "limit", passed=False)))
    state: Any = "failed" if failed else "completed"
    keeper.do(Note(name, lease.epoch, Ended(BEGAN, state, error="check_failed" if failed else "")))


@pytest.fixture
def say(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command in the project; its exit status, and what it printed."""

    def said(*words: str) -> tuple[int, str]:
        status = run(["runs", *words, "--project", str(project)])
        found = capsys.readouterr()
        return status, found.out + found.err

    return said


Say = Callable[..., tuple[int, str]]


def test_list(say: Say) -> None:
    """Runs are listed, the latest first, and narrowed by their state."""
    status, text = say("list", "--json")
    assert (status, [one["run"] for one in json.loads(text)["runs"]]) == (0, ["r3", "r2", "r1"])
    _, text = say("list", "--state", "failed")
    assert "r3" in text
    assert "r1" not in text
    assert "0.004" in text
    assert "trimtab runs show r3" in text


def test_show(say: Say) -> None:
    """A run is shown with its steps; one step with its bodies, whose control codes are not obeyed."""
    status, text = say("show", "r3")
    assert status == 0
    assert "tool look up" in text
    assert "limit failed" in text
    assert "check_failed" in text
    assert "trimtab runs show r3 --step 5" in text
    _, text = say("show", "r3", "--step", "5")
    assert "\x1b" not in text
    assert "my order \\u001b[2J 12" in text or "my order \\x1b[2J 12" in text
    assert '"content": "refunded"' in text
    _, text = say("show", "r3", "--step", "5", "--json")
    assert json.loads(text)["step"]["intent"]["label"] == "refund"
    assert say("show", "r3", "--step", "99") == (
        1,
        "trimtab: Run r3 has no intent at 99; `trimtab runs show r3` lists its steps.\n",
    )
    assert say("show", "r9")[0] == 1


def test_what_is_to_be_done_about_a_parked_run_is_said(say: Say, project: Path) -> None:
    """The step of which nobody knows what became is named, where it stands on the page and in what the driver raises,
    with the verb that says it.
    """

    @trimtab.tool(effect="write")
    def pay(cents: int) -> str:
        raise trimtab.OutcomeUnknown

    @trimtab.run(task="refund")
    def agent(cents: int) -> str:
        return pay(cents)

    with (
        LocalRuns(directory=project / ".trimtab"),
        pytest.raises(trimtab.Parked, match="`trimtab runs reconcile p1 3`"),
    ):
        agent.options(id="p1")(12)
    _, text = say("show", "p1")
    assert "waits for step 3, of which nobody knows whether it happened" in text
    assert "Next: trimtab runs show p1 --step 3" in text
    _, text = say("show", "p1", "--step", "3")
    assert "answered" not in text
    assert "Next: trimtab runs reconcile p1 3 --help" in text
    assert say("reconcile", "p1", "3", "did-not-happen")[0] == 0
    assert "Next: trimtab runs fork p1 --at 3" in say("show", "p1", "--step", "3")[1]


def test_diff(say: Say) -> None:
    """The first difference that matters is named, and told by the exit status where that is asked for."""
    status, text = say("diff", "r1", "r2")
    assert status == 0
    assert "step 3 (tool look up) was answered otherwise: the document differs at character 12" in " ".join(
        text.split()
    )
    assert "1 of 2 steps are the same" in text
    assert say("diff", "r1", "r2", "--exit-code")[0] == 3
    assert say("diff", "r1", "r1", "--exit-code")[0] == 0
    assert json.loads(say("diff", "r1", "r2", "--json")[1])["alignment"]["first"]["pair"]["left"] == 3


def test_fork_and_tree(say: Say, project: Path) -> None:
    """A fork is made with another answer, listed below its origin, and differs in that answer alone."""
    (project / "answer").write_text("order 12 is lost")
    status, text = say(
        "fork", "r1", "--at", "3", "--id", "f1", "--answer", str(project / "answer"), "--with", "code=try"
    )
    assert (status, "trimtab runs diff r1 f1" in text) == (0, True)
    _, text = say("tree", "r1")
    assert "fork before entry 4: f1 waiting refund" in text
    _, text = say("diff", "r1", "f1")
    assert "forked with another code: try" in text
    assert say("fork", "r1", "--id", "f1")[0] == 1
    assert say("fork", "r1", "--with", "novalue")[0] == 2


def test_a_fork_with_another_model(say: Say) -> None:
    """The model is one of the declaration, and the run and its difference tell that no step was taken with it yet."""
    status, text = say("fork", "r1", "--at", "5", "--id", "f1", "--with", "model=n")
    assert (status, "there is no model 'n'" in text) == (1, True)
    assert say("fork", "r1", "--at", "5", "--id", "f1", "--with", "refund.model=m", "--with", "code=v2")[0] == 0
    assert "with refund.model m (at no step so far)" in say("show", "f1")[1]
    text = say("diff", "r1", "f1")[1]
    assert "forked with another refund.model: m (at no step so far)" in text
    assert "forked with another code: v2" in text
    assert json.loads(say("diff", "r1", "f1", "--json")[1])["changes"] == {"refund.model": "at no step so far"}


def test_bisect_says_what_it_lacks(say: Say, project: Path) -> None:
    """Conditions know what a trial came to; what is good is said once; a command that asks nobody tells nothing."""
    status, text = say("bisect", "r1", "--expect", "outptu == 1", "--", "true")
    assert (status, "did you mean output" in text) == (2, True)
    (project / "case").write_text('{"id": "a", "expected": "refunded"}\n')
    case = ("--case", f"{project / 'case'}#a")
    assert say("bisect", "r1", "--expect", "exit == 0", *case, "--", "true")[0] == 2
    assert say("bisect", "r1", "--case", f"{project / 'case'}#b", "--", "true")[0] == 2
    assert say("bisect", "r1", "--most-cost", "-1", "--", "true")[0] == 2
    status, text = say("bisect", "r1", *case, "--project", str(project), "--", "true")
    assert (status, "asked no model" in text) == (1, True)


def test_orders(say: Say) -> None:
    """A fork waits for a driver, and can be paused, resumed and stopped; runs that ended are not reached."""
    say("fork", "r1", "--at", "3", "--id", "f1")
    assert "1 run to pause." in say("pause", "f1", "--reason", "look first")[1]
    assert "paused" in say("show", "f1")[1]
    assert "look first" in say("show", "f1")[1]
    assert "1 run to resume." in say("resume", "--task", "refund")[1]
    assert json.loads(say("stop", "--all", "--json")[1]) == {"order": "stop", "runs": ["f1"]}
    assert "stopped" in say("list", "--fork-of", "r1")[1]
    assert say("stop", "r1")[0] == 1
    assert say("pause")[0] == 2


def test_redrive(say: Say) -> None:
    """What failed is listed, taken up again with --all, and not listed then."""
    assert "r3" in say("redrive")[1]
    assert "No such run." in say("redrive", "--error", "other")[1]
    status, text = say("redrive", "--all")
    assert (status, "r3 goes on as r3.again1" in text) == (0, True)
    assert "No such run." in say("redrive")[1]


def test_reconcile_of_what_is_known_is_refused(say: Say) -> None:
    """A step that has a result has no unknown outcome."""
    say("fork", "r1", "--id", "f1")
    status, text = say("reconcile", "f1", "3", "did-not-happen")
    assert status == 1
    assert "nothing to reconcile" in text


def test_export(say: Say, project: Path) -> None:
    """The last question to a model before the first failure is a case that a suite takes."""
    status, text = say("export", "r3", "--as", "case")
    found = read_row(text.strip().encode(), 1)
    assert status == 0
    assert isinstance(found, Row)
    case = json.loads(text)
    assert case["observed"] == "refunded"
    assert case["messages"][0]["content"] == "my order \x1b[2J 12"
    assert case["meta"]["step"] == 5
    assert say("export", "r3", "--as", "case", "--at", "3")[0] == 1
    status, text = say("export", "r3", "--output", str(project / "r3.jsonl"), "--json")
    assert (status, json.loads(text)) == (0, {"written": [str(project / "r3.jsonl")]})
    lines = [json.loads(line) for line in (project / "r3.jsonl").read_text().splitlines()]
    assert lines[0] == {"form": "trimtab run 1", "run": "r3"}
    assert [line["seq"] for line in lines[1:]] == list(range(1, 9))
    with (project / "trimtab.toml").open("a") as declared:
        declared.write('[runs]\nvolatile = ["metadata.id", "messages[*].name"]\n')
    status, text = say("export", "r3")
    assert json.loads(text.splitlines()[0])["volatile"] == [["messages", -1, "name"], ["metadata", "id"]]


def test_export_as_a_test(say: Say, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run becomes a test with one command: it passes with the program that made it, and fails with a changed one."""
    agent = (
        "import trimtab\n\n\n@trimtab.step\ndef look_up(order: int) -> str:\n    return f'order {order} is open'\n\n\n"
        "@trimtab.run(task='refund')\ndef agent(order: int) -> str:\n    return look_up(order)\n"
    )
    (project / "shop.py").write_text(agent)
    monkeypatch.syspath_prepend(str(project))
    module = importlib.import_module("shop")
    with LocalRuns(directory=project / ".trimtab") as runs:
        module.agent(12)
        name = next(one for one in runs.runs() if not one.startswith("r"))
    written = project / "test_shop.py"
    words = ("export", name, "--as", "pytest", "--call", "shop:agent", "--output", str(written))
    assert say(*words)[0] == 0
    assert "order 12 is open" in written.read_text()
    assert tried(written) == 0
    (project / "shop.py").write_text(agent.replace("look_up(order)", "look_up(order + 1)"))
    assert tried(written) == 1
    assert say("export", name, "--as", "pytest", "--output", str(written))[0] == 2
    assert say("export", name, "--as", "pytest", "--call", "shop:agent")[0] == 2


CLIENT = """
import os, sys, urllib.request
request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", sys.argv[1].encode())
print(urllib.request.urlopen(request).read().decode())
"""


def test_replay(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A command gets the recorded answers at the address it finds in its environment; what it changes is named."""
    with closing(RunStore(open_runs(project / ".trimtab" / "journal.db"), MemoryBodies(), SystemClock())) as store:
        keeper = BlockingLocalKeeper(store)
        keeper.do(Open("g1", Started(BEGAN, "refund", through="gateway")))
        begun = keeper.do(Begin("g1", 0, "model", "refund", "0" * 64, body_of(ASKED), call="c1", tool="chat"))
        assert isinstance(begun, Begun)
        keeper.do(Finish("g1", 0, Result(BEGAN, begun.seq, "ok", body_of(ANSWERED), status=200)))
    command = ("--", sys.executable, "-c", CLIENT)
    status = run(["runs", "replay", "g1", "--project", str(project), *command, ASKED.decode()])
    assert status == 0
    assert "refunded" in capfd.readouterr().out
    status = run(["runs", "replay", "g1", "--project", str(project), *command, ASKED.decode().replace("12", "13")])
    assert status == 3
    assert "messages[0].content differs at character 15" in " ".join(capfd.readouterr().out.split())
    assert run(["runs", "replay", "g1", "--project", str(project), "--json", *command, ASKED.decode()]) == 0
    told = capfd.readouterr()
    assert json.loads(told.out) == {"run": "g1", "diverged": [], "served": 1, "left": 0, "status": 0}
    assert "refunded" in told.err


def tried(test: Path) -> int:
    """The exit status of a test that is run by itself."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test.name]
    return subprocess.run(command, cwd=test.parent, capture_output=True, timeout=120, check=False).returncode


def test_verify(say: Say, project: Path) -> None:
    """A log that was altered is not whole."""
    assert "3 of 3 whole." in say("verify")[1]
    with closing(open_runs(project / ".trimtab" / "journal.db")) as database:
        database._connection.execute(
            "UPDATE entries SET content = replace(content, 'look', 'took') WHERE seq = 3 AND number = 1"
        )
    status, text = say("verify")
    assert status == 1
    assert "r1 ! entry 3: its digest is not that of its content and the entry before it" in text
    assert "2 of 3 whole." in text


def test_whatever_nothing_holds_can_be_claimed(say: Say, project: Path) -> None:
    """A verb leaves the journal as a driver finds it."""
    say("fork", "r1", "--at", "3", "--id", "f1")
    with closing(RunStore(open_runs(project / ".trimtab" / "journal.db"), MemoryBodies(), SystemClock())) as store:
        keeper = BlockingLocalKeeper(store)
        assert isinstance(keeper.do(Claim("me", tasks=("refund",))), Lease)
        keeper.do(Read("f1"))
