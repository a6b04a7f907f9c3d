"""Rules that join what stands in different tables and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from trimtab.declare import values
from trimtab.declare.mistakes import nearest, one_of
from trimtab.declare.table import Table

T = TypeVar("T")
WIRE = values.choice("openai", "anthropic")


def check_models_of(tasks: Mapping[str, Table], models: Mapping[str, Table]) -> None:
    """A task's model and fallbacks are declared, and each is named once."""
    for table in tasks.values():
        first = table.get("model", values.name, None)
        if first is not None:
            check_model(table, ("model",), first, models)
        for index, name in table.elements("fallback", values.name):
            check_model(table, ("fallback", index), name, models)
            if name == first:
                table.wrong_at(("fallback", index), f"{name} is the task's model already", "take it out of fallback")


def check_confidence(tasks: Mapping[str, Table], models: Mapping[str, Table]) -> None:
    """A task that wants token probabilities asks only models whose wire has them."""
    for table in tasks.values():
        output = table.table("output")
        if output.get("confidence", values.truth, False) is not True:
            continue
        named = [table.get("model", values.name, ""), *(name for _, name in table.elements("fallback", values.name))]
        for name in named:
            if name in models and models[name].get("wire", WIRE, "openai") == "anthropic":
                what = f"{output.name('confidence')} needs token probabilities, and model {name} speaks anthropic"
                output.wrong("confidence", f"{what}, which has none", "take it out, or use models of the openai wire")


def check_names(tasks: Mapping[str, Table], models: Mapping[str, Table]) -> None:
    """No task is called like a model: the `model` field of a call would name both."""
    for name, table in tasks.items():
        if name in models:
            table.wrong(
                "",
                f"the task {name} is called like a model, and a call's `model` field could mean either",
                "rename the task's folder or the model",
            )


def check_matches(tasks: Mapping[str, Table]) -> None:
    """No two tasks claim the same calls."""
    keys, prompts = _Claims("key"), _Claims("system prompt")
    for task, table in tasks.items():
        match = table.table("match")
        keys.claim(task, match, "keys", match.elements("keys", values.name, single=True))
        prompts.claim(task, match, "system_prompt", match.elements("system_prompt", values.digest, single=True))


def check_passthrough(models: Mapping[str, Table]) -> None:
    """No two models let the same route through: a call to it could mean either."""
    routes = _Claims("route")
    for name, table in models.items():
        found = table.elements("passthrough", values.route)
        routes.claim(name, table, "passthrough", [(index, f"{route.method} {route.path}") for index, route in found])


class _Claims:
    """Who has claimed what, and that nothing is claimed twice."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._owners: dict[str, str] = {}

    def claim(self, owner: str, table: Table, key: str, claimed: Iterable[tuple[int, str]]) -> None:
        for index, what in claimed:
            first = self._owners.setdefault(what, owner)
            if first != owner:
                shown = values.show(what)
                table.wrong_at((key, index), f"the {self._noun} {shown} is claimed by {first} too", "keep one of them")


def check_model(table: Table, at: tuple[str | int, ...], name: str, models: Mapping[str, Table]) -> None:
    """A model that is named at a path of a table is declared."""
    if name in models:
        return
    close = nearest(name, models)
    others = f", or use {one_of(models)}" if models else ""
    hint = f"did you mean {close}?" if close else f"declare [models.{name}] in trimtab.toml{others}"
    table.wrong_at(at, f"there is no model {values.show(name)}", hint)
