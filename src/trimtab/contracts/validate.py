"""Answers held against their JSON Schema: valid or not, and if not, where and why."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, NamedTuple

from trimtab.contracts.compiling import DECLARED, Bounds, compile_schema, read_schema
from trimtab.contracts.explain import Explainer
from trimtab.contracts.faults import Fault, complaint
from trimtab.contracts.jsontext import NotJson, parse
from trimtab.contracts.reply import Reply

__all__ = ["Checked", "Fault", "Judged", "Validator", "Verdict", "complaint", "not_json", "verdict_of"]

Verdict = Literal["", "valid", "invalid", "truncated", "refused"]


class Checked(NamedTuple):
    """A text held against a schema: its value, where it is JSON, and at most 8 faults in the order of their paths."""

    value: object
    faults: tuple[Fault, ...]
    is_json: bool


class Judged(NamedTuple):
    """A reply held against a schema; a verdict of "" means that there was no answer to judge."""

    verdict: Verdict
    faults: tuple[Fault, ...] = ()


class Validator:
    """A compiled JSON Schema.

    Draft 2020-12 unless `$schema` names another; `format` is asserted for the formats of `compiling.ASSERTED`; nothing
    is ever fetched. Raises `SchemaInvalid` for a text that is no such schema, that refers to what is not in it, that
    has a pattern that cannot be compiled, or that exceeds `bounds`.
    """

    def __init__(self, schema: str, bounds: Bounds = DECLARED) -> None:
        self.schema: dict[str, Any] | bool = read_schema(schema, bounds)
        self._compiled = compile_schema(self.schema, bounds)
        self._bounds = bounds

    def __repr__(self) -> str:
        return f"<Validator of {self._compiled!r}>"

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self.schema, self._bounds)

    def check(self, text: str) -> Checked:
        """Parses a text (RFC 8259, strictly: see `jsontext`) and holds it against the schema; raises nothing."""
        try:
            value = parse(text)
        except NotJson as broken:
            return Checked(None, (not_json(text, broken),), False)
        return Checked(value, self.faults(value), True)

    def faults(self, value: object) -> tuple[Fault, ...]:
        """What is wrong with a value that `jsontext.parse` gave: nothing if it is valid."""
        if self._compiled.is_valid(value):
            return ()
        return self._explainer.faults(value)


def not_json(text: str, broken: NotJson) -> Fault:
    """The fault of a text that does not parse, with the place at which it breaks."""
    stripped = text.lstrip()
    if not stripped:
        return Fault("", "json", "is empty where JSON is asked for", ": json")
    where = ""
    if broken.at is not None:
        line = text.count("\n", 0, broken.at) + 1
        column = broken.at - (text.rfind("\n", 0, broken.at) + 1) + 1
        byte = len(text[: broken.at].encode("utf-8", "surrogatepass"))
        where = f" at line {line} column {column} (byte {byte})"
    fenced = " (it must stand alone, without a code fence)" if stripped.startswith("```") else ""
    return Fault("", "json", f"is not valid JSON{where}: {broken.detail}{fenced}", ": json")


def verdict_of(reply: Reply, validator: Validator) -> Judged:
    """Judges what a model answered.

    A refusal is `refused`, whatever stands beside it. A text that is valid is `valid` however the answer ended; one
    that is not is `truncated` after a limit on tokens, `refused` after a content filter, else `invalid`. An answer of
    which no end came is `truncated` even if what there is of it is valid. A reply that calls tools and has no valid
    text is not judged: the model did not answer yet.
    """
    if reply.refusal:
        return Judged("refused")
    if reply.tool_calls and not reply.text.strip():
        return Judged("")
    checked = validator.check(reply.text)
    if not reply.finish:
        unended = Fault("", "end", "has no end: what told how it ended is missing", ": end")
        return Judged("truncated", checked.faults or (unended,))
    if not checked.faults:
        return Judged("valid")
    if reply.tool_calls:
        return Judged("")
    if reply.finish == "length":
        return Judged("truncated", checked.faults)
    if reply.finish == "content_filter":
        return Judged("refused", checked.faults)
    return Judged("invalid", checked.faults)
