"""`trimtab data` on a project on disk: what each verb writes, prints and ends with."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.declare.projects import write
from trimtab.cli import run
from trimtab.declare.load import load

TOML = """
[models.small]
model = "m"
replicas = ["http://127.0.0.1:9000"]
served = { trained_on = ["train"], adapter = { name = "lora", base = "m", trained_on = ["tuning"] } }
"""
TASK = 'model = "small"\nprompt = { tuned_on = ["dev"] }\n'
PROMPT = """system:
Sort what customers write.

user:
The lamp that I bought last week flickers all the time and smells of smoke

assistant:
hardware

user:
{{ text }}
"""
SAID = (
    "the lamp that I bought last week flickers all the time, and smells of smoke!",
    "two mugs of my order were broken on arrival and I want others",
    "please send the invoice for May to my new address in Riga",
    "where can I change the language of the app on my phone",
    "I was charged twice for the same order in the spring",
    "\x1b[31mred alert\x1b[0m from the billing console of [bold]a customer[/bold]",
)


def lines(*texts: str, **more: Any) -> str:
    return "".join(json.dumps({"inputs": {"text": text}, **more}) + "\n" for text in texts)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A task with cases and a prompt, and what it was made with: each of these has one of the cases."""
    root = tmp_path / "project"
    root.mkdir()
    write(root, TOML, triage=TASK)
    (root / "tasks" / "triage" / "prompt.md").write_text(PROMPT)
    (root / "tasks" / "triage" / "cases.jsonl").write_text(lines(*SAID, expected="a"))
    chat = {"messages": [{"role": "user", "content": f"Hello. {SAID[1]}"}, {"role": "assistant", "content": "ok"}]}
    others = {"train": json.dumps(chat) + "\n", "tuning": lines(SAID[2].upper()), "dev": lines(SAID[3], expected="a")}
    for name, text in others.items():
        (tmp_path / f"{name}.jsonl").write_text(text)
        purpose = "cases" if name == "dev" else "training"
        options = ["--name", name, "--purpose", purpose, "--licence", "internal", "--project", str(root)]
        assert run(["data", "add", str(tmp_path / f"{name}.jsonl"), *options]) == 0
    return root


