"""A whole project as structs, and all its mistakes at once."""

import hashlib
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.declare.projects import MODEL, TASK, write
from trimtab.declare.alerting import Scrape
from trimtab.declare.load import load, read
from trimtab.declare.project import (
    Auth,
    Control,
    Data,
    Deadlines,
    Defaults,
    Gateway,
    Goal,
    Gpu,
    Limits,
    Listen,
    Match,
    Model,
    Objective,
    Output,
    Price,
    Prompt,
    Retry,
    Route,
    Sampling,
    Schema,
    Secret,
    Task,
    Tls,
    Tool,
    ToolCalls,
    Turn,
)
from trimtab.errors import DeclarationError

WHOLE = """\
environment = "production"
[gateway]
listen = "[::]:8443"
tls = { cert = "tls/cert.pem", key = "tls/key.pem" }
workers = 4
keys = "required"
max_header = "32KiB"
max_body = "8MiB"
max_connections = 100
header_timeout = "1s"
body_timeout = "2s"
idle_timeout = "3s"
slow_reader = "4s"
drain = "1m"
[control]
listen = "localhost:0"
[data]
directory = "state"
retention = "12h"
fsync_interval = "5ms"
reserve = "128MiB"
spool_limit = "1GiB"
telemetry = "https://me@house:8443/calls"
telemetry_password = "env:PASSWORD"
dead_letters = 0
[defaults]
deadline = { connect = "1s", first_token = "30s", gap = "1.5s", total = "2h" }
retry = { attempts = 2, resume = false }
redaction = "preview"
undeclared_redaction = "none"
[models.small]
wire = "openai"
engine = "vllm"
grammar = "xgrammar"
probe = "1h"
model = "Qwen/Qwen3-8B"
revision = "9c925d6"
replicas = ["http://10.0.0.11:8000/", "https://[::1]/base"]
api_key = "file:secrets/small"
ca = "tls/cert.pem"
proxy = "http://proxy:3128"
passthrough = ["GET /tokenize", "POST /v1/rerank"]
metrics = "/engine/metrics"
metrics_every = "30s"
exporters = ["http://10.0.0.11:9400/metrics"]
[[models.small.price]]
input = 0.30
output = 1
from = 2026-09-01
[[models.small.price]]
input = 0.15
cache_read = 0.075
cache_write = 0
output = 0.60
reasoning = 2
per_tokens = 1000
[models.large]
wire = "anthropic"
model = "large"
replicas = ["http://b"]
auth = { kind = "google", project = "p", region = "us-east5", credentials = "tls/key.pem" }
gpu = { kind = "H100", count = 2, usd_per_hour = 2.50 }
"""

WHOLE_TASK = """\
owner = "support-platform"
class = "background"
model = "small"
fallback = ["large"]
match = { keys = ["support-app"], system_prompt = ["sha256:%s"] }
sampling = { temperature = 0, top_p = 0.5, max_output_tokens = 256, seed = -1, stop = "\\n" }
deadline = { connect = "250ms", total = "1d" }
objective = { ttft_p95 = "800ms", "ttft_p99.9" = "2s", gap_p50 = "0.5s", success = 0.995, window = "7d" }
retry = { attempts = 10 }
redaction = "digest"
output = { schema = "output.schema.json", on_invalid = "repair", repairs = 2, hold = true, confidence = false }
tools = ["refund", "look-up"]
tool_calls = { on_invalid = "reject", hold = true }
repetition = "stop"
""" % ("0" * 64)

SCHEMA = '{\n  "type": "object",\n  "properties": {"why": {"type": "string"},\n "answer": {"const": "ä"}}\n}\n'
SCHEMA_TEXT = '{"type":"object","properties":{"why":{"type":"string"},"answer":{"const":"ä"}}}'
REFUND = '{"name": "refund", "description": "Pays back.", "input_schema": {"type": "object"}}'
LOOK_UP = '{"description": "Looks up.",\n "input_schema":\n {"type": "object"},\n "effect": "read"}'

PROMPT = "system:\nBe brief.\n\nuser:\n\n  {{ ticket }} {{ tone }}\n"


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "cert.pem").touch()
    (tmp_path / "tls" / "key.pem").touch()
    write(tmp_path, WHOLE, triage=WHOLE_TASK)
    (tmp_path / "tasks" / "triage" / "prompt.md").write_text(PROMPT)
    (tmp_path / "tasks" / "triage" / "output.schema.json").write_text(SCHEMA)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "refund.json").write_text(REFUND)
    (tmp_path / "tools" / "look-up.json").write_text(LOOK_UP)
    return tmp_path


