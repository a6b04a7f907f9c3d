"""`trimtab check`."""

import json
import sys
from pathlib import Path

import pytest

from tests.declare.projects import MODEL, TASK, write
from trimtab.cli import run


def test_a_good_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A project without mistakes is summed up, status 0, with the next verb."""
    write(tmp_path, MODEL, triage=f'{TASK}objective.ttft_p95 = "1s"\n')
    assert run(["check", "--project", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("No mistakes. Environment development, snapshot ")
    assert all(
        word in shown for word in ("small", "triage", "objectives", "every call needs a key", "Next: trimtab up")
    )


def test_a_bad_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every mistake is one line of standard output, status 1."""
    write(tmp_path, f"{MODEL}[gatway]\n", triage="model = 'smal'\n")
    assert run(["check", "--project", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        'tasks/triage/task.toml:1: there is no model "smal"; did you mean small?',
        'trimtab.toml:4: "gatway" is an unknown key; did you mean gateway?',
    ]
    assert "2 mistakes." in lines


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, mistakes come apart into path, line, what and instead; without any, the summary is there."""
    write(tmp_path, f"{MODEL}[gatway]\n")
    assert run(["check", "--json", "--project", str(tmp_path)]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["models"]) == (False, [])
    assert answer["mistakes"] == [
        {"path": "trimtab.toml", "line": 4, "what": '"gatway" is an unknown key', "instead": "did you mean gateway?"}
    ]
    (tmp_path / "trimtab.toml").write_text(MODEL)
    assert run(["check", "--json", "--project", str(tmp_path)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["mistakes"], answer["models"][0]["name"]) == (True, [], "small")


def test_a_schema_that_does_not_compile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told with all other mistakes, in the order of files."""
    write(tmp_path, f"{MODEL}[gatway]\n", triage=f'{TASK}output = {{ schema = "s.json" }}\n')
    (tmp_path / "tasks" / "triage" / "s.json").write_text('{\n"type": "text"}')
    assert run(["check", "--project", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("tasks/triage/s.json:2: this JSON Schema cannot be used: ")
    assert lines[1].startswith("trimtab.toml:4: ")
    assert "2 mistakes." in lines
    (tmp_path / "trimtab.toml").write_text(MODEL)
    assert run(["check", "--project", str(tmp_path)]) == 1


def test_a_secret_that_is_not_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that cannot be read here is a note and no mistake: it may be there where `trimtab up` runs."""
    monkeypatch.delenv("SMALL_KEY", raising=False)
    write(tmp_path, f'{MODEL}api_key = "env:SMALL_KEY"\n')
    assert run(["check", "--project", str(tmp_path)]) == 0
    assert "Note: models.small.api_key: env:SMALL_KEY cannot be used here (the variable is not set)" in (
        capsys.readouterr().out
    )
    monkeypatch.setenv("SMALL_KEY", "geheim")
    assert run(["check", "--project", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "SMALL_KEY" not in shown
    assert "geheim" not in shown


def test_no_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a folder without a project, the message says how to begin."""
    assert run(["check", "--project", str(tmp_path)]) == 1
    assert "`trimtab init`" in capsys.readouterr().out


def test_brackets_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text in [brackets] is not taken for styles."""
    (tmp_path / "trimtab.toml").write_text("")
    run(["check", "--project", str(tmp_path)])
    assert "write [models.small] with" in capsys.readouterr().out


def test_an_extra_that_is_not_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a model's authentication needs and is not installed here is a note: it may be where `trimtab up` runs."""
    write(tmp_path, f'{MODEL}auth = {{ kind = "aws", region = "eu-central-1" }}\n')
    monkeypatch.setitem(sys.modules, "botocore", None)
    assert run(["check", "--project", str(tmp_path)]) == 0
    assert 'Note: models.small.auth is of the kind aws, which is not installed; run pip install "trimtab[aws]"' in (
        capsys.readouterr().out
    )


def test_a_tokenizer_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tokenizer that is none is a note, since tokens are then estimated; a task's context strategy is shown."""
    (tmp_path / "tokenizer.json").write_text("{}")
    context = 'context = { strategy = "token_window", max_input_tokens = 8000 }'
    write(tmp_path, f'{MODEL}served.tokenizer = "tokenizer.json"\n', triage=f"{TASK}{context}\n")
    assert run(["check", "--project", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "Note: models.small.served.tokenizer: tokenizer.json cannot be used (it is no tokenizer.json of " in shown
    assert "context token_window" in shown
    assert "tokens are estimated" in shown


def test_whose_dead_letters_cannot_be_redriven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task whose redaction keeps no whole request is named, and so are calls of no task; all else is not."""
    tasks = {"private": f'{TASK}redaction = "digest"\n', "short": f'{TASK}redaction = "preview"\n', "open": TASK}
    write(tmp_path, MODEL, **tasks)
    assert run(["check", "--json", "--project", str(tmp_path)]) == 0
    [note] = json.loads(capsys.readouterr().out)["notes"]
    assert note == (
        "dead letters cannot be re-driven where redaction keeps no whole request: "
        "private (digest), short (preview), (undeclared) (digest)"
    )
    write(tmp_path, f"{MODEL}[data]\ndead_letters = 0\n")
    assert run(["check", "--json", "--project", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []
    for name in ("private", "short"):
        (tmp_path / "tasks" / name / "task.toml").write_text(TASK)
    write(tmp_path, f'{MODEL}[defaults]\nundeclared_redaction = "full"\n')
    assert run(["check", "--project", str(tmp_path)]) == 0
    assert "Note" not in capsys.readouterr().out


TWO_ENGINES = (
    '[models.own]\nmodel = "m"\nengine = "vllm"\nreplicas = ["http://127.0.0.1:9000"]\n'
    '[models.bought]\nmodel = "g"\nengine = "openai"\nreplicas = ["http://127.0.0.1:9001"]\n'
)
WITH_SCHEMA = 'model = "own"\nfallback = ["bought"]\noutput = { schema = "s.json" }\n'
OPTIONAL = '{"type": "object", "properties": {"note": {"type": "string", "maxLength": 9}}}'


def with_schema(root: Path, schema: str = OPTIONAL) -> Path:
    """A project whose one task has a schema and two models; returns where its rewriting would lie."""
    write(root, TWO_ENGINES, triage=WITH_SCHEMA)
    (root / "tasks" / "triage" / "s.json").write_text(schema)
    return root / "tasks" / "triage" / "output.strict.schema.json"


def test_schemas_have_a_class_at_each_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each model of the task, and below it each keyword with its place and what becomes of it."""
    with_schema(tmp_path)
    assert run(["check", "--project", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.lstrip().startswith("triage") and "schema (reject)" in line for line in lines)
    own = lines.index("Schema of triage at own (vllm): native, but weakened")
    assert lines[own + 1].startswith("  /properties/note maxLength: weakened; xgrammar ")
    assert lines[own + 2] == "Schema of triage at bought (openai): validated only, not sent"
    assert "  (top) required: refused; OpenAI wants every property required: note" in lines
    assert any(line.endswith("trimtab check --rewrite writes tasks/triage/output.strict.schema.json") for line in lines)


def test_schemas_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The classes with their findings, and the rewriting with what it changed."""
    with_schema(tmp_path)
    assert run(["check", "--json", "--project", str(tmp_path)]) == 0
    own, bought = json.loads(capsys.readouterr().out)["schemas"]
    assert (own["task"], own["model"], own["kind"], own["rewrite"]) == ("triage", "own", "weakened", None)
    assert [(found["path"], found["keyword"]) for found in own["findings"]] == [("/properties/note", "maxLength")]
    assert bought["kind"] == "validated"
    assert bought["rewrite"]["properties"] == {
        "note": {"type": ["string", "null"], "description": "(maxLength: 9)"},
    }
    assert {"path": "/properties/note", "what": "null where it was left out"} in bought["changes"]


def test_a_rewriting_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It lies beside the schema; a file of that name is never written over."""
    place = with_schema(tmp_path)
    assert run(["check", "--rewrite", "--project", str(tmp_path)]) == 0
    assert "tasks/triage/output.strict.schema.json is written" in capsys.readouterr().out
    assert json.loads(place.read_text())["required"] == ["note"]
    assert run(["check", "--rewrite", "--project", str(tmp_path)]) == 0
    place.write_text("mine")
    assert run(["check", "--rewrite", "--project", str(tmp_path)]) == 1
    assert "says something else: move it away first" in capsys.readouterr().out
    assert place.read_text() == "mine"


def test_nothing_to_rewrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A schema that both engines enforce as it is."""
    place = with_schema(
        tmp_path,
        '{"type": "object", "properties": {"n": {"type": "null"}}, "required": ["n"], "additionalProperties": false}',
    )
    assert run(["check", "--rewrite", "--project", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "Schema of triage at bought (openai): native\n" in shown
    assert "No schema needs to be rewritten." in shown
    assert not place.exists()


def test_suites_are_checked_with_their_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row that is no case is told with its line, and so is a suite that has none; a good one is summed up."""
    suite = f'{TASK}evals = {{ scorers = ["exact"] }}\n'
    write(tmp_path, MODEL, triage=suite, other=suite)
    cases = tmp_path / "tasks" / "triage" / "cases.jsonl"
    cases.write_text('{"messages": [{"role": "user", "content": "x"}], "expected": "a"}\n{"expected": "b"}\n')
    assert run(["check", "--project", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("tasks/other/task.toml:1: the suite has no cases: ")
    assert lines[1].startswith("tasks/triage/cases.jsonl:2: the row has nothing that goes in; ")
    assert "2 mistakes." in lines
    cases.write_text(cases.read_text().splitlines()[0])
    (tmp_path / "tasks" / "other" / "cases.jsonl").write_text(cases.read_text())
    assert run(["check", "--project", str(tmp_path)]) == 0
    assert "suite" in capsys.readouterr().out


def test_where_checks_between_steps_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said that the SDK makes them, and which steps nothing in the project declares."""
    checked = f'{TASK}[[check]]\nname = "in range"\nafter = "qoute"\nrule = "answer"\n'
    write(tmp_path, MODEL, triage=checked)
    assert run(["check", "--project", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "checks in" in told
    assert "Note: checks of triage are made in the SDK; calls that only bear x-trimtab-run are held to" in told
    assert "check in range is about the step qoute, which is neither a task nor a tool of it" in told
