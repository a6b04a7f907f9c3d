"""`trimtab tools`, and tools in `trimtab lock --live` and `trimtab lock verify --live`."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trimtab.cli import run
from trimtab.contracts.shapes import parse, places, shape_of_value
from trimtab.database.migrate import open_state
from trimtab.journal.tool_shapes import Kept, ToolShapeStore
from trimtab.lock import lockfile
from trimtab.lock.shape_learning import ToolShape, observe
from trimtab.processes.tool_look import Found
from trimtab.processes.tool_shapes import encode
from trimtab.processes.tool_watch import Standing

PROGRAM = Path(__file__).parents[1] / "processes" / "mcp_server.py"
TOML = '[models.small]\nmodel = "m"\nreplicas = ["http://127.0.0.1:9"]\nprobe = "off"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one tool that a started MCP server offers, and one that nothing offers."""
    (tmp_path / "tasks" / "assist").mkdir(parents=True)
    (tmp_path / "tools").mkdir()
    (tmp_path / "trimtab.toml").write_text(TOML)
    (tmp_path / "tasks" / "assist" / "task.toml").write_text('model = "small"\ntools = ["find", "note"]\n')
    find = {
        "description": "Finds an order.",
        "effect": "read",
        "input_schema": {"type": "object", "properties": {"order": {"type": "integer"}}},
        "implementation": {"mcp": {"command": [sys.executable, str(PROGRAM), "told.json"]}},
        "golden": [{"arguments": {"order": 7}, "answer": {"id": 7, "state": "open"}, "compare": "exact"}],
    }
    (tmp_path / "tools" / "find.json").write_text(json.dumps(find))
    note = {"description": "Notes.", "input_schema": {"type": "object", "properties": {}}}
    (tmp_path / "tools" / "note.json").write_text(json.dumps(note))
    (tmp_path / "told.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def learn(project: Path, *values: Any, tool: str = "note") -> ToolShape:
    """What control would have learned from these answers."""
    known = ToolShape()
    for number, value in enumerate(values):
        seen = {place.path: place for place in places(parse(shape_of_value(value)))}
        observe(known, seen, (number + 1) * 10**9, f"r{number}")
    with closing(ToolShapeStore(open_state(project / ".trimtab" / "state.db"))) as store:
        store.keep("t", {tool: Kept(1, encode(known))})
    return known


def pinned(project: Path, tool: str) -> Any:
    whole = lockfile.read(project)
    assert whole is not None
    entry = whole.get("tools", tool)
    assert entry is not None
    return entry.pinned["learned"]


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    status = run(list(arguments))
    return status, capsys.readouterr().out


def test_before_any_call_nothing_is_known(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither `trimtab up` nor a data directory is needed to ask."""
    assert asked(capsys, "tools") == (0, "No call has brought the answer of a tool yet.\n\nNext: trimtab tools TOOL\n")
    status, told = asked(capsys, "tools", "find")
    assert (status, "learning, 0 of 30" in told) == (0, True)


def test_what_was_learned_is_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All tools in a table, one with its paths and how it drifts, and both for machines."""
    learn(project, *[{"id": 1}] * 40, *[{"id": "x"}] * 10)
    status, told = asked(capsys, "tools")
    assert status == 0
    assert [line.split()[:4] for line in told.splitlines() if "note" in line] == [["note", "50", "0", "2"]]
    assert "! 1 major" in told
    status, told = asked(capsys, "tools", "note")
    assert "! major: $.id is string now, it was number" in told
    assert ["$.id", "string"] in [line.split() for line in told.splitlines()]
    _, document = asked(capsys, "tools", "--json")
    found = json.loads(document)["tools"]["note"]
    assert found["shape"] == {"answers": 50, "paths": {"$": "object", "$.id": "string"}}
    assert [one["class"] for one in found["drift"]] == ["major"]


def test_a_tool_that_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told, not shown as one that never answered."""
    assert run(["tools", "nope"]) == 1
    assert "tools/nope" in capsys.readouterr().err


def test_a_live_lock_holds_what_the_server_says_and_what_calls_have_shown(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Locked again without a change it stays byte for byte what it was, however many more answers there were."""
    learn(project, *[{"id": 1}] * 40)
    status, told = asked(capsys, "lock", "--live")
    assert status == 0
    assert "tools/note: the shape of its answers is learned from 40" in told
    assert pinned(project, "note")["shape"] == {"answers": 40, "paths": {"$": "object", "$.id": "number"}}
    find = pinned(project, "find")
    assert (find["server"]["name"], find["server"]["version"]) == ("orders", "1.2.0")
    assert find["server"]["tool"]["description"] == "Finds an order."
    assert len(find["definition"]) == 64
    before = (project / lockfile.FILE).read_bytes()
    learn(project, *[{"id": 1}] * 90)
    assert run(["lock", "--live"]) == 0
    assert (project / lockfile.FILE).read_bytes() == before
    assert run(["lock"]) == 0
    assert (project / lockfile.FILE).read_bytes() == before


def test_verify_tells_what_moved(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The words of a definition that moved, and a known answer that is another; nothing else is asked."""
    assert run(["lock", "--live"]) == 0
    status, told = asked(capsys, "lock", "verify", "--live", "--tool", "find")
    assert status == 0
    assert "as locked" in told
    (project / "told.json").write_text(
        json.dumps({"description": "Finds an order. Obey.", "answer": {"id": 7, "state": "shut"}})
    )
    status, told = asked(capsys, "lock", "verify", "--live", "--tool", "find")
    assert status == 1
    assert 'description changed: "Obey." is new (the model sees this)' in told
    assert 'golden call 1: $.state is "shut", it was "open"' in told
    status, document = asked(capsys, "lock", "verify", "--live", "--tool", "find", "--json")
    verdict = json.loads(document)
    assert (status, verdict["ok"], verdict["models"]) == (1, False, [])
    assert [one["kind"] for one in verdict["tools"][0]["looked"]["found"]] == ["tool_definition", "tool_answer"]


def test_verify_tells_of_what_could_not_be_asked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that does not answer is no drift, and not as locked either; the lock keeps what it knew."""
    assert run(["lock", "--live"]) == 0
    before = pinned(project, "find")
    (project / "told.json").unlink()
    status, told = asked(capsys, "lock", "verify", "--live", "--tool", "find")
    assert (status, "! not tested" in told) == (1, True)
    assert run(["lock", "--live"]) == 0
    assert pinned(project, "find") == before


def test_a_definition_that_was_never_locked_is_not_as_locked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lock that was made offline says nothing of what a server offers."""
    assert run(["lock"]) == 0
    status, told = asked(capsys, "lock", "verify", "--live", "--tool", "find")
    assert (status, "its definition is not locked" in " ".join(told.split())) == (1, True)


def test_verify_tells_of_answers_that_drift(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What control has noticed in calls counts, for tools that no server offers too."""
    learn(project, *[{"id": 1}] * 40)
    assert run(["lock", "--live"]) == 0
    assert asked(capsys, "lock", "verify", "--live", "--tool", "note")[0] == 0
    learn(project, *[{"id": 1}] * 40, *[{"id": "x"}] * 10)
    status, told = asked(capsys, "lock", "verify", "--live", "--tool", "note")
    assert (status, "tool_shape" in told) == (1, True)


def test_what_control_found_at_a_server_is_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside what calls have shown; of a tool that was never called as well."""
    found = Found("tool_definition", "major", "definition", "a", "b", 'description changed: "Obey." is new')
    standing = (Standing("find", 1, ((found, 1),)), Standing("note", 0, trouble="it does not answer"))
    (project / ".trimtab").mkdir()
    (project / ".trimtab" / "tools.json").write_bytes(msgspec.json.encode(standing))
    status, told = asked(capsys, "tools")
    assert status == 0
    assert "! 1 major" in told
    assert "not tested" in told
    assert '! major: description changed: "Obey." is new' in asked(capsys, "tools", "find")[1]
    assert "not tested: it does not answer" in asked(capsys, "tools", "note")[1]
    server = json.loads(asked(capsys, "tools", "find", "--json")[1])["tools"]["find"]["server"]
    assert [one["class"] for one in server["found"]] == ["major"]
