"""`trimtab up`: the gateway, control and, with `--demo`, a tiny engine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import click

from trimtab.assemble.up import Started, supervisor
from trimtab.declare.load import PROJECT_FILE, load
from trimtab.demo import welcome
from trimtab.lock.lockfile import FILE, encode
from trimtab.lock.resolve import resolve
from trimtab.lock.writing import write_file
from trimtab.processes import logs

DEMO_FOLDER = Path("demo")


@click.command(
    "up",
    epilog="Exit status: 0 stopped when told to, 1 it could not start or go on, 2 the command was not understood.",
)
@click.option(
    "--project",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder with trimtab.toml; the current one unless given.",
)
@click.option("--demo", is_flag=True, help="Run the demo project, written to ./demo if it is not there yet.")
@click.option("--json", "as_json", is_flag=True, help="Say what happens as JSON lines.")
def command(folder: Path | None, demo: bool, as_json: bool) -> None:
    """Run a project: its model gateway and control.

    Ctrl-C (or SIGTERM) lets open calls end and stops; a second one does not wait. Edits of the project are in force
    within a second, SIGHUP reads it at once. SIGUSR2 replaces the gateway workers one after another. In the environment
    "production" only what trimtab.lock pins is served: an edit is held back until the lock follows.
    """
    if demo:
        folder = folder or DEMO_FOLDER
        if not (folder / PROJECT_FILE).exists():
            write_demo(folder)
    folder = folder or Path()
    logs.configure("supervisor")
    say = _say_json if as_json else _say_demo(folder) if demo else _say
    asyncio.run(supervisor(folder, demo=demo, started=say))
    if as_json:
        click.echo(json.dumps({"event": "stopped"}))
    else:
        click.echo("Stopped: every call has ended and is recorded.")


def write_demo(folder: Path) -> None:
    """Writes the demo project into a folder, and its lock."""
    welcome.write_project(folder)
    write_file(folder / FILE, encode(resolve(load(folder), None).lock))


def _say_json(started: Started) -> None:
    click.echo(json.dumps({"event": "started", **asdict(started)}))


def _say(started: Started) -> None:
    workers = "1 worker" if started.workers == 1 else f"{started.workers} workers"
    lock = f"lock {started.lock[:12]}" if started.lock else "not locked (`trimtab lock`)"
    lines = [f"Trimtab is running: {workers}, snapshot {started.snapshot[:12]}, {lock}.", ""]
    lines.append(f"  gateway   {started.gateway}/v1")
    if started.control:
        sign_in = "  (sign in with a key: trimtab key new NAME --role viewer)" if started.keys_required else ""
        lines.append(f"  console   {started.control}{sign_in}")
    else:
        lines.append("  console   not installed (pip install 'trimtab[control]'); records wait in the spool")
    lines.append("")
    if started.keys_required:
        lines.append("Every call needs a key:  trimtab key new NAME")
    lines.append("Then look:               trimtab status, trimtab calls tail, trimtab report")
    lines.append("Edits of trimtab.toml and tasks/ are in force within a second. Ctrl-C stops.")
    click.echo("\n".join(lines))


def _say_demo(folder: Path) -> Callable[[Started], None]:
    def say(started: Started) -> None:
        program = _as_typed(Path(sys.argv[0]))
        look = [f"{program} {verb} --project {folder}" for verb in ("status", "calls tail", "report")]
        python = f"Python ({_as_typed(Path(sys.executable))})" if find_spec("openai") else welcome.WITH_CLIENT
        key = "KEY" if started.keys_required else None
        regress = f"{program} {welcome.REGRESS.partition(' ')[2]}"
        if folder != DEMO_FOLDER:
            regress += f" --project {folder}"
        console = f"{started.control}/?{welcome.RANGE}" if started.control else ""
        click.echo(welcome.welcome(started.gateway, key, python, look, console, regress))
        if not started.lock:
            click.echo(f"The project is not what its lock pins: {program} lock --project {folder}")
        click.echo(f"The project lies in {folder}/: edit it, it is in force within a second. Ctrl-C stops.")

    return say


def _as_typed(program: Path) -> str:
    """A program as one would type it here: by its name where the shell finds it, else by its path."""
    path = Path.cwd() / program
    if shutil.which(path.name) == str(path):
        return path.name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
