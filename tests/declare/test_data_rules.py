"""Each rule of data sets, and of what a tool's file says beside its schemas."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.declare.projects import MODEL, TASK, write
from trimtab.declare import files
from trimtab.declare.load import load, read
from trimtab.declare.project import DataSet, FileDigest, Golden, Implementation, McpServer, Parent
from trimtab.declare.schemas import as_schema

ZEROS = f"sha256:{'0' * 64}"
ROWS = b'{"a": 1}\n\n{"a": 2}\r\n  \n{"a": 3}'
DIGEST = f"sha256:{hashlib.sha256(ROWS).hexdigest()}"

DATA_RULES = {
    "no digest": ("{}", 1, "the file has no `digest`", "sha256:"),
    "digest": ('{"digest":\n"0"}', 1, 'digest is "0", not a digest', "sha256:"),
    "unknown key": (
        f'{{"digest": "{ZEROS}",\n"licens": "x"}}',
        2,
        '"licens" is an unknown key',
        "did you mean licence?",
    ),
    "no file": (
        f'{{"digest": "{ZEROS}",\n"file": "data/b.jsonl"}}',
        2,
        'file is "data/b.jsonl", and there is no',
        "put",
    ),
    "file elsewhere": (
        f'{{"digest": "{ZEROS}",\n"file": "../b"}}',
        2,
        'file is "../b", not the path of a file',
        "path",
    ),
    "file by a whole path": (
        f'{{"digest": "{ZEROS}",\n"file": "/etc/passwd"}}',
        2,
        'file is "/etc/passwd", not',
        "path",
    ),
    "dots": (
        f'{{"digest": "{ZEROS}",\n"file": "data/./a.jsonl"}}',
        2,
        'file is "data/./a.jsonl", not the path',
        "path",
    ),
    "backslash": (f'{{"digest": "{ZEROS}",\n"file": "data\\\\a"}}', 2, "file is ", "path of a file in the project"),
    "link": (
        f'{{"digest": "{ZEROS}",\n"file": "data/link"}}',
        2,
        'file is "data/link", a link that leads out',
        "itself",
    ),
    "rows": (f'{{"digest": "{ZEROS}",\n"rows": -1}}', 2, "rows is -1, not a whole number", "bounds"),
    "other rows": (
        f'{{"digest": "{DIGEST}", "file": "data/a.jsonl",\n"rows": 4}}',
        2,
        "rows is 4, and the file has 3",
        "correct it",
    ),
    "parents": (f'{{"digest": "{ZEROS}",\n"parents": ["tickets"]}}', 2, "parents has", "only tables"),
    "parent's name": (
        f'{{"digest": "{ZEROS}", "parents": [\n{{"digest": "{ZEROS}"}}]}}',
        2,
        "parents[0] has no `name`",
        "",
    ),
    "parent's digest": (
        f'{{"digest": "{ZEROS}", "parents": [\n{{"name": "b"}}]}}',
        2,
        "parents[0] has no `digest`",
        "=",
    ),
    "transform": (
        f'{{"digest": "{ZEROS}",\n"transform": "x.py"}}',
        2,
        'transform is "x.py", and there is no such',
        "put",
    ),
    "schema": (f'{{"digest": "{ZEROS}",\n"schema": 1}}', 2, "schema is 1, not the path", "path"),
    "purpose": (f'{{"digest": "{ZEROS}",\n"purpose": "tests"}}', 2, 'purpose is "tests"', '"few_shot"'),
    "secret": (
        f'{{"digest": "{ZEROS}",\n"source": "https://me:hush@data"}}',
        2,
        "source is a text that holds what looks like a secret (not repeated here)",
        "take it out",
    ),
    "not JSON": ("{", 1, "this is not JSON", "json.org"),
}


def project(root: Path, manifest: str) -> Path:
    write(root, MODEL)
    (root / "data").mkdir()
    (root / "data" / "a.jsonl").write_bytes(ROWS)
    (root / "data" / "a.json").write_text(manifest)
    outside = root.parent / f"{root.name}-outside"
    outside.write_text("x")
    (root / "data" / "link").symlink_to(outside)
    return root


@pytest.mark.parametrize(("manifest", "line", "what", "instead"), DATA_RULES.values(), ids=DATA_RULES.keys())
def test_data_rule(tmp_path: Path, manifest: str, line: int, what: str, instead: str) -> None:
    """One mistake in a manifest gives one message, at its line, that says what to write."""
    [mistake] = read(project(tmp_path, manifest)).mistakes
    assert (mistake.path, mistake.line) == ("data/a.json", line), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake
    assert "hush" not in str(mistake)


def test_a_manifest_is_called_like_its_data(tmp_path: Path) -> None:
    """A manifest whose file has no name that data can have is a mistake."""
    root = write(tmp_path, MODEL)
    (root / "data").mkdir()
    (root / "data" / "A b.json").write_text("{}")
    [mistake] = read(root).mistakes
    assert str(mistake).startswith('data/A b.json:1: "A b" is no name of a data set; use 1 to 64 of a-z 0-9 . _ -')


def test_a_schema_of_data_that_is_wrong(tmp_path: Path) -> None:
    """A manifest's schema lies in the project, and is read like any other."""
    root = project(tmp_path, f'{{"digest": "{ZEROS}", "schema": "data/a.schema"}}')
    [mistake] = read(root).mistakes
    assert str(mistake).startswith('data/a.json:1: schema is "data/a.schema", and there is no such file')
    (root / "data" / "a.schema").write_text("[]")
    [mistake] = read(root).mistakes
    assert str(mistake) == "data/a.schema:1: this is a list, not an object; write { ... }"


