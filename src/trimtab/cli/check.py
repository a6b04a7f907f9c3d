"""`trimtab check`: every mistake in a project, or what it declares."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from msgspec import Struct
from rich import box
from rich.table import Table

from trimtab.cli.check_production import Lack, lacking, show_lacks
from trimtab.cli.check_schemas import SchemaFacts, schema_facts, show, write_rewritten
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.declare.load import read
from trimtab.declare.mistakes import Mistake
from trimtab.declare.project import Context, Model, Project, Secret, Task
from trimtab.errors import SecretMissing
from trimtab.evals.cases import suite_mistakes
from trimtab.gateway.upstreams.auth import missing_extras
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.compile import schema_mistakes
from trimtab.policy.secrets import Secrets
from trimtab.policy.snapshot import UNDECLARED

MISTAKEN = 1


class ModelFacts(Struct, frozen=True):
    """What a model is, in words."""

    name: str
    served_name: str
    replicas: tuple[str, ...]
    cost: str
    extras: tuple[str, ...]


class TaskFacts(Struct, frozen=True):
    """What a task is, in words."""

    name: str
    models: tuple[str, ...]
    extras: tuple[str, ...]


class Found(Struct, frozen=True):
    """The result as `--json` gives it. Notes are no mistakes: they may be right where `trimtab up` runs."""

    ok: bool
    mistakes: tuple[dict[str, str | int], ...] = ()
    environment: str = ""
    snapshot: str = ""
    gateway: str = ""
    models: tuple[ModelFacts, ...] = ()
    tasks: tuple[TaskFacts, ...] = ()
    notes: tuple[str, ...] = ()
    schemas: tuple[SchemaFacts, ...] = ()
    lacks: tuple[Lack, ...] = ()


@click.command(
    epilog="Exit status: 0 the project can be used, 1 it has mistakes, a task lacks what --production asks for, or a "
    "file is in the way of --rewrite, 2 the command was not understood."
)
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.option(
    "--rewrite", is_flag=True, help="Write each schema that OpenAI refuses as one it takes, into a file of its own."
)
@click.option(
    "--production",
    is_flag=True,
    help="Also ask of each task: schema or rule, completion, cases, objectives, owner and caps.",
)
@click.pass_context
def command(context: click.Context, project: Path, as_json: bool, rewrite: bool, production: bool) -> None:
    """Tell every mistake in a project, each with its file and line, or sum up what it declares.

    For each task with a schema it tells whether the engine of each model enforces it, weakens a keyword of it, or takes
    none of it, so that only Trimtab validates the answers.
    """
    reading = read(project)
    suites = suite_mistakes(reading.project) if reading.project else ()
    mistakes = tuple(sorted((*reading.mistakes, *schema_mistakes(reading.schemas), *suites)))
    found = Found(False, tuple(map(_plain, mistakes))) if mistakes or not reading.project else _found(reading.project)
    if production and reading.project and found.ok:
        lacks = lacking(reading.project)
        found = msgspec.structs.replace(found, lacks=lacks, ok=not lacks)
    if as_json:
        say_json(msgspec.json.encode(found))
    elif found.ok:
        _sum_up(found)
    elif found.lacks:
        show_lacks(found.lacks)
    else:
        for mistake in mistakes:
            click.echo(str(mistake))
        click.echo(f"\n{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}.")
        next_verb("trimtab check")
    written = not (found.ok and rewrite) or _write(project, found.schemas, quiet=as_json)
    if not found.ok or not written:
        context.exit(MISTAKEN)


def _write(root: Path, schemas: tuple[SchemaFacts, ...], *, quiet: bool) -> bool:
    """Writes what `--rewrite` asks for; False if a file is in the way."""
    done = list(write_rewritten(root, schemas))
    for line, _ in done or [("No schema needs to be rewritten.", True)]:
        click.echo(line, err=quiet)
    return all(good for _, good in done)


def _plain(mistake: Mistake) -> dict[str, str | int]:
    return mistake._asdict()


def _found(project: Project) -> Found:
    gateway = project.gateway
    workers = "1 worker" if gateway.workers == 1 else f"{gateway.workers} workers"
    keys = "every call needs a key" if gateway.keys == "required" else "open to this machine without a key"
    return Found(
        ok=True,
        environment=project.environment,
        snapshot=compile_policy(project).digest[:12],
        gateway=f"{gateway.listen.host} port {gateway.listen.port}, {workers}, {keys}",
        models=tuple(map(_model, project.models.values())),
        tasks=tuple(map(_task, project.tasks.values())),
        notes=_notes(project),
        schemas=schema_facts(project),
    )


def _model(model: Model) -> ModelFacts:
    cost = "by price" if model.prices else "by GPU" if model.gpu else "unknown"
    extras = {
        "key": model.api_key is not None,
        "own certificates": model.ca is not None,
        "proxy": model.proxy is not None,
        f"{len(model.passthrough)} further routes": bool(model.passthrough),
    }
    return ModelFacts(model.name, model.served_name, model.replicas, cost, _given(extras))


def _task(task: Task) -> TaskFacts:
    extras = {
        task.task_class: True,
        f"prompt ({len(task.prompt.inputs)} to fill in)" if task.prompt else "": task.prompt is not None,
        f"schema ({task.output.on_invalid})" if task.output else "": task.output is not None,
        f"tools {', '.join(tool.name for tool in task.tools)}": bool(task.tools),
        f"tool calls {task.tool_calls.on_invalid}": task.tool_calls.on_invalid != "pass",
        f"repetition {task.repetition}": task.repetition != "flag",
        f"context {task.context.strategy}": task.context != Context(),
        "sampling": any(getattr(task.sampling, field) is not None for field in task.sampling.__struct_fields__),
        f"total {task.deadline.total_s:g} s" if task.deadline.total_s else "": task.deadline.total_s is not None,
        "objectives": bool(task.objective.goals) or task.objective.success is not None,
        f"keys {', '.join(task.match.keys)}": bool(task.match.keys),
        "system prompt": bool(task.match.system_prompt),
        "suite": task.evals is not None,
        f"redaction {task.redaction}": task.redaction != "full",
    }
    return TaskFacts(task.name, (task.model, *task.fallback), _given(extras))


def _given(extras: dict[str, bool]) -> tuple[str, ...]:
    return tuple(extra for extra, given in extras.items() if given)


def _notes(project: Project) -> tuple[str, ...]:
    secrets, root = Secrets(), Path(project.root)
    places = [(f"models.{model.name}.api_key", model.api_key) for model in project.models.values()]
    places.append(("data.telemetry_password", project.data.telemetry_password))
    places.append(("data.journal", project.data.journal))
    unreadable = tuple(note for key, secret in places if secret and (note := _secret_note(secrets, key, secret)))
    return (*unreadable, *missing_extras(project.models), *_unusable(root, project), *_not_redrivable(project))


def _unusable(root: Path, project: Project) -> tuple[str, ...]:
    """Tokenizers that cannot be used here."""
    models = [model for model in project.models.values() if model.served.tokenizer is not None]
    if not models:
        return ()
    from trimtab.gateway.context.tokens import why_unusable  # noqa: PLC0415 - it takes an event loop along

    return tuple(str(found) for model in models if (found := why_unusable(root, model)))


def _not_redrivable(project: Project) -> tuple[str, ...]:
    """Whose calls cannot be sent again when they have failed for good."""
    redactions = {name: task.redaction for name, task in project.tasks.items()}
    redactions[UNDECLARED] = project.defaults.undeclared_redaction
    names = [f"{name} ({redaction})" for name, redaction in redactions.items() if redaction != "full"]
    if not names or not project.data.dead_letters:
        return ()
    return (f"dead letters cannot be re-driven where redaction keeps no whole request: {', '.join(names)}",)


def _secret_note(secrets: Secrets, key: str, secret: Secret) -> str:
    try:
        secrets.read(secret)
    except SecretMissing as missing:
        return f"{key}: {missing.facts['place']} cannot be used here ({missing.facts['detail']})"
    return ""


def _sum_up(found: Found) -> None:
    click.echo(
        f"No mistakes. Environment {found.environment}, snapshot {found.snapshot}; gateway on {found.gateway}.\n"
    )
    models = Table("model", "served as", "replicas", "cost", "with", box=box.SIMPLE_HEAD, pad_edge=False)
    for model in found.models:
        models.add_row(model.name, model.served_name, str(len(model.replicas)), model.cost, ", ".join(model.extras))
    say(models)
    if found.tasks:
        tasks = Table("task", "models in order", "with", box=box.SIMPLE_HEAD, pad_edge=False)
        for task in found.tasks:
            tasks.add_row(task.name, ", ".join(task.models), ", ".join(task.extras))
        say(tasks)
    else:
        click.echo("No task yet: calls run as (undeclared), under [defaults]. Add tasks/NAME/task.toml.")
    show(found.schemas)
    for note in found.notes:
        click.echo(f"Note: {note}")
    next_verb("trimtab up")
