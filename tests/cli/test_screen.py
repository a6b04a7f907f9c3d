"""What the verbs share in speaking to a person: the last line, which has to work where it is copied."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import trimtab.cli
from tests.declare.projects import MODEL, TASK, write
from trimtab.cli import run, verbs
from trimtab.cli.screen import PROJECT, next_verb

LEAST_LINES = 60
"""As many commands are named by next lines at least; fewer would mean that they are not found."""
NAMED = re.compile(r"trimtab [a-z]")
WITHOUT = {"trimtab export grafana"}
"""Commands of ours that read no project."""


def said(*given: str, verbs: tuple[str, ...], once: str = "") -> str:
    """The last line of a verb that was given this."""

    @click.command()
    @PROJECT
    def verb(project: Path) -> None:
        next_verb(*verbs, once=once)

    return CliRunner().invoke(verb, given, catch_exceptions=False).output.strip()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((), "Next: trimtab report --since 1h"),
        (("--project", "."), "Next: trimtab report --since 1h"),
        (("--project", "shop/a"), "Next: trimtab report --since 1h --project shop/a"),
        (("--project", "my shop; x"), "Next: trimtab report --since 1h --project 'my shop; x'"),
    ],
)
def test_the_project_is_repeated(given: tuple[str, ...], line: str) -> None:
    """A project that was given is in the command that follows, as a shell reads it."""
    assert said(*given, verbs=("trimtab report --since 1h",)) == line


def test_the_project_is_in_every_command() -> None:
    """Of several each has it; what is no command of ours has not, nor twice what has it already."""
    shop = ("--project", "shop")
    told = said(*shop, verbs=("trimtab check", "trimtab lock"))
    assert told == "Next: trimtab check --project shop, then trimtab lock --project shop"
    told = said(*shop, verbs=("trimtab lock --live",), once="once you know why")
    assert told == "Next: trimtab lock --live --project shop, once you know why"
    assert said(*shop, verbs=("promtool check rules x.yml",)) == "Next: promtool check rules x.yml"
    assert said(*shop, verbs=("trimtab check --project other",)) == "Next: trimtab check --project other"


def test_whoever_is_named_next_takes_a_project() -> None:
    """Every command of ours that a file of a verb names takes --project, and stands alone in its text."""
    named = sorted(set(_named()))
    assert len(named) >= LEAST_LINES
    for words in named:
        assert ", then" not in words
        for path, command in _commands(words):
            assert path in WITHOUT or any("--project" in one.opts for one in command.params), (words, path)


def _named() -> Iterator[str]:
    """The beginnings of texts that begin with `trimtab `, up to what is filled in."""
    for file in sorted(Path(trimtab.cli.__path__[0]).glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if "next_verb" not in ast.dump(tree):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.match(node.value):
                yield node.value


def _commands(words: str) -> Iterator[tuple[str, Any]]:
    """The command that words name, or all that their beginning may become."""
    path, found = "trimtab", verbs
    for word in words.split()[1:]:
        inner = found.get_command(click.Context(found), word) if isinstance(found, click.Group) else None
        if inner is None:
            break
        path, found = f"{path} {word}", inner
    if isinstance(found, click.Group) and not found.invoke_without_command:
        for name in found.list_commands(click.Context(found)):
            yield from _commands(f"{path} {name}")
    else:
        yield path, found


@pytest.mark.parametrize(
    ("typed", "status", "told"),
    [("", 2, "nobody is there to be asked; say --yes"), ("n\n", 130, "It does not come back")],
)
def test_who_must_be_asked_is_not_there(
    typed: str, status: int, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a script that asks nobody, the option that answers is named; a no is a no, and ends it as well."""
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert run(["erase", "zoe", "--project", "nowhere"]) == status
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("signals triag", "this project declares no task triag; did you mean triage?"),
        ("report --task zzz", "this project declares no task zzz; `trimtab check` lists those there are"),
        ("calls tail --task triag", "this project declares no task triag; did you mean triage?"),
        ("signals triage", ""),
        ("report --task (undeclared)", ""),
    ],
)
def test_a_task_that_nobody_declared(verb: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is found of a task that the project does not have, the name is told, and what was meant."""
    write(tmp_path, triage=TASK, toml=MODEL + '[gateway]\nkeys = "open"\n')
    assert run([*verb.split(), "--project", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert told in said
    assert bool(told) == ("declares no task" in said)
