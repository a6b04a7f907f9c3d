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
SHARED = ".gitignore"
"""What a folder with an application in it has already; that one stays as it is."""
DATA = ".trimtab/"


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
    if directory / SHARED not in written:
        click.echo(_shared(directory / SHARED))
    click.echo("\nPut the address of your model's server into trimtab.toml; its comments say the rest.")
    click.echo("Then `trimtab lock` pins it all: commit trimtab.lock with the project, every call bears its id.")
    next_verb("trimtab check" if directory == Path() else f"trimtab check --project {directory}")


def write(directory: Path) -> tuple[Path, ...]:
    """Writes the starter project and returns its files.

    A `.gitignore` that is there is left alone. Raises `NotWritten`, before anything is written, when another of the
    files is there already; also when one cannot be written, and takes the others back then.
    """
    there = [name for name in FILES if (directory / name).exists()]
    taken = [str(directory / name) for name in there if name != SHARED]
    if taken:
        raise NotWritten(detail=f"there already: {', '.join(taken)}; choose another directory")
    missing = {directory / name: source for name, source in FILES.items() if name not in there}
    starter = resources.files("trimtab.cli") / "starter"
    made: list[Path] = []
    try:
        for path, source in missing.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write((starter / source).read_text("utf-8"))
    except OSError as failure:
        for path in made:
            path.unlink(missing_ok=True)
        raise NotWritten(detail=f"the project cannot be written ({failure})") from failure
    return tuple(missing)


def _shared(path: Path) -> str:
    """What is said of a `.gitignore` that was there before."""
    try:
        ignored = {line.strip().strip("/") for line in path.read_text("utf-8", "replace").splitlines()}
    except OSError:
        ignored = set()
    wanted = "" if DATA.strip("/") in ignored else f"; add the line {DATA} to it: keys' digests and records lie there"
    return f"left  {path} as it was{wanted}"