def test_host(whole: Path) -> None:
    """Every key of the host is read, in its unit; relative paths lie in the project."""
    project = load(whole)
    assert project.environment == "production"
    assert project.gateway == Gateway(
        Listen("::", 8443, Tls(f"{whole}/tls/cert.pem", f"{whole}/tls/key.pem")),
        4,
        Limits(32768, 8388608, 100, 1.0, 2.0, 3.0, 4.0, 60.0),
        "required",
    )
    assert project.control == Control(Listen("localhost", 0))
    assert project.data == Data(
        directory=f"{whole}/state",
        retention_s=43200.0,
        fsync_interval_s=0.005,
        reserve_bytes=134217728,
        spool_limit_bytes=1073741824,
        telemetry="https://me@house:8443/calls",
        telemetry_password=Secret("env", "PASSWORD"),
        dead_letters=0,
    )
    assert project.defaults == Defaults(Deadlines(1.0, 30.0, 1.5, 7200.0), "preview", "none", Retry(2, resume=False))


def test_models(whole: Path) -> None:
    """Every key of a model is read; prices are exact and stand in the order of their days."""
    project = load(whole)
    assert project.models["small"] == Model(
        name="small",
        served_name="Qwen/Qwen3-8B",
        engine="vllm",
        grammar="xgrammar",
        probe_s=3600.0,
        replicas=("http://10.0.0.11:8000", "https://[::1]/base"),
        revision="9c925d6",
        api_key=Secret("file", f"{whole}/secrets/small"),
        ca=f"{whole}/tls/cert.pem",
        proxy="http://proxy:3128",
        passthrough=(Route("GET", "/tokenize"), Route("POST", "/v1/rerank")),
        prices=(
            Price(Decimal("0.15"), Decimal("0.60"), Decimal("0.075"), Decimal(0), Decimal(2), 1000, None),
            Price(Decimal("0.30"), Decimal(1), from_day=date(2026, 9, 1)),
        ),
        scrape=Scrape("/engine/metrics", 30.0, ("http://10.0.0.11:9400/metrics",)),
    )
    large = project.models["large"]
    assert large.gpu == Gpu("H100", 2, Decimal("2.50"))
    assert (large.wire, large.engine, large.probe_s) == ("anthropic", "anthropic", 900.0)
    assert large.auth == Auth("google", region="us-east5", project="p", credentials=f"{whole}/tls/key.pem")


def test_task(whole: Path) -> None:
    """Every key of a task is read; what a task leaves out of a table is as in the defaults."""
    assert load(whole).tasks == {
        "triage": Task(
            name="triage",
            model="small",
            owner="support-platform",
            task_class="background",
            fallback=("large",),
            match=Match(("support-app",), ("sha256:" + "0" * 64,)),
            sampling=Sampling(0.0, 0.5, 256, -1, ("\n",)),
            deadline=Deadlines(0.25, 30.0, 1.5, 86400.0),
            objective=Objective(
                (Goal("gap", 0.5, 0.5), Goal("ttft", 0.95, 0.8), Goal("ttft", 0.999, 2.0)), 0.995, 604800.0
            ),
            retry=Retry(10, resume=False),
            redaction="digest",
            output=Output(schema(SCHEMA_TEXT), "repair", 2, hold=True),
            tools=(
                Tool("refund", "Pays back.", schema('{"type":"object"}'), "write"),
                Tool("look-up", "Looks up.", schema('{"type":"object"}'), "read"),
            ),
            tool_calls=ToolCalls("reject", 1, hold=True),
            repetition="stop",
            prompt=Prompt(
                (Turn("system", "Be brief."), Turn("user", "  {{ ticket }} {{ tone }}")),
                ("ticket", "tone"),
                hashlib.sha256(PROMPT.encode()).hexdigest(),
            ),
        )
    }


def schema(text: str) -> Schema:
    return Schema(text, hashlib.sha256(text.encode()).hexdigest())


def test_schemas(whole: Path) -> None:
    """Each schema is there with its file and lines, so that a later look at it can say where it is wrong."""
    sources = {source.path: source for source in load(whole).schemas}
    assert sorted(sources) == ["tasks/triage/output.schema.json", "tools/look-up.json", "tools/refund.json"]
    output = sources["tasks/triage/output.schema.json"]
    assert output.schema == schema(SCHEMA_TEXT)
    assert output.lines == {
        "": 1,
        "/type": 2,
        "/properties": 3,
        "/properties/why": 3,
        "/properties/why/type": 3,
        "/properties/answer": 4,
        "/properties/answer/const": 4,
    }
    assert sources["tools/look-up.json"].lines == {"": 2, "/type": 3}


