"""The list of keys, the readers and the documentation say the same."""

import json
import re
from pathlib import Path

import pytest

from tests.declare.projects import MODEL, TASK, write
from trimtab.declare import templates
from trimtab.declare.keys import (
    DATA_KEYS,
    DEPENDENCIES_DEFAULT,
    ENGINE_DEFAULT,
    PROJECT_KEYS,
    PROJECT_PLANNED,
    PYTHON_DEFAULT,
    REQUIRED,
    TASK_KEYS,
    TASK_PLANNED,
    TOOL_KEYS,
    Key,
)
from trimtab.declare.load import load, read

DOCUMENT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
PROSE = {
    REQUIRED, "none", "empty", "not priced", "the client's", "always", "the system's", "that of output", ENGINE_DEFAULT,
    "must be given for azure", "must be given for aws", "the environment's", DEPENDENCIES_DEFAULT, PYTHON_DEFAULT,
    "not checked", "no limit", "must be given for summarise",
    "must be given with a judge",
    "every field", "every task", "by the signal", "those of the owner",
    "what it would be in its short form", "the whole answer", "the scorer's field", "every tool", "every argument",
    "every tool that does not only read", "never", "the same",
    "evals.margin", "the task's cases.jsonl", "each case by itself", "not held",
}  # fmt: skip
"""Defaults that are not values."""
AWS = 'auth.kind = "aws"\nauth.region = "eu-central-1"\n'
SUMMARISE = 'context.strategy = "summarise"\ncontext.model = "small"\ncontext.max_input_tokens = 999\n'
JUDGED = 'completion.judge = "small"\ncompletion.question = "Is it done?"\n'
ONLINE = 'evals.scorers = ["schema"]\nevals.online.'
WITH = {
    "models.<name>.grammar": 'engine = "vllm"\n',
    "models.<name>.auth.service": AWS,
    "models.<name>.metrics_every": "metrics = true\n",
    "output.on_invalid": 'output.schema = "s.json"\n',
    "output.repairs": 'output.schema = "s.json"\noutput.on_invalid = "repair"\n',
    "output.confidence": 'output.schema = "s.json"\n',
    "context.summary_tokens": SUMMARISE,
    "completion.sample": JUDGED,
    "completion.quiet": 'completion.feedback = "thumbs"\n',
    "completion.calls_a_day": JUDGED,
    "tool_calls.repairs": 'tool_calls.on_invalid = "repair"\n',
    **dict.fromkeys(
        [f"evals.{key}" for key in ("samples", "margin", "seed", "concurrency", "alpha", "power")],
        'evals.scorers = ["exact"]\n',
    ),
    "evals.scorers.tolerance": 'evals.scorers.kind = "numeric"\n',
    "evals.scorers.relative": 'evals.scorers.kind = "numeric"\n',
    "evals.scorers.critical": 'evals.scorers.kind = "exact"\n',
    **dict.fromkeys(
        [f"evals.schedule.{key}" for key in ("every", "cases", "false_alarms", "calls_a_day")],
        'evals.scorers = ["exact"]\nevals.schedule.canaries = "tasks/triage/cases"\n',
    ),
    "review.roles": 'review.tools = ["refund"]\n',
    "review.otherwise": 'review.expires = "1h"\n',
    **dict.fromkeys(
        [f"review_sample.{key}" for key in ("reviewers", "runs_a_day", "question")], "review_sample.share = 0.5\n"
    ),
    "evals.online.sample": ONLINE + "calls_a_day = 1000\n",
    "evals.online.calls_a_day": ONLINE + "sample = 0.01\n",
}
"""What a key needs beside it."""
RULE = 'signal = "ttft"\n{rule}.above = "1s"\n'
BEFORE = {
    f"{rule}.{key}": f"{rule.replace('<name>', 'small')}.{RULE.format(rule=rule.replace('<name>', 'small'))}"
    for rule in ("alerts.rules.<name>", "alerts.<name>")
    for key in ("drift", "burn", "window", "by", "severity", "off")
}
"""What stands in the same table before it."""


def documented(part: str) -> list[Key]:
    return [Key(*row) for row in ROW.findall(part)]


def test_every_key_is_documented() -> None:
    """The tables of the documentation hold exactly the keys of the code: form, default and meaning too."""
    project, rest = DOCUMENT.split("## tasks/NAME/task.toml")
    task, rest = rest.split("## tools/NAME.json")
    tool, data = rest.split("## data/NAME.json")
    assert documented(project) == list(PROJECT_KEYS)
    assert sorted(documented(task)) == sorted(TASK_KEYS)
    assert documented(tool) == list(TOOL_KEYS)
    assert documented(data) == list(DATA_KEYS)


def test_every_planned_key_is_documented() -> None:
    """What is not available yet is listed as such, and nothing else is."""
    project, task = re.findall(r"^- in `[a-z]+\.toml`: (.*)$", DOCUMENT, re.MULTILINE)
    assert re.findall(r"`([a-z.]+)`", project) == list(PROJECT_PLANNED)
    assert re.findall(r"`([a-z.]+)`", task) == list(TASK_PLANNED)


