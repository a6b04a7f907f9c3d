"""Tool calls held against the tools they may name: known name, arguments that parse, arguments that match."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from trimtab.contracts.compiling import DECLARED, REQUESTED, Bounds, weight
from trimtab.contracts.faults import Fault, choices, cut, listed
from trimtab.contracts.jsontext import NotJson, parse
from trimtab.contracts.reply import ToolCall
from trimtab.contracts.validate import Validator, not_json
from trimtab.errors import SchemaInvalid

Outcome = Literal["valid", "bad_json", "unknown_tool", "schema_invalid"]
MAX_NAME = 64
MAX_EXCERPT = 1_000
REMEMBERED = 512
REMEMBERED_BYTES = 64 << 20


class ToolSpec(NamedTuple):
    """A tool that may be called: its name and the JSON text of the schema of its arguments.

    None, `{}` and `true` take any object. `declared` is for tools of the project: a request's schemas have narrower
    bounds (`compiling.REQUESTED`).
    """

    name: str
    schema: str | None
    declared: bool = False


class ToolChecked(NamedTuple):
    """A tool call held against its tool.

    `tool` is the name as the model wrote it, its first 64 characters, with `?` for what cannot be printed. `unusable`
    says why a schema of the tool could not be used, if so: then the arguments were only held to be a JSON object.
    """

    tool: str
    outcome: Outcome
    faults: tuple[Fault, ...] = ()
    unusable: str = ""


class Known(NamedTuple):
    """A remembered schema: its validator or why there is none, and about how many bytes it takes."""

    validator: Validator | str
    weight: int


class Validators:
    """Compiled validators by the text of their schema: the 512 used last, and some 64 MiB at most."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, bool], Known] = OrderedDict()
        self._weight = 0

    def __repr__(self) -> str:
        return f"<Validators: {len(self._known)} of about {self._weight >> 20} MiB>"

    def get(self, text: str, *, declared: bool) -> Validator | str:
        """The validator of a schema, or why there is none."""
        key = (text, declared)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known.validator
        known = self._known[key] = _compiled(text, DECLARED if declared else REQUESTED)
        self._weight += known.weight
        while len(self._known) > REMEMBERED or self._weight > REMEMBERED_BYTES:
            _, oldest = self._known.popitem(last=False)
            self._weight -= oldest.weight
        return known.validator


def _compiled(text: str, bounds: Bounds) -> Known:
    try:
        validator = Validator(text, bounds)
    except SchemaInvalid as invalid:
        return Known(str(invalid.facts["detail"]), len(text))
    return Known(validator, weight(validator.schema, text))


SHARED = Validators()
"""Of this process, since the same tools come with every request of a client."""


class Toolbox:
    """The tools that the calls of one answer may name: those of the request and of the task.

    Where several tools have one name, arguments must match the schemas of all. Schemas are compiled when a tool is
    first called and remembered by their text, so that a request may bring a hundred tools for little.
    """

    def __init__(self, tools: Iterable[ToolSpec], validators: Validators = SHARED) -> None:
        self._validators = validators
        self._tools: dict[str, list[ToolSpec]] = {}
        for tool in tools:
            self._tools.setdefault(tool.name, []).append(tool)

    def __repr__(self) -> str:
        return f"<Toolbox of {choices(list(self._tools))}>"

    def __len__(self) -> int:
        return len(self._tools)

    def check(self, call: ToolCall) -> ToolChecked:
        """Holds a call against its tool; raises nothing.

        Arguments that are empty count as `{}` if that is valid for the tool, since some engines send nothing for no
        arguments; otherwise they are `bad_json`, as is everything that is no JSON object.
        """
        name = printable(call.name)
        tools = self._tools.get(call.name)
        if tools is None:
            return ToolChecked(name, "unknown_tool")
        empty = not call.arguments.strip()
        try:
            value = parse("{}" if empty else call.arguments)
        except NotJson as broken:
            return ToolChecked(name, "bad_json", (not_json(call.arguments, broken),))
        if not isinstance(value, dict):
            return ToolChecked(name, "bad_json", (Fault("", "json", "must be a JSON object", ": json"),))
        faults: list[Fault] = []
        unusable = ""
        for tool in tools:
            if tool.schema is None:
                continue
            validator = self._validators.get(tool.schema, declared=tool.declared)
            if isinstance(validator, str):
                unusable = unusable or validator
            else:
                faults += validator.faults(value)
        if not faults:
            return ToolChecked(name, "valid", (), unusable)
        if empty:
            return ToolChecked(name, "bad_json", (not_json("", NotJson("")),), unusable)
        return ToolChecked(name, "schema_invalid", tuple(faults[:8]), unusable)

    def complaint_for(self, checked: ToolChecked) -> str:
        """What the model is told of a call that is not valid; "" for one that is. At most some 6 KiB."""
        if checked.outcome == "valid":
            return ""
        if checked.outcome == "unknown_tool":
            names = list(self._tools)
            known = f"the tools are {choices(names, 1000)}" if names else "there are no tools"
            return f"unknown_tool: there is no tool {checked.tool!r}; {known}. Call one of them, or answer without."
        tools = next((found for name, found in self._tools.items() if printable(name) == checked.tool), [])
        schemas = list(dict.fromkeys(tool.schema for tool in tools if tool.schema is not None))
        shown = "".join(f"\nThe schema of its arguments: {cut(schema, MAX_EXCERPT)}" for schema in schemas[:2])
        what = "are not a JSON object" if checked.outcome == "bad_json" else "do not match the schema of the tool"
        return (
            f"{checked.outcome}: the arguments of the call to {checked.tool!r} {what}, so it was not executed:\n"
            f"{listed(checked.faults)}{shown}\n"
            "Call the tool again with corrected arguments."
        )


def printable(name: str) -> str:
    """The first 64 characters of a name, `?` for those that cannot be printed."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:MAX_NAME])
