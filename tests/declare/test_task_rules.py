"""Each rule of tasks: the line it is found on, what is said to be wrong and what to write instead.

In the texts, `#!` ends the line on which the one mistake must be reported.
"""

from pathlib import Path

import pytest

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare.load import read

MODELS = f'{MODEL}[models.large]\nmodel = "l"\nreplicas = ["http://b"]\n'


TASK_RULES = {
    "unknown key": (f"{TASK}modle = 1 #!", '"modle" is an unknown key', "did you mean model?"),
    "key elsewhere": (
        f"{TASK}temperature = 1 #!",
        '"temperature" is an unknown key',
        "it belongs in sampling.temperature",
    ),
    "planned budget": (f"{TASK}[budget.run] #!\ncalls = 1", '"budget" is not available yet', "take it out"),
    "no model": ('owner = "x" #!', "the file has no `model`", 'write model = "small"'),
    "unknown model": ('model = "smal" #!', 'there is no model "smal"', "did you mean small?"),
    "unknown model far off": (
        'model = "zzz" #!',
        'there is no model "zzz"',
        "declare [models.zzz] in trimtab.toml, or use large or small",
    ),
    "unknown fallback": (
        f'{TASK}fallback = [\n"large",\n"lagre", #!\n]',
        'there is no model "lagre"',
        "did you mean large?",
    ),
    "fallback to itself": (
        f'{TASK}fallback = ["large",\n"small"] #!',
        "small is the task's model already",
        "take it out",
    ),
    "fallback twice": (f'{TASK}fallback = ["large",\n"large"] #!', 'fallback has "large" twice', "keep one"),
    "class": (f'{TASK}class = "batch" #!', 'class is "batch"', 'write "background" or "interactive"'),
    "owner": (f'{TASK}owner = "a\\nb" #!', "owner is empty, longer than 1,000 characters or not printable", "one line"),
    "digest": (
        f'{TASK}match = {{ system_prompt = "abc" }} #!',
        'match.system_prompt[0] is "abc", not a digest',
        "sha256:",
    ),
    "match key": (f'{TASK}match = {{ keys = ["A"] }} #!', 'match.keys[0] is "A", not a name', "a-z"),
    "temperature": (
        f"{TASK}sampling = {{ temperature = 2.1 }} #!",
        "sampling.temperature is 2.1, not a number from 0 to 2",
        "bounds",
    ),
    "temperature as text": (
        f"{TASK}sampling.temperature = 'hot' #!",
        'sampling.temperature is "hot", not a number',
        "without",
    ),
    "temperature not a number": (
        f"{TASK}sampling.temperature = nan #!",
        "sampling.temperature is not a number",
        "finite",
    ),
    "top_p": (f"{TASK}sampling = {{ top_p = 0 }} #!", "sampling.top_p is 0, not a number above 0", "bounds"),
    "output tokens": (f"{TASK}sampling = {{ max_output_tokens = 0 }} #!", "sampling.max_output_tokens is 0", "bounds"),
    "seed": (f"{TASK}sampling = {{ seed = 0.5 }} #!", "sampling.seed is 0.5, not a whole number", "bounds"),
    "stop": (f"{TASK}sampling = {{ stop = 1 }} #!", "sampling.stop[0] is 1", "1 to 1,000 characters"),
    "empty stop": (f"{TASK}sampling = {{ stop = [] }} #!", "sampling.stop is empty", 'stop = ["END"]'),
    "too many stops": (
        f"{TASK}sampling = {{ stop = [{', '.join(map(repr, 'abcdefghijklmnopq'))}] }} #!",
        "sampling.stop has 17 elements",
        "at most 16",
    ),
    "attempts": (
        f"{TASK}retry = {{ attempts = 0 }} #!",
        "retry.attempts is 0, not a whole number from 1 to 10",
        "bounds",
    ),
    "redaction": (f'{TASK}redaction = "all" #!', 'redaction is "all"', '"digest", "full", "none" or "preview"'),
    "deadline": (f'{TASK}deadline = {{ gap = "1 s" }} #!', 'deadline.gap is "1 s", not a duration', "5s"),
    "total before connect": (
        f'{TASK}[deadline]\nconnect = "5s"\ntotal = "4999ms" #!',
        "deadline.total is shorter than deadline.connect",
        "a total of 5s or more",
    ),
    "unknown goal": (
        f'{TASK}[objective]\nttfb_p95 = "1s" #!',
        '"objective.ttfb_p95" is an unknown key',
        "<measure>_p<N>",
    ),
    "goal beyond": (
        f'{TASK}[objective]\nttft_p100 = "1s" #!',
        '"objective.ttft_p100" is an unknown key',
        "<measure>_p<N>",
    ),
    "goal with a bare point": (
        f'{TASK}[objective]\nttft_p99.9 = "1s" #!',
        "objective.ttft_p99 is a table",
        'in quotes, such as "ttft_p99.9" = "2s"',
    ),
    "goal's limit": (f"{TASK}[objective]\nttft_p95 = 800 #!", "objective.ttft_p95 is 800, not a duration", "ms"),
    "success": (
        f"{TASK}[objective]\nsuccess = 99.5 #!",
        "objective.success is 99.5, not a number from 0 to 1",
        "bounds",
    ),
    "window": (f'{TASK}[objective]\nwindow = "28" #!', 'objective.window is "28", not a duration', "d"),
}


