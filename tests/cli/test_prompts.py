"""`trimtab prompts`: what is sent for a task, and the versions of its prompt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import trimtab
from tests.cli.locking import Said
from tests.lock.repositories import GRACE, commit, git, place, repository
from trimtab.cli import run
from trimtab.declare.load import load

pytestmark = pytest.mark.usefixtures("bare_git")
Ask = Callable[..., Said]
ADA = "Ada Lovelace <ada@example.org>"
GRACE_SHOWN = f"{GRACE[0]} <{GRACE[1]}>"
TOML = """\
[models.small]
engine = "vllm"
model = "acme/small-1"
replicas = ["http://127.0.0.1:9000"]
[models.claude]
wire = "anthropic"
model = "claude-x-20260101"
replicas = ["http://127.0.0.1:9001"]
"""
TASK = """\
model = "small"
fallback = ["claude"]
tools = ["look-up"]
sampling = { temperature = 0.5, max_output_tokens = 64 }
output = { schema = "s.json" }
inputs = { ticket = "string", labels = "array" }
"""
PROMPT = 'system:\nYou sort tickets.\n{% include "policy.md" %}\n\nuser:\n{{ ticket }} {{ labels | join(", ") }}\n'
SCHEMA = '{"type":"object","properties":{"label":{"type":"string"}},"required":["label"],"additionalProperties":false}'
TOOL = '{"description": "Looks up.", "effect": "read", "input_schema": {"type": "object"}}'
CASES = '{"inputs": {"ticket": "It broke.", "labels": ["a", "b"]}}\n\n{"inputs": []}\n{"a": NaN}\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    repository(tmp_path)
    place(root, "trimtab.toml", TOML)
    place(root, "tasks/triage/task.toml", TASK)
    place(root, "tasks/triage/prompt.md", PROMPT)
    place(root, "tasks/triage/s.json", SCHEMA)
    place(root, "tasks/triage/cases.jsonl", CASES)
    place(root, "prompts/policy.md", "Be brief.\n")
    place(root, "tools/look-up.json", TOOL)
    return root


@pytest.fixture
def ask(root: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*arguments: str) -> Said:
        status = run(["prompts", *arguments, "--project", str(root)])
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return asked


def test_what_is_sent(root: Path, ask: Ask) -> None:
    """A case becomes the request to each model in its own wire: messages, sampling, tools and schema."""
    found = ask("render", "triage", "--case", "1", "--json").json()
    task = load(root).tasks["triage"]
    assert task.prompt is not None
    assert found["prompt"] == task.prompt.digest
    messages = [
        {"role": "system", "content": "You sort tickets.\nBe brief."},
        {"role": "user", "content": "It broke. a, b"},
    ]
    small, claude = found["requests"]
    assert (small["model"], small["path"]) == ("small", "/v1/chat/completions")
    assert small["body"] == {
        "model": "acme/small-1",
        "messages": messages,
        "temperature": 0.5,
        "max_tokens": 64,
        "structured_outputs": {"json": json.loads(SCHEMA)},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "look-up", "description": "Looks up.", "parameters": {"type": "object"}, "strict": True,
                },
            }
        ],
    }  # fmt: skip
    assert (claude["model"], claude["path"]) == ("claude", "/v1/messages")
    assert claude["body"]["system"] == "You sort tickets.\nBe brief."
    assert claude["body"]["messages"] == [{"role": "user", "content": "It broke. a, b"}]
    rendered = trimtab.render(task, {"ticket": "It broke.", "labels": ["a", "b"]})
    assert rendered.messages == messages
    assert found["rendered"] == rendered.digest


def test_what_is_sent_as_text(root: Path, ask: Ask) -> None:
    """The text has every message as it is, and the rest of the request below; control codes are shown, not obeyed."""
    said = ask("render", "triage", "--case", "1", "--input", "ticket=\x1b[31mred\nnext")
    assert said.status == 0
    assert "\nsystem:\nYou sort tickets.\nBe brief.\n\nuser:\n\\x1b[31mred\nnext a, b\n" in said.out
    assert "\nmax_tokens:\n64\n" in said.out
    assert "If that fails, to claude" in said.out
    assert said.out.rstrip().endswith(f"Next: trimtab prompts log triage --project {root}")


def test_inputs_of_the_command_line(ask: Ask) -> None:
    """An input is text, or JSON where another type is declared; what is given wins over the case."""
    found = ask("render", "triage", "--input", "ticket=1=2", "--input", 'labels=["x"]', "--json").json()
    assert found["requests"][0]["body"]["messages"][1]["content"] == "1=2 x"


def test_inputs_without_a_type_as_json(ask: Ask, root: Path) -> None:
    """After `:=` stands JSON, whatever is declared, so that a list can be given to an input without a type."""
    (root / "tasks" / "plain").mkdir()
    (root / "tasks" / "plain" / "task.toml").write_text('model = "small"\n')
    (root / "tasks" / "plain" / "prompt.md").write_text("user:\n{{ facts | join(' and ') }}{{ more }}\n")
    given = ("--input", 'facts:=["a=b", "c"]', "--input", "more=[1]")
    found = ask("render", "plain", *given, "--json").json()
    assert found["requests"][0]["body"]["messages"][0]["content"] == "a=b and c[1]"


REFUSALS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no task": (("render", "triaeg"), 2, "there is no task 'triaeg'; did you mean triage?"),
    "no task far off": (("render", "zzz"), 2, "there is no task 'zzz'; there are triage"),
    "missing input": (("render", "triage", "--input", "ticket=x"), 1, "the prompt needs the input labels"),
    "no pair": (("render", "triage", "--input", "ticket"), 2, "--input 'ticket' is not NAME=VALUE or NAME:=JSON"),
    "no name, JSON": (("render", "triage", "--input", ":=1"), 2, "--input ':=1' is not NAME=VALUE or NAME:=JSON"),
    "no JSON by :=": (("render", "triage", "--input", "ticket:=x"), 2, "--input ticket must be JSON, and 'x' is none"),
    "no JSON": (("render", "triage", "--input", "labels=x"), 2, "--input labels must be an array as JSON"),
    "wrong type": (
        ("render", "triage", "--input", "labels={}", "--input", "ticket=x"),
        1,
        "labels must be an array, not",
    ),
    "unknown input": (("render", "triage", "--case", "1", "--input", "a=1"), 1, "the prompt has no input a"),
    "blank line": (("render", "triage", "--case", "2"), 1, "cases.jsonl has no line 2 with a case on it"),
    "no such line": (("render", "triage", "--case", "9"), 1, "cases.jsonl has no line 9 with a case on it"),
    "no inputs": (
        ("render", "triage", "--case", "3"),
        1,
        "the inputs of line 3 of tasks/triage/cases.jsonl are no object",
    ),
    "a fault": (("render", "triage", "--case", "4"), 1, "line 4 of "),
    "no name": (("log", "../triage"), 2, "'../triage' is no name of a task"),
    "no name but dots": (("log", ".."), 2, "'..' is no name of a task"),
    "no option": (("log", "--", "--output=x"), 2, "'--output=x' is no name of a task"),
    "never": (("log", "zzz"), 1, "task zzz has no prompt, and never had one that is known here"),
}


@pytest.mark.parametrize(("arguments", "status", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, words: str
) -> None:
    """What cannot be shown is said in words, with what to do."""
    found = run(["prompts", arguments[0], "--project", str(root), *arguments[1:]])
    said = Said(found, *capsys.readouterr())
    assert said.status == status
    assert words in said.words


def test_no_cases(root: Path, ask: Ask) -> None:
    """Without the file, --case says what to do."""
    (root / "tasks" / "triage" / "cases.jsonl").unlink()
    said = ask("render", "triage", "--case", "1")
    assert said.status == 1
    assert "write it, or give --input" in said.words


def test_a_context_strategy(root: Path, ask: Ask) -> None:
    """What the task's context strategy leaves out of the client's messages is not shown, and that is said."""
    place(root, "tasks/triage/task.toml", f'{TASK}context = {{ strategy = "keep_system_and_recent", recent = 1 }}\n')
    messages = [{"role": "user", "content": "old"}, {"role": "user", "content": "new"}]
    row = {"inputs": {"ticket": "x", "labels": []}, "messages": messages}
    place(root, "tasks/triage/cases.jsonl", json.dumps(row) + "\n")
    found = ask("render", "triage", "--case", "1", "--json").json()
    sent = [message["content"] for message in found["requests"][0]["body"]["messages"]]
    assert sent[1:] == ["x ", "new"]
    assert (
        "context keep_system_and_recent: 1 of 2 messages of the client stay"
        in ask("render", "triage", "--case", "1").out
    )


def history(root: Path) -> tuple[str, str, str]:
    """Three commits: the first, one by Grace that changes a shared part, and one that changes something else."""
    first = commit(root.parent, "First")
    place(root, "prompts/policy.md", "Be very brief.\n")
    second = commit(root.parent, "Very brief", GRACE, "2026-11-02T10:00:00Z")
    place(root, "tasks/triage/task.toml", f"{TASK}owner = 'me'\n")
    place(root, "prompts/other.md", "Unused.\n")
    third = commit(root.parent, "An owner", at="2026-11-03T10:00:00Z")
    return first, second, third


def log(ask: Ask) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask("log", "triage", "--json").json()["versions"]
    return found


def test_versions(root: Path, ask: Ask) -> None:
    """A version is a commit that gave the prompt another digest, with its author and what changed word by word."""
    first, second, _ = history(root)
    prompt = load(root).tasks["triage"].prompt
    assert prompt is not None
    newest, oldest = log(ask)
    assert newest["digest"] == prompt.digest
    assert (newest["commit"], newest["author"], newest["subject"]) == (second, GRACE_SHOWN, "Very brief")
    assert newest["at"] == "2026-11-02T10:00:00+00:00"
    assert (oldest["commit"], oldest["author"]) == (first, ADA)
    [change] = newest["changes"]
    assert change["path"] == "prompts/policy.md"
    assert [piece for piece in change["pieces"] if piece[0] != "same"] == [["in", " very"]]
    assert oldest["changes"] == []
    said = ask("log", "triage")
    assert "The prompt of triage: 2 versions, the newest first." in said.out
    assert f"{newest['digest'][:12]}   {second[:12]}   2026-11-02 10:00   {GRACE_SHOWN}   Very brief" in said.out
    assert "Be{+ very+} brief." in said.out
    assert "no figures: nothing was recorded here yet" in said.words


def test_types_make_a_version(root: Path, ask: Ask) -> None:
    """A change of an input's type is another version of the prompt, and not of its text."""
    commit(root.parent, "First")
    place(root, "tasks/triage/task.toml", TASK.replace('"array"', '"object"'))
    second = commit(root.parent, "Labels by name")
    newest, oldest = log(ask)
    assert (newest["commit"], newest["changes"]) == (second, [])
    assert newest["digest"] != oldest["digest"]


