"""Tools for a terminal: what their answers look like, and what is another than locked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.assemble.tool_identity import TaughtTool, VerifiedTool
from trimtab.cli.screen import safe
from trimtab.lock.shape_counts import MIN_ANSWERS
from trimtab.lock.shape_learning import ToolShape, learned_shape
from trimtab.processes.tool_shapes import drifting
from trimtab.processes.tool_watch import Standing
from trimtab.reports.numbers import NONE, whole
from trimtab.reports.window import clock_text

GOOD, BAD, QUIET = "green", "red", "dim"
CLASSES = {"major": BAD, "minor": "yellow"}


def tools_table(found: Iterable[VerifiedTool]) -> Table:
    """What a verification found of each tool, a line for each thing."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("tool", "standing", "what", "evidence"):
        table.add_column(name, overflow="fold")
    for one in found:
        looked = one.looked
        things = [(thing.class_, thing.kind, thing.words) for thing in looked.found]
        things += [(thing.class_, thing.kind, thing.words) for thing in one.shape]
        for class_, kind, words in things:
            table.add_row(one.tool, Text(f"! {class_}", CLASSES[class_]), kind, _cell(words))
        told = len(things)
        for trouble in (one.trouble, *looked.troubles):
            if trouble:
                table.add_row(one.tool, Text("! not tested", BAD), "", _cell(trouble))
                told += 1
        if not told:
            calls = f"{looked.calls} calls made" if looked.calls else ""
            state = Text("as locked", GOOD) if looked.learned else Text("nothing to ask", QUIET)
            table.add_row(one.tool, state, "", _cell(calls))
        for remark in looked.remarks:
            table.add_row("", Text("note", QUIET), "", _cell(remark))
    return table


def tool_line(one: TaughtTool) -> str:
    """What was learned of a tool for the lock, in a line."""
    kept = f"what its server said of it is kept: {one.trouble}; " if one.trouble else ""
    return f"tools/{one.tool}: {kept}{one.words}"


def tools_overview(known: Mapping[str, tuple[ToolShape, Standing]]) -> RenderableType:
    """What is known of every tool."""
    if not known:
        return Text("No call has brought the answer of a tool yet.", QUIET)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("tool", "answers", "errors", "paths", "since", "last", "shape of answers", "at its server"):
        table.add_column(name, justify="right" if name in ("answers", "errors", "paths") else "left", overflow="fold")
    for name, (tool, standing) in known.items():
        table.add_row(
            _cell(name), whole(tool.answers), whole(tool.errors), whole(len(tool.paths)), _clock(tool.since_ns),
            _clock(tool.last_ns), _standing(tool), _at_server(standing),
        )  # fmt: skip
    return table


def tool_text(name: str, tool: ToolShape, standing: Standing) -> RenderableType:
    """The learned shape of one tool's answers, path by path, how it drifts, and what was found at its server."""
    head = Text.assemble((safe(name), "bold"), f"   {whole(tool.answers)} answers, {whole(tool.errors)} errors   ")
    head.append_text(_standing(tool))
    things = [(one.class_, one.words) for one in drifting(name, tool)]
    things += [(one.class_, one.words) for one, _ in standing.found]
    lines = [Text(f"  ! {class_}: {safe(words)}", CLASSES[class_]) for class_, words in things]
    if standing.trouble:
        lines.append(Text(f"  not tested: {safe(standing.trouble)}", "yellow"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("path", overflow="fold")
    table.add_column("types", overflow="fold")
    for path, shown in learned_shape(tool).paths.items():
        table.add_row(_cell(path), _cell(str(shown)))
    notes = [f"names of fields that are data: under {safe(path)}" for path in tool.maps]
    if tool.left_out:
        notes.append(f"{whole(tool.left_out)} times a path was not taken up, because there are too many")
    return Group(head, *lines, *([table] if tool.paths else []), *(Text(note, QUIET) for note in notes))


def _at_server(standing: Standing) -> Text:
    if standing.found:
        major = sum(one.class_ == "major" for one, _ in standing.found)
        return _counted(major, len(standing.found) - major)
    if standing.trouble:
        return Text("not tested", "yellow")
    return Text("as known", GOOD) if standing.looked_ns else Text(NONE, QUIET)


def _counted(major: int, minor: int) -> Text:
    words = [f"{count} {class_}" for count, class_ in ((major, "major"), (minor, "minor")) if count]
    return Text(f"! {', '.join(words)}", BAD if major else "yellow")


def _standing(tool: ToolShape) -> Text:
    if tool.open:
        major = sum(one.change.class_ == "major" for one in tool.open.values())
        return _counted(major, len(tool.open) - major)
    if not tool.learned:
        return Text(f"learning, {tool.answers} of {MIN_ANSWERS}", QUIET)
    return Text("as locked" if tool.locked else "as learned", GOOD)


def _clock(at_ns: int) -> str:
    return clock_text(at_ns) if at_ns else NONE


def _cell(words: str) -> Text:
    return Text(safe(words))
