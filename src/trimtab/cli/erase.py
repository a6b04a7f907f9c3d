"""`trimtab erase`: everything of one end user taken out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.text import Text

from trimtab.cli.control_client import ControlClient, refusal
from trimtab.cli.screen import PROJECT, be_sure, next_verb, say, say_json
from trimtab.declare.load import load
from trimtab.errors import TrimtabError
from trimtab.processes.directory import DataDirectory
from trimtab.processes.erasure import ErasedPortion
from trimtab.reports.foreign import plain_text

COUNTED: Final = ("runs", "entries", "reviews", "calls", "scores", "letters", "bodies")
WORDS: Final = {"scores": "scores and feedback", "letters": "dead letters", "entries": "entries of logs"}
EXIT: Final = "Exit status: 0 done, 1 it could not be done, 2 the command was not understood."
BEYOND: Final = (
    "Not reached: files that somebody exported or copied, data sets in git, sets of labels, and copies of the stores."
)


class NotErased(TrimtabError):
    """{detail}"""


@click.command(epilog=EXIT)
@click.argument("end_user")
@PROJECT
@click.option("--yes", is_flag=True, help="Do not ask: what goes does not come back.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(end_user: str, project: Path, yes: bool, as_json: bool) -> None:
    """Take out everything of one end user: runs, calls, scores, dead letters and bodies.

    END_USER is the id that calls and runs bear. Broken off, the same command goes on where it was.
    """
    if not yes:
        be_sure(f"Take out everything of {plain_text(end_user)}? It does not come back")
    client = ControlClient(DataDirectory.of(load(project)).control_socket)
    counts, beyond = Counter[str](), dict[str, None]()
    while True:
        portion = _portion(client, end_user)
        counts.update({name: getattr(portion, name) for name in COUNTED})
        beyond.update(dict.fromkeys(portion.beyond))
        if portion.done:
            break
    if as_json:
        told = {"erasure": portion.erasure, **{name: counts[name] for name in COUNTED}, "beyond": list(beyond)}
        say_json(msgspec.json.encode(told))
        return
    if not any(counts.values()):
        say(Text("Nothing bears this end user; an erasure may have been here before."))
    else:
        say(Text("Taken out: " + ", ".join(f"{WORDS.get(name, name)} {counts[name]:,}" for name in COUNTED) + "."))
    say(Text(f"Recorded as erasure {portion.erasure[:16]}. Bodies leave packs that are still written within the hour."))
    for path in beyond:
        say(Text(f"! {plain_text(path)} still names them"))
    say(Text(BEYOND))
    next_verb("trimtab runs verify")


def _portion(client: ControlClient, end_user: str) -> ErasedPortion:
    status, answer = client.ask("POST", "/api/erase", msgspec.json.encode({"end_user": end_user}))
    if status >= 300:
        raise NotErased(detail=refusal(answer).message)
    return msgspec.json.decode(answer, type=ErasedPortion)
