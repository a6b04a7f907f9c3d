"""`trimtab feedback`: tells whether an answer was right, or how good it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Struct

from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.screen import PROJECT, next_verb, say_json
from trimtab.declare.load import read
from trimtab.errors import DeclarationError, TrimtabError
from trimtab.processes.directory import DataDirectory

EXIT = "Exit status: 0 done, 1 it was not taken, 2 the command was not understood."
KINDS = click.Choice(["call", "run", "conversation"])
CORRECTIONS: Final = {"full": "whole", "preview": "as its beginning", "digest": "as a digest", "none": "not at all"}
"""How a right answer is kept, by what the task keeps of bodies."""


class FeedbackRefused(TrimtabError):
    """{detail}"""


class Taken(Struct, frozen=True):
    """What control says of a judgement that it has taken in."""

    id: str
    call: str
    joined: bool
    correction: str | None = None


@click.command(epilog=EXIT)
@click.argument("subject")
@PROJECT
@click.option("--of", "kind", type=KINDS, default="call", show_default=True, help="What SUBJECT is the id of.")
@click.option("--name", default="feedback", show_default=True, metavar="NAME", help="What is judged.")
@click.option("--score", type=float, default=None, metavar="NUMBER", help="How good: 1 good, 0 bad.")
@click.option("--label", default="", metavar="TEXT", help="The right label, or a word for how good it was.")
@click.option(
    "--correct",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="A file with the answer that would have been right: JSON or text.",
)
@click.option("--comment", default="", metavar="TEXT", help="Why.")
@click.option("--id", "own_id", default="", metavar="ID", help="Your name for it; sent again, it replaces the first.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(
    subject: str, project: Path, kind: str, own_id: str, correct: Path | None, as_json: bool, **told: Any
) -> None:
    """Judge the call, run or conversation SUBJECT, with a score, a label or the right answer."""
    judgement = {
        kind: subject,
        "id": own_id,
        **{name: value for name, value in told.items() if value not in (None, "")},
    }
    if correct is not None:
        judgement["correct"] = _corrected(correct)
    reading = read(project, data=False)
    if reading.data_directory is None:
        raise DeclarationError(str(project), tuple(map(str, reading.mistakes)))
    places = DataDirectory(reading.data_directory)
    status, body = ControlClient(places.control_socket).ask("POST", "/api/feedback", msgspec.json.encode(judgement))
    if status != 202:
        raise FeedbackRefused(detail=refusal(body).message)
    if as_json:
        say_json(body)
        return
    taken = msgspec.json.decode(body, type=Taken)
    if not taken.joined:
        click.echo(f"taken as {taken.id}; it joins its {kind} once that is stored")
        return
    kept = f"; the right answer is kept {CORRECTIONS[taken.correction]}" if taken.correction else ""
    click.echo(f"taken as {taken.id}, on call {taken.call}{kept}")
    next_verb(f"trimtab calls show {taken.call}")


def _corrected(path: Path) -> Any:
    """The file's JSON, or its text where it is none."""
    try:
        content = path.read_bytes()
    except OSError as failure:
        raise click.BadParameter(f"{path} cannot be read ({failure.strerror})", param_hint="--correct") from failure
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return content.decode("utf-8", "replace")
