"""The command as a whole: help, unknown verbs, exit statuses and how fast it starts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from tests.declare.projects import MODEL, TASK, write
from trimtab import __version__
from trimtab.cli import VERBS, run

HEAVY = (
    "rich",
    "jinja2",
    "msgspec",
    "asyncio",
    "chdb",
    "clickhouse_connect",
    "numpy",
    "starlette",
    "uvloop",
    "http.client",
)


def trimtab(*arguments: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *flags, "-m", "trimtab", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """The help shows each verb with its line and the exit statuses."""
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, verb in VERBS.items():
        assert f"  {name} " in shown
        assert verb.help in shown
    assert "Exit status: 0 done" in shown


def test_help_loads_nothing_heavy() -> None:
    """`trimtab --help` imports none of the modules that would make it slow; `bench startup` has its time."""
    told = trimtab("--help", flags=("-X", "importtime"))
    loaded = {line.rpartition("|")[2].strip() for line in told.stderr.splitlines()}
    assert "trimtab.cli" in loaded
    assert not loaded & set(HEAVY)


def leaves(command: click.Command) -> Iterator[click.Command]:
    """A command, or those of a group, however deep."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from leaves(each)
    else:
        yield command


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_loads(verb: str) -> None:
    """Each verb's module has a command whose help says its exit statuses; those that report take --json."""
    command = import_module(VERBS[verb].module).command
    assert isinstance(command, click.Command)
    for each in leaves(command):
        assert each.help
        assert any("--json" in parameter.opts for parameter in each.params), f"{verb} {each.name}"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is the package's."""
    assert run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_unknown_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown verb is status 2, and the nearest one is named."""
    assert run(["chek"]) == 2
    assert "there is no verb 'chek'; did you mean check?" in capsys.readouterr().err
    assert run(["zzz"]) == 2
    assert "`trimtab --help` lists them" in capsys.readouterr().err


def test_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown option is status 2 and leaves standard output alone."""
    assert run(["check", "--jsn"]) == 2
    caught = capsys.readouterr()
    assert (caught.out, "--json" in caught.err) == ("", True)


def test_failures_are_told_without_a_traceback(tmp_path: Path) -> None:
    """An error of ours is status 1, one message on standard error and nothing on standard output."""
    (tmp_path / "file").write_text("")
    told = trimtab("key", "list", "--data", str(tmp_path / "file" / "data"))
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("trimtab: The store ")
    assert "Traceback" not in told.stderr


def test_no_colour_when_piped(tmp_path: Path) -> None:
    """Output that is piped has no escape sequences, even where a terminal is promised."""
    write(tmp_path)
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    told = subprocess.run(
        [sys.executable, "-m", "trimtab", "check", "--project", tmp_path],
        env=environment,
        capture_output=True,
        check=True,
    )
    assert b"\x1b" not in told.stdout


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    """When the reader goes away, the command ends without a word."""
    write(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "trimtab", "check", "--project", tmp_path]
    told = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert b"Traceback" not in told.stderr


@pytest.mark.parametrize(
    "verb", ["up", "status", "calls tail", "runs list", "reviews list", "data snapshot tasks/b/cases"]
)
def test_a_data_directory_that_cannot_be_is_told(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a file is in the way of the data directory, every verb names it and what to do, without a traceback."""
    write(tmp_path, MODEL + '[gateway]\nkeys = "open"\n[data]\ndirectory = "taken/data"\n', b=TASK)
    (tmp_path / "tasks" / "b" / "cases.jsonl").write_text('{"inputs": {}}\n')
    (tmp_path / "taken").write_text("")
    assert run([*verb.split(), "--project", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert f"{tmp_path}/taken/data" in told
    assert "cannot be used: Not a directory; move away what lies there, or name another place" in told


@pytest.mark.parametrize("verb", VERBS)
def test_help_tells_of_every_command_whole(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a verb has commands of its own, its help says of each what it does, and breaks off nowhere."""
    command = import_module(VERBS[verb].module).command
    assert run([verb, "--help"]) == 0
    if isinstance(command, click.Group):
        listed = capsys.readouterr().out.partition("Commands:")[2]
        assert "..." not in listed
        assert listed.strip()
