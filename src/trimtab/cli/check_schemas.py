"""What `trimtab check` tells of the tasks' schemas: their class at each model, and a rewriting for OpenAI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from trimtab.contracts.classify import Finding, Kind, classify
from trimtab.contracts.compiling import read_schema
from trimtab.contracts.rewriting import Changed, rewrite
from trimtab.declare.project import Project, Schema

STRICT_FILE = "output.strict.schema.json"
_SHOWN = 6
_WORDS: dict[Kind, str] = {
    "native": "native",
    "weakened": "native, but weakened",
    "validated": "validated only, not sent",
}


class SchemaFacts(Struct, frozen=True):
    """A task's schema at one of its models. `rewrite` is a schema that OpenAI takes, where this one is not."""

    task: str
    model: str
    engine: str
    kind: Kind
    findings: tuple[Finding, ...] = ()
    rewrite: dict[str, Any] | None = None
    changes: tuple[Changed, ...] = ()


def schema_facts(project: Project) -> tuple[SchemaFacts, ...]:
    """Every task that has a schema, at each of its models in order."""
    return tuple(
        _facts(project, task.name, name, task.output.schema)
        for task in project.tasks.values()
        if task.output is not None
        for name in (task.model, *task.fallback)
    )


def _facts(project: Project, task: str, model: str, schema: Schema) -> SchemaFacts:
    named = project.models[model]
    read = read_schema(schema.text)
    found = classify(read, named.engine, named.grammar)
    written = rewrite(read) if named.engine == "openai" and found.kind == "validated" else None
    if written is None:
        return SchemaFacts(task, model, named.engine, found.kind, found.findings)
    return SchemaFacts(task, model, named.engine, found.kind, found.findings, written.schema, written.changes)


def show(facts: tuple[SchemaFacts, ...]) -> None:
    """The classes as text: a line for each task and model, and below it what is not native, by place."""
    for fact in facts:
        click.echo(f"Schema of {fact.task} at {fact.model} ({fact.engine}): {_WORDS[fact.kind]}")
        for finding in fact.findings[:_SHOWN]:
            keyword = f" {finding.keyword}" if finding.keyword else ""
            click.echo(f"  {finding.path or '(top)'}{keyword}: {finding.effect}; {finding.detail}")
        if len(fact.findings) > _SHOWN:
            click.echo(f"  and {len(fact.findings) - _SHOWN} more: trimtab check --json")
        if fact.rewrite is not None:
            place = f"tasks/{fact.task}/{STRICT_FILE}"
            click.echo(f"  a schema that OpenAI takes is at hand: trimtab check --rewrite writes {place}")
    if facts:
        click.echo()


def write_rewritten(root: Path, facts: tuple[SchemaFacts, ...]) -> Iterator[tuple[str, bool]]:
    """Writes each rewriting beside the task's schema; tells what was done, and whether it was.

    A file that is there already is left as it is.
    """
    done: set[str] = set()
    for fact in facts:
        if fact.rewrite is None or fact.task in done:
            continue
        done.add(fact.task)
        place = root / "tasks" / fact.task / STRICT_FILE
        shown = place.relative_to(root).as_posix()
        text = json.dumps(fact.rewrite, indent=2, ensure_ascii=False) + "\n"
        try:
            with place.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            same = place.read_text(encoding="utf-8", errors="replace") == text
            yield f"{shown} is there already{'' if same else ' and says something else: move it away first'}", same
            continue
        yield f"{shown} is written", True
        for change in fact.changes:
            yield f"  {change.path or '(top)'}: {change.what}", True
