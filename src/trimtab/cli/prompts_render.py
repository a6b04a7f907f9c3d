"""`trimtab prompts render`: what goes to a task's model for a case, to the byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Raw, Struct

from trimtab.cli.screen import PROJECT, next_verb, say_json, visible
from trimtab.data.rows import Row, read_rows
from trimtab.declare.load import load
from trimtab.declare.mistakes import nearest
from trimtab.declare.project import InputType, Project, Task
from trimtab.declare.rendering import render_task
from trimtab.gateway.context.tokens import Tokenizers
from trimtab.gateway.context.windows import ContextMemory
from trimtab.gateway.preview import Sent, preview
from trimtab.policy.compile import compile as compile_policy
from trimtab.record.events import ContextUse

CASES: Final = "cases.jsonl"
EXIT: Final = "Exit status: 0 it is shown, 1 it cannot be rendered, 2 the command was not understood."


class Shown(Struct, frozen=True):
    """What `--json` gives: the prompt's digest, that of the rendered messages, and the request to each model."""

    task: str
    prompt: str
    rendered: str
    requests: tuple[Sent, ...]


@click.command(epilog=EXIT)
@PROJECT
@click.argument("task")
@click.option("--case", type=click.IntRange(1), metavar="N", help=f"The inputs of line N of the task's {CASES}.")
@click.option(
    "--input",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="An input: its text, or JSON where its type is declared and no string; NAME:=JSON is JSON in any case.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document, for each model of the task.")
def command(project: Path, task: str, case: int | None, given: tuple[str, ...], as_json: bool) -> None:
    """Show exactly what is sent to the model of TASK: messages, sampling, tools and schema.

    Inputs come from a case, from --input, or from both, and then --input counts. A case with messages and no inputs is
    sent without the prompt. Nothing is sent anywhere.
    """
    found = load(project)
    declared = _task(found, task)
    row = _case(project, task, case) if case is not None else {}
    inputs = {**_inputs_of(row, declared, case), **_given(given, declared)}
    body: dict[str, Any] = {"model": task, "messages": row.get("messages", [])}
    digest, rendered = "", ""
    if inputs or "inputs" in row or not body["messages"]:
        rendered = render_task(declared, inputs).digest
        digest = declared.prompt.digest if declared.prompt else ""
        body["trimtab"] = {"inputs": inputs}
    memory = asyncio.run(_memory(found))
    shown = Shown(task, digest, rendered, preview(compile_policy(found), task, json.dumps(body).encode(), memory))
    if as_json:
        say_json(msgspec.json.encode(shown))
        return
    _show(shown)
    next_verb(f"trimtab prompts log {task}")


def _task(project: Project, name: str) -> Task:
    if name in project.tasks:
        return project.tasks[name]
    close = nearest(name, project.tasks)
    hint = f"did you mean {close}?" if close else f"there are {', '.join(sorted(project.tasks)[:20]) or 'none'}"
    raise click.UsageError(f"there is no task {name!r}; {hint}")


def _case(root: Path, task: str, number: int) -> dict[str, Any]:
    """A row of the task's cases, by its line."""
    path = root / "tasks" / task / CASES
    try:
        with path.open("rb") as file:
            for row in read_rows(file):
                if row.number == number:
                    if isinstance(row, Row):
                        return row.value
                    raise click.ClickException(f"line {number} of {path} {row.words}")
    except FileNotFoundError:
        raise click.ClickException(f"there is no {path}; write it, or give --input") from None
    except OSError as failure:
        raise click.ClickException(f"{path} cannot be read ({failure.strerror})") from None
    raise click.ClickException(f"{path} has no line {number} with a case on it")


def _inputs_of(row: dict[str, Any], task: Task, case: int | None) -> dict[str, Any]:
    inputs = row.get("inputs", {})
    if not isinstance(inputs, dict):
        raise click.ClickException(f"the inputs of line {case} of tasks/{task.name}/{CASES} are no object")
    return inputs


def _given(given: Iterable[str], task: Task) -> dict[str, Any]:
    """The inputs of the command line: JSON after `:=` and where a type but string is declared, else a text as it is."""
    types = task.prompt.types if task.prompt else {}
    inputs: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        is_json, name = name.endswith(":"), name.removesuffix(":")
        if not name or not equals:
            raise click.UsageError(f"--input {one!r} is not NAME=VALUE or NAME:=JSON")
        type_ = types.get(name, "string")
        inputs[name] = _json(name, value, type_) if is_json or type_ != "string" else value
    return inputs


def _json(name: str, value: str, type_: InputType) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        what = "" if type_ == "string" else f"{'an' if type_[0] in 'aio' else 'a'} {type_} as "
        raise click.UsageError(f"--input {name} must be {what}JSON, and {value[:60]!r} is none") from None


async def _memory(project: Project) -> ContextMemory:
    """With the tokenizers of the project's models, where they can be used."""
    tokenizers = Tokenizers(Path(project.root), partial(ThreadPoolExecutor, 1, "tokens"))
    tokenizers.serve(project.models.values())
    await tokenizers.ready()
    return ContextMemory(tokenizers)


def _show(shown: Shown) -> None:
    """The request to the first model; others are tried only when that one fails."""
    first = shown.requests[0]
    fields: dict[str, Raw] = msgspec.json.decode(first.body, type=dict[str, Raw])
    prompt = f"prompt {shown.prompt[:12]}   rendered {shown.rendered[:12]}" if shown.prompt else "no prompt"
    click.echo(f"{prompt}   to {first.model}, POST {first.path}")
    for name in ("system", "messages"):
        if name in fields:
            _show_messages(name, msgspec.json.decode(fields.pop(name)))
    for name, value in fields.items():
        click.secho(f"\n{name}:", bold=True)
        click.echo(visible(msgspec.json.format(bytes(value), indent=2).decode()))
    if first.context is not None:
        click.echo(f"\n{_of_context(first.context, summarised=first.summarised)}")
    if len(shown.requests) > 1:
        others = ", ".join(one.model for one in shown.requests[1:])
        click.secho(f"\nIf that fails, to {others}; --json shows these requests too.", dim=True)


def _show_messages(name: str, messages: Any) -> None:
    if isinstance(messages, str):
        messages = [{"role": name, "content": messages}]
    for message in messages:
        rest = {key: value for key, value in message.items() if key not in {"role", "content"}}
        content = message.get("content")
        click.secho(f"\n{visible(str(message.get('role', name)))}:", bold=True)
        click.echo(visible(content if isinstance(content, str) else msgspec.json.encode(content).decode()))
        if rest:
            click.echo(visible(msgspec.json.encode(rest).decode()))


def _of_context(use: ContextUse, *, summarised: bool) -> str:
    how = "by its tokenizer" if use.counted == "tokenizer" else "by estimate"
    kept = (
        f"{use.messages - use.dropped} of {use.messages} messages of the client stay, {use.tokens} tokens in all {how}"
    )
    summary = "; a summary would be written of the rest" if summarised else ""
    return f"context {use.strategy}: {kept}{summary}"