def test_add_and_check(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was added is read by the declaration; a check finds each case that was seen, and ends with 1 for faults."""
    assert sorted(load(project).data_sets) == ["dev", "tasks/triage/cases", "train", "tuning"]
    capsys.readouterr()
    assert run(["data", "check", "--json", "--project", str(project)]) == 1
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["data_sets"]}
    cases = found["tasks/triage/cases"]
    seen = {finding["rows"][0]: finding["where"] for finding in cases["findings"] if finding["kind"] == "contamination"}
    assert seen == {
        1: "turn 2 of the prompt of triage",
        2: "row 1 of train, which the model small was trained on",
        3: "row 1 of tuning, which the adapter lora was trained on",
        4: "row 1 of dev, which the prompt of triage was tuned on",
    }
    assert {name: each["faults"] for name, each in found.items()} == {
        "dev": 0, "tasks/triage/cases": 4, "train": 0, "tuning": 0,
    }  # fmt: skip
    assert run(["data", "check", "dev", "--project", str(project)]) == 0
    assert run(["data", "check", "nothing", "--project", str(project)]) == 1


def test_strict(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning makes the status 1 with --strict alone."""
    (project / "data" / "dev.jsonl").write_text(lines("...", expected="a"))
    assert (
        run(
            ["data", "add", str(project / "data" / "dev.jsonl"), "--name", "dev", "--update", "--project", str(project)]
        )
        == 0
    )
    assert run(["data", "check", "dev", "--project", str(project)]) == 0
    assert "empty: row 1 has no words in its inputs" in capsys.readouterr().out
    assert run(["data", "check", "dev", "--strict", "--project", str(project)]) == 1


def test_a_project_with_mistakes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data is checked all the same, and it is told that prompts and models were not looked at."""
    (project / "trimtab.toml").write_text(f"{TOML}[gatway]\n")
    assert run(["data", "check", "tasks/triage/cases", "--project", str(project)]) == 0
    assert "so prompts and models were not looked at" in capsys.readouterr().out


def test_what_is_shown_is_harmless(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Control codes and markup of rows and fields are shown, not obeyed."""
    rows = [
        {"inputs": {"text": SAID[5], "\x1b[2Jkey[red]": 1}},
        {"inputs": {"text": SAID[5], "\x1b[2Jkey[red]": 1}, "expected": "b"},
    ]
    file = project / "tasks" / "triage" / "cases.jsonl"
    file.write_text(
        "".join(json.dumps(row) + "\n" for row in rows)
        + '{"\x1b[31m": 1, "a": 1, "a": 2}\n{"\\u001b]0;x": 1, "\\u001b]0;x": 2}\n'
    )
    for verb in (["show", "tasks/triage/cases"], ["check", "tasks/triage/cases"], ["show"]):
        run(["data", *verb, "--project", str(project)])
        said = capsys.readouterr().out
        assert "\x1b" not in said
        assert "key[red]" in said or verb != ["show", "tasks/triage/cases"]


def test_show(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lineage upward with transforms and licences, fields with types, splits, and where it is used."""
    (project / "data" / "make.py").write_text("print()\n")
    (project / "made.jsonl").write_text(lines("some thing else", n=1) + lines("and another", n=None))
    arguments = [
        "--name",
        "made",
        "--parent",
        "train",
        "--transform",
        str(project / "data" / "make.py"),
        "--project",
        str(project),
    ]
    assert run(["data", "add", str(project / "made.jsonl"), *arguments]) == 0
    assert (
        run(
            ["data", "add", str(project / "made.jsonl"), "--name", "far", "--parent", "made", "--project", str(project)]
        )
        == 0
    )
    capsys.readouterr()
    assert run(["data", "show", "far", "--json", "--project", str(project)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["generation"], each["transform"], each["licence"]) for each in found["lineage"]] == [
        ("made", 1, "data/make.py", ""),
        ("train", 2, "", "internal"),
    ]
    assert [(each["path"], each["rows"], each["types"]) for each in found["columns"]] == [
        ("inputs", 2, {"object": 2}),
        ("inputs.text", 2, {"string": 2}),
        ("n", 2, {"integer": 1, "null": 1}),
    ]
    assert run(["data", "show", "train", "--project", str(project)]) == 0
    said = capsys.readouterr().out
    assert "model small (trained_on)" in said
    assert "parent of made" in said


def test_split(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sides are data sets with the rows as they were; a row copied to the other side is found by the check."""
    twins = [f"{text} once more" for text in SAID]
    file = project / "tasks" / "triage" / "cases.jsonl"
    file.write_text(lines(*SAID, *twins, expected="a").replace("\n", "\r\n"))
    options = ["--into", "dev=0.5,test=0.5", "--project", str(project)]
    assert run(["data", "split", "tasks/triage/cases", *options]) == 0
    sides = [(project / "data" / f"triage-{side}.jsonl").read_bytes().splitlines() for side in ("dev", "test")]
    assert sorted([*sides[0], *sides[1]]) == sorted(file.read_bytes().splitlines())
    for text, twin in zip(SAID, twins, strict=True):
        assert sum(any(json.loads(row)["inputs"]["text"] in {text, twin} for row in side) for side in sides) == 1
    manifest = json.loads((project / "data" / "triage-dev.json").read_text())
    assert manifest["split"] == {"of": "tasks/triage/cases", "side": "dev"}
    assert manifest["parents"] == [
        {"name": "tasks/triage/cases", "digest": f"sha256:{sha256(file.read_bytes()).hexdigest()}"}
    ]
    assert {"triage-dev", "triage-test"} <= set(load(project).data_sets)
    capsys.readouterr()
    one, other = project / "data" / "triage-dev.jsonl", project / "data" / "triage-test.jsonl"
    one.write_bytes(one.read_bytes() + sides[1][0] + b"\n")
    assert run(["data", "add", str(one), "--name", "triage-dev", "--update", "--project", str(project)]) == 0
    assert "The rows of before are kept nowhere" in capsys.readouterr().out
    assert run(["data", "check", "triage-dev", "--project", str(project)]) == 1
    assert "of the other side of its split, triage-test" in " ".join(capsys.readouterr().out.split())
    assert run(["data", "split", "tasks/triage/cases", *options]) == 0
    assert other.exists()
    for wrong in ("dev=1", "dev=0.5,test=0.6", "dev=x,test=0.5", "../a=0.5,b=0.5"):
        assert run(["data", "split", "tasks/triage/cases", "--into", wrong, "--project", str(project)]) == 2


def test_split_by_group_and_stratum(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of one group are on one side; each stratum is shared out by itself."""
    rows = [
        {
            "inputs": {"text": f"w{n} x{n} y{n} z{n} v{n}", "customer": n // 4},
            "expected": "rare" if n % 5 == 0 else "common",
        }
        for n in range(80)
    ]
    (project / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["data", "add", str(project / "rows.jsonl"), "--name", "big", "--project", str(project)]) == 0
    into = ["data", "split", "big", "--into", "a=0.5,b=0.5", "--json", "--project", str(project)]
    assert run([*into, "--by", "inputs.customer"]) == 0
    groups = [
        {
            json.loads(row)["inputs"]["customer"]
            for row in (project / "data" / f"big-{side}.jsonl").read_text().splitlines()
        }
        for side in "ab"
    ]
    assert groups[0] & groups[1] == set()
    assert groups[0] | groups[1] == set(range(20))
    capsys.readouterr()
    assert run([*into, "--stratify", "expected"]) == 0
    for side in json.loads(capsys.readouterr().out)["sides"]:
        assert 7 <= side["strata"]['"rare"'] <= 9
        assert 31 <= side["strata"]['"common"'] <= 33


def test_snapshot(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes are kept in the data directory and brought back after the file has changed."""
    before = (project / "data" / "train.jsonl").read_bytes()
    assert run(["data", "snapshot", "train", "--project", str(project)]) == 0
    assert [path.name for path in (project / ".trimtab" / "data").glob("*/*")] == [sha256(before).hexdigest()]
    (project / "data" / "train.jsonl").write_text(lines("new", "newer"))
    update = [
        "data",
        "add",
        str(project / "data" / "train.jsonl"),
        "--name",
        "train",
        "--update",
        "--project",
        str(project),
    ]
    capsys.readouterr()
    assert run(update) == 0
    assert "2 added, 1 removed, 0 changed, 0 as before." in capsys.readouterr().out
    back = ["data", "snapshot", "train", "--restore", sha256(before).hexdigest()[:12], "--to", str(tmp_path / "back")]
    assert run([*back, "--project", str(project)]) == 0
    assert (tmp_path / "back").read_bytes() == before
    assert run([*back, "--project", str(project)]) == 1
    assert run(["data", "snapshot", "train", "--restore", "abc", "--project", str(project)]) == 2