def test_defaults(tmp_path: Path) -> None:
    """What a project does not say is what the documentation says."""
    project = load(write(tmp_path, triage=TASK), cpus=8)
    assert project.environment == "development"
    assert project.gateway == Gateway(
        Listen("127.0.0.1", 8400), 2, Limits(65536, 33554432, 16384, 10, 60, 120, 30, 30), "required"
    )
    assert project.control == Control(Listen("127.0.0.1", 8401))
    assert project.data == Data(f"{tmp_path}/.trimtab", 2592000, 0.05, 67108864, 2147483648, "chdb", None, 10000)
    assert project.defaults == Defaults(Deadlines(5, 120, 60, None), "full", "digest", Retry(3, resume=True))
    assert project.tasks["triage"] == Task("triage", "small", repetition="flag")
    small = project.models["small"]
    assert (small.wire, small.engine, small.probe_s, small.auth) == ("openai", "other", None, Auth("bearer"))
    assert load(tmp_path, cpus=1).gateway.workers == 1


def test_a_project_without_tasks(tmp_path: Path) -> None:
    """Tasks may come later: a model alone is a project."""
    assert load(write(tmp_path)).tasks == {}


def test_a_task_total_shorter_than_a_default(tmp_path: Path) -> None:
    """A task may set a total below the first-token default: only what is written together can contradict itself."""
    project = load(write(tmp_path, quick=f'{TASK}deadline = {{ total = "10s" }}'))
    assert project.tasks["quick"].deadline == Deadlines(5, 120, 60, 10)


def test_all_mistakes_at_once_and_in_order(tmp_path: Path) -> None:
    """Mistakes of all files come in one error, by file and line, and a broken file hides no other one's."""
    write(tmp_path, "[models.small\n", b=f"{TASK}x = 1\nclass = 2\n", a="model = 'small'\nretry = 5\n")
    (tmp_path / "tasks" / "a" / "prompt.md").write_text("hello")
    with pytest.raises(DeclarationError) as caught:
        load(tmp_path)
    assert [mistake.split(": ")[0] for mistake in caught.value.mistakes] == [
        "tasks/a/prompt.md:1",
        "tasks/a/task.toml:2",
        "tasks/b/task.toml:2",
        "tasks/b/task.toml:3",
        "trimtab.toml:1",
    ]
    told = str(caught.value).splitlines()
    assert told == [
        f"5 mistakes in {tmp_path}; mend what is listed and run `trimtab check` again:",
        *caught.value.mistakes,
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb == 2\n", 2),
        ("a = 1\n\na = 2\n", 3),
        ("[a]\n[a]\n", 2),
        ('a = "x', 1),
        ("a = [\n1,\n", 2),
        ("a = 1979-02-30\n", 1),
        ("\ufeffa = 1\nb\n", 2),
        ("a = " + "9" * 5000, 1),
        ("a = 1e999999999999999999999", 1),
        ("a = " + "[" * 3000, 1),
        ("a = 1\r\nb = \r\n", 2),
    ],
)
def test_syntax(tmp_path: Path, text: str, line: int) -> None:
    """A file that is no TOML is one mistake at the line where reading failed."""
    (tmp_path / "trimtab.toml").write_bytes(text.encode())
    [mistake] = read(tmp_path).mistakes
    assert (mistake.line, "TOML" in mistake.what) == (line, True)


def test_not_utf8(tmp_path: Path) -> None:
    """A file in another encoding is a mistake at the line of the first foreign byte."""
    write(tmp_path, triage=TASK)
    (tmp_path / "trimtab.toml").write_bytes(MODEL.encode() + b"# na\xefve")
    (tmp_path / "tasks" / "triage" / "prompt.md").write_bytes(b"system:\n\xff")
    assert list(map(str, read(tmp_path).mistakes)) == [
        "tasks/triage/prompt.md:2: byte 8 is not UTF-8; save the file as UTF-8",
        f"trimtab.toml:4: byte {len(MODEL) + 4} is not UTF-8; save the file as UTF-8",
    ]


def test_not_readable(tmp_path: Path) -> None:
    """A folder where a file should be is a mistake, not a traceback."""
    (tmp_path / "trimtab.toml").mkdir()
    (tmp_path / "tasks").write_text("")
    assert [(mistake.path, mistake.what) for mistake in read(tmp_path).mistakes] == [
        ("tasks", "the folder cannot be read (Not a directory)"),
        ("trimtab.toml", "the file cannot be read (Is a directory)"),
    ]


def test_what_the_system_does_not_open(tmp_path: Path) -> None:
    """A file that the system does not open is a mistake, whoever asks (a link to itself, so that root fails too)."""
    path = write(tmp_path) / "trimtab.toml"
    path.unlink()
    path.symlink_to(path)
    [mistake] = read(tmp_path).mistakes
    assert mistake.path == "trimtab.toml"
    assert mistake.what == "the file cannot be read (Too many levels of symbolic links)"


