"""A file of rules as Prometheus reads it, and its text in YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Recording:
    """An expression that is evaluated again and again, and kept under a name."""

    record: str
    expr: str


@dataclass(frozen=True)
class Alert:
    """An expression that tells of something wrong for as long as it has values."""

    alert: str
    expr: str
    for_: str = "0m"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated one after another, every `interval`."""

    name: str
    interval: str
    rules: tuple[Recording | Alert, ...]


def text_of(groups: tuple[Group, ...], head: tuple[str, ...] = ()) -> str:
    """The file, with lines of comment at its head; equal groups give equal text."""
    lines = [f"# {line}".rstrip() for line in head]
    lines.append("groups:")
    for group in groups:
        lines += [f"  - name: {group.name}", f"    interval: {group.interval}", "    rules:"]
        for rule in group.rules:
            lines += _recording(rule) if isinstance(rule, Recording) else _alert(rule)
    return "\n".join(lines) + "\n"


def objects_of(groups: tuple[Group, ...]) -> tuple[dict[str, Any], ...]:
    """The groups as the file has them, for JSON."""
    return tuple(
        {"name": group.name, "interval": group.interval, "rules": [_object(rule) for rule in group.rules]}
        for group in groups
    )


def _object(rule: Recording | Alert) -> dict[str, Any]:
    if isinstance(rule, Recording):
        return {"record": rule.record, "expr": rule.expr}
    told = {"alert": rule.alert, "expr": rule.expr, "for": rule.for_}
    more = {"labels": dict(rule.labels), "annotations": dict(rule.annotations)}
    return {**told, **{name: pairs for name, pairs in more.items() if pairs}}


def _recording(rule: Recording) -> Iterator[str]:
    yield f"      - record: {rule.record}"
    yield from _expr(rule.expr)


def _alert(rule: Alert) -> Iterator[str]:
    yield f"      - alert: {rule.alert}"
    yield from _expr(rule.expr)
    yield f"        for: {rule.for_}"
    for name, pairs in (("labels", rule.labels), ("annotations", rule.annotations)):
        if pairs:
            yield f"        {name}:"
            for key, value in pairs.items():
                yield f"          {key}: {json.dumps(value, ensure_ascii=False)}"


def _expr(expr: str) -> Iterator[str]:
    """A block that keeps its lines: nothing in it needs to be escaped."""
    yield "        expr: |-"
    for line in expr.splitlines():
        yield f"          {line}"