def test_data_sets(tmp_path: Path) -> None:
    """Manifests and tasks' cases are data sets; blank lines are no rows; both digests are told."""
    manifest = {
        "file": "data/a.jsonl",
        "digest": ZEROS,
        "rows": 7,
        "schema": "row.schema",
        "parents": [{"name": "raw", "digest": ZEROS}, {"name": "tasks/triage/cases", "digest": ZEROS}],
        "transform": "split.py",
        "licence": "internal",
        "source": "help desk",
        "purpose": "training",
    }
    root = project(tmp_path, json.dumps(manifest))
    for name, text in {"row.schema": '{"type": "object"}', "split.py": "pass", "b.bin": "x"}.items():
        (root / name).write_text(text)
    (root / "data" / "b.json").write_text(json.dumps({"file": "b.bin", "digest": ZEROS, "rows": 5}))
    (root / "data" / "c.json").write_text(json.dumps({"digest": DIGEST}))
    (root / "tasks" / "triage").mkdir(parents=True)
    (root / "tasks" / "triage" / "task.toml").write_text(TASK)
    (root / "tasks" / "triage" / "cases.jsonl").write_text("{}\n{}\n")
    found = load(root)
    assert list(found.data_sets) == ["a", "b", "c", "tasks/triage/cases"]
    assert found.data_sets["a"] == DataSet(
        name="a",
        file=FileDigest("data/a.jsonl", DIGEST.removeprefix("sha256:")),
        pinned="0" * 64,
        rows=3,
        columns=as_schema({"type": "object"}),
        parents=(Parent("raw", "0" * 64), Parent("tasks/triage/cases", "0" * 64)),
        transform=FileDigest("split.py", hashlib.sha256(b"pass").hexdigest()),
        licence="internal",
        source="help desk",
        purpose="training",
    )
    assert (found.data_sets["b"].rows, found.data_sets["b"].file.path) == (5, "b.bin")
    assert found.data_sets["c"].file == FileDigest("", DIGEST.removeprefix("sha256:"))
    cases = FileDigest("tasks/triage/cases.jsonl", hashlib.sha256(b"{}\n{}\n").hexdigest())
    assert found.data_sets["tasks/triage/cases"] == DataSet("tasks/triage/cases", cases, rows=2)
    assert "row.schema" in {source.path for source in found.schemas}


def test_cases_that_cannot_be_read(tmp_path: Path) -> None:
    """A folder in the place of a task's cases is a mistake there."""
    write(tmp_path, MODEL, triage=TASK)
    (tmp_path / "tasks" / "triage" / "cases.jsonl").mkdir()
    [mistake] = read(tmp_path).mistakes
    assert str(mistake).startswith("tasks/triage/cases.jsonl:1: the task's cases are ")
    assert "no plain file" in mistake.what


@pytest.mark.parametrize("piece", [1, 3, 8, 1 << 20])
def test_rows_over_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """Rows and the digest do not depend on the pieces in which a file is read."""
    monkeypatch.setattr(files, "CHUNK", piece)
    for data, rows in ((ROWS, 3), (b"", 0), (b"\n \n", 0), (b"a\n", 1), (b"a\n ", 1), (b" a", 1), (b"\na\nb\n\n", 2)):
        (tmp_path / "rows").write_bytes(data)
        assert files.contents(tmp_path, "rows") == (hashlib.sha256(data).hexdigest(), rows)