def test_too_large(tmp_path: Path) -> None:
    """A file of more than 1 MiB is refused unread."""
    (tmp_path / "trimtab.toml").write_bytes(b"#" * ((1 << 20) + 1))
    assert [mistake.what for mistake in read(tmp_path).mistakes] == ["the file is over 1048576 bytes"]


def test_a_mark_of_the_byte_order_is_passed_over(tmp_path: Path) -> None:
    """A byte order mark, which some editors write, is no mistake."""
    (tmp_path / "trimtab.toml").write_bytes(b"\xef\xbb\xbf" + MODEL.encode())
    assert read(tmp_path).mistakes == ()


def test_data_directory_of_a_broken_project(tmp_path: Path) -> None:
    """The data directory is known in spite of mistakes elsewhere, unless the file that names it is no TOML."""
    reading = read(write(tmp_path, f'{MODEL}[data]\ndirectory = "here"\nretention = 1\n'))
    assert (reading.project, reading.data_directory) == (None, tmp_path / "here")
    (tmp_path / "trimtab.toml").write_text("[data")
    assert read(tmp_path).data_directory is None
    assert read(tmp_path / "nowhere").data_directory is None


@given(st.binary(max_size=200))
@example(b"models.small = 1")
@example(b"[models.small]\nreplicas = 5\nprice = 1\ngpu = []")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    """No bytes in any file of a project can do more than be mistakes."""
    folder = tmp_path / "tasks" / "triage"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (tmp_path / "trimtab.toml", folder / "task.toml", folder / "prompt.md"):
        path.write_bytes(data)
    assert read(tmp_path).project is None


VALUES = """
1 -1 0.5 1e400 -inf nan true "" "x" [] [[]] {} [{}] {a=1} "1s" 2026-09-01 2026-09-01T00:00:00Z 00:00:00 "env:X"
"http://[::1" "http://a:b" "\\u0000" "http://u:p@h" 9223372036854775808 "\uff15s" "tasks/../x" [1,'a',{}] "clickhouse"
"""


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_value_at_any_key(whole: Path, data: st.DataObject) -> None:
    """Any value at any key of a valid project is either right or a mistake in that file."""
    text, file = data.draw(st.sampled_from([(WHOLE, "trimtab.toml"), (WHOLE_TASK, "tasks/triage/task.toml")]))
    lines = text.split("\n")
    places = [number for number, line in enumerate(lines) if " = " in line]
    number = data.draw(st.sampled_from(places))
    lines[number] = (
        lines[number].split(" = ")[0] + " = " + data.draw(st.sampled_from([*VALUES.split(), "0x" + "f" * 5000]))
    )
    (whole / file).write_text("\n".join(lines))
    reading = read(whole)
    assert (reading.project is None) == bool(reading.mistakes)
    assert all(mistake.path.endswith(".toml") for mistake in reading.mistakes)
    assert all(1 <= mistake.line <= len(lines) for mistake in reading.mistakes if mistake.path == file)
    (whole / file).write_text(text)


@pytest.mark.parametrize(
    "path", ["trimtab.toml", "tasks/triage/task.toml", "tasks/triage/prompt.md", "tools/refund.json", ".python-version"]
)
def test_pipe_keeps_nobody_waiting(tmp_path: Path, path: str) -> None:
    """A pipe, or a link to a device, in the place of a file is a mistake; nothing is read from it."""
    task = TASK + 'tools = ["refund"]\n' if path.startswith("tools") else TASK
    root = write(tmp_path, triage=task)
    for make in (os.mkfifo, lambda there: there.symlink_to("/dev/zero")):
        (root / path).unlink(missing_ok=True)
        (root / path).parent.mkdir(exist_ok=True)
        make(root / path)
        assert f"{path}:1: it is no plain file; make it a plain file that you may read" in map(str, read(root).mistakes)


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"\xff", "\\udcff"), (b"a\nb", "a\\nb"), (b"\xc3\xa9", "\u00e9")],
    ids=["bytes", "line", "letter"],
)
def test_name_of_a_file_is_told_in_one_line(tmp_path: Path, name: bytes, shown: str) -> None:
    """Names that are no text, and those that would make a line of their own, are escaped; others stay."""
    root = write(tmp_path)
    (root / "tasks" / os.fsdecode(name)).mkdir(parents=True)
    paths = {mistake.path for mistake in read(root).mistakes}
    assert paths == {f"tasks/{shown}/task.toml"}
    assert all(str(mistake).encode() for mistake in read(root).mistakes)
