"""`trimtab tools`: what tools answer, as calls have shown it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from trimtab.assemble.tool_identity import declared_tools, kept_shapes, kept_standing
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.cli.tools_text import tool_text, tools_overview
from trimtab.declare.load import load
from trimtab.errors import EntryUnknown
from trimtab.lock.shape_learning import ToolShape, learned_shape
from trimtab.processes.tool_shapes import drifting
from trimtab.processes.tool_watch import Standing


@click.command("tools")
@click.argument("tool", required=False)
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(tool: str | None, project: Path, as_json: bool) -> None:
    """The shape of every tool's answers, learned from the requests that brought them, and what control found at its
    MCP server; of one TOOL path by path.

    `trimtab lock verify --live` asks the servers now.
    """
    declared = load(project)
    known, standing = kept_shapes(declared), kept_standing(declared)
    if tool is not None and tool not in known.keys() | standing.keys() | declared_tools(declared).keys():
        raise EntryUnknown(asked=f"tools/{tool}", meant="")
    names = sorted(known.keys() | standing.keys()) if tool is None else [tool]
    shown = {name: (known.get(name, ToolShape()), standing.get(name, Standing(name))) for name in names}
    if as_json:
        say_json(msgspec.json.encode({"tools": {name: _document(name, *one) for name, one in shown.items()}}))
        return
    say(tools_overview(shown) if tool is None else tool_text(tool, *shown[tool]))
    next_verb("trimtab lock verify --live" if tool else "trimtab tools TOOL")


def _document(name: str, tool: ToolShape, standing: Standing) -> dict[str, Any]:
    return {
        "answers": tool.answers,
        "errors": tool.errors,
        "since_ns": tool.since_ns,
        "last_ns": tool.last_ns,
        "learned": tool.learned,
        "locked": bool(tool.locked),
        "shape": learned_shape(tool).pinned(),
        "drift": list(drifting(name, tool)),
        "server": {
            "looked_ns": standing.looked_ns,
            "found": [one for one, _ in standing.found],
            "trouble": standing.trouble,
        },
    }
