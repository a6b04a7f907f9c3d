"""`trimtab key`: the keys that clients call with, and those that people sign in with."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich import box
from rich.table import Table

from trimtab.access.keys import ROLES, Key, Role
from trimtab.cli.fitted import Fitted
from trimtab.cli.keyring import keyring
from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.declare.load import Reading, read
from trimtab.declare.mistakes import nearest
from trimtab.declare.project import Listen
from trimtab.errors import DeclarationError

EXIT = "Exit status: 0 done, 1 it could not be done, 2 the command was not understood."
DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="The data directory, where trimtab.toml cannot be read.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses to listen on, as one to call


@click.group(cls=Commands)
def command() -> None:
    """The keys that clients call with and that people sign in with at the console.

    A key is shown once, when it is made; only its digest is stored.
    """


@command.command(epilog=EXIT)
@click.argument("name")
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="A task the key may use; all unless given.")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="client",
    show_default=True,
    help="A client calls models; at control a viewer reads, an operator acts too, an admin also makes keys.",
)
@PROJECT
@DATA
@JSON
def new(name: str, tasks: tuple[str, ...], role: Role, project: Path, data: Path | None, as_json: bool) -> None:
    """Make a key called NAME and show it.

    A name may have several live keys, so that one can take over from another without a gap.
    """
    reading = read(project, data=False)
    _check_tasks(tasks, reading, project)
    with keyring(data or _data_directory(reading, project)) as keys:
        key, secret = keys.new(name, tasks, role)
    if as_json:
        say_json(msgspec.json.encode({"key": key, "secret": secret}))
        return
    use = f"Try it:\n\n{_curl(secret, key, reading)}" if role == "client" else f"Sign in with it at {_console(reading)}"
    click.echo(f"{secret}\n\nThis is the key {name}, and it is shown only now. {use}")
    next_verb("trimtab calls tail")


@command.command("list", epilog=EXIT)
@PROJECT
@DATA
@JSON
def list_keys(project: Path, data: Path | None, as_json: bool) -> None:
    """List the keys, revoked ones too."""
    with keyring(data or _data_directory(read(project, data=False), project)) as keys:
        found = keys.list()
    if as_json:
        say_json(msgspec.json.encode({"keys": found}))
        return
    if found:
        say(_table(found))
    else:
        click.echo("There is no key yet.")
    next_verb("trimtab key new NAME")


@command.command(epilog=EXIT)
@click.argument("name_or_id")
@PROJECT
@DATA
@JSON
def revoke(name_or_id: str, project: Path, data: Path | None, as_json: bool) -> None:
    """Revoke all live keys of a name, or the one of an id; it holds within a second."""
    with keyring(data or _data_directory(read(project, data=False), project)) as keys:
        revoked = keys.revoke(name_or_id)
    if as_json:
        say_json(msgspec.json.encode({"revoked": revoked}))
        return
    for key in revoked:
        click.echo(f"Revoked {key.name} ({key.id}).")
    next_verb("trimtab key list")


def _data_directory(reading: Reading, root: Path) -> Path:
    """Where the keys lie, also for a project with mistakes."""
    if reading.data_directory is None:
        raise DeclarationError(str(root), tuple(map(str, reading.mistakes)))
    return reading.data_directory


def _check_tasks(tasks: tuple[str, ...], reading: Reading, root: Path) -> None:
    if not tasks:
        return
    if reading.project is None:
        raise DeclarationError(str(root), tuple(map(str, reading.mistakes)))
    for task in tasks:
        if task not in reading.project.tasks:
            close = nearest(task, reading.project.tasks)
            hint = f"did you mean {close}?" if close else f"declare it in tasks/{task}/task.toml first"
            raise click.UsageError(f"there is no task {task!r} in this project; {hint}")


def _table(keys: tuple[Key, ...]) -> Fitted:
    table = Table("name", "id", "made", "role", "tasks", "state", box=box.SIMPLE_HEAD, pad_edge=False)
    for key in keys:
        state = "live" if key.revoked_ns is None else f"revoked {_day(key.revoked_ns)}"
        style = None if key.revoked_ns is None else "dim"
        table.add_row(
            key.name, key.id, _day(key.created_ns), key.role, ", ".join(key.tasks) or "all", state, style=style
        )
    return Fitted(table)


def _day(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M")


def _curl(secret: str, key: Key, reading: Reading) -> str:
    """A command that works as it stands, as far as the project can be read."""
    project = reading.project
    url = _url(project.gateway.listen) if project else "http://127.0.0.1:8400"
    names = (*key.tasks, *(project.tasks if project else ()), *(project.models if project else ()))
    body = {"model": names[0] if names else "MODEL", "messages": [{"role": "user", "content": "Hello"}]}
    return (
        f"curl {url}/v1/chat/completions \\\n"
        f"  -H 'authorization: Bearer {secret}' -H 'content-type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body))}"
    )


def _console(reading: Reading) -> str:
    return _url(reading.project.control.listen) if reading.project else "the address under [control] listen"


def _url(listen: Listen) -> str:
    host = EVERYWHERE.get(listen.host, listen.host)
    scheme = "https" if listen.tls else "http"
    return f"{scheme}://[{host}]:{listen.port}" if ":" in host else f"{scheme}://{host}:{listen.port}"
