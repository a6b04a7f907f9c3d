"""`trimtab tools`: what tools answer, as calls have shown it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from trimtab.assemble.tool_identity import declared_tools, kept_shapes
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.cli.tools_text import shape_text, shapes_table
from trimtab.declare.load import load
from trimtab.errors import EntryUnknown
from trimtab.lock.shape_learning import ToolShape, learned_shape
from trimtab.processes.tool_shapes import drifting


@click.command("tools")
@click.argument("tool", required=False)
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(tool: str | None, project: Path, as_json: bool) -> None:
    """The shape of every tool's answers, learned from the requests that brought them; of one TOOL path by path.

    Whether tools are still defined as locked, and answer what is known: `trimtab lock verify --live`.
    """
    declared = load(project)
    known = kept_shapes(declared)
    if tool is not None and tool not in known:
        if tool not in declared_tools(declared):
            raise EntryUnknown(asked=f"tools/{tool}", meant="")
        known[tool] = ToolShape()
    shown = known if tool is None else {tool: known[tool]}
    if as_json:
        say_json(msgspec.json.encode({"tools": {name: _document(name, one) for name, one in shown.items()}}))
        return
    say(shapes_table(shown) if tool is None else shape_text(tool, known[tool]))
    next_verb("trimtab lock verify --live" if tool else "trimtab tools TOOL")


def _document(name: str, tool: ToolShape) -> dict[str, Any]:
    return {
        "answers": tool.answers,
        "errors": tool.errors,
        "since_ns": tool.since_ns,
        "last_ns": tool.last_ns,
        "learned": tool.learned,
        "locked": bool(tool.locked),
        "shape": learned_shape(tool).pinned(),
        "drift": list(drifting(name, tool)),
    }
