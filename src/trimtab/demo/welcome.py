"""The first words a newcomer reads, and the demo project they are about."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

ENGINE_URL = "http://127.0.0.1:8402"
PROJECT = Path(__file__).parent / "project"
TICKET = "Where is my parcel?"


WITH_CLIENT = "Python (pip install openai)"
LOOK = ("trimtab status", "trimtab calls tail", "trimtab report")
REGRESS = "trimtab demo regress"
RANGE = "range=15m"
"""What pages show at first: a newcomer has no calls of six hours."""


def welcome(
    gateway_url: str,
    key: str | None,
    python: str = WITH_CLIENT,
    look: Sequence[str] = LOOK,
    console: str = "",
    regress: str = REGRESS,
) -> str:
    """What to try first, with the gateway at this URL (without `/v1`) and this key, if it wants one.

    `python` says which Python has the client, `look` the commands that show what happened, `console` the address of the
    pages that do, where there are any, `regress` the command that plants a harmful change. Says plainly what the demo
    models cannot do.
    """
    newline = "\n"
    browser = f"Then look, in a browser: {console}" if console else "Then look"
    return f"""\
Trimtab is running. The model gateway answers at {gateway_url}/v1

From the shell:

{curl_line(gateway_url, key)}

From {python}:

{python_snippet(gateway_url, key)}

Both ask the task "route" where a ticket belongs; the Python one prints "shipping". Put a sentence of your own in its
place: the answer is one of billing, shipping, refund, account, technical and sales. The task "extract" takes an input
"order" ("Please send 12 lamps to Ada in Paris.") and answers in JSON that keeps its schema, or with an error; the task
"assist" takes an input "question" and the tools of your request, and its tool calls are checked.

{browser}{", or" if console else ","} in another terminal:

{newline.join(look)}

To see a change do harm while every engine stays healthy, and the alert that tells of it (five minutes):

{regress}

What these models cannot do: they are real, but tiny (461,000 parameters, made for this demo), and know three kinds of
English sentences. "route" does well on plain complaints in words it was trained on; what it does not understand it
mostly calls "shipping". "extract" and "assist" cannot copy: with names they never saw, "extract" gets 0 of 100 orders
right and "assist" 5 of 100 calls. They cannot chat, reason, translate or follow instructions. For that, point
[models] in trimtab.toml at a real server; nothing else changes.
"""


def curl_line(gateway_url: str, key: str | None) -> str:
    """A call of the task `route` that works as it stands, in a POSIX shell."""
    authorization = f" -H 'authorization: Bearer {key}'" if key else ""
    body = {"model": "route", "messages": [], "trimtab": {"inputs": {"ticket": TICKET}}}
    return (
        f"curl -s {gateway_url}/v1/chat/completions -H 'content-type: application/json'{authorization} \\\n"
        f"  -d '{json.dumps(body)}'"
    )


def python_snippet(gateway_url: str, key: str | None) -> str:
    """The same call with the `openai` client; prints the answer."""
    return f"""\
from openai import OpenAI

client = OpenAI(base_url="{gateway_url}/v1", api_key="{key or "none"}")
answer = client.chat.completions.create(
    model="route", messages=[], extra_body={{"trimtab": {{"inputs": {{"ticket": "{TICKET}"}}}}}}
)
print(answer.choices[0].message.content)"""


def write_project(target: Path, engine_url: str = ENGINE_URL) -> None:
    """Copy the demo project to a folder, its models served at `engine_url`; a file that is there is overwritten."""
    shutil.copytree(PROJECT, target, dirs_exist_ok=True)
    declaration = target / "trimtab.toml"
    declaration.write_text(declaration.read_text(encoding="utf-8").replace(ENGINE_URL, engine_url), encoding="utf-8")