def test_every_filter_is_documented() -> None:
    """The filters of prompts are those in the documentation."""
    listed = set(re.findall(r"`([a-z]+)`", DOCUMENT.partition("\nFilters: ")[2]))
    assert listed == {*templates.STANDARD_FILTERS.split(), *templates.OWN_FILTERS} - {templates.STEPS, templates.METHOD}


def wrong(key: Key) -> str:
    """A value that no reader of this key takes."""
    return "0.5" if key.form == "true, false" else "[]" if key.form == "text, number, true, false" else "true"


NAMED = {
    "<name>": "small",
    "<measure>_p<N>": "ttft_p95",
    "<input>": "ticket",
    "<variable>": "CUDA_VISIBLE_DEVICES",
    "<file>": "model",
    "<owner>": "team",
    "<setting>": "ef",
}


def in_toml(path: str, value: str) -> str:
    for pattern, name in NAMED.items():
        path = path.replace(pattern, name)
    return f"{path} = {value}\n"


@pytest.mark.parametrize("key", PROJECT_KEYS, ids=lambda key: key.path)
def test_every_project_key_is_read(tmp_path: Path, key: Key) -> None:
    """No key is passed over: a value of the wrong kind is a mistake at its line, whatever the key."""
    toml = in_toml(key.path, wrong(key)) + in_toml("models.<name>.other", "true")
    [first, *_] = read(write(tmp_path, toml)).mistakes
    assert (first.line, "unknown" in first.what) == (1, False), first


@pytest.mark.parametrize("key", TASK_KEYS, ids=lambda key: key.path)
def test_every_task_key_is_read(tmp_path: Path, key: Key) -> None:
    """The same for tasks."""
    [first, *_] = read(write(tmp_path, MODEL, triage=in_toml(key.path, wrong(key)))).mistakes
    assert (first.line, "unknown" in first.what) == (1, False), first


def in_json(path: str, value: object) -> dict[str, object]:
    for part in reversed(path.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("key", [key for key in TOOL_KEYS if key.form != "any JSON"], ids=lambda key: key.path)
def test_every_tool_key_is_read(tmp_path: Path, key: Key) -> None:
    """The same for tools."""
    write(tmp_path, MODEL, triage=f'{TASK}tools = ["a"]')
    (tmp_path / "tools").mkdir()
    tool = {"description": "d", "input_schema": {"type": "object"}, "effect": "read", **in_json(key.path, True)}
    (tmp_path / "tools" / "a.json").write_text(json.dumps(tool))
    found = [mistake.what for mistake in read(tmp_path).mistakes]
    assert any(what.startswith(f"{key.path} is ") for what in found), found
    assert not any("unknown" in what for what in found), found


@pytest.mark.parametrize("key", DATA_KEYS, ids=lambda key: key.path)
def test_every_key_of_a_data_set_is_read(tmp_path: Path, key: Key) -> None:
    """The same for data sets."""
    write(tmp_path, MODEL)
    (tmp_path / "data").mkdir()
    manifest = {"digest": f"sha256:{'0' * 64}", **in_json(key.path, True)}
    (tmp_path / "data" / "a.json").write_text(json.dumps(manifest))
    found = [mistake.what for mistake in read(tmp_path).mistakes]
    assert any(what.startswith(f"{key.path} is ") for what in found), found
    assert not any("unknown" in what for what in found), found


def literal(key: Key) -> str:
    is_bare = key.default.replace(".", "", 1).isdigit() or key.default in {"true", "false"}
    return key.default if is_bare else f'"{key.default}"'


def stated(keys: tuple[Key, ...]) -> list[Key]:
    return [key for key in keys if key.default not in PROSE and "," not in key.default and ";" not in key.default]


@pytest.mark.parametrize("key", stated(PROJECT_KEYS), ids=lambda key: key.path)
def test_project_defaults_are_true(tmp_path: Path, key: Key) -> None:
    """Writing a key with its documented default changes nothing."""
    priced = MODEL + "price.input = 1\nprice.output = 1\n" + WITH.get(key.path, "")
    priced = BEFORE.get(key.path, "") + priced
    base = load(write(tmp_path, priced))
    of_model = key.path.removeprefix("models.<name>.")
    toml = (
        in_toml(key.path, literal(key)) + priced if of_model == key.path else priced + in_toml(of_model, literal(key))
    )
    (tmp_path / "trimtab.toml").write_text(toml)
    assert load(tmp_path) == base


@pytest.mark.parametrize("key", stated(TASK_KEYS), ids=lambda key: key.path)
def test_task_defaults_are_true(tmp_path: Path, key: Key) -> None:
    """The same for tasks; a default that is another key is that key's value."""
    defaults = {
        f"defaults.{each.path.partition('.')[2]}": each for each in PROJECT_KEYS if each.path.startswith("defaults.")
    }
    source = defaults.get(key.default, key)
    task = BEFORE.get(key.path, "") + TASK + WITH.get(key.path, "")
    write(tmp_path, MODEL, triage=task)
    (tmp_path / "tasks" / "triage" / "s.json").write_text("{}")
    (tmp_path / "tasks" / "triage" / "cases.jsonl").write_text("{}")
    base = load(tmp_path)
    if source.default.startswith("none"):
        assert base.tasks["triage"].deadline.total_s is None
        return
    (tmp_path / "tasks" / "triage" / "task.toml").write_text(in_toml(key.path, literal(source)) + task)
    assert load(tmp_path) == base
