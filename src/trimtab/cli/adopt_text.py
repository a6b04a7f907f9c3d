"""Undeclared calls and proposals for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.advice.seen import ID_CHARACTERS, Levels, Proposal, UndeclaredShown
from trimtab.cli.screen import visible
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import NONE, milliseconds, usd, whole
from trimtab.reports.window import clock_text

QUIET = "dim"
DIGEST_CHARACTERS = 12
MOST_NAMED = 2
MICRO = 1e6


def listed_text(found: UndeclaredShown) -> RenderableType:
    """The clusters: their figures, then what they look like."""
    if not found.clusters:
        return Text("Every call of this window belongs to a task.")
    head = f"{whole(found.calls)} calls belong to no task, {clock_text(found.since_ns)} to {clock_text(found.until_ns)}"
    foot = "USD: all calls of a cluster, estimated from its latest."
    if found.redaction not in ("full", "preview"):
        foot += (
            f' Bodies of such calls are not kept (redaction "{found.redaction}"): undeclared_redaction = "preview" '
            "under [defaults] shows how system prompts begin."
        )
    return Group(Text(head), _figures(found), _looks(found), Text(foot, style=QUIET))


def proposal_text(found: Proposal) -> RenderableType:
    """The files of a proposal, whole."""
    parts: list[RenderableType] = []
    for one in found.files:
        parts += [Text(f"--- {visible(one.path)}", style="bold"), Text(visible(one.text))]
    return Group(*parts)


def _figures(found: UndeclaredShown) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cluster", no_wrap=True, min_width=ID_CHARACTERS)
    for head in ("calls", "tokens p50", "ttft p95 ms", "total p95 ms", "USD", "first", "last"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in found.clusters:
        table.add_row(
            one.id,
            whole(one.calls),
            _tokens(one.spreads.get("output")),
            _time(one.spreads.get("ttft")),
            _time(one.spreads.get("total")),
            usd(None if one.cost_pusd is None else round(one.cost_pusd)),
            clock_text(one.first_ns)[5:16],
            clock_text(one.last_ns)[5:16],
        )
    return table


def _looks(found: UndeclaredShown) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cluster", no_wrap=True, min_width=ID_CHARACTERS)
    for head, least in (("keys", 12), ("asked for", 9), ("tools", 12), ("system prompt", 20)):
        table.add_column(head, no_wrap=True, overflow="ellipsis", min_width=least)
    for one in found.clusters:
        prompt = one.begins or one.system_prompt.removeprefix("sha256:")[:DIGEST_CHARACTERS] or NONE
        tools = ", ".join(one.tool_names[:MOST_NAMED]) or one.tools.removeprefix("sha256:")[:DIGEST_CHARACTERS] or NONE
        by_now = f"is {one.task} by now: " if one.task else ""
        table.add_row(
            one.id,
            plain_text(_names(one.keys) or "(no key)"),
            plain_text(_names(one.asked)),
            plain_text(_cut(tools, 30)),
            plain_text(_cut(by_now + prompt, 70)),
        )
    return table


def _names(counted: Mapping[str, int]) -> str:
    names = sorted((name for name in counted if name), key=lambda name: (-counted[name], name))
    more = f" +{len(names) - MOST_NAMED}" if len(names) > MOST_NAMED else ""
    return ", ".join(_cut(name, 24) for name in names[:MOST_NAMED]) + more


def _cut(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."


def _tokens(levels: Levels | None) -> str:
    return NONE if levels is None or levels.p50 is None else whole(round(levels.p50))


def _time(levels: Levels | None) -> str:
    return NONE if levels is None or levels.p95 is None else milliseconds(levels.p95 / MICRO)
