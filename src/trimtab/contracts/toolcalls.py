"""Tool calls held against the tools they may name: known name, arguments that parse, arguments that match."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from trimtab.contracts.faults import Fault, choices, cut, listed
from trimtab.contracts.jsontext import NotJson, parse
from trimtab.contracts.reply import ToolCall
from trimtab.contracts.validate import Validator, not_json
from trimtab.errors import SchemaInvalid

Outcome = Literal["valid", "bad_json", "unknown_tool", "schema_invalid"]
MAX_NAME = 64
MAX_EXCERPT = 1_000
REMEMBERED = 512
REMEMBERED_BYTES = 8 << 20


class ToolSpec(NamedTuple):
    """A tool that may be called: its name and the JSON text of the schema of its arguments.

    None, `{}` and `true` take any object.
    """

    name: str
    schema: str | None


class ToolChecked(NamedTuple):
    """A tool call held against its tool.

    `tool` is the name as the model wrote it, its first 64 characters, with `?` for what cannot be printed. `unusable`
    says why a schema of the tool could not be used, if so: then the arguments were only held to be a JSON object.
    """

    tool: str
    outcome: Outcome
    faults: tuple[Fault, ...] = ()
    unusable: str = ""


class Validators:
    """Compiled validators by the text of their schema: the latest 512, and 8 MiB of text at most."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Validator | str] = OrderedDict()
        self._size = 0

    def __repr__(self) -> str:
        return f"<Validators: {len(self._known)} of {self._size} characters>"

    def get(self, text: str) -> Validator | str:
        """The validator of a schema, or why there is none."""
        found = self._known.get(text)
        if found is not None:
            self._known.move_to_end(text)
            return found
        try:
            found = Validator(text)
        except SchemaInvalid as invalid:
            found = str(invalid.facts["detail"])
        self._known[text] = found
        self._size += len(text)
        while len(self._known) > REMEMBERED or self._size > REMEMBERED_BYTES:
            oldest, _ = self._known.popitem(last=False)
            self._size -= len(oldest)
        return found


SHARED = Validators()
"""Of this process, since the same tools come with every request of a client."""


class Toolbox:
    """The tools that the calls of one answer may name: those of the request and of the task.

    Where several tools have one name, arguments must match the schemas of all. Schemas are compiled when a tool is
    first called and remembered by their text, so that a request may bring a hundred tools for little.
    """

    def __init__(self, tools: Iterable[ToolSpec], validators: Validators = SHARED) -> None:
        self._validators = validators
        self._schemas: dict[str, list[str]] = {}
        for tool in tools:
            schemas = self._schemas.setdefault(tool.name, [])
            if tool.schema is not None and tool.schema not in schemas:
                schemas.append(tool.schema)

    def __repr__(self) -> str:
        return f"<Toolbox of {choices(list(self._schemas))}>"

    def __len__(self) -> int:
        return len(self._schemas)

    def check(self, call: ToolCall) -> ToolChecked:
        """Holds a call against its tool; raises nothing.

        Arguments that are empty count as `{}` if that is valid for the tool, since some engines send nothing for no
        arguments; otherwise they are `bad_json`, as is everything that is no JSON object.
        """
        name = printable(call.name)
        schemas = self._schemas.get(call.name)
        if schemas is None:
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
        for schema in schemas:
            validator = self._validators.get(schema)
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
            names = list(self._schemas)
            known = f"the tools are {choices(names, 1000)}" if names else "there are no tools"
            return f"unknown_tool: there is no tool {checked.tool!r}; {known}. Call one of them, or answer without."
        schemas = next((found for name, found in self._schemas.items() if printable(name) == checked.tool), [])
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