def test_what_is_not_committed(root: Path, ask: Ask) -> None:
    """What is in the folder and in no commit is the newest version."""
    history(root)
    place(root, "tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    newest, *older = log(ask)
    assert (newest["commit"], len(older)) == ("", 2)
    assert ["out", "sort"] in newest["changes"][0]["pieces"]
    said = ask("log", "triage")
    assert "   not committed\n" in said.out
    assert "Note: the newest version is not committed." in said.out


def test_back_again(root: Path, ask: Ask) -> None:
    """A prompt that is as it was once is a version again."""
    first, second, _ = history(root)
    place(root, "prompts/policy.md", "Be brief.\n")
    third = commit(root.parent, "Back")
    found = log(ask)
    assert [one["commit"] for one in found] == [third, second, first]
    assert found[0]["digest"] == found[2]["digest"]


def test_a_version_that_cannot_be_read(root: Path, ask: Ask) -> None:
    """A commit with a mistake in the prompt has no digest, and why."""
    commit(root.parent, "First")
    place(root, "prompts/policy.md", "{% if")
    broken = commit(root.parent, "Broken")
    place(root, "prompts/policy.md", "Be kind.\n")
    commit(root.parent, "Mended")
    mended, faulty, first = log(ask)
    assert (faulty["commit"], faulty["digest"]) == (broken, "")
    assert faulty["fault"].startswith("prompts/policy.md:1: the template cannot be read")
    assert mended["digest"]
    assert first["digest"]
    assert "it could not be used: prompts/policy.md:1: the template cannot be read" in ask("log", "triage").out


def test_the_first_lock_of_a_version(root: Path, ask: Ask) -> None:
    """Each version names the lock that pinned it first, and the commit of that; one in no lock says so."""
    assert run(["lock", "--project", str(root)]) == 0
    first = commit(root.parent, "Locked")
    lock_id = json.loads((root / "trimtab.lock").read_text())["lock_id"].removeprefix("sha256:")
    place(root, "tasks/triage/task.toml", f"{TASK}owner = 'me'\n")
    assert run(["lock", "--project", str(root)]) == 0
    commit(root.parent, "Locked again")
    place(root, "tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    commit(root.parent, "Ordered")
    ask("render", "triage", "--case", "1")
    newest, oldest = log(ask)
    assert (newest["lock"], newest["locked_in"]) == ("", "")
    assert (oldest["lock"], oldest["locked_in"]) == (lock_id, first)
    assert run(["lock", "--project", str(root)]) == 0
    ask("render", "triage", "--case", "1")
    newest, _ = log(ask)
    assert newest["lock"]
    assert newest["locked_in"] == ""
    said = ask("log", "triage")
    assert f"first in lock {lock_id[:12]}, by {first[:12]}" in said.out
    assert f"first in lock {newest['lock'][:12]}, which is not committed" in said.out


def test_limit(root: Path, ask: Ask) -> None:
    """Older versions than are asked for are counted."""
    history(root)
    said = ask("log", "triage", "--limit", "1")
    assert "The prompt of triage: 1 version." in said.out
    assert "1 older versions are left out; --limit shows more" in said.words


def test_a_renamed_task(root: Path, ask: Ask) -> None:
    """A renaming is where the history begins, and that is said."""
    commit(root.parent, "First")
    git(root, "mv", "tasks/triage", "tasks/route")
    renaming = commit(root.parent, "Renamed")
    said = ask("log", "route")
    assert said.status == 0
    assert "The prompt of route: 1 version." in said.out
    assert f"it was tasks/triage/prompt.md until {renaming[:12]} renamed it" in said.words


def test_a_prompt_that_was_taken_out(root: Path, ask: Ask) -> None:
    """The versions of a prompt that is no more are shown all the same."""
    first = commit(root.parent, "First")
    (root / "tasks" / "triage" / "prompt.md").unlink()
    commit(root.parent, "No prompt")
    [version] = log(ask)
    assert version["commit"] == first


def test_no_repository(root: Path, ask: Ask) -> None:
    """Without a repository there is the one version of the folder."""
    (root.parent / ".git").rename(root.parent / "nothing")
    [version] = log(ask)
    assert version["commit"] == ""
    assert "the project lies in no git repository, or there is no git" in ask("log", "triage").words


def test_no_git(root: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same without git."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    [version] = log(ask)
    assert version["commit"] == ""
    assert "there is no git" in ask("log", "triage").words


def test_branches(root: Path, ask: Ask) -> None:
    """What a commit of a branch changed is told against the commit before it, not against its neighbour in time."""
    base = commit(root.parent, "Base")
    git(root, "checkout", "-q", "-b", "branch")
    place(root, "tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    on_branch = commit(root.parent, "Order", GRACE, "2026-11-03T10:00:00Z")
    git(root, "checkout", "-q", "main")
    place(root, "prompts/policy.md", "Be kind.\n")
    on_main = commit(root.parent, "Kind", at="2026-11-02T10:00:00Z")
    git(root, "merge", "-q", "--no-ff", "-m", "Both", "branch", at="2026-11-04T10:00:00Z")
    found = {one["commit"]: one for one in log(ask)}
    assert {base, on_branch, on_main} <= set(found)
    [change] = found[on_branch]["changes"]
    assert [piece for piece in change["pieces"] if piece[0] != "same"] == [["out", "sort"], ["in", "order"]]
    assert change["path"] == "tasks/triage/prompt.md"
    [change] = found[on_main]["changes"]
    assert change["path"] == "prompts/policy.md"
    prompt = load(root).tasks["triage"].prompt
    assert prompt is not None
    assert next(iter(found.values()))["digest"] == prompt.digest


def test_a_task_without_a_prompt(root: Path, ask: Ask) -> None:
    """Its cases are messages, and the rest of the request is shown all the same; without messages there is nothing."""
    (root / "tasks" / "triage" / "prompt.md").unlink()
    place(root, "tasks/triage/task.toml", TASK.replace("inputs", "#"))
    messages = [{"role": "user", "content": "It broke."}]
    place(root, "tasks/triage/cases.jsonl", json.dumps({"messages": messages}) + "\n")
    found = ask("render", "triage", "--case", "1", "--json").json()
    assert (found["prompt"], found["rendered"]) == ("", "")
    assert found["requests"][0]["body"]["messages"] == messages
    assert ask("render", "triage", "--case", "1").out.startswith("no prompt   to small, POST")
    said = ask("render", "triage")
    assert said.status == 1
    assert "task triage has no prompt: write tasks/triage/prompt.md" in said.words


def test_a_case_without_inputs(root: Path, ask: Ask) -> None:
    """Messages that came without inputs go as they are, though there is a prompt; with inputs they follow it."""
    messages = [{"role": "user", "content": "It broke."}]
    rows = [{"messages": messages}, {"messages": messages, "inputs": {"ticket": "t", "labels": []}}]
    place(root, "tasks/triage/cases.jsonl", "\n".join(map(json.dumps, rows)))
    found = ask("render", "triage", "--case", "1", "--json").json()
    assert (found["prompt"], found["rendered"]) == ("", "")
    assert found["requests"][0]["body"]["messages"] == messages
    found = ask("render", "triage", "--case", "2", "--json").json()
    assert [one["content"] for one in found["requests"][0]["body"]["messages"]][1:] == ["t ", "It broke."]


def test_a_lock_that_cannot_be_read(root: Path, ask: Ask) -> None:
    """That is told in a sentence, and the lines of a change end with its last line."""
    history(root)
    place(root, "trimtab.lock", "<<<<<<< HEAD\n")
    place(root, "prompts/policy.md", "Be terse.\n")
    out = ask("log", "triage").out
    [note] = [line for line in out.split("\n") if "trimtab.lock cannot be used" in line]
    assert note.endswith("write it anew with `trimtab lock`.")
    assert "{+terse+}.\n\n" in out


def test_a_shallow_clone(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where older commits are missing, that is said."""
    history(root)
    place(root, "tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    commit(root.parent, "Ordered")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root.parent}", str(tmp_path / "shallow"))
    assert run(["prompts", "log", "triage", "--project", str(tmp_path / "shallow" / "app")]) == 0
    said = Said(0, *capsys.readouterr())
    assert "The prompt of triage: 1 version." in said.out
    assert "older versions are not known here: the clone is shallow" in said.words
