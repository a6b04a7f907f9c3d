"""Suites: what the short form stands for, what each rule says is wrong and on which line."""

import hashlib
from pathlib import Path

import pytest

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare import paths
from trimtab.declare.evaluating import Evals, Online, Schedule, Scorer
from trimtab.declare.evaluations import needs_expected
from trimtab.declare.load import load, read
from trimtab.declare.scorers import short_form
from trimtab.declare.values import Wrong

SHORT = {
    "exact": Scorer("exact", "exact"),
    "normalised": Scorer("normalised", "normalised"),
    "numeric": Scorer("numeric", "numeric"),
    "numeric:order.total": Scorer("numeric:order.total", "numeric", field="order.total"),
    "regex:^[A-Z]{3}:\\d|x$": Scorer("regex:^[A-Z]{3}:\\d|x$", "regex", pattern="^[A-Z]{3}:\\d|x$"),
    "json": Scorer("json", "json"),
    "json:label": Scorer("json:label", "json", field="label"),
    "schema": Scorer("schema", "schema"),
    "tool_call": Scorer("tool_call", "tool_call"),
    "contains": Scorer("contains", "contains"),
    "contains:we are sorry": Scorer("contains:we are sorry", "contains", pattern="we are sorry"),
    "contains:a|b|reply.text": Scorer("contains:a|b|reply.text", "contains", pattern="a|b", field="reply.text"),
    "cites": Scorer("cites", "cites"),
    "python:checks/score.py:mark": Scorer(
        "python:checks/score.py:mark", "python", file="checks/score.py", function="mark"
    ),
    "latency": Scorer("latency", "latency"),
    "cost": Scorer("cost", "cost"),
}
"""Short forms and what they stand for, written by hand."""


@pytest.mark.parametrize("text", SHORT)
def test_short_form(text: str) -> None:
    """A word and what it needs is a scorer, which is called what is written."""
    assert short_form(text) == SHORT[text]


NOT_SHORT = {
    "exakt": "did you mean exact",
    "exact:label": "exact is told nothing",
    "regex": "write regex:PATTERN",
    "regex:": "cut short",
    "regex:(": "no regular expression",
    "json:a..b": "not a path",
    "contains:|reply": "cut short",
    "contains:x|": "cut short",
    "python:score.py": "not a file and a function",
    "python:../score.py:mark": "not the path of a file in the project",
    "python:score.py:1": "not the name of a function",
    "rubric": 'write { kind = "rubric"',
    "schema:x": "schema is told nothing",
    "": "not printable",
}


@pytest.mark.parametrize("text", NOT_SHORT)
def test_what_is_no_short_form(text: str) -> None:
    """Anything else is refused with what to write."""
    with pytest.raises(Wrong) as wrong:
        short_form(text)
    assert NOT_SHORT[text] in f"{wrong.value.what}; {wrong.value.instead}"


def test_the_short_suite(tmp_path: Path) -> None:
    """A suite in one line says all that it must."""
    suite = 'evals = { cases = "cases.jsonl", samples = 5, scorers = ["exact", "json:label"], margin = 0.03 }\n'
    write(tmp_path, MODEL, triage=TASK + suite)
    (tmp_path / "tasks" / "triage" / "cases.jsonl").write_text('{"inputs": {}}\n')
    assert load(tmp_path).tasks["triage"].evals == Evals(
        cases="tasks/triage/cases",
        samples=5,
        scorers=(Scorer("exact", "exact"), Scorer("json:label", "json", field="label")),
        margin=0.03,
    )


LONG = """
[evals]
cases = "tickets"
group = "inputs.customer"
seed = 7
concurrency = 4
alpha = 0.1
power = 0.9
budget_usd = 2.5
slices.long = "inputs.ticket | length > 400"
guards = { length = 0.2, parse_rate = 0 }
schedule = { every = "30m", cases = 10, canaries = "tasks/triage/cases", false_alarms = 1, calls_a_day = 100 }
online = { sample = 0.1, calls_a_day = 50 }

[[evals.scorers]]
kind = "tool_call"
tool = "refund"
arguments = ["order", "amount"]
critical = true

[[evals.scorers]]
kind = "python"
file = "score.py"
function = "mark"
margin = 0.1

[[evals.scorers]]
kind = "rubric"
name = "helpful"
model = "small"
question = \"\"\"
Is it solved?
Say so.\"\"\"
labels = "people"
"""


