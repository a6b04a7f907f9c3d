"""`trimtab init`: a project that works, to be changed."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import click

from trimtab.cli.screen import next_verb
from trimtab.errors import TrimtabError

FILES = {
    "trimtab.toml": "trimtab.toml",
    "tasks/answer/task.toml": "task.toml",
    "tasks/answer/prompt.md": "prompt.md",
    ".gitignore": "gitignore",
}
"""What is written, and the file of `starter/` it is a copy of."""


class NotWritten(TrimtabError):
    """{detail}; nothing was overwritten."""


@click.command(epilog="Exit status: 0 written, 1 it could not be, 2 the command was not understood.")
@click.argument("directory", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="The files written, as one JSON document.")
def command(directory: Path, as_json: bool) -> None:
    """Write a new project into DIRECTORY, this one unless given. Files that exist are never overwritten."""
    written = write(directory)
    if as_json:
        click.echo(json.dumps({"written": [str(path) for path in written]}))
        return
    for path in written:
        click.echo(f"wrote {path}")
    click.echo("\nPut the address of your model's server into trimtab.toml; its comments say the rest.")
    click.echo("Then `trimtab lock` pins it all: commit trimtab.lock with the project, every call bears its id.")
    next_verb("trimtab check" if directory == Path() else f"trimtab check --project {directory}")


def write(directory: Path) -> tuple[Path, ...]:
    """Writes the starter project and returns its files.

    Raises `NotWritten`, before anything is written, when a file is there already; also when one cannot be written.
    """
    there = [directory / name for name in FILES if (directory / name).exists()]
    if there:
        raise NotWritten(detail=f"{', '.join(map(str, there))} exists already; choose another directory")
    starter = resources.files("trimtab.cli") / "starter"
    try:
        for name, source in FILES.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write((starter / source).read_text("utf-8"))
    except OSError as failure:
        raise NotWritten(detail=f"the project cannot be written ({failure})") from failure
    return tuple(directory / name for name in FILES)
