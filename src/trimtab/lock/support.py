"""What the engine of a model does with a schema, as a lock has it."""

from __future__ import annotations

from typing import Any, Final

from trimtab.contracts.classify import Classified, classify
from trimtab.contracts.compiling import read_schema
from trimtab.declare.project import Model, Schema
from trimtab.errors import SchemaInvalid

MAX_FINDINGS: Final = 20
"""Of a schema at one engine, the first by their places; how many there are more is told."""


def support(schema: Schema, model: Model) -> dict[str, Any]:
    """The class of a schema at a model's engine, and what the engine does with which keyword where."""
    found = _classified(schema.text, model)
    told = [
        f"{finding.effect} {finding.path or '(top)'}{' ' if finding.keyword else ''}{finding.keyword}"
        for finding in found.findings
    ]
    findings = list(dict.fromkeys(told))
    more = len(findings) - MAX_FINDINGS
    return {
        "engine": model.engine,
        "grammar": model.grammar,
        "class": found.kind,
        "findings": [*findings[:MAX_FINDINGS], *([f"and {more} more"] if more > 0 else [])],
    }


def _classified(text: str, model: Model) -> Classified:
    """The class of a schema; one that no validator compiles is sent nowhere (`trimtab check` tells why)."""
    try:
        return classify(read_schema(text), model.engine, model.grammar)
    except SchemaInvalid:
        return Classified("validated")