@pytest.mark.parametrize(("text", "what", "instead"), TASK_RULES.values(), ids=TASK_RULES.keys())
def test_task_rule(tmp_path: Path, text: str, what: str, instead: str) -> None:
    """One mistake in a `task.toml` gives one message, at its line, that says what to write."""
    [mistake] = read(write(tmp_path, MODELS, triage=text)).mistakes
    assert (mistake.path, mistake.line) == ("tasks/triage/task.toml", marked(text)), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake


def test_a_task_of_a_project_without_models(tmp_path: Path) -> None:
    """Where no model is declared, that of a task is still a mistake with its line, and no other is offered."""
    write(tmp_path, "", a=TASK)
    assert list(map(str, read(tmp_path).mistakes)) == [
        'tasks/a/task.toml:1: there is no model "small"; declare [models.small] in trimtab.toml',
        'trimtab.toml:1: no model is declared; write [models.small] with model = "Qwen/Qwen3-8B" and '
        'replicas = ["http://127.0.0.1:8000"]',
    ]


def test_two_tasks_with_one_key(tmp_path: Path) -> None:
    """A client key may belong to one task only; the later task is told."""
    match = 'match = { keys = ["app"] }\n'
    [mistake] = read(write(tmp_path, a=TASK + match, b=f"{TASK}\n{match}")).mistakes
    assert str(mistake) == 'tasks/b/task.toml:3: the key "app" is claimed by a too; keep one of them'


def test_two_tasks_with_one_system_prompt(tmp_path: Path) -> None:
    """A system prompt may belong to one task only."""
    match = f'match = {{ system_prompt = "sha256:{"0" * 64}" }}\n'
    [mistake] = read(write(tmp_path, a=TASK + match, b=TASK + match)).mistakes
    assert (mistake.path, mistake.line) == ("tasks/b/task.toml", 2)
    assert mistake.what.startswith('the system prompt "sha256:000')
    assert mistake.what.endswith("is claimed by a too")


def test_task_called_like_a_model(tmp_path: Path) -> None:
    """A task may not bear a model's name, and the message says why."""
    [mistake] = read(write(tmp_path, small=TASK)).mistakes
    assert (mistake.path, mistake.line) == ("tasks/small/task.toml", 1)
    assert "a call's `model` field could mean either" in mistake.what


def test_task_folder_without_a_file(tmp_path: Path) -> None:
    """A folder below `tasks` is a task and needs its file; hidden ones and plain files are passed over."""
    (tmp_path / "tasks" / "triage").mkdir(parents=True)
    (tmp_path / "tasks" / ".cache").mkdir()
    (tmp_path / "tasks" / "README.md").write_text("")
    assert list(map(str, read(write(tmp_path)).mistakes)) == [
        'tasks/triage/task.toml:1: there is no such file; write it, with at least model = "..."'
    ]


def test_task_folder_with_a_bad_name(tmp_path: Path) -> None:
    """The folder's name is the task's, and must be one."""
    [mistake] = read(write(tmp_path, **{"Tri age": TASK})).mistakes
    assert str(mistake).startswith('tasks/Tri age/task.toml:1: the folder "Tri age" is not a name; use')


def test_too_many_tasks(tmp_path: Path) -> None:
    """There may be 1,000 tasks; more are a mistake."""
    for number in range(1001):
        (tmp_path / "tasks" / f"t{number:04}").mkdir(parents=True)
    mistakes = read(write(tmp_path)).mistakes
    assert str(mistakes[0]) == "tasks:1: there are 1001 tasks; declare at most 1000"
    assert len(mistakes) == 1001