def test_large_files_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is read again when it changed, and only then."""
    monkeypatch.setattr(files, "REMEMBERED_FROM", 4)
    place = tmp_path / "rows"
    place.write_bytes(b"abcd")
    first = files.contents(tmp_path, "rows")
    hits = files._remembered.cache_info().hits
    assert files.contents(tmp_path, "rows") == first
    assert files._remembered.cache_info().hits == hits + 1
    place.write_bytes(b"abcde")
    assert files.contents(tmp_path, "rows").digest == hashlib.sha256(b"abcde").hexdigest()


TOOL = {"description": "d", "input_schema": {"type": "object"}, "effect": "read"}
GOLDEN = {"arguments": {}, "answer": 1}

TOOL_RULES: dict[str, tuple[dict[str, Any], str, str]] = {
    "output schema": ({"output_schema": []}, "output_schema is not a schema", "JSON Schema"),
    "remote reference": (
        {"output_schema": {"$ref": "https://example.com"}},
        '/output_schema/$ref refers to "https://example.com", outside this schema',
        "$defs",
    ),
    "source": ({"implementation": {"source": "a.py"}}, 'implementation.source is "a.py", and there is no such', "put"),
    "source elsewhere": ({"implementation": {"source": "../a.py"}}, 'implementation.source is "../a.py", not', "path"),
    "package": ({"implementation": {"package": "tools"}}, 'implementation.package is "tools", not a package', "name=="),
    "two of them": (
        {"implementation": {"source": "there.py", "package": "a==1"}},
        "implementation.package stands beside source, and only one of them runs",
        "keep that one",
    ),
    "no server": (
        {"implementation": {"mcp": {"tool": "x"}}},
        "the MCP server has neither url nor command",
        "command or",
    ),
    "two servers": (
        {"implementation": {"mcp": {"url": "http://a", "command": ["a"]}}},
        "the MCP server has both url and command",
        "command or url",
    ),
    "server's credentials": (
        {"implementation": {"mcp": {"url": "http://me:hush@a"}}},
        "implementation.mcp.url is a URL with credentials",
        "take them out",
    ),
    "server's secret": (
        {"implementation": {"mcp": {"command": ["serve", "--api-key=hush"]}}},
        "implementation.mcp.command[1] is the option --api-key, which takes a secret",
        "take it out",
    ),
    "unknown key": ({"implementation": {"mpc": {}}}, '"implementation.mpc" is an unknown key', "did you mean mcp?"),
    "golden of a tool that writes": (
        {"effect": "write", "golden": [GOLDEN]},
        'golden calls are made again and again, and the tool\'s effect is "write"',
        '"effect": "read"',
    ),
    "golden without arguments": ({"golden": [{"answer": 1}]}, "the golden call has no arguments", '"arguments": ...'),
    "golden without an answer": ({"golden": [{"arguments": {}}]}, "the golden call has no answer", '"answer": ...'),
    "golden's arguments": ({"golden": [GOLDEN | {"arguments": []}]}, "golden[0].arguments is not an object", "{ "),
    "golden's compare": (
        {"golden": [GOLDEN | {"compare": "near"}]},
        'golden[0].compare is "near"',
        '"exact" or "shape"',
    ),
    "many golden": ({"golden": [GOLDEN | {"answer": n} for n in range(65)]}, "there are 65 golden calls", "at most 64"),
}


@pytest.mark.parametrize(("said", "what", "instead"), TOOL_RULES.values(), ids=TOOL_RULES.keys())
def test_tool_rule(tmp_path: Path, said: dict[str, Any], what: str, instead: str) -> None:
    """The same for a tool's file."""
    write(tmp_path, MODEL, triage=f'{TASK}tools = ["look-up"]')
    (tmp_path / "there.py").write_text("pass")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "look-up.json").write_text(json.dumps(TOOL | said, indent=1))
    [mistake] = read(tmp_path).mistakes
    assert (mistake.path, mistake.line > 1) == ("tools/look-up.json", True), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake
    assert "hush" not in str(mistake)


def test_tool(tmp_path: Path) -> None:
    """Every key is read; JSON of golden calls has sorted keys, and its `null` is an answer like any other."""
    write(tmp_path, MODEL, triage=f'{TASK}tools = ["a", "b", "c", "d"]')
    (tmp_path / "a.py").write_text("pass")
    (tmp_path / "tools").mkdir()
    golden = [{"arguments": {"b": 1, "a": "ä"}, "answer": None, "compare": "exact"}, {"arguments": {}, "answer": [1.0]}]
    said: dict[str, dict[str, Any]] = {
        "a": {"implementation": {"source": "a.py"}, "output_schema": {"type": "string"}, "golden": golden},
        "b": {"implementation": {"package": "@scope/tools==1.2.3"}},
        "c": {"implementation": {"mcp": {"url": "http://127.0.0.1:9100/mcp/", "tool": "look_up"}}},
        "d": {"implementation": {"mcp": {"command": ["serve", "-v", "-v"]}}},
    }
    for name, more in said.items():
        (tmp_path / "tools" / f"{name}.json").write_text(json.dumps(TOOL | more))
    found = load(tmp_path)
    first, second, third, fourth = found.tasks["triage"].tools
    assert first.output_schema == as_schema({"type": "string"})
    assert first.implementation == Implementation(FileDigest("a.py", hashlib.sha256(b"pass").hexdigest()))
    assert first.golden == (Golden('{"a":"ä","b":1}', "null", "exact"), Golden("{}", "[1.0]", "shape"))
    assert second.implementation == Implementation(package="@scope/tools==1.2.3")
    assert third.implementation == Implementation(mcp=McpServer("look_up", "http://127.0.0.1:9100/mcp/"))
    assert fourth.implementation == Implementation(mcp=McpServer("d", "", ("serve", "-v", "-v")))
    assert [source.path for source in found.schemas] == ["tools/a.json", "tools/a.json"] + [
        f"tools/{name}.json" for name in "bcd"
    ]


def test_a_project_without_its_data(tmp_path: Path) -> None:
    """Who asks for nothing of data sets gets the project without reading any, mistakes in them or not."""
    root = project(tmp_path, "{")
    assert read(root).project is None
    found = read(root, data=False)
    assert found.mistakes == ()
    assert found.project is not None
    assert found.project.data_sets == {}