def test_the_long_suite(tmp_path: Path) -> None:
    """Tables say all that there is to say; a Python scorer has the digest of its file."""
    write(tmp_path, MODEL, triage=TASK + LONG)
    folder = tmp_path / "tasks" / "triage"
    (folder / "cases.jsonl").write_text("")
    (folder / "score.py").write_bytes(b"def mark(): ...")
    (tmp_path / "data").mkdir()
    for name in ("tickets", "people"):
        (tmp_path / "data" / f"{name}.json").write_text(f'{{"digest": "sha256:{"0" * 64}"}}')
    digest = hashlib.sha256(b"def mark(): ...").hexdigest()
    assert load(tmp_path).tasks["triage"].evals == Evals(
        cases="tickets",
        scorers=(
            Scorer("tool_call:refund", "tool_call", tool="refund", arguments=("order", "amount"), critical=True),
            Scorer("python:mark", "python", file="tasks/triage/score.py", function="mark", digest=digest, margin=0.1),
            Scorer("helpful", "rubric", model="small", question="Is it solved?\nSay so.", labels="people"),
        ),
        seed=7,
        concurrency=4,
        group="inputs.customer",
        slices={"long": "inputs.ticket | length > 400"},
        guards={"parse_rate": 0.0, "length": 0.2},
        alpha=0.1,
        power=0.9,
        budget_usd=2.5,
        schedule=Schedule(1800.0, 10, "tasks/triage/cases", 1.0, 100),
        online=Online(0.1, 50),
    )


def test_no_suite(tmp_path: Path) -> None:
    """A task that says nothing of it has none."""
    assert load(write(tmp_path, MODEL, triage=TASK)).tasks["triage"].evals is None


def suite(text: str) -> str:
    return f'{TASK}[evals]\nscorers = ["exact"]\n{text}'


def scorer(text: str) -> str:
    return f"{TASK}[[evals.scorers]]\n{text}"


