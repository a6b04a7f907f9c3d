"""A task's contract: the schema of its answers, its tools, and what becomes of what breaks them."""

from __future__ import annotations

import re
from typing import Final

from trimtab.declare import values
from trimtab.declare.library import FOLDER, TOOL_NAME, Library
from trimtab.declare.mistakes import nearest
from trimtab.declare.project import OnInvalid, Output, Repetition, Tool, ToolCalls
from trimtab.declare.table import Table

MAX_REPAIRS: Final = 5
MAX_TOOLS: Final = 128
ON_INVALID: Final[values.Read[OnInvalid]] = values.choice("repair", "reject", "pass")
REPETITION: Final[values.Read[Repetition]] = values.choice("off", "flag", "stop")
SCHEMA_FILE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


def read_output(table: Table, folder: str, library: Library) -> Output | None:
    """The `output` table; `folder` is the task's, in which the schema's file lies."""
    file = table.required("schema", _schema_file, '"output.schema.json"')
    calls = _read_invalid(table, "reject")
    confidence = table.get("confidence", values.truth, False)
    schema = library.schema(f"{folder}/{file}") if file else None
    if schema is None:
        return None
    return Output(schema, calls.on_invalid, calls.repairs, calls.hold, confidence)


def read_tool_calls(table: Table) -> ToolCalls:
    """The `tool_calls` table."""
    return _read_invalid(table, ToolCalls().on_invalid)


def read_tools(table: Table, library: Library) -> tuple[Tool, ...]:
    """The tools that `tools` of a task names, in its order."""
    found = []
    for index, name in table.elements("tools", tool_name, most=MAX_TOOLS):
        if name in library.tools:
            found.append(library.tool(name))
            continue
        close = nearest(name, library.tools)
        hint = f"did you mean {close}?" if close else f"write {FOLDER}/{name}.json, or take the name out"
        table.wrong_at(("tools", index), f"there is no {FOLDER}/{name}.json", hint)
    return tuple(tool for tool in found if tool is not None)


def _read_invalid(table: Table, usual: OnInvalid) -> ToolCalls:
    """What `output` and `tool_calls` have in common; an invalid answer can only be repaired while it is held."""
    on_invalid = table.get("on_invalid", ON_INVALID, usual)
    repairs = table.get("repairs", values.whole(1, MAX_REPAIRS), 1)
    hold = table.get("hold", values.truth, on_invalid == "repair")
    if "repairs" in table and on_invalid != "repair":
        table.wrong(
            "repairs",
            f"{table.name('repairs')} has no use while on_invalid is {values.show(on_invalid)}",
            'take it out, or write on_invalid = "repair"',
        )
    if not hold and on_invalid == "repair":
        table.wrong(
            "hold",
            f"{table.name('hold')} is false, and what was released cannot be repaired",
            'take it out, or write on_invalid = "reject"',
        )
    return ToolCalls(on_invalid, repairs, hold)


def _schema_file(value: object) -> str:
    if not isinstance(value, str) or not SCHEMA_FILE.fullmatch(value):
        raise values.Wrong(
            f"{values.show(value)}, not the name of a file in the task's folder",
            'write one, such as "output.schema.json"',
        )
    return value


def tool_name(value: object) -> str:
    """The name of a tool."""
    if not isinstance(value, str) or not TOOL_NAME.fullmatch(value):
        raise values.Wrong(
            f"{values.show(value)}, not the name of a tool", "use 1 to 64 of the characters A-Z a-z 0-9 _ -"
        )
    return value