RULES = {
    "no scorers": (f"{TASK}evals = {{}} #!", "evals.scorers has none", 'write scorers = ["exact"]'),
    "empty scorers": (f"{TASK}evals.scorers = [] #!", "evals.scorers has none", 'write scorers = ["exact"]'),
    "unknown scorer": (
        f'{TASK}evals.scorers = ["exact",\n"jsn:label"] #!',
        'evals.scorers[1] is "jsn:label", not a scorer',
        "did you mean json:FIELD?",
    ),
    "two of a name": (f'{TASK}evals.scorers = ["exact",\n"exact"] #!', 'two scorers are called "exact"', "name of its"),
    "no kind": (
        scorer('name = "a"').replace("[[evals.scorers]]", "[[evals.scorers]] #!"),
        "evals.scorers[0] has no `kind`",
        'write kind = "exact"',
    ),
    "unknown kind": (scorer('kind = "exakt" #!'), 'evals.scorers[0].kind is "exakt"', 'write "exact"'),
    "key of another kind": (
        scorer('kind = "exact"\ntolerance = 1 #!'),
        "evals.scorers[0].tolerance is nothing that exact is told",
        "it takes critical, expected, field, margin or name",
    ),
    "no pattern": (
        scorer('kind = "regex"').replace("[[evals.scorers]]", "[[evals.scorers]] #!"),
        "the scorer regex has no pattern",
        "write pattern",
    ),
    "critical latency": (scorer('kind = "latency"\ncritical = true #!'), "evals.scorers[0].critical", "take it"),
    "margin of a score": (scorer('kind = "exact"\nmargin = 1.5 #!'), "evals.scorers[0].margin is 1.5", "bounds"),
    "no such judge": (
        scorer('kind = "rubric"\nquestion = "?"\nmodel = "smal" #!'),
        'there is no model "smal"',
        "did you mean small?",
    ),
    "no such labels": (
        scorer('kind = "rubric"\nquestion = "?"\nmodel = "small"\nlabels = "people" #!'),
        'there is no data set "people"',
        "write data/people.json",
    ),
    "no such file": (
        scorer('kind = "python"\nfunction = "f"\nfile = "score.py" #!'),
        'the scorer\'s file is "tasks/triage/score.py", and there is no such file',
        "put it there",
    ),
    "no such file in short": (
        f'{TASK}evals.scorers = ["exact",\n"python:checks/score.py:f"] #!',
        'the scorer\'s file is "checks/score.py", and there is no such file',
        "put it there",
    ),
    "no such cases": (suite('cases = "cases.jsonl" #!'), 'there is no data set "tasks/triage/cases"', "write tasks/"),
    "no such set": (suite('cases = "tickets" #!'), 'there is no data set "tickets"', "write data/tickets.json"),
    "cases of a path": (suite('cases = "data/tickets.jsonl" #!'), 'evals.cases is "data/tickets.jsonl"', "NAME"),
    "no such canaries": (suite('schedule = { canaries = "known" } #!'), 'there is no data set "known"', "write data/"),
    "samples": (suite("samples = 0 #!"), "evals.samples is 0", "bounds"),
    "alpha": (suite("alpha = 0 #!"), "evals.alpha is 0, not a number from 0.001 to 0.5", "bounds"),
    "a guard that is none": (suite("guards = { speed = 1 } #!"), '"evals.guards.speed" is an unknown key', "known"),
    "a slice that is none": (
        suite('slices = { long = "length > 3" } #!'),
        'evals.slices.long is a condition on "length", which is not known of a call',
        "use expected, id",
    ),
    "a group that is none": (suite('group = "a..b" #!'), 'evals.group is "a..b", not a path', "order.items[0].price"),
    "an hour too short": (suite('schedule.every = "10s" #!'), 'evals.schedule.every is "10s"', "60s"),
    "online without expectations": (
        suite("online = { sample = 0.5 } #!"),
        "evals.online has nothing to score with",
        "schema",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "what", "instead"), RULES.values(), ids=RULES.keys())
def test_suite_rule(tmp_path: Path, text: str, what: str, instead: str) -> None:
    """One mistake in a suite gives one message, at its line, that says what to write."""
    [mistake] = read(write(tmp_path, MODEL, triage=text)).mistakes
    assert (mistake.path, mistake.line) == ("tasks/triage/task.toml", marked(text)), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake


def test_what_needs_an_expected_answer() -> None:
    """A comparison does, and what looks at the answer alone does not."""
    assert needs_expected(short_form("json:label"))
    assert needs_expected(short_form("contains"))
    assert not needs_expected(short_form("contains:sorry"))
    assert not needs_expected(short_form("schema"))
    assert not needs_expected(Scorer("better", "pairwise", model="small", question="?"))


PATHS = {
    "": ({"a": 1}, {"a": 1}),
    "$": ([1], [1]),
    "a.b": ({"a": {"b": None}}, None),
    "$.a[1].b": ({"a": [0, {"b": "x"}]}, "x"),
    "[1]": ([5, 6], 6),
    '["a.b"].c': ({"a.b": {"c": 2}}, 2),
    "$schema": ({"$schema": 3}, 3),
    "a[2]": ({"a": [1]}, paths.MISSING),
    "a.b.c": ({"a": "text"}, paths.MISSING),
    "0": ([7], paths.MISSING),
}
"""Paths, a value, and what lies there: worked out by hand."""


@pytest.mark.parametrize("path", PATHS)
def test_paths(path: str) -> None:
    """A path leads to what lies there, which may be null, or to nothing."""
    value, found = PATHS[path]
    assert paths.value_at(value, path) is found or paths.value_at(value, path) == found


@pytest.mark.parametrize("path", [".a", "a..b", "a.", "a[x]", "a[01]", "$.", "a[-1]", "a" * 201, ".".join("a" * 33)])
def test_what_is_no_path(path: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="is no path"):
        paths.steps(path)
